"""``docs/benchmarks.md`` from results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from mgdm_audio.evaluation.bss_eval import METRICS
from mgdm_audio.evaluation.tables import figure, markdown

from .run import Result
from .systems import STEMS, System
from .tuning import describe

INTRODUCTION = """# Benchmarks

SI-SDR improvement over the mixture in dB, mean over windows of 4 s (2 s apart) in which at least
two stems sound, ± half of the 95 % interval over tracks. Windows in which a stem is silent are
skipped for that stem; the last column includes them, as published tables on Slakh do (silence then
scores by how small its estimate is). Cost: passes of the denoiser over the audio (with + without a
gradient; in brackets gradients, where a pass serves several), the same in denoiser equivalents (a
pass with its gradient counts for three), and seconds of work for a second of audio, the median
track's. Where the prior is a cascade, a pass at its highest level with the mixture known runs both
of its networks, and counts once. Songs (`midi/`) and recorded instruments (`pack/`) are those of
`recipes/band/README.md`, which says where to get them.
"""
#: How `recipes.band` renders the sets it knows, by the name of their folder.
_RENDER = {
    "validation": "--split validation --sounds pack/",
    "songs": "--split songs --songs midi/",
    "songs-freepats": "--split songs-freepats --songs midi/",
    "recorded": "--split recorded --songs midi/ --sounds pack/",
    "test": "--split test",
}


class Section(NamedTuple):
    """One table: a set or excerpts of it.

    Attributes:
        title: with the number of tracks and their length.
        results: by system.
        bss: what the BSS Eval table says of its excerpts, or None.
    """

    title: str
    results: Mapping[str, Result]
    bss: str | None = None


def write_report(
    sections: Sequence[Section],
    systems: Mapping[str, System],
    tuned: Mapping[str, tuple[System, str]],
    unavailable: Mapping[str, str],
    commands: Sequence[str],
    setting: str,
) -> str:
    """Markdown: a table a set, the settings of every sampler, and the commands.

    Args:
        sections: in their order.
        systems: as they were run.
        tuned: ``{system: (its grid, where it was tuned)}``.
        unavailable: systems that could not be measured, and why.
        commands: that made the results.
        setting: prior, machine, software and date, in words.
    """
    lines = "\n".join(commands)
    parts = [INTRODUCTION, f"{setting}\n\n```sh\n{lines}\n```\n"]
    for section in sections:
        if not section.results:
            continue
        parts.append(f"## {section.title}\n\n{_table(section.results, systems)}")
        rows = [
            [systems[name].title, *(_medians(result.bss.get(stem)) for stem in STEMS)]
            for name, result in section.results.items()
            if result.bss
        ]
        if rows:
            parts.append(f"{section.bss}\n\n{markdown(['system', *STEMS], rows)}")
    for name, reason in unavailable.items():
        title = systems[name].title if name in systems else name
        parts.append(f"{title}: not measured, {reason.rstrip('.')}.\n")
    rows = [
        [s.title, f"`{s.sampler}`", describe(s), _tried(tuned.get(name))]
        for name, s in systems.items()
        if s.sampler and any(name in section.results for section in sections)
    ]
    if rows:
        table = markdown(["system", "sampler", "settings", "tried"], rows)
        parts.append(f"## Settings\n\n{_how(tuned)}\n\n{table}")
    return "\n".join(parts)


def render_command(folder: str) -> str | None:
    """The command that renders a set of the band recipe into `folder`, if its name is one's."""
    options = _RENDER.get(folder.rstrip("/").rsplit("/", 1)[-1])
    return options and f"python -m recipes.band render {options} --out {folder}"


def _how(tuned: Mapping[str, tuple[System, str]]) -> str:
    if not tuned:
        return "Settings were not tuned."
    where = next(iter(tuned.values()))[1]
    return (
        f"Chosen on {where}, one entry after the other; other settings are the engine's defaults."
    )


def _tried(tuned: tuple[System, str] | None) -> str:
    if tuned is None:
        return "-"
    return "; ".join(
        f"{name}: {', '.join(map(_value, values))}" for name, values in tuned[0].grid.items()
    )


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{k} = {v}" for k, v in value.items())
    return str(value)


def _medians(stem: Mapping[str, float] | None) -> str:
    return "-" if stem is None else " / ".join(f"{stem[metric]:.1f}" for metric in METRICS)


def _table(members: Mapping[str, Result], systems: Mapping[str, System]) -> str:
    rows = []
    for name, result in members.items():
        skip, include = result.summary("skip"), result.summary("include")
        cells = [figure(skip.stems[stem]) for stem in STEMS]
        cells += [figure(skip.overall), *_cost(result), figure(include.overall)]
        rows.append([systems[name].title, *cells])
    head = ["system", *STEMS, "all", "passes", "equivalents", "s / s", "all, with silence"]
    return markdown(head, rows)


def _cost(result: Result) -> Sequence[str]:
    calls = max(cost.forwards for cost in result.costs)
    gradients = max(cost.backwards for cost in result.costs)
    # the median, because the first track of a process pays for compilation and caches
    speed = median(c.seconds / c.audio for c in result.costs)
    text = f"{speed:.2g}" if math.isfinite(speed) else "-"
    if not calls:
        return ["-", "-", text]
    # One pass may serve several gradients: MMPS solves a system of them.
    several = gradients > calls
    passes = f"{calls} ({gradients})" if several else f"{gradients} + {calls - gradients}"
    return [passes, str(calls + 2 * gradients), text]
