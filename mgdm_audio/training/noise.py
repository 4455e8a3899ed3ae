"""Which noise levels a batch is trained at, and the two-level noise itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NoiseLevels:
    """Mixture of noise distributions, as shares of the examples (they need not sum to one).

    - `top`: conditional at `sigma_max`, where a one-step separation is asked for. Without a large
      share of its own this level is never learnt.
    - `conditional`: ``sigma_mix = 0``, `sigma` log-uniform.
    - `partial`: `sigma` and ``sigma_mix <= sigma`` both log-uniform.
    - `plain`: ``sigma_mix = sigma`` log-normal around `centre` with `spread` nepers.
    """

    sigma_min: float
    sigma_max: float
    top: float = 0.4
    conditional: float = 0.25
    partial: float = 0.05
    plain: float = 0.3
    centre: float = 0.07
    spread: float = 1.5

    def __post_init__(self):
        shares = (self.top, self.conditional, self.partial, self.plain)
        if not min(shares) >= 0 or not sum(shares) > 0:
            raise ValueError(f"shares of noise levels are 0 or more, and not all 0: not {shares}")
        if not 0 < self.sigma_min < self.sigma_max or not self.centre > 0:
            raise ValueError("noise levels are positive, and sigma_min is below sigma_max")

    def sample(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Levels ``(sigma, sigma_mix)``, each ``[batch]``, drawn on the generator's device.

        A batch has of each kind its share, rounded up or down by chance: less noise in the
        gradient, and few sizes of what a cascade's second network hears, which are compiled each.
        """
        device = generator.device
        shares = [self.top, self.conditional, self.partial, self.plain]
        shares = torch.tensor(shares, dtype=torch.float64)
        ends = (shares / shares.sum()).cumsum(0)[:-1]
        offset = torch.rand(1, generator=generator, device=device).cpu().double()
        points = (torch.arange(batch) + offset) / batch
        kind = torch.searchsorted(ends, points, right=True).to(device)
        kind = kind[torch.randperm(batch, generator=generator, device=device)]
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        u, v = torch.rand(2, batch, generator=generator, device=device)
        uniform = (low + (high - low) * u).exp()
        normal = torch.randn(batch, generator=generator, device=device)
        normal = (math.log(self.centre) + self.spread * normal).clamp(low, high).exp()
        top = torch.full_like(uniform, self.sigma_max)
        sigma = torch.stack([top, uniform, uniform, normal])[kind, torch.arange(batch)]
        partial = (low + (uniform.log() - low) * v).exp()
        zero = torch.zeros_like(uniform)
        sigma_mix = torch.stack([zero, zero, partial, normal])[kind, torch.arange(batch)]
        return sigma, sigma_mix


def two_level_noise(
    shape: torch.Size, sigma: Tensor, sigma_mix: Tensor, generator: torch.Generator
) -> Tensor:
    """Gaussian noise ``[B, K, T]``, `sigma` on the sum-zero subspace, `sigma_mix` on the mixture.

    `sigma` and `sigma_mix` are standard deviations ``[B]``.
    """
    noise = torch.randn(shape, generator=generator, device=generator.device)
    mean = noise.mean(1, keepdim=True)
    return sigma.view(-1, 1, 1) * (noise - mean) + sigma_mix.view(-1, 1, 1) * mean
