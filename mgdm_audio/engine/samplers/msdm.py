"""Multi-source diffusion models: the mixture through an approximate score."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from ..denoising import Calls
from ..likelihoods import MixtureSum
from ..types import Denoiser, Info, Sampler, Step


class MsdmState(NamedTuple):
    """``x`` is the noisy stack at the current level."""

    x0: Tensor
    x: Tensor


def msdm_dirac(
    denoise: Denoiser,
    likelihood: MixtureSum,
    *,
    constrained: int = 0,
    churn: float = 20.0,
    resamplings: int = 1,
) -> Sampler:
    """MSDM with a Dirac likelihood: one source is what the others leave of the mixture.

    Mariani et al. 2023 (arXiv 2302.02257), section 3.2 and algorithm 1: the score of source ``k``
    becomes ``S_k - S_c`` where ``c`` is the constrained source.

    Args:
        denoise: the prior.
        likelihood: the mixture (its ``sigma_y`` is not used).
        constrained: index of the constrained source; the paper picks it by validation.
        churn: noise injected before every step, ``gamma = min(churn / levels, sqrt(2) - 1)``.
        resamplings: times a level is repeated.
    """
    y = _mixture(likelihood).observation

    def constrain(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, constrained] += (y - x.sum(1, keepdim=True))[:, 0]
        return x

    def derivative(calls: Calls, x: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        x = constrain(x)
        d = (x - calls(x, sigma)) / sigma
        return x, d - d[:, constrained : constrained + 1], d

    return _stochastic_euler(
        denoise, likelihood, derivative, constrain, churn=churn, resamplings=resamplings
    )


def _mixture(likelihood: MixtureSum) -> MixtureSum:
    if not isinstance(likelihood, MixtureSum):
        raise TypeError(f"needs a MixtureSum, not {type(likelihood).__name__}")
    return likelihood


def _stochastic_euler(denoise, likelihood, derivative, finish, *, churn, resamplings) -> Sampler:
    """Karras et al.'s stochastic Euler sampler over a modified derivative, with resampling."""
    if resamplings < 1:
        raise ValueError(f"resamplings must be at least 1, not {resamplings}")

    def init(noise: Tensor) -> MsdmState:
        likelihood.residual(noise)
        return MsdmState(noise, noise)

    def step(state: MsdmState, at: Step) -> tuple[MsdmState, Info]:
        calls = Calls(denoise)
        gamma = min(churn / len(at.sigmas), math.sqrt(2) - 1)
        hat = at.sigma * (1 + gamma)
        x = state.x
        for repeat in range(resamplings):
            if repeat:
                up = math.sqrt(at.sigma**2 - at.below**2)
                x = x + up * at.noise.normal(x.shape)
            if gamma > 0:
                x = x + math.sqrt(hat**2 - at.sigma**2) * at.noise.normal(x.shape)
            x, d, _ = derivative(calls, x, hat)
            x = x + (at.below - hat) * d
        return MsdmState(finish(x), x), calls.info()

    return Sampler(init, step)
