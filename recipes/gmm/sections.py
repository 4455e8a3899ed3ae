"""The parts of the study; each writes its figures to ``results/<part>.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .approximations import LEVELS, approximation_errors
from .candidates import MIXTURE_ONLY
from .memory import peak
from .poisson import poisson_scores
from .problems import linear_problem, mixture_problem
from .study import Score, exact_score, prior_score, run, tuned

RESULTS = Path(__file__).with_name("results")
_ADAM = {"learning_rate_unit": "bridge", "n_denoise": 1, "index": "last"}
_SWEEP = 30


def _row(score: Score) -> dict[str, Any]:
    return score._asdict() | {"mean": score.mean, "margin": score.margin}


def compare_on_sums(problems: int) -> list[dict[str, Any]]:
    """All samplers on the sum of four sources."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    scores = [exact_score(cases), prior_score(cases)]
    scores += [run(name, candidate, cases) for name, candidate in tuned().items()]
    return [_row(score) for score in scores]


def compare_on_operators(problems: int) -> list[dict[str, Any]]:
    """All samplers that can on a general linear operator, with the settings of the sum."""
    cases = [linear_problem(seed) for seed in range(problems)]
    scores = [exact_score(cases), prior_score(cases)]
    for name, candidate in tuned().items():
        if name not in MIXTURE_ONLY:
            scores.append(run(name, candidate, cases))
    return [_row(score) for score in scores]


def scaling(problems: int) -> list[dict[str, Any]]:
    """R and G of MGDM, R of its gradient-free form, and the index distributions."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    scores = []
    for count in (1, 2, 4, 6):
        scores.append(run("mgdm_free", (_SWEEP, {"n_gibbs": count}), cases, f"free R={count}"))
    for count in (1, 2, 4, 6):
        settings = _ADAM | {"n_gradient": 1, "n_gradient_last": 1, "learning_rate": 0.5}
        scores.append(
            run("mgdm", (_SWEEP, settings | {"n_gibbs": count}), cases, f"mgdm R={count}")
        )
    for count in (1, 3, 10):
        settings = _ADAM | {"n_gibbs": 1, "n_gradient": count, "n_gradient_last": count}
        settings |= {"learning_rate": 0.3}
        scores.append(run("mgdm", (_SWEEP, settings), cases, f"mgdm G={count}"))
    for index in ("uniform", "mixed", "near_zero", "last", "ratio", "fixed"):
        settings = {"n_gibbs": 2, "index": index}
        settings |= (
            {"index_sigma": {"ratio": 0.7, "fixed": 0.3}[index]}
            if index
            in (
                "ratio",
                "fixed",
            )
            else {}
        )
        scores.append(run("mgdm_free", (_SWEEP, settings), cases, f"index {index}"))
    return [_row(score) for score in scores]


def smc(problems: int) -> list[dict[str, Any]]:
    """Particles of TDS against single trajectories: distance, cost and peak memory."""
    cases = [mixture_problem(seed) for seed in range(problems)]
    settings = tuned()
    rows = []
    for name in ("mgdm", "mgdm_free", "pgdm"):
        rows.append(_row(run(name, settings[name], cases)) | {"mib": peak(name, settings[name][1])})
    levels, base = settings["tds"]
    for particles in (1, 2, 4):
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
    "operators": compare_on_operators,
    "scaling": scaling,
    "smc": smc,
    "approximation": approximation,
    "poisson": poisson,
}


def compute(name: str, problems: int) -> None:
    """Run one part and store its figures."""
    rows = SECTIONS[name](problems)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def load(name: str) -> list[dict[str, Any]]:
    """The stored figures of one part; none if it has not been run."""
    if not (RESULTS / f"{name}.json").exists():
        return []
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
