"""What the command prints: paths and JSON on stdout, remarks on stderr."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import MGDMError

if TYPE_CHECKING:
    from ..batch import Outcome


class OutputError(MGDMError):
    """What the command prints cannot be written, on a full disk for instance."""


def show(text: str) -> None:
    """A line on stdout. If nobody reads it any more (``| head -1``), the work goes on."""
    try:
        try:
            click.echo(text)
        except UnicodeEncodeError:  # the path of a file is its bytes, whatever they mean
            click.echo(os.fsencode(text))
    except OSError as error:
        # What is left of it would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        windows = os.name == "nt" and error.errno == errno.EINVAL
        if not (windows or isinstance(error, BrokenPipeError)):
            raise OutputError(f"cannot write to standard output ({error.strerror}).") from error


def remark(text: str) -> None:
    """A line on stderr, if there is one: the terminal may be gone."""
    with suppress(OSError):
        click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """With ``\\udc..`` for bytes of a file name that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def show_json(value: Any) -> None:
    show(json.dumps(value, indent=2))


def document(outcomes: list[Outcome], error: str | None = None) -> dict[str, Any]:
    """What ``--json`` prints."""
    failed = sum(outcome.error is not None for outcome in outcomes)
    result: dict[str, Any] = {"version": __version__, "failed": failed}
    if error is not None:
        result["error"] = error
    return result | {"tracks": [outcome.as_dict() for outcome in outcomes]}


def tell(outcome: Outcome, quiet: bool, verbose: bool, as_json: bool) -> None:
    """A track's paths on stdout, and what one should know of it on stderr."""
    if outcome.trace is not None:
        remark(outcome.trace.rstrip())
    if outcome.error is not None:
        remark(f"error: {outcome.error}")
    if outcome.skipped and not quiet:
        remark(f"note: {outcome.track}: is skipped, its files exist.")
    for path in () if as_json else [*outcome.files, *filter(None, [outcome.report])]:
        show(str(path))
    if outcome.scale != 1.0 and not quiet:
        decibels = -20 * math.log10(outcome.scale)
        remark(
            f"note: {outcome.track}: all stems are turned down by {decibels:.1f} dB, so that none "
            "clips; --float32 or --clip-mode keep the level."
        )
    if outcome.cut and not quiet:
        remark(
            f"note: {outcome.track}: peaks beyond full scale are cut off, so that the stems do not "
            "quite sum to the track; --clip-mode rescale or --float32 keep them."
        )
    for path in () if quiet else outcome.stale:
        remark(f"note: {path}: is of an earlier separation; this one has no such file.")
    if verbose and outcome.info:
        info = outcome.info
        remark(
            f"{outcome.track}: {info['duration']:.1f} s of audio in {info['elapsed']:.1f} s, "
            f"real-time factor {info['realtime_factor']:.2f}"
        )


def why_not(track: Path) -> str:
    """Why a track's own name is not used, see `mgdm_audio.batch.unique_names`."""
    if not track.stem.strip(". "):
        return "for its own name is none."
    if track.stem.endswith((".", " ")):
        return "for some systems allow folders no name that ends in a dot or a space."
    return f"for another track has the name {track.stem}."
