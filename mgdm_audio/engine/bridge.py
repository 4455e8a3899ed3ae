"""The Gaussian bridge between two noise levels, in the variance-exploding form.

``x_s = x_0 + sigma_s n`` is a Brownian motion in the clock ``sigma^2``; pinned at two levels it is
a Brownian bridge. Levels are float64 on the CPU; only the final combination touches the signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .types import Denoiser

Level = float | Tensor
"""A noise level: a number shared by the batch, or a float64 tensor ``[B]`` on the CPU."""


def double(level: Level) -> Tensor:
    """A level as a float64 tensor on the CPU."""
    return torch.as_tensor(level, dtype=torch.float64, device="cpu")


def placed(values: Tensor, x: Tensor) -> Tensor:
    """``values`` in the type of ``x``, and where it is."""
    # CUDA takes a number without the host's waiting; MPS might read it late. The type first, for
    # MPS holds no float64.
    return values.to(x.dtype).to(x.device, non_blocking=x.device.type == "cuda")


def spread(coefficient: Level, x: Tensor) -> Tensor:
    """A coefficient, scalar or ``[B]``, shaped, placed and typed to multiply ``x [B, ...]``."""
    if not isinstance(coefficient, Tensor):
        coefficient = torch.tensor(coefficient, device="cpu")
    coefficient = placed(coefficient, x)
    return coefficient.reshape(-1, *[1] * (x.ndim - 1)) if coefficient.ndim else coefficient


def bridge_coefficients(sigma_a: Level, sigma_s: Level, sigma_t: Level) -> tuple[Tensor, Tensor]:
    """Weight ``r`` of the upper end, and standard deviation, of ``q(x_s | x_a, x_t)``.

    Args:
        sigma_a, sigma_s, sigma_t: levels with ``sigma_a <= sigma_s <= sigma_t``,
            ``sigma_a < sigma_t``.

    Returns:
        ``r`` and the standard deviation, float64: the mean is ``(1 - r) x_a + r x_t``.
    """
    a, s, t = (double(level) ** 2 for level in (sigma_a, sigma_s, sigma_t))
    weight = ((s - a) / (t - a)).clamp(0, 1)
    return weight, ((s - a) * (1 - weight)).clamp_min(0).sqrt()


def bridge_mean(x_a: Tensor, x_t: Tensor, weight: Tensor) -> Tensor:
    """Mean of the bridge, written so that equal ends give that end exactly."""
    return x_a + spread(weight, x_a) * (x_t - x_a)


def bridge(
    x_a: Tensor, x_t: Tensor, sigma_a: Level, sigma_s: Level, sigma_t: Level, noise: Tensor
) -> Tensor:
    """Draw ``x_s ~ q(x_s | x_a, x_t)`` from standard Gaussian ``noise``."""
    weight, std = bridge_coefficients(sigma_a, sigma_s, sigma_t)
    return bridge_mean(x_a, x_t, weight) + spread(std, x_a) * noise


def diffuse(x_s: Tensor, sigma_s: Level, sigma_t: Level, noise: Tensor) -> Tensor:
    """Draw ``x_t ~ q(x_t | x_s)``, ``sigma_t >= sigma_s``, from standard Gaussian ``noise``."""
    variance = (double(sigma_t) ** 2 - double(sigma_s) ** 2).clamp_min(0)
    return x_s + spread(variance.sqrt(), x_s) * noise


def variance_preserving(denoise_vp: Callable[[Tensor, Tensor], Tensor]) -> Denoiser:
    """The denoiser ``D(x, sigma)`` that one trained in the variance-preserving form makes.

    Such networks (Ho et al. 2020, Song et al. 2021) hear ``z = sqrt(a) x_0 + sqrt(1 - a) n``, where
    ``a`` is the cumulated alpha of a time step: ``sigma = sqrt((1 - a) / a)``.

    Args:
        denoise_vp: ``(z [B, ...], sigma [B]) -> E[x_0]``. One that predicts ``n`` is made into it
            by ``(z - sqrt(1 - a) n) / sqrt(a)`` with ``a = 1 / (1 + sigma^2)``.
    """

    def denoise(x: Tensor, sigma: Level) -> Tensor:
        sigma = spread(sigma, x).reshape(-1).expand(len(x))
        return denoise_vp(x / spread((1 + sigma**2).sqrt(), x), sigma)

    return denoise
