"""How far the command is, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import click

from .output import printable


class _Patient:
    """A text file that takes it well if nobody reads it any more, or its disk is full."""

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the latter once it is closed
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str):
        return getattr(self._file, name)


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
        file=_Patient(sys.stderr),
        dynamic_ncols=True,  # or it looks at the width of known files only
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| "
        f"{{n:.{digits}f}}/{{total:.{digits}f}} s of audio [{{elapsed}}<{{remaining}}]",
    )

    def advance(done: float, total: float) -> None:
        bar.total = max(total, 0.001)
        bar.update(bar.total * min(done / total, 1.0) - bar.n)

    return advance, bar.close
