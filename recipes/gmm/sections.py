"""The parts of the study; each writes its figures to ``results/<part>.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from recipes.machine import describe_machine
from recipes.results import write_text

from .approximations import LEVELS, approximation_errors
from .candidates import (
    BUDGETS,
    MGDM,
    MIXTURE_ONLY,
    PAPER,
    PAPER_LEVELS,
    PERTURBED,
    gradient_steps,
)
from .memory import peak
from .modes import as_row, exact_errors, trajectory_errors
from .poisson import poisson_scores
from .problems import linear_problem, mixture_problem
from .study import DRAWS, GRID, Score, exact_score, prior_score, run, tuned

RESULTS = Path(__file__).with_name("results")
MACHINES = RESULTS / "machines.json"
ONE = "mgdm_free, one trajectory"
"""Label of the gradient-free form as it comes, levels aside."""
ADAM = "mgdm, fitted by Adam"
"""Label of MGDM with the paper's draw of x_s, tuned by itself."""

MORE = {"sums": 2, "operators": 2, "modes": 2, "poisson": 3, "rivals": 10}
"""Parts that take so many times the problems: a ranking hangs on their differences."""

SIZES: dict[str, dict[str, Any]] = {
    "2 sources of 4, 6 modes": {"sources": 2, "modes": 6},
    "8 sources of 4, 12 modes": {"sources": 8},
    "4 sources of 8, 24 modes": {"length": 8, "modes": 24},
    "sigma_y = 0.02": {"sigma_y": 0.02},
    "sigma_y = 0.5": {"sigma_y": 0.5},
}
"""Problems of other sizes and noise, for settings tuned on none of them."""


def _row(score: Score) -> dict[str, Any]:
    figures = {"mean": score.mean, "margin": score.margin, "cost": score.cost}
    return score._asdict() | figures


def compare_on_sums(problems: int) -> list[dict[str, Any]]:
    """All samplers on the sum of four sources, and MGDM as the paper sets it for audio."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    scores = [exact_score(cases), prior_score(cases)]
    scores += [run(name, candidate, cases) for name, candidate in tuned().items()]
    scores.append(run("mgdm", tuned("adam")["mgdm"], cases, ADAM))
    label = "mgdm, paper's audio settings"
    scores.append(run("mgdm", PAPER, cases, label, grid=PAPER_LEVELS))
    return [_row(score) for score in scores]


def nearest_rivals(problems: int) -> list[dict[str, Any]]:
    """Those near MGDM on sums, on many problems of their own: the differences are small."""
    cases = [mixture_problem(6000 + seed) for seed in range(problems)]
    names = ("mgdm", "mgdm_free", "tds", "dps", "pgdm")
    scores = [run(name, tuned()[name], cases) for name in names]
    return [_row(score) for score in scores]


def compare_on_operators(problems: int) -> list[dict[str, Any]]:
    """All samplers that can on a general linear operator, with the settings of the sum."""
    cases = [linear_problem(seed) for seed in range(problems)]
    scores = [exact_score(cases), prior_score(cases)]
    for name, candidate in tuned().items():
        if name not in MIXTURE_ONLY:
            scores.append(run(name, candidate, cases))
    scores.append(run("mgdm", tuned("adam")["mgdm"], cases, ADAM))
    return [_row(score) for score in scores]


def cost_quality(problems: int) -> list[dict[str, Any]]:
    """MGDM and its gradient-free form at every budget, on sums and on general operators."""
    rows = []
    for kind, make in (("sums", mixture_problem), ("operators", linear_problem)):
        cases = [make(seed) for seed in range(problems)]
        for budget in BUDGETS:
            best = tuned(budget)
            scores = [run(name, best[name], cases) for name in ("mgdm", "mgdm_free")]
            scores.append(run("mgdm_free", (budget // 2, {}), cases, ONE))
            rows += [_row(score) | {"kind": kind, "budget": budget} for score in scores]
    return rows


def other_sizes(problems: int) -> list[dict[str, Any]]:
    """MGDM at 300 and 600 equivalents against its gradient-free form at 30 to 100."""
    rows = []
    for kind, options in SIZES.items():
        cases = [mixture_problem(3000 + seed, **options) for seed in range(problems)]
        plans = [("mgdm", 300), ("mgdm", 600), ("mgdm_free", 30), ("mgdm_free", 60)]
        for name, budget in [*plans, ("mgdm_free", 100)]:
            score = run(name, tuned(budget)[name], cases)
            rows.append(_row(score) | {"kind": kind, "budget": budget})
    return rows


def scaling(problems: int) -> list[dict[str, Any]]:
    """R and G of MGDM, R of its gradient-free form, and the index distributions."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    counts = (1, 2, 4, 6)
    scores = []

    def add(label: str, levels: int, steps: int, base: dict[str, Any], **settings: Any) -> None:
        options = base | gradient_steps(steps) | settings
        scores.append(run("mgdm", (levels, options), cases, label))

    adam, ours = MGDM | {"learning_rate": 0.5}, PERTURBED | {"learning_rate": 0.6}
    for levels in (20, 75):
        for count in counts:
            label = f"mgdm perturbed R={count}, G=1, {levels} levels"
            add(label, levels, 1, ours, n_gibbs=count)
    for count in counts:
        label = f"mgdm perturbed, warm, R={count}, G=1, 75 levels"
        warm = {"warm_start": True, "transition": "bridge", "learning_rate": 0.8}
        add(label, 75, 1, ours, n_gibbs=count, **warm)
    for count in (1, 2, 3, 6):
        add(f"mgdm perturbed G={count}, R=1, 20 levels", 20, count, ours, learning_rate=0.4)
    for levels, steps in ((10, 10), (30, 1)):
        for count in counts:
            label = f"mgdm Adam R={count}, G={steps}, {levels} levels"
            add(label, levels, steps, adam, n_gibbs=count)
    for count in (1, 3, 10, 30):
        add(f"mgdm Adam G={count}, R=1, 30 levels", 30, count, adam)
    for count in counts:
        label = f"mgdm_free R={count}, 15 levels"
        scores.append(run("mgdm_free", (15, {"n_gibbs": count}), cases, label))
    for index in ("uniform", "mixed", "near_zero", "last", "ratio", "fixed"):
        level = {"ratio": 0.7, "fixed": 0.3}.get(index)
        add(
            f"mgdm Adam index {index}, G=10, 10 levels",
            10,
            10,
            adam,
            index=index,
            index_sigma=level,
        )
    return [_row(score) for score in scores]


def modes(problems: int) -> list[dict[str, Any]]:
    """Error of the modes' weights along the levels, for single trajectories and exact draws."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    best = tuned()
    levels, settings = best["mgdm"]
    plans = {
        "mgdm": ("mgdm", best["mgdm"]),
        "mgdm, R = 4": ("mgdm", (levels, settings | {"n_gibbs": 4})),
        ADAM: ("mgdm", tuned("adam")["mgdm"]),
        "dps": ("dps", best["dps"]),
        "pgdm": ("pgdm", best["pgdm"]),
    }
    rows = [as_row("exact draws", exact_errors(cases, DRAWS))]
    for label, (name, candidate) in plans.items():
        rows.append(as_row(label, trajectory_errors(name, candidate, cases, GRID, DRAWS)))
    return rows


def smc(problems: int) -> list[dict[str, Any]]:
    """Particles of TDS against single trajectories: distance, cost and peak memory."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    settings = tuned()
    rows = []
    for name in ("mgdm", "mgdm_free", "pgdm"):
        rows.append(_row(run(name, settings[name], cases)) | {"mib": peak(name, settings[name][1])})
    levels, base = settings["tds"]
    for particles in (1, 2, 4, 8):
        options = base | {"particles": particles}
        score = run("tds", (levels, options), cases, f"tds P={particles}")
        rows.append(_row(score) | {"mib": peak("tds", options)})
    return rows


def approximation(problems: int) -> list[dict[str, Any]]:
    """Total variation of the approximate posteriors by noise level."""
    errors = approximation_errors(problems)
    return [
        {"label": label, "levels": LEVELS, "errors": table.tolist()}
        for label, table in errors._asdict().items()
    ]


def poisson(problems: int) -> list[dict[str, Any]]:
    """Counts, against a long Markov chain."""
    return [score._asdict() for score in poisson_scores(problems)]


SECTIONS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "sums": compare_on_sums,
    "rivals": nearest_rivals,
    "operators": compare_on_operators,
    "cost": cost_quality,
    "sizes": other_sizes,
    "scaling": scaling,
    "modes": modes,
    "smc": smc,
    "approximation": approximation,
    "poisson": poisson,
}


def compute(name: str, problems: int) -> None:
    """Run one part and store its figures."""
    rows = SECTIONS[name](problems * MORE.get(name, 1))
    write_text(RESULTS / f"{name}.json", json.dumps(rows, indent=1) + "\n")
    made = machines() | {name: f"{describe_machine()}, {date.today()}"}
    write_text(MACHINES, json.dumps(made, indent=1, sort_keys=True) + "\n")


def machines() -> dict[str, str]:
    """What each part was run on, and when."""
    return json.loads(MACHINES.read_text(encoding="utf-8")) if MACHINES.exists() else {}


def load(name: str) -> list[dict[str, Any]]:
    """The stored figures of one part; none if it has not been run."""
    if not (RESULTS / f"{name}.json").exists():
        return []
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
