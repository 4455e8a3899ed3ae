"""Sampling with a denoiser that was trained on the mixture direction: no likelihood needed."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from ..denoising import Calls
from ..likelihoods import MixtureSum
from ..types import Denoiser, Info, Sampler, Step
from .common import share


class ConditionalState(NamedTuple):
    """``x`` is the noisy stack; its mean over the sources is the mixture's above its own noise."""

    x0: Tensor
    x: Tensor


def conditional(
    denoise: Denoiser,
    likelihood: MixtureSum,
    *,
    churn: float = 0.0,
    initial: float = 1.0,
    project: bool = True,
) -> Sampler:
    """Few-step sampling in the subspace where the sources sum to zero.

    The noisy state is ``x = y / K + sigma (I - u u^T) n`` with ``u = 1 / sqrt(K)``: noise acts only
    where the mixture says nothing. The denoiser ``denoise(x, sigma, sigma_mix)`` is told how well
    the component along ``u`` is known, ``sigma_mix = sigma_y / sqrt(K)``, so ``D`` is the posterior
    mean given ``y`` and the ordinary reverse process draws from the posterior. With one level the
    result is the posterior mean at that level.

    Once ``sigma`` is below ``sigma_y / sqrt(K)`` the observation's noise is reversed like the rest,
    with ``sigma_mix = sigma``, and by ancestral sampling whatever ``churn`` is: at that level the
    state is drawn given ``y``, and a flow would take it for a draw from the prior.

    Args:
        denoise: a separation-aware denoiser.
        likelihood: the mixture; ``sigma_y = 0`` conditions on it exactly.
        churn: share of the reverse process that is random (eta of DDIM): 0 is the deterministic
            flow, 1 ancestral sampling.
        initial: standard deviation of the starting noise, in units of the first level. 1 draws from
            the posterior; 0 starts from the mean of the noisy states, ``y / K``. For a single high
            level, where the noise says next to nothing, that is the estimate of the posterior mean
            with the least of the network's error: what noise adds to it need not be averaged away.
        project: where the sum is known exactly, ``sigma_y = 0``, spread what the denoiser left of
            the mixture over the sources in equal parts, so that the result sums to ``y``.

    Raises:
        TypeError: if the likelihood is not a :class:`MixtureSum`.
        ValueError: if ``churn`` or ``initial`` is outside [0, 1].
    """
    if not isinstance(likelihood, MixtureSum):
        raise TypeError(f"needs a MixtureSum, not {type(likelihood).__name__}")
    share(churn=churn, initial=initial)
    y = likelihood.observation

    def centre(x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)

    def init(noise: Tensor) -> ConditionalState:
        likelihood.residual(noise)  # fails here, not in the network, if the shapes disagree
        x = (y.to(noise.dtype) / noise.shape[1]).expand(noise.shape)
        x = x + initial * centre(noise) if initial > 0 else x.contiguous()
        return ConditionalState(x, x)

    def step(state: ConditionalState, at: Step) -> tuple[ConditionalState, Info]:
        calls = Calls(denoise)
        sources = state.x.shape[1]
        part = y.to(state.x.dtype) / sources
        heard = likelihood.sigma_y / math.sqrt(sources)
        # The first state has the observation's noise, however low its level is.
        known = min(heard, at.sigma) if at.index else heard
        x0 = calls(state.x, at.sigma, state.x.new_full((len(state.x),), known))
        noisy = at.below < heard  # from there on the component along u is reversed too
        eta = 1.0 if noisy else churn
        keep, std = _reverse(at.sigma, at.below, eta)
        mean, mean_std = part, 0.0
        if noisy:
            mean_keep, mean_std = _reverse(known, at.below, eta)
            mean = (x0 + mean_keep * (state.x - x0)).mean(1, keepdim=True)
        x = mean + centre(x0 + keep * (state.x - x0))
        if std > 0:
            noise = at.noise.normal(x.shape)
            x = x + std * centre(noise)
            if noisy:
                x = x + mean_std * noise.mean(1, keepdim=True)
        if project and heard == 0:
            x0 = part + centre(x0)
        return ConditionalState(x0, x), calls.info()

    return Sampler(init, step, from_noise=initial > 0)


def _reverse(level: float, below: float, churn: float) -> tuple[float, float]:
    """What a reverse step keeps of the noise, and the standard deviation of what it adds."""
    std = churn * below * math.sqrt(max(1 - (below / level) ** 2, 0.0))
    return math.sqrt(max(below**2 - std**2, 0.0)) / level, std
