"""The one loop over noise levels that runs every sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Integral

import torch
from torch import Tensor

from .noise import Noise
from .types import DenoiserError, Progress, Sampler, SamplingError, Step


@torch.inference_mode(False)
@torch.no_grad()
def sample(
    sampler: Sampler,
    sigmas: Tensor | Sequence[float],
    shape: Sequence[int],
    *,
    stop: int | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    device: torch.device | str | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> Tensor:
    """Draw from the posterior, one sample per item.

    In inference mode as well, if denoiser and likelihood were made outside of it.

    Args:
        sampler: for instance ``SAMPLERS["mgdm"](denoise, likelihood)``.
        sigmas: noise levels, positive and strictly descending; a trailing 0 is ignored.
        shape: ``(B, K, T)``, or ``B`` followed by any shape the denoiser takes.
        stop: how many of the levels are visited, from the first on; all by default. A sampler sees
            the whole of `sigmas` all the same, as one that ends early in a longer schedule does.
        seed: one integer (item ``i`` uses a seed derived from it and ``i``) or one per item;
            items with equal seeds share their noise. To repeat or split a batch give one per item,
            as in ``seed=range(4)``, of which items 2 and 3 alone are ``seed=[2, 3]``.
        noise: random numbers to use in place of those of `seed` and `device`: a :class:`.Noise`, or
            what has its methods.
        device: where the denoiser and the observation live; the CPU by default.
        callback: called after every level with a :class:`Progress`.

    Returns:
        ``x0 [B, K, T]``, float32.

    Raises:
        ValueError: if the levels are not positive and descending, `stop` is not from 1 to their
            number, or shapes disagree.
        DenoiserError: if the denoiser returns NaN or infinity for a finite signal.
        SamplingError: if the sampler itself diverges.
    """
    levels = _levels(sigmas)
    stop = len(levels) if stop is None else stop
    if not isinstance(stop, Integral) or not 1 <= stop <= len(levels):
        raise ValueError(f"stop must be from 1 to {len(levels)}, the number of levels, not {stop}")
    if noise is None:
        noise = Noise(seed, shape[0], torch.device("cpu") if device is None else device)
    if sampler.from_noise:
        start = levels[0] * noise.normal(shape)
    else:
        # Drawing what nobody looks at takes a good part of a fast sampler's time.
        noise.skip(shape)
        start = torch.zeros(1, dtype=torch.float32, device=noise.device).expand(tuple(shape))
    state = sampler.init(start)
    denoiser_calls = gradient_calls = 0
    checks = []
    for index, sigma in enumerate(levels[:stop]):
        state, info = sampler.step(state, Step(index, levels, noise))
        finite = torch.isfinite(state.x0).all()
        checks.append((index, sigma, torch.stack([info.finite.to(finite.device), finite])))
        # Looking makes the host wait for the device; one level late, it waits for nothing.
        if finite.device.type == "cpu" or len(checks) > 1:
            _check(*checks.pop(0))
        denoiser_calls += info.denoiser_calls
        gradient_calls += info.gradient_calls
        if callback is not None:
            callback(Progress(index, stop, sigma, state.x0, denoiser_calls, gradient_calls))
    for check in checks:
        _check(*check)
    return state.x0


def _check(index: int, sigma: float, finite: Tensor) -> None:
    """Raise what fits ``finite [2]``: of the denoiser's outputs, and of the sampler's estimate."""
    denoiser, estimate = finite.tolist()
    if not denoiser:
        raise DenoiserError(index, sigma)
    if not estimate:
        raise SamplingError(index, sigma)


def _levels(sigmas: Tensor | Sequence[float]) -> tuple[float, ...]:
    levels = tuple(float(sigma) for sigma in sigmas)
    if levels and levels[-1] == 0:
        levels = levels[:-1]
    falling = all(a > b for a, b in pairwise(levels))
    if not levels or not falling or not levels[-1] > 0:
        raise ValueError(f"noise levels must be positive and strictly descending, not {levels}")
    return levels
