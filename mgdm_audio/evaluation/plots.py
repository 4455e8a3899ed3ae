"""Figures of the papers from summaries; needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .summary import Summary


def plot_scaling(
    points: Mapping[float, Summary],
    names: Sequence[str],
    xlabel: str,
    path: Path,
    published: Mapping[float, float] | None = None,
) -> None:
    """SI-SDRi against a number (Gibbs repetitions, gradient steps), one line a stem.

    Args:
        points: summary for each value of the number.
        names: stems to draw.
        xlabel: what the number is.
        path: image to write; the suffix chooses the format.
        published: overall figures of the paper, drawn beside ours.
    """
    from matplotlib.figure import Figure

    xs = sorted(points)
    drawing = Figure(figsize=(6, 4), layout="constrained")
    axes = drawing.add_subplot()
    lines = {name: [points[x].stems[name] for x in xs] for name in names}
    lines["all"] = [points[x].overall for x in xs]
    for name, intervals in lines.items():
        width = 2.5 if name == "all" else 1.2
        (line,) = axes.plot(xs, [i.mean for i in intervals], "o-", label=name, linewidth=width)
        low, high = [i.low for i in intervals], [i.high for i in intervals]
        axes.fill_between(xs, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    if published:
        ps = sorted(published)
        axes.plot(ps, [published[p] for p in ps], "k--s", label="all, as published")
    axes.set(xlabel=xlabel, ylabel="SI-SDRi (dB)", xticks=xs)
    axes.grid(alpha=0.3)
    axes.legend()
    drawing.savefig(path, dpi=150)
