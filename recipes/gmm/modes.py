"""Where along the noise levels a sampler gives the modes the wrong weight.

The exact posterior is a mixture, and so is the exact law of x_t given y. A draw x_t belongs to each
of its components with a known probability; for exact draws these average to the component's
weight. The total variation between the average over a sampler's trajectories and the weights is
the error made so far: trajectories seldom change mode once the noise is small.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mgdm_audio.engine import SAMPLERS, karras_schedule
from mgdm_audio.engine.noise import Noise
from mgdm_audio.engine.types import Step

from .candidates import Candidate
from .problems import Problem

AT = (10.0, 5.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.4, 0.2, 0.05)
"""Levels that are looked at: for each, the first visited level that is not above it."""


def weights_at(problem: Problem, x: Tensor, sigma: float) -> Tensor:
    """Average probability of each posterior mode given ``x [B, K, T]`` at ``sigma``, ``[C]``."""
    log, _, _ = problem.posterior._components(x, sigma)
    return log.softmax(1).mean(0)


def error(problem: Problem, x: Tensor, sigma: float) -> float:
    """Total variation between these and the posterior's weights."""
    return 0.5 * (weights_at(problem, x, sigma) - problem.posterior.weights).abs().sum().item()


@torch.no_grad()
def trajectory_errors(
    name: str,
    candidate: Candidate,
    problems: Sequence[Problem],
    grid: tuple[float, float, float],
    draws: int,
) -> list[list[float]]:
    """Errors ``[len(AT)][problems]`` of a sampler whose state keeps x_t as ``x [B, K, T]``."""
    levels, settings = candidate
    sigmas = tuple(karras_schedule(levels, *grid).tolist())
    rows: list[list[float]] = [[] for _ in AT]
    for problem in problems:
        sampler = SAMPLERS[name](problem.prior.denoise, problem.likelihood, **settings)
        noise = Noise(0, draws, "cpu")
        state = sampler.init(sigmas[0] * noise.normal((draws, *problem.shape)))
        due = list(AT)
        for index, sigma in enumerate(sigmas):
            at = Step(index, sigmas, noise)
            state, _ = sampler.step(state, at)
            # MGDM's state is at the level just done, the others' at the one below.
            reached = sigma if name == "mgdm" else at.below
            while due and 0 < reached <= due[0] * 1.0001:
                rows[len(AT) - len(due)].append(error(problem, state.x, reached))
                due.pop(0)
    return rows


def exact_errors(problems: Sequence[Problem], draws: int) -> list[list[float]]:
    """The same for exact draws: what their number leaves."""
    generator = torch.Generator().manual_seed(30_000)
    rows: list[list[float]] = []
    for sigma in AT:
        rows.append([])
        for problem in problems:
            x = problem.posterior.sample(draws, generator)
            x = x + sigma * torch.randn(x.shape, generator=generator)
            rows[-1].append(error(problem, x, sigma))
    return rows


def as_row(label: str, errors: list[list[float]]) -> dict[str, Any]:
    """For storage."""
    means = [statistics.fmean(one) for one in errors]
    return {"label": label, "levels": AT, "errors": errors, "means": means}
