"""``docs/benchmarks.md`` from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mgdm_audio.evaluation.tables import figure, markdown

from .run import Result
from .systems import STEMS, System

INTRODUCTION = """# Benchmarks

SI-SDR improvement over the mixture in dB, mean over windows of 4 s (2 s apart) in which at least
two stems sound, ± half of the 95 % interval over tracks. Windows in which a stem is silent are
skipped for that stem; the last column includes them, as published tables on Slakh do (silence then
scores by how small its estimate is). Cost: passes of the denoiser over the audio (forward +
backward), in all as forward passes (a backward pass counts for two), and seconds of work for a
second of audio.
"""


def write_report(
    results: Mapping[str, Mapping[str, Result]],
    systems: Mapping[str, System],
    unavailable: Mapping[str, str],
    command: str,
    setting: str,
) -> str:
    """Markdown: a table a set, the settings of every sampler, and the command.

    Args:
        results: ``{set: {system: result}}``.
        unavailable: systems that could not be measured, and why.
        command: that made the results.
        setting: prior, device and date, in words.
    """
    parts = [INTRODUCTION, f"{setting}\n\n```sh\n{command}\n```\n"]
    for name, members in results.items():
        tracks = len(next(iter(members.values())).scores)
        parts.append(f"## {name} ({tracks} tracks)\n\n{_table(members, systems)}")
    for name, reason in unavailable.items():
        parts.append(f"{systems[name].title}: not measured, {reason}.\n")
    rows = [
        [s.title, f"`{s.sampler}`", str(s.levels), f"{s.rho:g}", str(s.draws), _options(s)]
        for s in systems.values()
        if s.sampler and any(s.name in members for members in results.values())
    ]
    if rows:
        head = ["system", "sampler", "levels", "rho", "draws", "options"]
        parts.append(f"## Settings\n\n{markdown(head, rows)}")
    return "\n".join(parts)


def _table(members: Mapping[str, Result], systems: Mapping[str, System]) -> str:
    rows = []
    for name, result in members.items():
        skip, include = result.summary("skip"), result.summary("include")
        cells = [figure(skip.stems[stem]) for stem in STEMS]
        cells += [figure(skip.overall), *_cost(result), figure(include.overall)]
        rows.append([systems[name].title, *cells])
    head = ["system", *STEMS, "all", "passes", "as forward", "s / s", "all, with silence"]
    return markdown(head, rows)


def _cost(result: Result) -> Sequence[str]:
    forwards = max(cost.forwards for cost in result.costs)
    backwards = max(cost.backwards for cost in result.costs)
    speed = sum(c.seconds for c in result.costs) / sum(c.audio for c in result.costs)
    if not forwards:
        return ["-", "-", f"{speed:.2f}"]
    return [f"{forwards} + {backwards}", str(forwards + 2 * backwards), f"{speed:.2f}"]


def _options(system: System) -> str:
    options = {**system.options, "sigma_y": system.sigma_y}
    return ", ".join(f"{name} = {value}" for name, value in options.items())
