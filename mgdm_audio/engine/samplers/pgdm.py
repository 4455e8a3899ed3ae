"""Pseudo-inverse guided diffusion."""

from __future__ import annotations

import torch
from torch import Tensor

from ..denoising import Calls
from ..likelihoods import LinearGaussian
from ..types import Denoiser, Info, Sampler, Step
from .common import ChainState, arrive, at_least, positive, require, reverse, share, start


def pgdm(
    denoise: Denoiser,
    likelihood: LinearGaussian,
    *,
    prior_std: float = 1.0,
    weight: float = 1.0,
    eta: float = 1.0,
) -> Sampler:
    """PiGDM: guidance under a Gaussian of known width around the denoised signal.

    Song et al. 2023 (ICLR, "Pseudoinverse-Guided Diffusion Models for Inverse Problems"),
    algorithm 1: ``p(x_0 | x_t) = N(D(x_t), r^2 I)`` makes the likelihood Gaussian with covariance
    ``r^2 A A^T + sigma_y^2 I``; its gradient is scaled by ``r^2`` and added to the DDIM step. There
    the signal is variance preserving; the sum is carried to the variance-exploding form.

    Args:
        denoise: the prior.
        likelihood: linear-Gaussian.
        prior_std: standard deviation s of the data: ``r^2 = s^2 sigma^2 / (s^2 + sigma^2)``.
            Paper: 1.
        weight: factor of the guidance. Paper: 1.
        eta: share of randomness of the reverse process. Paper: 1.

    Raises:
        TypeError: if the likelihood is not linear-Gaussian.
        ValueError: if a setting is out of its range.
    """
    require(likelihood, LinearGaussian)
    positive(prior_std=prior_std)
    at_least(0, weight=weight)
    share(eta=eta)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        width = prior_std**2 * at.sigma**2 / (prior_std**2 + at.sigma**2)
        with torch.enable_grad():
            leaf = state.x.detach().requires_grad_()
            x0 = calls(leaf, at.sigma)
        clean = x0.detach()
        residual = likelihood.residual(clean)
        solved = likelihood.solve(residual, width, likelihood.sigma_y**2, clean)
        guidance = width * calls.pullback(x0, leaf, likelihood.adjoint(solved, clean))
        x = reverse(clean, state.x, at, eta)
        x = x + weight * (1 + at.below**2) ** 0.5 * guidance
        return arrive(clean, x, at), calls.info()

    return Sampler(init, step)
