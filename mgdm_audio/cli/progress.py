"""How far the command is, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from .output import printable


@contextmanager
def loading_note(quiet: bool) -> Iterator[None]:
    """Something to look at in the seconds before the first bar, if somebody looks."""
    shown = not quiet and sys.stderr.isatty()
    if shown:
        click.echo("Loading ...", err=True, nl=False)
    try:
        yield
    finally:
        if shown:
            click.echo("\r\x1b[K", err=True, nl=False)


def progress_bar(track: Path, seconds: float):
    """A bar in seconds of audio on stderr, with the time left."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # no thread of its own: libraries are not hushed beside threads
    # A bar that says "0/0 s" helps nobody: short files are counted in fractions.
    digits = 0 if seconds >= 10 else 1 if seconds >= 1 else 3
    bar = tqdm(
        total=max(seconds, 0.001),
        desc=printable(track.name[:40]),
        unit="s",
        file=sys.stderr,
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| "
        f"{{n:.{digits}f}}/{{total:.{digits}f}} s of audio [{{elapsed}}<{{remaining}}]",
    )

    def advance(done: float, total: float) -> None:
        bar.total = max(total, 0.001)
        bar.update(bar.total * min(done / total, 1.0) - bar.n)

    return advance, bar.close
