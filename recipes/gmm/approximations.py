"""How far the approximate posteriors at a noise level are from the exact one, by quadrature.

At level t the exact density is ``p_t(x | y)``. A single approximation guides at one level s and
carries the result up to t: ``int g_0(y | D(x_s)) p_s(x_s) q(x_t | x_s) dx_s``, normalised;
``s = t`` is what DPS guides with. MGDM's is the mixture of these over s. Two sources of one number
each make the integrals two-dimensional, so all of it is exact up to the grid.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mgdm_audio.engine import MixtureSum
from mgdm_audio.engine.analytic import GaussianMixture

LEVELS = (0.2, 0.4, 0.7, 1.0, 1.5, 2.0)
FLOOR, SIGMA_Y, HALF, POINTS, RHO = 0.05, 0.3, 9.0, 181, 3.0


class Errors(NamedTuple):
    """Total-variation distances to the exact density, ``[problems, levels]`` each."""

    single_at_t: Tensor
    single_at_half: Tensor
    single_at_floor: Tensor
    mixture: Tensor


def _problem(seed: int) -> tuple[GaussianMixture, MixtureSum]:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(5, 2, 2, generator=generator)
    covariances = 0.1 * root @ root.mT + 0.05 * torch.eye(2)
    prior = GaussianMixture(
        torch.ones(5), 1.5 * torch.randn(5, 2, 1, generator=generator), covariances
    )
    mixture = prior.sample(1, generator).sum(1, keepdim=True)
    mixture = mixture + SIGMA_Y * torch.randn(1, 1, 1, generator=generator)
    return prior, MixtureSum(mixture, SIGMA_Y)


def approximation_errors(problems: int) -> Errors:
    """Errors of four approximations at every level of :data:`LEVELS`."""
    axis = torch.linspace(-HALF, HALF, POINTS)
    grid = torch.cartesian_prod(axis, axis).reshape(-1, 2, 1)

    def normalised(log: Tensor) -> Tensor:
        return log.softmax(0).reshape(POINTS, POINTS)

    def carry(density: Tensor, std: float) -> Tensor:
        kernel = (-0.5 * ((axis[:, None] - axis) / std) ** 2).softmax(0)
        moved = kernel @ density @ kernel.T
        return moved / moved.sum()

    rows = []
    for seed in range(problems):
        prior, likelihood = _problem(seed)

        def single(
            sigma_s: float,
            sigma_t: float,
            prior: GaussianMixture = prior,
            likelihood: MixtureSum = likelihood,
        ) -> Tensor:
            guided = likelihood.log_prob(prior.denoise(grid, sigma_s))
            density = normalised(prior.log_prob(grid, sigma_s) + guided)
            gap = (sigma_t**2 - sigma_s**2) ** 0.5
            return carry(density, gap) if gap > 0 else density

        posterior = prior.posterior(likelihood)
        for sigma_t in LEVELS:
            exact = normalised(posterior.log_prob(grid, sigma_t))
            positions = torch.linspace(0, 1, 12)[:-1] + 1 / 24
            low, high = FLOOR ** (1 / RHO), sigma_t ** (1 / RHO)
            inside = [float(low + u * (high - low)) ** RHO for u in positions]
            mixture = torch.stack([single(s, sigma_t) for s in inside]).mean(0)
            candidates = (
                single(sigma_t, sigma_t),
                single(sigma_t / 2, sigma_t),
                single(FLOOR, sigma_t),
                mixture,
            )
            rows.append([0.5 * (one - exact).abs().sum().item() for one in candidates])
    table = torch.tensor(rows).reshape(problems, len(LEVELS), 4)
    return Errors(*table.unbind(-1))
