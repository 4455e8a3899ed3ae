"""Tracks of a rendered set, for commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from torch import Tensor

from mgdm_audio.training.validate import load_tracks


def tracks_of(
    folder: Path, sources: Sequence[str], samplerate: int, count: int | None = None
) -> list[Tensor]:
    """`load_tracks`, ``[K, T]`` each, whose failure ends a command with one sentence.

    Raises:
        click.ClickException: there is no track, one lacks a stem, or its files do not fit together.
    """
    try:
        return load_tracks(folder, sources, samplerate, count=count)
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
