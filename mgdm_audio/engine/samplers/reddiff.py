"""Regularisation by denoising diffusion: a variational point estimate."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..bridge import spread
from ..denoising import Calls
from ..likelihoods import Gaussian, LinearGaussian
from ..optimiser import AdamState, adam, adam_init
from ..types import Denoiser, Info, Likelihood, Sampler, Step
from .common import at_least, positive, start, whole


class RedDiffState(NamedTuple):
    """The estimate and Adam's moments."""

    x0: Tensor
    moments: AdamState


def reddiff(
    denoise: Denoiser,
    likelihood: Likelihood,
    *,
    learning_rate: float = 0.1,
    regularisation: float = 0.25,
    n_gradient: int = 1,
) -> Sampler:
    """RED-diff: stochastic gradient descent on a point estimate, from high to low noise.

    Mardani et al. 2024 (arXiv 2305.04391), algorithm 1: the loss is
    ``||y - A mu||^2 / 2 + lambda sigma_t (eps_theta(x_t) - eps)^T mu``, where the weight
    ``sigma_t`` is the inverse of the square root of the signal-to-noise ratio and the denoiser is
    not differentiated. One spread-out posterior is not what it draws: results are points.

    Args:
        denoise: the prior.
        likelihood: any differentiable one; without a residual, the negative log-likelihood replaces
            the squared error.
        learning_rate: Adam's (betas 0.9 and 0.99). Paper: 0.1, 0.25 or 0.5 by task.
        regularisation: lambda. Paper: 0.25.
        n_gradient: iterations per level. Paper: 1.

    Raises:
        ValueError: if a setting is out of its range.
    """
    whole(1, n_gradient=n_gradient)
    positive(learning_rate=learning_rate)
    at_least(0, regularisation=regularisation)

    def init(noise: Tensor) -> RedDiffState:
        start(likelihood, noise)
        if isinstance(likelihood, LinearGaussian):
            y = likelihood.observation.to(noise.dtype)
            x0 = likelihood.pinv(y, noise).expand(noise.shape)
        else:
            # Unit noise: a start at a symmetric point, such as 0, can be a stationary point.
            # Of each item, for a result does not depend on the batch.
            power = noise.flatten(1).square().mean(1)
            x0 = noise / spread(power.sqrt(), noise)
        return RedDiffState(x0, adam_init(x0))

    def data_slope(x0: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = x0.detach().requires_grad_()
            if isinstance(likelihood, Gaussian):
                loss = 0.5 * likelihood.residual(leaf).square().sum()
            else:
                loss = -likelihood.log_prob(leaf).sum()
            return torch.autograd.grad(loss, leaf)[0]

    def step(state: RedDiffState, at: Step) -> tuple[RedDiffState, Info]:
        calls = Calls(denoise)
        x0, moments = state
        for _ in range(n_gradient):
            white = at.noise.normal(x0.shape)
            x = x0 + at.sigma * white
            predicted = (x - calls(x, at.sigma)) / at.sigma
            slope = data_slope(x0) + regularisation * at.sigma * (predicted - white)
            direction, moments = adam(slope, moments, betas=(0.9, 0.99))
            x0 = x0 - learning_rate * direction
        return RedDiffState(x0, moments), calls.info()

    return Sampler(init, step)
