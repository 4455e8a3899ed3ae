"""Multi-source diffusion models: the mixture through an approximate score."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from ..denoising import Calls
from ..likelihoods import MixtureSum
from ..types import Denoiser, Info, Sampler, Step
from .common import ChainState, at_least, positive, require, start, whole

Derivative = Callable[[Tensor, Tensor, float], Tensor]
"""``(x, D(x), sigma) -> dx / dsigma`` of the conditional flow."""


def msdm_dirac(
    denoise: Denoiser,
    likelihood: MixtureSum,
    *,
    constrained: int = 0,
    churn: float = 20.0,
    resamplings: int = 1,
    constrain_last: bool = True,
) -> Sampler:
    """MSDM with a Dirac likelihood: one source is what the others leave of the mixture.

    Mariani et al. 2023 (arXiv 2302.02257), section 3.2: the score of source ``k`` becomes
    ``S_k - S_c`` where ``c`` is the constrained source, and ``x_c = y - sum of the others``.

    Args:
        denoise: the prior.
        likelihood: the mixture (its ``sigma_y`` is not used).
        constrained: index of the constrained source, from 0; the paper picks it by validation.
            That there is such a source is checked when sampling starts.
        churn: noise injected before every step, ``gamma = min(churn / levels, sqrt(2) - 1)``
            (Karras et al. 2022, algorithm 2). Paper: 20.
        resamplings: times a level is repeated, with forward noise in between.
        constrain_last: whether the estimate keeps the mixture exactly. The authors' released code
            returns it as the last Euler step leaves it, up to that step's error: of four sources, a
            silent one that is constrained then has half the error.

    Raises:
        TypeError: if the likelihood is not a :class:`MixtureSum`.
        ValueError: if a setting is out of its range.
    """
    whole(0, constrained=constrained)
    y = require(likelihood, MixtureSum).observation

    def constrain(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, constrained] += (y.to(x.dtype) - x.sum(1, keepdim=True))[:, 0]
        return x

    def derivative(x: Tensor, x0: Tensor, sigma: float) -> Tensor:
        flow = (x - x0) / sigma
        return flow - flow[:, constrained : constrained + 1]

    sampler = _stochastic_euler(
        denoise,
        likelihood,
        constrain,
        derivative,
        churn=churn,
        resamplings=resamplings,
        constrain_last=constrain_last,
    )

    def init(noise: Tensor) -> ChainState:
        sources = noise.shape[1]
        if constrained >= sources:
            raise ValueError(f"constrained must be from 0 to {sources - 1}, not {constrained}")
        return sampler.init(noise)

    return sampler._replace(init=init)


def msdm_gaussian(
    denoise: Denoiser,
    likelihood: MixtureSum,
    *,
    gamma: float = 1.0,
    churn: float = 20.0,
    resamplings: int = 1,
) -> Sampler:
    """MSDM with a Gaussian likelihood on the noisy stack, ``y ~ N(sum_k x_k, gamma^2 sigma^2)``.

    Mariani et al. 2023 (arXiv 2302.02257), section 3.2; also Jayaram and Thickstun 2020.

    Args:
        denoise: the prior.
        likelihood: the mixture (its ``sigma_y`` is not used).
        gamma: standard deviation of the likelihood in units of the level. The Euler step is stable
            while ``K / gamma^2`` times the relative change of level stays under 2. The authors'
            released code has half of this likelihood's gradient, so its ``gamma`` is this one over
            ``sqrt(2)``.
        churn, resamplings: as for :func:`msdm_dirac`.

    Raises:
        TypeError: if the likelihood is not a :class:`MixtureSum`.
        ValueError: if a setting is out of its range.
    """
    positive(gamma=gamma)
    require(likelihood, MixtureSum)

    def derivative(x: Tensor, x0: Tensor, sigma: float) -> Tensor:
        return (x - x0) / sigma - likelihood.residual(x) / (gamma**2 * sigma)

    return _stochastic_euler(
        denoise, likelihood, lambda x: x, derivative, churn=churn, resamplings=resamplings
    )


def _stochastic_euler(
    denoise: Denoiser,
    likelihood: MixtureSum,
    constrain: Callable[[Tensor], Tensor],
    derivative: Derivative,
    *,
    churn: float,
    resamplings: int,
    constrain_last: bool = True,
) -> Sampler:
    """Stochastic Euler over a modified derivative, with resampling."""
    whole(1, resamplings=resamplings)
    at_least(0, churn=churn)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        hat = at.sigma * (1 + min(churn / len(at.sigmas), math.sqrt(2) - 1))
        x = state.x
        for repeat in range(resamplings):
            if repeat:
                up = math.sqrt(at.sigma**2 - at.below**2)
                x = x + up * at.noise.normal(x.shape)
            if hat > at.sigma:
                x = x + math.sqrt(hat**2 - at.sigma**2) * at.noise.normal(x.shape)
            x = constrain(x)
            x = x + (at.below - hat) * derivative(x, calls(x, hat), hat)
        # Both derivatives keep the mixture only up to the step's error.
        return ChainState(constrain(x) if constrain_last else x, x), calls.info()

    return Sampler(init, step)
