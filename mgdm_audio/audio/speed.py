"""Audio at another speed, and what a denoiser makes of it there."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from .bands import share_out
from .resample import resample

#: Samples between two shares of what is above the band that a denoiser hears.
HOP = 512

#: Largest denominator of a speed: right to half a cent.
DENOMINATOR = 2000


def ratio(cents: float) -> tuple[int, int]:
    """The speed that raises pitch by `cents`, right to half a cent."""
    return Fraction(2 ** (cents / 1200)).limit_denominator(DENOMINATOR).as_integer_ratio()


def cents(speed: tuple[int, int]) -> float:
    """By how much a speed raises pitch."""
    return 1200 * math.log2(speed[0] / speed[1])


def combined(speed: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """One speed after another, right to half a cent."""
    exact = Fraction(*speed) * Fraction(*other)
    return exact.limit_denominator(DENOMINATOR).as_integer_ratio()


def played(audio: Tensor, speed: tuple[int, int], length: int | None = None) -> Tensor:
    """``audio [..., T]`` played at another speed, a ratio: faster and higher above 1.

    By `resample`, so on the CPU, in single precision and without gradients. Played faster, it loses
    what would lie above half the sampling rate.

    Args:
        length: frames of the result; by default those that cover the audio.
    """
    rate, target = speed
    if rate == target:
        return audio
    parts = audio.reshape(-1, audio.shape[-1]).float().cpu().numpy()
    moved = torch.from_numpy(resample(parts, rate, target, length))
    return moved.reshape(*audio.shape[:-1], -1).to(audio)


def at_speed(denoise: Callable[[Tensor], Tensor], x: Tensor, speed: tuple[int, int]) -> Tensor:
    """What `denoise` makes of stems ``x [B, K, T]`` that it hears at another speed, brought back.

    Played faster it does not hear the top of the band: that goes where the octave below went, as
    what lies above the prior's band does, not to all stems alike. `x` has the prior's level.
    """
    if speed[0] == speed[1]:
        return denoise(x)
    stems = played(denoise(played(x, speed)).cpu(), speed[::-1], x.shape[-1])
    return (stems + share_out(x.sum(1).cpu() - stems.sum(1), stems, HOP)).to(x.device)
