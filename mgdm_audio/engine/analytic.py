"""Priors whose denoiser and posterior are known exactly: the ground truth of every study."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .likelihoods import LinearGaussian


class GaussianMixture:
    """A mixture of Gaussians with full covariances on items of any shape.

    Linear algebra is prepared in float64 and evaluated in the type of ``means``.

    Args:
        weights: ``[C]``, positive; normalised here.
        means: ``[C, K, T]`` (or any item shape of ``N`` elements).
        covariances: ``[C, N, N]``, symmetric positive semi-definite.

    Raises:
        ValueError: if the shapes disagree.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor):
        count, size = len(means), means[0].numel()
        if weights.shape != (count,) or covariances.shape != (count, size, size):
            raise ValueError(
                f"weights {tuple(weights.shape)}, means {tuple(means.shape)} and covariances "
                f"{tuple(covariances.shape)} do not fit"
            )
        self.weights = weights / weights.sum()
        self.means = means
        self.covariances = covariances
        values, vectors = torch.linalg.eigh(covariances.double().cpu())
        self._values = _like(values.clamp_min(0), means)
        self._vectors = _like(vectors, means)
        # All principal axes side by side, [N, C N]: one matrix product rotates into all modes.
        self._axes = self._vectors.permute(1, 0, 2).reshape(size, count * size)
        self._centres = torch.einsum("cnm,cn->cm", self._vectors, means.flatten(1))

    def _components(self, x: Tensor, sigma: Tensor | float) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weight ``[B, C]``, offset in the principal axes and variances ``[B, C, N]``."""
        sigma = torch.as_tensor(sigma, dtype=self.means.dtype, device=x.device).expand(len(x))
        if bool((sigma == sigma[:1]).all()):
            sigma = sigma[:1]  # One level: everything but the offset is shared by the batch.
        rotated = x.flatten(1).to(self.means) @ self._axes
        rotated = rotated.reshape(len(x), *self._values.shape) - self._centres
        variance = self._values + sigma.reshape(-1, 1, 1) ** 2
        log = self.weights.log() - 0.5 * variance.log().sum(-1)
        return log - 0.5 * (rotated**2 / variance).sum(-1), rotated, variance

    def log_prob(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """Log-density of ``x_0 + sigma n`` at ``x [B, K, T]``, ``[B]``."""
        with torch.autocast(x.device.type, enabled=False):
            log, _, _ = self._components(x, sigma)
        return log.logsumexp(1) - 0.5 * self.means[0].numel() * math.log(2 * math.pi)

    def denoise(self, x: Tensor, sigma: Tensor | float, sigma_mix: Tensor | None = None) -> Tensor:
        """``E[x_0 | x]`` for ``x [B, K, T]``, ``sigma`` scalar or ``[B]``.

        With ``sigma_mix`` the noise is anisotropic: ``sigma`` where the sources sum to zero,
        ``sigma_mix`` along their mean (the contract of separation-aware denoisers).
        """
        if sigma_mix is not None:
            return self._denoise_anisotropic(x, sigma, sigma_mix)
        with torch.autocast(x.device.type, enabled=False):
            log, rotated, variance = self._components(x, sigma)
            weight = log.softmax(1)
            shrunk = (weight.unsqueeze(-1) * (self._values / variance)) * rotated
            mean = weight @ self.means.flatten(1) + shrunk.flatten(1) @ self._axes.T
            return mean.reshape(x.shape).to(x.dtype)

    def _denoise_anisotropic(self, x: Tensor, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        # In float64, which MPS has not: on the CPU, as everything that is prepared once.
        size, sources = self.means[0].numel(), x.shape[1]
        wide = {"dtype": torch.float64, "device": "cpu"}
        ones = torch.ones(sources, sources, **wide) / sources
        along = torch.kron(ones, torch.eye(size // sources, **wide))
        levels = torch.stack([_wide(one).expand(len(x)) for one in (sigma, sigma_mix)])
        if bool((levels == levels[:, :1]).all()):
            levels = levels[:, :1]  # One factorisation serves the whole batch.
        sigma, mix = levels.reshape(2, -1, 1, 1)
        noise = sigma**2 * (torch.eye(size, **wide) - along) + mix**2 * along
        covariance, means = _wide(self.covariances), _wide(self.means.flatten(1))
        offset = _wide(x.flatten(1)).unsqueeze(1) - means
        factor = torch.linalg.cholesky(covariance + noise.unsqueeze(1))
        inverse = torch.cholesky_inverse(factor)
        solved = torch.einsum("bcnm,bcm->bcn", inverse.expand(len(x), -1, -1, -1), offset)
        log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log = _wide(self.weights).log() - 0.5 * ((offset * solved).sum(-1) + log_det)
        mean = means + torch.einsum("cnm,bcm->bcn", covariance, solved)
        return _like(torch.einsum("bc,bcn->bn", log.softmax(1), mean).reshape(x.shape), x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """``n`` independent draws, ``[n, K, T]``, from a generator on the CPU."""
        chosen = torch.multinomial(self.weights.cpu(), n, replacement=True, generator=generator)
        chosen = chosen.to(self.means.device)
        white = torch.randn(n, self.means[0].numel(), generator=generator).to(self.means)
        scaled = self._values[chosen].sqrt() * white
        offset = torch.einsum("bnm,bm->bn", self._vectors[chosen], scaled)
        return self.means[chosen] + offset.reshape(-1, *self.means.shape[1:])

    def mean(self) -> Tensor:
        """Mean ``[K, T]``."""
        return torch.einsum("c,c...->...", self.weights, self.means)

    def covariance(self) -> Tensor:
        """Covariance ``[N, N]``."""
        offset = (self.means - self.mean()).flatten(1)
        within = torch.einsum("c,cnm->nm", self.weights, self.covariances)
        return within + torch.einsum("c,cn,cm->nm", self.weights, offset, offset)

    def posterior(self, likelihood: LinearGaussian) -> GaussianMixture:
        """The exact posterior given one linear-Gaussian observation: again a mixture.

        Args:
            likelihood: with an observation of batch size 1 and ``sigma_y > 0``.

        Raises:
            ValueError: if the observation is a batch.
        """
        y = likelihood.observation
        if len(y) != 1:
            raise ValueError(f"one observation is needed, not a batch of {len(y)}")
        size = self.means[0].numel()
        basis = torch.eye(size).to(self.means).reshape(size, *self.means.shape[1:])
        matrix, y = _wide(likelihood.apply(basis).flatten(1).T), _wide(y.flatten())
        prior, centres = _wide(self.covariances), _wide(self.means.flatten(1))
        noise = likelihood.sigma_y**2 * torch.eye(len(matrix)).to(matrix)
        total = matrix @ prior @ matrix.T + noise
        offset = y - centres @ matrix.T
        factor = torch.linalg.cholesky(total)
        solved = torch.cholesky_solve(offset.unsqueeze(-1), factor).squeeze(-1)
        log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log = _wide(self.weights).log() - 0.5 * ((offset * solved).sum(-1) + log_det)
        gain = prior @ matrix.T
        means = centres + torch.einsum("cnm,cm->cn", gain, solved)
        covariances = prior - gain @ torch.cholesky_solve(gain.mT, factor)
        covariances = 0.5 * (covariances + covariances.mT)
        return GaussianMixture(
            _like(log.softmax(0), self.means),
            _like(means.reshape(self.means.shape), self.means),
            _like(covariances, self.means),
        )


def _wide(x: Tensor | float) -> Tensor:
    """In float64 on the CPU."""
    return torch.as_tensor(x, device="cpu").double()


def _like(x: Tensor, reference: Tensor) -> Tensor:
    """In a reference's type, then on its device: MPS takes no float64."""
    return x.to(reference.dtype).to(reference.device)


def gaussian(mean: Tensor, covariance: Tensor) -> GaussianMixture:
    """A single Gaussian with mean ``[K, T]`` and covariance ``[N, N]``."""
    return GaussianMixture(torch.ones(1).to(mean), mean.unsqueeze(0), covariance.unsqueeze(0))
