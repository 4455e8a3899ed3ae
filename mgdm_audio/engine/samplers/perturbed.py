"""Drawing x_s given its bridge and the observation by perturbing both, then stepping."""

from __future__ import annotations

import torch
from torch import Tensor

from ..bridge import spread
from ..denoising import Calls
from ..likelihoods import Gaussian, LinearGaussian
from ..types import Step


def observed_noise(likelihood: Gaussian, like: Tensor, at: Step) -> Tensor:
    """Noise as the observation has it, ``[B, ...]``, as far as the operator's range reaches."""
    predicted = likelihood.apply(like)
    noise = likelihood.sigma_y * at.noise.normal(predicted.shape)
    if isinstance(likelihood, LinearGaussian):
        # What no signal explains (masked entries) would only pass for a poor fit.
        noise = likelihood.apply(likelihood.pinv(noise, like))
    return noise


def implicit(
    calls: Calls,
    likelihood: Gaussian,
    centre: Tensor,
    width: Tensor,
    white: Tensor,
    offset: Tensor,
    noise: Tensor,
    sigma: Tensor,
) -> Tensor:
    """Step towards the minimiser over o of ``|o|^2 + |y + noise - A D(x_s)|^2 / sigma_y^2``.

    ``x_s = centre + width (white + o)``. The minimiser is a draw of x_s given its bridge and y,
    exact if ``A D`` is linear (perturb and optimise, Papandreou and Yuille 2010; randomise then
    optimise, Bardsley et al. 2014). With g half the gradient of the second term, the step is
    ``-(o + g) / (1 + c)``, where ``c = |g|^2 sigma_y^2 / |residual|^2``: a backward Euler step if
    all directions were alike. The Gauss-Newton curvature along g is c or more, so that a step can
    be too long where they differ much.

    Args:
        centre, white, offset: ``[B, ...]``; ``offset`` is o, where to step from.
        width: scalar or ``[B, 1, ...]``, the bridge's standard deviation.
        noise: shaped like the observation.
        sigma: level s, ``[B]``.
    """
    with torch.enable_grad():
        leaf = (centre + width * (white + offset)).detach().requires_grad_()
        residual = likelihood.residual(calls(leaf, sigma)) + noise
        energy = (residual / likelihood.sigma_y).flatten(1).square().sum(1)
    pull = -0.5 * width * calls.gradient(energy, leaf)
    curvature = pull.flatten(1).square().sum(1) / energy.detach().clamp_min(1e-20)
    return (pull - offset) / (1 + spread(curvature, pull))
