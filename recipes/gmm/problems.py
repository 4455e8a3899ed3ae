"""Random inverse problems whose posterior is known exactly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mgdm_audio.engine import LinearGaussian, MixtureSum
from mgdm_audio.engine.analytic import GaussianMixture

SOURCES, LENGTH, MODES = 4, 4, 12
SIGMA_Y = 0.1


class Problem(NamedTuple):
    """A prior, what was observed of one draw from it, and the exact posterior."""

    prior: GaussianMixture
    likelihood: LinearGaussian
    posterior: GaussianMixture

    @property
    def shape(self) -> torch.Size:
        """Shape of one item, ``[K, T]``."""
        return self.prior.means.shape[1:]


def random_prior(
    generator: torch.Generator, sources: int = SOURCES, length: int = LENGTH, modes: int = MODES
) -> GaussianMixture:
    """Twelve correlated Gaussians in 4 sources of 4 numbers, of overall standard deviation near 1.

    Means are standard Gaussian; each mode has random principal axes with standard deviations
    between 0.1 and 0.6, so a mode is narrow in some directions and overlaps others in some.
    """
    size = sources * length
    means = torch.randn(modes, sources, length, generator=generator)
    axes = torch.linalg.qr(torch.randn(modes, size, size, generator=generator)).Q
    scale = 0.1 * 6 ** torch.rand(modes, size, generator=generator)
    covariances = (axes * scale.unsqueeze(1) ** 2) @ axes.mT
    weights = 0.5 + torch.rand(modes, generator=generator)
    return GaussianMixture(weights, means, covariances)


def mixture_problem(
    seed: int,
    sigma_y: float = SIGMA_Y,
    *,
    sources: int = SOURCES,
    length: int = LENGTH,
    modes: int = MODES,
) -> Problem:
    """The sum of the sources is observed: separation in small."""
    generator = torch.Generator().manual_seed(seed)
    prior = random_prior(generator, sources, length, modes)
    mixture = prior.sample(1, generator).sum(1, keepdim=True)
    mixture = mixture + sigma_y * torch.randn(mixture.shape, generator=generator)
    likelihood = MixtureSum(mixture, sigma_y)
    return Problem(prior, likelihood, prior.posterior(likelihood))


def linear_problem(seed: int, sigma_y: float = SIGMA_Y) -> Problem:
    """A random 4 x 16 operator of singular values between 0.3 and 3 is observed."""
    generator = torch.Generator().manual_seed(seed)
    prior = random_prior(generator)
    size, seen = SOURCES * LENGTH, LENGTH
    left = torch.linalg.qr(torch.randn(seen, seen, generator=generator)).Q
    right = torch.linalg.qr(torch.randn(size, seen, generator=generator)).Q
    values = 0.3 * 10 ** torch.rand(seen, generator=generator)
    matrix = (left * values) @ right.T
    observation = prior.sample(1, generator).flatten(1) @ matrix.T
    observation = observation + sigma_y * torch.randn(observation.shape, generator=generator)
    likelihood = LinearGaussian.from_matrix(observation, matrix, sigma_y)
    return Problem(prior, likelihood, prior.posterior(likelihood))


def sliced_wasserstein(a: Tensor, b: Tensor, *, directions: int = 200, seed: int = 0) -> float:
    """Sliced 2-Wasserstein distance between two sets of equally many draws ``[N, ...]``.

    The mean over random directions of the squared one-dimensional distance, which sorting solves
    exactly (Rabin et al. 2012); its square root is returned.
    """
    a, b = a.flatten(1).double(), b.flatten(1).double()
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(a.shape[1], directions, generator=generator, dtype=torch.float64)
    axes = axes / axes.norm(dim=0)
    gap = (a @ axes).sort(0).values - (b @ axes).sort(0).values
    return gap.square().mean().sqrt().item()
