"""The one loop over noise levels that runs every sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .noise import Noise
from .types import DenoiserError, Progress, Sampler, SamplingError, Step


@torch.no_grad()
def sample(
    sampler: Sampler,
    sigmas: Tensor | Sequence[float],
    shape: Sequence[int],
    *,
    seed: int | Sequence[int] = 0,
    device: torch.device | str | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> Tensor:
    """Draw from the posterior, one sample per item.

    Args:
        sampler: for instance ``SAMPLERS["mgdm"](denoise, likelihood)``.
        sigmas: noise levels, positive and strictly descending; a trailing 0 is ignored.
        shape: ``(B, K, T)``, or ``B`` followed by any shape the denoiser takes.
        seed: one integer (item ``i`` uses a seed derived from it and ``i``) or one per item;
            items with equal seeds share their noise.
        device: where the denoiser and the observation live; the CPU by default.
        callback: called after every level with a :class:`Progress`.

    Returns:
        ``x0 [B, K, T]``, float32.

    Raises:
        ValueError: if the levels are not positive and descending, or shapes disagree.
        DenoiserError: if the denoiser returns NaN or infinity.
        SamplingError: if the sampler itself diverges.
    """
    levels = _levels(sigmas)
    noise = Noise(seed, shape[0], torch.device("cpu") if device is None else device)
    state = sampler.init(levels[0] * noise.normal(shape))
    denoiser_calls = gradient_calls = 0
    for index, sigma in enumerate(levels):
        state, info = sampler.step(state, Step(index, levels, noise))
        if not bool(info.finite):
            raise DenoiserError(index, sigma)
        if not bool(torch.isfinite(state.x0).all()):
            raise SamplingError(index, sigma)
        denoiser_calls += info.denoiser_calls
        gradient_calls += info.gradient_calls
        if callback is not None:
            callback(Progress(index, len(levels), sigma, state.x0, denoiser_calls, gradient_calls))
    return state.x0


def _levels(sigmas: Tensor | Sequence[float]) -> tuple[float, ...]:
    levels = tuple(float(sigma) for sigma in sigmas)
    if levels and levels[-1] == 0:
        levels = levels[:-1]
    falling = all(a > b for a, b in pairwise(levels))
    if not levels or not falling or not levels[-1] > 0:
        raise ValueError(f"noise levels must be positive and strictly descending, not {levels}")
    return levels
