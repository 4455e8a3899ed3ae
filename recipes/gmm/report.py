"""Tables and figure of the study, from the stored figures."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recipes.interval import margin

from .poisson import PERTURBED
from .sections import ONE, load, machines

HERE = Path(__file__).parent
HEAD = """Distances are sliced 2-Wasserstein distances to the exact posterior, means over random
problems with their 95 % intervals. A denoiser call costs one equivalent, a call with its gradient
three.
Command: `python -m recipes.gmm`, beside other work: read the seconds as an order of magnitude.
"""
#: What has changed since tables were made: the day, and what they show otherwise than the code.
CHANGES = [
    (
        "2026-11-28",
        "ancestral steps from the lowest level are one call, so that `mgdm` with the paper's "
        "settings makes 2,503\ncalls (4,243 equivalents) and `pnpdm` 296, with the same draws; "
        "`ddnm` no longer corrects in its last step; and `conditional`\ndraws the noise of the "
        "sum as well, of which it left out some.",
    )
]
TITLES = {
    "sums": "Sum of four sources, settings tuned on other problems, about 300 equivalents",
    "rivals": "MGDM and its neighbours on sums, on many other problems",
    "operators": "General linear operator, the same settings",
    "scaling": "Scaling of MGDM",
    "smc": "Sequential Monte Carlo: particles buy accuracy with memory",
}


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows]) + "\n"


def _scores(rows: list[dict[str, Any]], *, ordered: bool) -> str:
    head = ["sampler", "distance (95 %)", "equivalents", "denoiser calls", "gradients", "seconds"]
    memory = "mib" in rows[0]
    if memory:
        head.append("peak MiB")
    base = next((row for row in rows if row["label"] == "mgdm"), None) if ordered else None
    if base:
        head.append("minus mgdm, paired")
    body = []
    for row in sorted(rows, key=lambda row: row["mean"]) if ordered else rows:
        entry = [row["label"], f"{row['mean']:.3f} ± {row['margin']:.3f}"]
        entry.append(str(row["cost"]))
        entry += [str(row["denoiser_calls"]), str(row["gradient_calls"]), f"{row['seconds']:.2f}"]
        if memory:
            entry.append(f"{row['mib']:.0f}")
        if base:
            entry.append("" if row is base else _paired(row, base))
        body.append(entry)
    return _table(head, body)


def _paired(a: dict[str, Any], b: dict[str, Any]) -> str:
    gaps = [x - y for x, y in zip(a["distances"], b["distances"], strict=True)]
    return f"{statistics.fmean(gaps):+.3f} ± {margin(gaps):.3f}"


def _pick(rows: list[dict[str, Any]], label: str, kind: str) -> dict[int, dict[str, Any]]:
    return {r["budget"]: r for r in rows if r["label"] == label and r["kind"] == kind}


def _cell(row: dict[str, Any]) -> str:
    return f"{row['mean']:.3f} ± {row['margin']:.3f}"


def _cost(kind: str) -> str:
    """All budgets side by side, then the gradient-free form at a fraction of MGDM's cost."""
    rows = load("cost")
    mgdm, free, one = (_pick(rows, label, kind) for label in ("mgdm", "mgdm_free", ONE))
    head = ["equivalents", "mgdm", "mgdm_free", ONE, "mgdm_free minus mgdm, paired"]
    body = []
    for budget, row in mgdm.items():
        cells = [_cell(row), _cell(free[budget]), _cell(one[budget])]
        body.append([str(budget), *cells, _paired(free[budget], row)])
    table = _table(head, body)
    body = []
    for small, large in ((30, 300), (60, 300), (100, 300), (60, 600), (100, 600), (300, 600)):
        for label, cheap in (("mgdm_free", free[small]), (ONE, one[small])):
            dear = mgdm[large]
            pairs = list(zip(cheap["distances"], dear["distances"], strict=True))
            body.append(
                [
                    f"{label}, {cheap['cost']}, against mgdm, {dear['cost']}",
                    f"{dear['cost'] / cheap['cost']:.1f}",
                    _paired(cheap, dear),
                    f"{sum(x <= y for x, y in pairs)} of {len(pairs)}",
                ]
            )
    head = ["equivalents", "times fewer", "difference, paired", "at least as good"]
    return table + "\n" + _table(head, body)


def _sizes() -> str:
    rows = load("sizes")
    body = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mgdm, free = _pick(rows, "mgdm", kind), _pick(rows, "mgdm_free", kind)
        cells = [_cell(row) for row in (*mgdm.values(), *free.values())]
        body.append([kind, *cells, _paired(free[60], mgdm[300]), _paired(free[100], mgdm[600])])
    head = ["problem", "mgdm 300", "mgdm 600", "mgdm_free 30", "mgdm_free 60", "mgdm_free 100"]
    return _table([*head, "60 minus 300, paired", "100 minus 600, paired"], body)


def _more_helps() -> str:
    """Whether more repetitions or gradient steps help, paired by problem."""
    rows = {row["label"]: row for row in load("scaling")}
    sweeps = [
        ("mgdm perturbed R=1, G=1, 20 levels", "R", (2, 4, 6)),
        ("mgdm perturbed R=1, G=1, 75 levels", "R", (2, 4, 6)),
        ("mgdm perturbed, warm, R=1, G=1, 75 levels", "R", (2, 4, 6)),
        ("mgdm perturbed G=1, R=1, 20 levels", "G", (2, 3, 6)),
        ("mgdm Adam R=1, G=10, 10 levels", "R", (2, 4, 6)),
        ("mgdm Adam R=1, G=1, 30 levels", "R", (2, 4, 6)),
        ("mgdm Adam G=1, R=1, 30 levels", "G", (3, 10, 30)),
        ("mgdm_free R=1, 15 levels", "R", (2, 4, 6)),
    ]
    body = []
    for first, letter, counts in sweeps:
        cells = []
        for count in counts:
            more = rows[first.replace(f"{letter}=1", f"{letter}={count}", 1)]
            cells.append(f"{letter}={count}: {_paired(more, rows[first])}")
        body.append([first, *cells])
    return _table(["against", "", "", ""], body)


def _modes() -> str:
    """Error of the modes' weights by level; the last column is at the lowest one."""
    rows = load("modes")
    levels = [f"{level:g}" for level in rows[0]["levels"]]
    head = ["trajectories of", *levels, "minus mgdm, paired"]
    last = {row["label"]: {"distances": row["errors"][-1]} for row in rows}
    body = []
    for row in rows:
        gap = "" if row["label"] == "mgdm" else _paired(last[row["label"]], last["mgdm"])
        body.append([row["label"], *(f"{mean:.3f}" for mean in row["means"]), gap])
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
    base = next(row for row in rows if row["label"] == PERTURBED)
    body = []
    for row in rows:
        mean = statistics.fmean(row["distances"])
        entry = [row["label"], f"{mean:.3f} ± {margin(row['distances']):.3f}", str(row["cost"])]
        body.append([*entry, "" if row is base else _paired(row, base)])
    head = ["sampler", "distance to the chain", "equivalents", "minus MGDM's perturbed, paired"]
    return _table(head, body)


def _machines() -> list[str]:
    """The parts by what they were run on."""
    made = machines()
    return [
        f"{', '.join(part for part in made if made[part] == machine)}: {machine}"
        for machine in sorted(set(made.values()))
    ]


def _figure() -> None:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    rows = sorted(load("sums"), key=lambda row: -row["mean"])
    labels = [row["label"] for row in rows]
    left.barh(labels, [row["mean"] for row in rows], xerr=[row["margin"] for row in rows])
    left.set_xlabel("sliced Wasserstein distance")
    for name in ("mgdm", "mgdm_free", ONE):
        kept = list(_pick(load("cost"), name, "sums").values())
        cost = [row["cost"] for row in kept]
        middle.errorbar(
            cost, [row["mean"] for row in kept], [row["margin"] for row in kept], label=name
        )
    middle.set_xscale("log")
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


def _outdated() -> list[str]:
    """A paragraph for each change that some of the parts are older than."""
    # What a part was run on ends with the day.
    days = {name: made.rsplit(", ", 1)[1] for name, made in machines().items()}
    paragraphs = []
    for since, what in CHANGES:
        older = sorted(name for name, day in days.items() if day < since)
        if older:
            which = "The tables are" if len(older) == len(days) else f"{', '.join(older)} are"
            paragraphs.append(f"Since {since} {what} {which} from before.\n")
    return paragraphs


def write() -> None:
    """Write ``TABLES.md`` and ``study.png`` from the parts that have been run."""
    parts = [HEAD, *_outdated(), *(f"- {line}" for line in _machines()), ""]
    for name, title in TITLES.items():
        rows = load(name)
        if not rows:
            continue
        count = len(rows[0]["distances"])
        parts.append(f"## {title}\n\n{count} problems.\n")
        parts.append(_scores(rows, ordered=name in ("sums", "rivals", "operators")))
        if name == "scaling":
            parts.append("Difference that more of R or G makes, paired by problem:\n")
            parts.append(_more_helps())
    if load("cost"):
        count = len(load("cost")[0]["distances"])
        for kind, title in (("sums", "sums of sources"), ("operators", "general operators")):
            parts.append(
                f"## MGDM and its gradient-free form by cost, {title}\n\n{count} problems.\n"
            )
            parts.append(_cost(kind))
    if load("sizes"):
        count = len(load("sizes")[0]["distances"])
        parts.append(f"## Other sizes and noise, nothing tuned on them\n\n{count} problems each.\n")
        parts.append(_sizes())
    if load("modes"):
        parts.append("## Where the weights of the modes go wrong\n")
        parts.append("Total variation between the modes' weights at sigma and the exact ones.\n")
        parts.append(_modes())
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
