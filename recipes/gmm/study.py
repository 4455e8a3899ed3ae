"""Running a sampler on many problems and scoring it against their posteriors."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mgdm_audio.engine import SAMPLERS, Progress, SamplingError, karras_schedule, sample
from recipes.interval import margin
from recipes.results import write_text

from .candidates import (
    BUDGET,
    BUDGETS,
    CANDIDATES,
    MIXTURE_ONLY,
    Candidate,
    adam_candidates,
    equivalents,
    free_candidates,
    mgdm_candidates,
)
from .problems import Problem, sliced_wasserstein

DRAWS = 200
GRID = (0.01, 10.0, 3.0)
"""Lowest level, highest level and spacing of every sampler's grid."""

TUNED = Path(__file__).with_name("tuned.json")


class Score(NamedTuple):
    """Sliced Wasserstein distance and cost of one setting over several problems."""

    label: str
    distances: list[float]
    """One per problem; NaN where the sampler diverged."""
    denoiser_calls: int
    gradient_calls: int
    seconds: float
    """Per problem."""

    @property
    def cost(self) -> int:
        """Denoiser equivalents."""
        return equivalents(self.denoiser_calls, self.gradient_calls)

    @property
    def mean(self) -> float:
        """Mean over the problems."""
        return statistics.fmean(self.distances)

    @property
    def margin(self) -> float:
        """Half the width of the 95 % interval of the mean over random problems."""
        return margin(self.distances)


def reference(problem: Problem, stream: int = 0) -> Tensor:
    """Exact posterior draws; another ``stream`` is another independent set."""
    return problem.posterior.sample(DRAWS, torch.Generator().manual_seed(10_000 + stream))


def exact_score(problems: Sequence[Problem]) -> Score:
    """The floor: distance between two sets of exact draws."""
    pairs = [sliced_wasserstein(reference(p), reference(p, 1)) for p in problems]
    return Score("exact posterior", pairs, 0, 0, 0.0)


def prior_score(problems: Sequence[Problem]) -> Score:
    """The ceiling: draws that ignore the observation."""
    generator = torch.Generator().manual_seed(20_000)
    draws = [p.prior.sample(DRAWS, generator) for p in problems]
    pairs = [sliced_wasserstein(x, reference(p)) for x, p in zip(draws, problems, strict=True)]
    return Score("prior", pairs, 0, 0, 0.0)


def run(
    name: str,
    candidate: Candidate,
    problems: Sequence[Problem],
    label: str | None = None,
    *,
    grid: tuple[float, float, float] = GRID,
) -> Score:
    """Score one setting, on a Karras grid of lowest level, highest level and spacing ``grid``."""
    levels, settings = candidate
    sigmas = karras_schedule(levels, *grid)
    distances, reports = [], [Progress(0, 0, 0.0, torch.empty(0), 0, 0)]
    began = time.perf_counter()
    for problem in problems:
        sampler = SAMPLERS[name](problem.prior.denoise, problem.likelihood, **settings)
        try:
            x0 = sample(sampler, sigmas, (DRAWS, *problem.shape), callback=reports.append)
        except SamplingError:
            distances.append(math.nan)
            continue
        distances.append(sliced_wasserstein(x0, reference(problem)))
    seconds = (time.perf_counter() - began) / len(problems)
    last = reports[-1]
    return Score(label or name, distances, last.denoiser_calls, last.gradient_calls, seconds)


def _best(name: str, candidates: Sequence[Candidate], problems: Sequence[Problem]) -> Candidate:
    scores = [run(name, candidate, problems) for candidate in candidates]
    for candidate, score in zip(candidates, scores, strict=True):
        print(f"{name} {candidate}: {score.mean:.3f}, cost {score.cost}", flush=True)
    usable = [score.mean if not math.isnan(score.mean) else math.inf for score in scores]
    return candidates[usable.index(min(usable))]


def tune(sums: Sequence[Problem], operators: Sequence[Problem], names: Sequence[str] = ()) -> None:
    """Find the best candidates on problems that the study does not use, and store them.

    One setting has to serve both kinds of problems, except for the samplers that know only one.

    Every sampler at :data:`~recipes.gmm.candidates.BUDGET`; MGDM and its gradient-free form at all
    of :data:`~recipes.gmm.candidates.BUDGETS`. Under ``"adam"``, MGDM with the paper's draw of x_s.
    With ``names``, only these samplers; what is stored for the others stays.
    """
    best = json.loads(TUNED.read_text("utf-8")) if names else {}
    for budget in BUDGETS:
        both = {"mgdm": mgdm_candidates(budget), "mgdm_free": free_candidates(budget)}
        chosen = CANDIDATES if budget == BUDGET else both
        for name, candidates in chosen.items():
            if name in (names or chosen):
                cases = [*sums] if name in MIXTURE_ONLY else [*sums, *operators]
                found = _best(name, candidates, cases)
                best.setdefault(str(budget), {})[name] = found
    if "mgdm" in (names or CANDIDATES):
        best["adam"] = {"mgdm": _best("mgdm", adam_candidates(BUDGET), [*sums, *operators])}
    write_text(TUNED, json.dumps(best, indent=1) + "\n")


def tuned(budget: int | str = BUDGET) -> dict[str, tuple[int, dict[str, Any]]]:
    """The settings that :func:`tune` found for a budget (or ``"adam"``), by sampler."""
    stored = json.loads(TUNED.read_text("utf-8"))[str(budget)]
    return {name: tuple(one) for name, one in stored.items()}
