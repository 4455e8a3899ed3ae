"""Separate two sources with a prior written down in ten lines: no weights, no files.

    python examples/no_weights.py

Each source is a Gaussian process, one slow and one fast, of unknown loudness: loud or quiet, so the
prior is a mixture of four Gaussians. The same three lines at the end run any prior and any of the
samplers in `SAMPLERS`.
"""

from __future__ import annotations

import torch

from mgdm_audio.engine import SAMPLERS, MixtureSum, karras_schedule, sample
from mgdm_audio.engine.analytic import GaussianMixture

LENGTH, SIGMA_Y = 32, 0.05


def smooth(length_scale: float) -> torch.Tensor:
    """Covariance of a Gaussian process of unit variance."""
    time = torch.arange(LENGTH, dtype=torch.float32)
    gap = (time[:, None] - time) / length_scale
    return torch.exp(-0.5 * gap**2) + 1e-4 * torch.eye(LENGTH)


def make_prior() -> GaussianMixture:
    """Sources ``[2, 32]``: slow and fast, each loud (1) or quiet (0.2)."""
    slow, fast = smooth(8.0), smooth(1.0)
    loudness = [(a, b) for a in (1.0, 0.2) for b in (1.0, 0.2)]
    covariances = [torch.block_diag(a**2 * slow, b**2 * fast) for a, b in loudness]
    return GaussianMixture(torch.ones(4), torch.zeros(4, 2, LENGTH), torch.stack(covariances))


def main() -> None:
    """Separate one mixture with several samplers and print how far each is from the truth."""
    prior = make_prior()
    generator = torch.Generator().manual_seed(0)
    sources = prior.sample(1, generator)
    mixture = sources.sum(1, keepdim=True)
    mixture = mixture + SIGMA_Y * torch.randn(mixture.shape, generator=generator)
    likelihood = MixtureSum(mixture, SIGMA_Y)

    def error(estimate: torch.Tensor) -> float:
        return (estimate - sources[0]).square().mean().sqrt().item()

    print(f"equal shares of the mixture: RMS error {error(mixture[0] / 2):.3f}")
    print(f"exact posterior mean:        RMS error {error(prior.posterior(likelihood).mean()):.3f}")
    for name in ("conditional", "mgdm_free", "pgdm", "msdm_dirac"):
        sampler = SAMPLERS[name](prior.denoise, likelihood)
        draws = sample(sampler, karras_schedule(60, 0.01, 10.0, 3.0), (16, 2, LENGTH), seed=0)
        print(f"{name + ', mean of 16 draws:':28} RMS error {error(draws.mean(0)):.3f}")


if __name__ == "__main__":
    main()
