"""SI-SDRi against denoiser-equivalents and seconds, setting by setting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mgdm_audio import Separator
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.pretrained import Prior
from mgdm_audio.training.data import STEMS
from recipes.interval import half_width
from recipes.results import write_text

from .conditions import Conditions
from .settings import Setting

#: A call with its vector-Jacobian product costs about three plain calls.
GRADIENT = 3


@dataclass(frozen=True)
class Point:
    """What one setting reached: SI-SDRi in dB, costs a second of audio.

    Attributes:
        error: half of the 95 % interval of `si_sdri` over tracks (`half_width`), or None.
        stems: SI-SDRi by stem.
        equivalents: calls of the denoiser, one with a gradient for `GRADIENT`.
        seconds: of wall-clock time.
        tracks: that have a figure, or None in rows that are older than the number, whose `error`
            is not shown.
        measured: under which conditions, or None in rows that are older than their note.
        date: ISO 8601, or None.
    """

    name: str
    si_sdri: float
    error: float | None
    stems: tuple[float, ...]
    equivalents: float
    seconds: float
    tracks: int | None = None
    measured: Conditions | None = None
    date: str | None = None


def measure(prior: Prior, tracks: Sequence[Tensor], setting: Setting, device: str) -> Point:
    """Separate every track ``[K, T]`` as the command would, and score it against its own stems.

    Costs are those of the denoiser's windows, with their overlaps, in calls for the whole track.
    """
    counter = _Counter(prior.denoise)
    separator = Separator(replace(prior, denoise=counter), device=device, **setting.arguments)
    scores, seconds, equivalents, audio = [], 0.0, 0.0, 0.0
    for index, stems in enumerate(tracks):
        separator.seed = index
        counter.samples = 0
        began = time.perf_counter()
        result = separator.separate(stems.sum(0), prior.samplerate)
        seconds += time.perf_counter() - began
        equivalents += counter.samples / stems.shape[-1] / len(tracks)
        audio += stems.shape[-1] / prior.samplerate
        estimate = torch.cat([result.stems[name] for name in prior.sources])
        scores.append(si_sdr_improvement(estimate, stems, prior.samplerate, silent="skip"))
    table = torch.stack(scores)
    means = table.nanmean(1)
    return Point(
        setting.name,
        table.nanmean(0).nanmean().item(),
        half_width(means.tolist()),
        tuple(round(v, 2) for v in table.nanmean(0).tolist()),
        equivalents,
        seconds / audio,
        int((~means.isnan()).sum()),
    )


class _Counter:
    """A denoiser that counts the samples it denoises; with a gradient each counts three times."""

    def __init__(self, denoise: Callable[..., Tensor]):
        self.denoise, self.samples = denoise, 0

    def __call__(self, x: Tensor, *levels: Tensor) -> Tensor:
        self.samples += x.shape[0] * x.shape[-1] * (GRADIENT if x.requires_grad else 1)
        return self.denoise(x, *levels)


def pareto(points: Sequence[Point]) -> set[str]:
    """Names of the settings that no other beats at a lower or equal cost."""
    best, names = -np.inf, set()
    for point in sorted(points, key=lambda p: (p.equivalents, -p.si_sdri)):
        if point.si_sdri > best:
            best = point.si_sdri
            names.add(point.name)
    return names


NOTE = """\
SI-SDRi in dB, ± half of its 95 % interval over tracks by Student's t, left out for fewer than three
tracks. Settings that nothing cheaper beats are in bold.
"""


def margin(point: Point) -> float | None:
    """The `error` that may be shown."""
    return None if point.tracks is None else point.error


def circumstances(points: Sequence[Point]) -> str:
    """One sentence for all points that were measured alike."""
    alike: dict[Conditions | None, list[Point]] = {}
    for point in points:
        alike.setdefault(point.measured, []).append(point)
    lines = []
    for measured, group in alike.items():
        if measured is None:
            tracks = " or ".join(map(str, sorted({p.tracks for p in group if p.tracks})))
            what = f"on {tracks} tracks, " if tracks else ""
            what += "before rows said with what: see the README of `recipes/bench`"
        else:
            what = f"with {measured}"
        days = sorted({p.date for p in group if p.date})
        when = f", {' to '.join(days[:1] + days[1:][-1:])}" if days else ""
        lines.append(f"Measured {what}{when}.")
    return "\n".join(lines) + "\n"


def markdown(points: Sequence[Point], sources: Sequence[str]) -> str:
    """What the figures are and how they were measured, and the table, cheapest first."""
    front = pareto(points)
    head = ["setting", *sources, "mean SI-SDRi", "denoiser equivalents", "s a second of audio"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for p in sorted(points, key=lambda p: p.equivalents):
        name = f"**{p.name}**" if p.name in front else p.name
        mean = f"{p.si_sdri:.2f}"
        mean += "" if margin(p) is None else f" ± {margin(p):.2f}"
        cost = [f"{p.equivalents:.0f}", f"{p.seconds:.3f}"]
        rows.append([name, *(f"{v:.2f}" for v in p.stems), mean, *cost])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{NOTE}\n{circumstances(points)}\n{table}\n"


def plot(points: Sequence[Point], path: Path) -> None:
    """The same as a picture, with the front as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    front = pareto(points)
    line = sorted((p for p in points if p.name in front), key=lambda p: p.equivalents)
    axes.plot([p.equivalents for p in line], [p.si_sdri for p in line], color="0.7", zorder=0)
    for p in points:
        axes.errorbar(p.equivalents, p.si_sdri, margin(p), fmt="o", capsize=2)
        axes.annotate(
            p.name,
            (p.equivalents, p.si_sdri),
            xytext=(5, 3),
            fontsize=7,
            textcoords="offset points",
        )
    axes.set(xscale="log", xlabel="denoiser equivalents", ylabel="SI-SDRi (dB)")
    figure.savefig(path, dpi=150)


def read_points(path: Path) -> list[Point]:
    """Points that `write` left; none if there is no file."""
    if not path.exists():
        return []
    points = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        measured = row.pop("measured", None)
        if measured is not None:
            measured = Conditions(**{**measured, "sources": tuple(measured["sources"])})
        points.append(Point(**{**row, "stems": tuple(row["stems"])}, measured=measured))
    return points


def write(points: Sequence[Point], path: Path) -> None:
    """The points as JSON."""
    write_text(path, json.dumps([asdict(point) for point in points], indent=1) + "\n")


def render(points: Sequence[Point], path: Path) -> None:
    """The points as ``.md`` and ``.png`` beside the JSON `path`."""
    measured = next((point.measured for point in points if point.measured), None)
    sources = STEMS if measured is None else measured.sources
    path.with_suffix(".md").write_text(markdown(points, sources), encoding="utf-8")
    plot(points, path.with_suffix(".png"))
