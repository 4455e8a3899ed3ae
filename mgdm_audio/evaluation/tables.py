"""Results as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

from .summary import Interval, Summary


def figure(interval: Interval, digits: int = 2) -> str:
    """``12.34 ± 0.56`` (half the width of the interval), or a dash where there is nothing."""
    if math.isnan(interval.mean):
        return "-"
    text = f"{interval.mean:.{digits}f}"
    if math.isnan(interval.low):
        return text
    return f"{text} ± {(interval.high - interval.low) / 2:.{digits}f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, first column to the left and the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def summary_table(summaries: Mapping[str, Mapping[str, Summary]], names: Sequence[str]) -> str:
    """Markdown with one row for each system and silence convention, ``{system: {silent: ...}}``."""
    rows = []
    for system, conventions in summaries.items():
        for silent, summary in conventions.items():
            cells = [figure(summary.stems[name]) for name in names]
            rows.append([system, silent, *cells, figure(summary.overall)])
    return markdown(["system", "silent windows", *names, "all"], rows)


def summary_csv(summaries: Mapping[str, Mapping[str, Summary]]) -> str:
    """CSV in long form: system, silent, stem, mean, low, high, windows, tracks."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["system", "silent", "stem", "mean", "low", "high", "windows", "tracks"])
    for system, conventions in summaries.items():
        for silent, s in conventions.items():
            for stem, interval in {**s.stems, "all": s.overall}.items():
                cells = [f"{value:.4f}" for value in interval]
                writer.writerow([system, silent, stem, *cells, s.windows, s.tracks])
    return out.getvalue()
