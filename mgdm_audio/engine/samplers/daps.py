"""Decoupled annealing posterior sampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..denoising import Calls, flow
from ..types import Denoiser, Info, Likelihood, Sampler, Step
from .common import ChainState, at_least, positive, start, whole


def daps(
    denoise: Denoiser,
    likelihood: Likelihood,
    *,
    n_flow: int = 5,
    n_langevin: int = 100,
    step_size: float = 1e-4,
    step_decay: float = 0.01,
    prior_std: float | None = None,
) -> Sampler:
    """DAPS: at each level draw x_0 from an approximate posterior, then add fresh noise.

    Zhang et al. 2025 (arXiv 2407.01521), algorithm 1: ``p(x_0 | x_t)`` is a Gaussian around the end
    of the probability flow, and x_0 given it and ``y`` is drawn by Langevin steps, which need no
    denoiser.

    Args:
        denoise: the prior.
        likelihood: any differentiable likelihood.
        n_flow: Euler steps of the probability flow. Paper: 5.
        n_langevin: Langevin steps. Paper: 100.
        step_size: the first level's Langevin step, see :func:`langevin` for what is stable. Paper:
            1e-4 to 1e-5.
        step_decay: the last level's step relative to the first's, linear in between. Paper: 0.01.
        prior_std: if given, the Gaussian's variance is ``s^2 sigma^2 / (s^2 + sigma^2)`` instead of
            the paper's ``sigma^2``.

    Raises:
        ValueError: if a setting is out of its range.
    """
    whole(1, n_flow=n_flow, n_langevin=n_langevin)
    positive(step_size=step_size, prior_std=prior_std)
    at_least(0, step_decay=step_decay)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        centre = flow(calls, state.x, at.sigma, n_flow, sigma_min=at.sigmas[-1])
        variance = at.sigma**2
        if prior_std is not None:
            variance = variance * prior_std**2 / (variance + prior_std**2)
        left = 1 - at.index / max(len(at.sigmas) - 1, 1)
        rate = step_size * (step_decay + left * (1 - step_decay))
        x0 = langevin(likelihood, centre, centre, variance, n_langevin, rate, at)
        x = x0 + at.below * at.noise.normal(x0.shape)
        return ChainState(x0, x), calls.info()

    return Sampler(init, step)


def langevin(
    likelihood: Likelihood,
    x: Tensor,
    centre: Tensor,
    variance: float,
    n: int,
    rate: float,
    at: Step,
) -> Tensor:
    """``n`` unadjusted Langevin steps on ``g_0(y | x) N(x; centre, variance)``.

    Stable while ``rate`` is below the smallest variance there is: of the likelihood, about
    ``sigma_y^2 / ||A||^2``, which is the caller's to see to, and of the Gaussian, to half of which
    it is cut down, for at low noise levels no rate that was set for high ones would do.
    """
    rate = min(rate, variance / 2)
    for _ in range(n):
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            slope = torch.autograd.grad(likelihood.log_prob(leaf).sum(), leaf)[0]
        drift = slope + (centre - x) / variance
        x = x + rate * drift + math.sqrt(2 * rate) * at.noise.normal(x.shape)
    return x
