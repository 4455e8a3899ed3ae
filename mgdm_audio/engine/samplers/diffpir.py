"""Plug-and-play restoration along the reverse process."""

from __future__ import annotations

import math

from torch import Tensor

from ..denoising import Calls
from ..likelihoods import LinearGaussian
from ..types import Denoiser, Info, Sampler, Step
from .common import ChainState, arrive, at_least, require, share, start


def diffpir(
    denoise: Denoiser, likelihood: LinearGaussian, *, strength: float = 8.0, zeta: float = 0.3
) -> Sampler:
    """DiffPIR: denoise, solve the proximal data problem, add noise again.

    Zhu et al. 2023 (arXiv 2305.08995), algorithm 1: the data problem is
    ``min ||y - A x||^2 / sigma_y^2 + strength ||x - D||^2 / sigma^2``.

    Args:
        denoise: the prior.
        likelihood: linear-Gaussian.
        strength: lambda, the weight of the denoised signal; with 0 it counts only where the
            observation says nothing. Paper: 1 to 25.
        zeta: share of fresh noise, between 0 and 1. Paper: 0.1 to 1.

    Raises:
        TypeError: if the likelihood is not linear-Gaussian.
        ValueError: if a setting is out of its range.
    """
    require(likelihood, LinearGaussian)
    at_least(0, strength=strength)
    share(zeta=zeta)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        x0 = calls(state.x, at.sigma)
        ridge = strength * likelihood.sigma_y**2 / at.sigma**2
        solved = likelihood.solve(likelihood.residual(x0), 1.0, ridge, x0)
        x0 = x0 + likelihood.adjoint(solved, x0)
        old = math.sqrt(1 - zeta) * (state.x - x0) / at.sigma
        fresh = math.sqrt(zeta) * at.noise.normal(x0.shape)
        return arrive(x0, x0 + at.below * (old + fresh), at), calls.info()

    return Sampler(init, step)
