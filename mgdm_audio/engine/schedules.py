"""Noise levels, from the highest to the lowest."""

from __future__ import annotations

import torch
from torch import Tensor

from .bridge import double


def karras_schedule(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Levels evenly spaced in ``sigma ** (1 / rho)`` (Karras et al. 2022, equation 5).

    Args:
        n: number of levels; a single level is ``sigma_max``.
        sigma_min: the last level, positive.
        sigma_max: the first level.
        rho: 1 spaces evenly in sigma; larger values put more levels near ``sigma_min``.

    Returns:
        ``[n]`` descending, float64. The clean signal (sigma = 0) is not part of it.

    Raises:
        ValueError: if ``n < 1``, ``rho <= 0`` or not ``0 < sigma_min <= sigma_max``.
    """
    _check(n, sigma_min, sigma_max)
    if rho <= 0:
        raise ValueError(f"rho must be positive, not {rho}")
    position = torch.linspace(1, 0, n, dtype=torch.float64, device="cpu")
    return between(position, double(sigma_min), double(sigma_max), rho)


def exponential_schedule(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Levels evenly spaced in ``log(sigma)``; arguments and errors as `karras_schedule`."""
    _check(n, sigma_min, sigma_max)
    position = torch.linspace(0, 1, n, dtype=torch.float64, device="cpu")
    return sigma_max * (sigma_min / sigma_max) ** position


def between(position: Tensor, low: Tensor, high: Tensor, rho: float) -> Tensor:
    """The level at ``position`` in [0, 1] from ``low`` to ``high``, linear in sigma^(1/rho)."""
    bottom, top = low ** (1 / rho), high ** (1 / rho)
    return (bottom + position * (top - bottom)) ** rho


def _check(n: int, sigma_min: float, sigma_max: float) -> None:
    if n < 1:
        raise ValueError(f"a schedule needs at least one level, not {n}")
    if not 0 < sigma_min <= sigma_max:
        raise ValueError(f"expected 0 < sigma_min <= sigma_max, not {sigma_min}, {sigma_max}")
