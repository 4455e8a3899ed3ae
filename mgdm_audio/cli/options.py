"""Kinds of options that click lacks, and what is checked of those given together."""

from __future__ import annotations

import math
import os
from typing import Any

import click

from ..presets import DEFAULT_QUALITY, QUALITIES

FORMATS = {
    "wav16": "16-bit WAV.",
    "wav24": "24-bit WAV. [default]",
    "float32": "32-bit float WAV, never clips.",
    "flac": "24-bit FLAC.",
    "ogg": "Ogg Vorbis.",
}
DEFAULT_FORMAT = "wav24"
#: What other qualities are worth against the default, see the README.
WORTH = {
    DEFAULT_QUALITY: "the default",
    "fast": "about a third of the time, 0.1 to 0.5 dB less",
    "best": "twice the time, hardly better",
}


def option(*names: str, **settings: Any):
    """A click option that shows its default, if it has one worth showing."""
    default = settings.get("default")
    settings.setdefault("show_default", default is not None and "is_flag" not in settings)
    return click.option(*names, **settings)


class Finite(click.FloatRange):
    """A range of numbers that leaves out ``nan`` and ``inf``."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Sampler(click.Choice):
    """The samplers that have settings for files; says why one of the engine's has none."""

    def convert(self, value, param, ctx):
        if value == "tds":
            self.fail(
                "'tds' weighs whole tracks against one another and diverges on audio, so it has no "
                "settings here; in Python it is mgdm_audio.engine.SAMPLERS['tds'](denoise, "
                "likelihood, particles=16).",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


class GivenPath(click.Path):
    """A path that is not empty, as one out of an unset variable: that would be this folder."""

    def convert(self, value, param, ctx):
        if not os.fspath(value):
            self.fail("is empty; name a file or folder (. is this one).", param, ctx)
        return super().convert(value, param, ctx)


def format_flags(command):
    """A flag for each file format."""
    for name in reversed(FORMATS):
        command = option(f"--{name}", is_flag=True, help=FORMATS[name])(command)
    return command


def chosen_format(given: dict[str, Any]) -> str:
    """The format of which the flag was given.

    Raises:
        UsageError: there are several.
    """
    chosen = [name for name in FORMATS if given[name]]
    if len(chosen) > 1:
        names = " and ".join(f"--{name}" for name in chosen)
        raise click.UsageError(f"{names} exclude each other.")
    return chosen[0] if chosen else DEFAULT_FORMAT


def quality_help() -> str:
    """What each quality does and costs."""
    lines = [f"{name} ({WORTH[name]}; {preset.cost})" for name, preset in QUALITIES.items()]
    return f"Quality against time: {', '.join(lines)}."


def split_names(option: str, text: str | None) -> tuple[str, ...] | None:
    """``a, b`` to its names, each once; None stays None.

    Raises:
        ValueError: there is no name in it.
    """
    if text is None:
        return None
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError(f"{option} names no stem")
    return tuple(names)
