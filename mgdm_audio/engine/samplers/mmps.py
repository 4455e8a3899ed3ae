"""Moment matching posterior sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from ..denoising import Calls
from ..likelihoods import LinearGaussian, conjugate_gradient
from ..types import Denoiser, Info, Sampler, Step
from .common import ChainState, arrive, require, reverse, share, start, whole


def mmps(
    denoise: Denoiser, likelihood: LinearGaussian, *, n_solve: int = 3, eta: float = 1.0
) -> Sampler:
    """MMPS: guidance under a Gaussian whose covariance is the denoiser's Jacobian.

    Rozet et al. 2024 (arXiv 2405.13712), section 4.2: ``p(x_0 | x_t) = N(D, sigma^2 J)`` by
    Tweedie, so the likelihood's covariance is ``sigma^2 A J A^T + sigma_y^2 I``, inverted by a few
    conjugate gradient iterations of one vector-Jacobian product each.

    Args:
        denoise: the prior.
        likelihood: linear-Gaussian.
        n_solve: conjugate-gradient iterations. Paper: 1 to 3.
        eta: share of randomness of the reverse process. Paper: 1.

    Raises:
        TypeError: if the likelihood is not linear-Gaussian.
        ValueError: if a setting is out of its range.
    """
    require(likelihood, LinearGaussian)
    whole(1, n_solve=n_solve)
    share(eta=eta)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        with torch.enable_grad():
            leaf = state.x.detach().requires_grad_()
            x0 = calls(leaf, at.sigma)
        clean = x0.detach()

        def pull(v: Tensor) -> Tensor:
            return calls.pullback(x0, leaf, likelihood.adjoint(v, clean), keep=True)

        def system(v: Tensor) -> Tensor:
            return at.sigma**2 * likelihood.apply(pull(v)) + likelihood.sigma_y**2 * v

        solved = conjugate_gradient(system, likelihood.residual(clean), n_solve)
        clean = clean + at.sigma**2 * pull(solved)
        return arrive(clean, reverse(clean, state.x, at, eta), at), calls.info()

    return Sampler(init, step)
