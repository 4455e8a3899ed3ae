"""Settings among which each sampler is tuned, and the currency in which they cost the same."""

from __future__ import annotations

from itertools import product
from typing import Any

Candidate = tuple[int, dict[str, Any]]
"""Number of noise levels, and hyper-parameters."""

BUDGET = 300
"""Denoiser equivalents of the comparison of all samplers."""

BUDGETS = (30, 60, 100, 300, 600)
"""Denoiser equivalents at which MGDM and its gradient-free form are compared."""

GRADIENT = 3
"""Equivalents of a denoiser call together with its vector-Jacobian product; as recipes/bench."""


def equivalents(denoiser_calls: int, gradient_calls: int) -> int:
    """Cost of a run: a call is one, a backward pass through it two more."""
    return denoiser_calls + (GRADIENT - 1) * gradient_calls


def _grid(levels: int, fixed: dict[str, Any] | None = None, **axes: list[Any]) -> list[Candidate]:
    names = list(axes)
    return [
        (levels, dict(fixed or {}) | dict(zip(names, values, strict=True)))
        for values in product(*axes.values())
    ]


MGDM = {"learning_rate_unit": "bridge", "n_gibbs": 1, "n_denoise": 1, "index": "last"}
"""What all of MGDM's candidates share."""

PERTURBED = {"draw": "perturbed", "n_gibbs": 1, "n_denoise": 1, "index": "last"}
"""The same with x_s drawn by perturbing and stepping instead of fitting a Gaussian by Adam."""


WARM = {"warm_start": True, "transition": "bridge"}
"""What was found at one level is kept for the next: where the draw ended, and x_t itself."""


def gradient_steps(count: int) -> dict[str, int]:
    """The same number of gradient steps at every level."""
    return {"n_gradient": count, "n_gradient_last": count}


def mgdm_candidates(budget: int) -> list[Candidate]:
    """MGDM with few levels and many gradient steps, and the reverse, at one cost."""
    return adam_candidates(budget) + perturbed_candidates(budget)


def adam_candidates(budget: int) -> list[Candidate]:
    """The paper's draw of x_s."""
    return _by_steps(budget, MGDM, {3: [0.3, 0.6], 5: [0.3, 0.6], 10: [0.3, 0.6]})


def perturbed_candidates(budget: int) -> list[Candidate]:
    """Ours, every fit from the bridge or from where the last one ended."""
    cold = _by_steps(budget, PERTURBED, {1: [0.6, 0.8, 1.0], 2: [0.6], 3: [0.6]})
    return cold + [(levels, one | WARM) for levels, one in cold]


def _by_steps(budget: int, shared: dict[str, Any], rates: dict[int, list[float]]):
    chosen = []
    for steps, choices in rates.items():
        levels = round((budget - 1) / (GRADIENT * steps + 1))
        if levels >= 2:
            chosen += _grid(levels, shared | gradient_steps(steps), learning_rate=choices)
    return chosen


def free_candidates(budget: int) -> list[Candidate]:
    """The gradient-free form with one, two and four trajectories, at one cost."""
    chosen = []
    for particles in (1, 2, 4):
        levels = budget // (2 * particles)
        if levels >= 5:
            chosen += _grid(levels, {"particles": particles}, prior_std=[0.1, 0.15, 0.2])
    return chosen


CANDIDATES: dict[str, list[Candidate]] = {
    "conditional": _grid(100, churn=[0.0, 1.0]),
    "daps": _grid(60, {"n_langevin": 30}, step_size=[1e-3], prior_std=[None, 0.5]),
    "ddnm": _grid(300, resamplings=[1]) + _grid(100, resamplings=[3]),
    "diffpir": _grid(300, strength=[1.0, 8.0], zeta=[0.3, 1.0]),
    "dps": _grid(100, zeta=[0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.2], eta=[0.0, 0.5, 1.0]),
    "mgdm": [
        *mgdm_candidates(BUDGET),
        (37, PERTURBED | gradient_steps(1) | {"learning_rate": 0.6, "n_gibbs": 2} | WARM),
    ],
    "mgdm_free": free_candidates(BUDGET),
    "mmps": [
        *_grid(60, n_solve=[1], eta=[0.0, 1.0]),
        *_grid(43, n_solve=[2], eta=[1.0]),
        *_grid(33, n_solve=[3], eta=[0.0, 1.0]),
    ],
    "msdm_dirac": _grid(300, churn=[0.0, 20.0, 60.0]) + _grid(150, resamplings=[2]),
    "msdm_gaussian": _grid(300, gamma=[0.5, 1.0], churn=[0.0, 20.0]),
    "pgdm": _grid(100, prior_std=[0.1, 0.2, 0.4, 1.0], weight=[1.0, 1.4, 2.0, 2.8, 4.0]),
    "pnpdm": _grid(60, n_denoise=[5]) + _grid(15, n_denoise=[20]),
    "reddiff": _grid(
        300, learning_rate=[0.03, 0.1, 0.3, 1.0], regularisation=[0.05, 0.1, 0.25, 0.5, 1.0]
    ),
    "tds": [
        *_grid(50, {"particles": 2}, spread=[0.3, 1.0]),
        *_grid(25, {"particles": 4}, spread=[0.3, 1.0]),
    ],
}

PAPER: Candidate = (20, {})
"""MGDM's audio settings, which are its defaults; they go with :data:`PAPER_LEVELS`."""

PAPER_LEVELS = (5e-4, 20.0, 3.0)
"""Lowest level, highest level and spacing of the paper's grid."""

MIXTURE_ONLY = ("conditional", "msdm_dirac", "msdm_gaussian")
"""Samplers that serve the sum of sources and no other operator."""
