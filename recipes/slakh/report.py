"""Tables and figures over the runs of the papers' rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mgdm_audio.evaluation import Summary, bss_medians, summarise
from mgdm_audio.evaluation.bss_eval import METRICS
from mgdm_audio.evaluation.plots import plot_scaling
from mgdm_audio.evaluation.tables import figure, markdown, summary_csv

from .evaluate import BSS, SCORES, read_run
from .layout import STEMS, LayoutError
from .rows import Row

FIGURES = {"gibbs": "Gibbs repetitions R", "gradient": "gradient steps G"}


def summarise_runs(rows: Mapping[str, Row], runs: Path) -> dict[str, dict[str, Summary]]:
    """``{row: {"include": ..., "skip": ...}}`` for every row that has scores below `runs`.

    Raises:
        LayoutError: there is none.
    """
    found = {}
    for name in rows:
        if any((runs / name).glob(f"*/{SCORES}")):
            tracks = read_run(runs / name)
            found[name] = {s: summarise(tracks, STEMS, s) for s in ("include", "skip")}
    if not found:
        raise LayoutError(f"{runs}: no run of any row is evaluated yet.")
    return found


def write_tables(rows: Mapping[str, Row], runs: Path, out: Path) -> None:
    """``results.md`` and ``results.csv``, and ``bss_eval.md`` where museval was run."""
    summaries = summarise_runs(rows, runs)
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, conventions in summaries.items():
        row = rows[name]
        for silent, summary in conventions.items():
            cells = [figure(i) for i in (*summary.stems.values(), summary.overall)]
            lines.append([row.title, silent, *cells, str(summary.tracks)])
        if row.published:
            known = (row.published.get(stem) for stem in (*STEMS, "all"))
            cells = ["-" if value is None else f"{value:.2f}" for value in known]
            lines.append([row.title, "published", *cells, "-"])
    head = ["system", "silent references", *STEMS, "all", "tracks"]
    text = (
        "SI-SDR improvement in dB: mean over 4 s windows (hop 2 s) with at least two active stems "
        "± half of the 95 % interval over tracks. Silent references are included as in the "
        "papers, or skipped.\n\n" + markdown(head, lines)
    )
    (out / "results.md").write_text(text, encoding="utf-8")
    (out / "results.csv").write_text(summary_csv(summaries), encoding="utf-8")
    bss = [
        [rows[name].title, stem, *(f"{medians[metric]:.2f}" for metric in METRICS)]
        for name in summaries
        for stem, medians in bss_medians(sorted((runs / name / BSS).glob("*.json"))).items()
    ]
    if bss:
        text = "BSS Eval v4 in dB, median over tracks of the medians over 1 s frames.\n\n"
        text += markdown(["system", "stem", *METRICS], bss)
        (out / "bss_eval.md").write_text(text, encoding="utf-8")


def write_figures(rows: Mapping[str, Row], runs: Path, out: Path) -> list[Path]:
    """One PNG for each scaling figure that has at least two points."""
    summaries = summarise_runs(rows, runs)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, label in FIGURES.items():
        members = [row for row in rows.values() if row.figure == kind and row.name in summaries]
        if len(members) < 2:
            continue
        points = {row.x: summaries[row.name]["include"] for row in members}
        published = {row.x: row.published["all"] for row in members if "all" in row.published}
        path = out / f"{kind}.png"
        plot_scaling(points, STEMS, f"{label} (silent references included)", path, published)
        written.append(path)
    return written
