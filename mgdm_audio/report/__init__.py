"""One self-contained HTML page about a separation: to listen, to look, to doubt."""

from __future__ import annotations

from .page import write_report

__all__ = ["write_report"]
