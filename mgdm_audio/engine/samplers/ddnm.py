"""Denoising diffusion null-space models."""

from __future__ import annotations

import torch
from torch import Tensor

from ..bridge import bridge_coefficients, bridge_mean, double
from ..denoising import Calls
from ..likelihoods import Spectral
from ..types import Denoiser, Info, Sampler, Step
from .common import ChainState, arrive, require, start, whole


def ddnm(denoise: Denoiser, likelihood: Spectral, *, resamplings: int = 1) -> Sampler:
    """DDNM+: the range of ``A^T`` from the observation, its null space from the prior.

    Wang, Yu and Zhang 2023 (arXiv 2212.00490), algorithm 3 and equations 17 to 19: the denoised
    signal is corrected by ``Sigma A^+ (y - A D(x))``, where ``Sigma`` scales each singular
    direction down as far as the observation's noise would exceed the noise of the ancestral step,
    and the step's own noise makes up the rest. The last step has none, so that with
    ``sigma_y > 0`` it is not corrected (equation 19).

    Args:
        denoise: the prior.
        likelihood: linear-Gaussian with known eigenvectors; ``sigma_y = 0`` is DDNM.
        resamplings: times a level is repeated ("time travel" of length 1). Paper: 1 to 3.

    Raises:
        TypeError: if the eigenvectors are not known.
        ValueError: if a setting is out of its range.
    """
    require(likelihood, Spectral)
    whole(1, resamplings=resamplings)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        weight, std = (float(one) for one in bridge_coefficients(0.0, at.below, at.sigma))
        carried = (1 - weight) * likelihood.sigma_y

        def trust(value: Tensor) -> Tensor:
            if carried == 0:
                return torch.ones_like(value)
            return (std * value.sqrt() / carried).clamp(max=1)

        def noise_gain(value: Tensor) -> Tensor:
            left = std**2 - (carried * trust(value)) ** 2 / value
            return (left.clamp_min(0).sqrt() - std) / value

        x = state.x
        for repeat in range(resamplings):
            if repeat:
                x = x + (at.sigma**2 - at.below**2) ** 0.5 * at.noise.normal(x.shape)
            x0 = calls(x, at.sigma)
            correction = likelihood.filter(
                likelihood.residual(x0), lambda value: trust(value) / value, x0
            )
            x0 = x0 + likelihood.adjoint(correction, x0)
            x = bridge_mean(x0, x, double(weight))
            if std > 0:
                white = at.noise.normal(x.shape)
                shaped = likelihood.filter(likelihood.apply(white), noise_gain, white)
                x = x + std * white + likelihood.adjoint(shaped, white)
        return arrive(x0, x, at), calls.info()

    return Sampler(init, step)
