"""Tables and figure of the study, from the stored figures."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from .sections import load
from .study import interval

HERE = Path(__file__).parent
TITLES = {
    "sums": "Sum of four sources, settings tuned on other problems, about 300 equivalents",
    "operators": "General linear operator, the same settings",
    "scaling": "Scaling of MGDM at 30 levels",
    "smc": "Sequential Monte Carlo: particles buy accuracy with memory",
}


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows]) + "\n"


def _scores(rows: list[dict[str, Any]], *, ordered: bool) -> str:
    head = ["sampler", "distance (95 %)", "denoiser calls", "gradients", "seconds"]
    memory = "mib" in rows[0]
    if memory:
        head.append("peak MiB")
    body = []
    for row in sorted(rows, key=lambda row: row["mean"]) if ordered else rows:
        entry = [row["label"], f"{row['mean']:.3f} ± {row['margin']:.3f}"]
        entry += [str(row["denoiser_calls"]), str(row["gradient_calls"]), f"{row['seconds']:.2f}"]
        body.append(entry + ([f"{row['mib']:.0f}"] if memory else []))
    return _table(head, body)


def _approximation() -> str:
    rows = load("approximation")
    head = ["guided at", *(f"sigma = {level}" for level in rows[0]["levels"])]
    body = []
    for row in rows:
        columns = zip(*row["errors"], strict=True)
        means = [f"{statistics.fmean(column):.3f}" for column in columns]
        body.append([row["label"].replace("_", " "), *means])
    return _table(head, body)


def _poisson() -> str:
    rows = load("poisson")
    body = []
    for row in rows:
        mean = statistics.fmean(row["distances"])
        margin = interval(row["distances"])
        body.append([row["label"], f"{mean:.3f} ± {margin:.3f}", str(row["cost"])])
    return _table(["sampler", "distance to the chain", "equivalents"], body)


def _figure() -> None:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    rows = sorted(load("sums"), key=lambda row: -row["mean"])
    labels = [row["label"] for row in rows]
    left.barh(labels, [row["mean"] for row in rows], xerr=[row["margin"] for row in rows])
    left.set_xlabel("sliced Wasserstein distance")
    scaling = load("scaling")
    for prefix, name in (("free R", "mgdm_free"), ("mgdm R", "mgdm"), ("mgdm G", "mgdm, by G")):
        kept = [row for row in scaling if row["label"].startswith(prefix)]
        cost = [row["denoiser_calls"] + row["gradient_calls"] for row in kept]
        middle.errorbar(
            cost, [row["mean"] for row in kept], [row["margin"] for row in kept], label=name
        )
    middle.set_xlabel("denoiser equivalents")
    middle.set_ylim(bottom=0)
    middle.legend()
    for row in load("approximation"):
        columns = zip(*row["errors"], strict=True)
        means = [statistics.fmean(column) for column in columns]
        right.plot(row["levels"], means, marker="o", label=row["label"].replace("_", " "))
    right.set_xlabel("noise level t")
    right.set_ylabel("total variation")
    right.legend()
    figure.savefig(HERE / "study.png", dpi=110)


def write() -> None:
    """Write ``TABLES.md`` and ``study.png`` from the parts that have been run."""
    parts = []
    for name, title in TITLES.items():
        rows = load(name)
        if not rows:
            continue
        count = len(rows[0]["distances"])
        parts.append(f"## {title}\n\n{count} problems.\n")
        parts.append(_scores(rows, ordered=name in ("sums", "operators")))
    if load("approximation"):
        parts.append("## Error of the approximate posterior by noise level\n")
        parts.append("Total variation to the exact density, mean over problems.\n")
        parts.append(_approximation())
    if load("poisson"):
        parts.append("## Poisson counts\n")
        parts.append(f"{len(load('poisson')[0]['distances'])} problems.\n")
        parts.append(_poisson())
    (HERE / "TABLES.md").write_text("\n".join(parts), encoding="utf-8")
    _figure()
