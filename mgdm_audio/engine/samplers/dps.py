"""Diffusion posterior sampling by the gradient of the residual."""

from __future__ import annotations

import torch
from torch import Tensor

from ..denoising import Calls
from ..likelihoods import Gaussian
from ..types import Denoiser, Info, Likelihood, Sampler, Step
from .common import ChainState, arrive, at_least, require, reverse, share, start


def dps(
    denoise: Denoiser,
    likelihood: Likelihood,
    *,
    zeta: float = 1.0,
    normalise: bool = True,
    eta: float = 1.0,
) -> Sampler:
    """DPS: an ancestral step, then a step against the norm of the residual.

    Chung et al. 2023 (arXiv 2209.14687), algorithm 1: in the variance-preserving form
    ``x_s <- x_s - zeta grad ||y - A D(x_t)||``, here carried to the variance-exploding form.

    Args:
        denoise: the prior.
        likelihood: with a residual if ``normalise``, otherwise any.
        zeta: step size. Paper: 0.3 to 1.
        normalise: divide by the norm of the residual, as the paper does. Without it the step is
            ``zeta`` times the gradient of the log-likelihood times the variance removed, the
            plain score; that also serves likelihoods without a residual. An explicit step, which
            diverges where ``zeta (sigma_t^2 - sigma_s^2) ||A J||^2 / sigma_y^2 > 2``.
        eta: share of randomness of the reverse process. Paper: 1.

    Raises:
        TypeError: if ``normalise`` and the likelihood is not a :class:`Gaussian`.
        ValueError: if a setting is out of its range.
    """
    at_least(0, zeta=zeta)
    share(eta=eta)
    if normalise:
        require(likelihood, Gaussian)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        if normalise:
            with torch.enable_grad():
                leaf = state.x.detach().requires_grad_()
                x0 = calls(leaf, at.sigma)
                norm = torch.linalg.vector_norm(likelihood.residual(x0).flatten(1), dim=1)
            slope = -calls.gradient(norm, leaf)
            scale = zeta * ((1 + at.below**2) * (1 + at.sigma**2)) ** 0.5
        else:
            x0, slope = calls.guide(likelihood, state.x, at.sigma)
            scale = zeta * (at.sigma**2 - at.below**2)
        x0 = x0.detach()
        x = reverse(x0, state.x, at, eta) + scale * slope
        return arrive(x0, x, at), calls.info()

    return Sampler(init, step)
