"""Panning as a clue: a Wiener filter over the two channels of a stereo mixture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Samples over which spatial covariances are gathered, 1.5 s at 22,050 Hz, and how many such
#: segments either side count as well: instruments stay where they are.
SEGMENT = 32768
REACH = 4

#: Part of every stem's spatial covariance that has no direction: estimates are not pure.
DIFFUSE = 0.05


def spatial_filter(stems: Tensor, mixture: Tensor, weights: Tensor, frames: int) -> Tensor:
    """Share a stereo spectrum among stems by their power and their place between the channels.

    The multichannel Wiener filter under the local Gaussian model (Duong, Vincent and Gribonval,
    "Under-determined reverberant audio source separation using a full-rank spatial covariance
    model", IEEE TASLP 2010): a stem's covariance is its power at that time and frequency times a
    spatial covariance ``[2, 2]`` a frequency, which here is that of the estimates within `REACH`
    segments of time. Where two stems overlap in time and frequency but not in place, it tells them
    apart; where all are in the middle, it shares by power alone.

    Args:
        stems: spectra of the estimates, complex ``[2, K, bins, N]``.
        mixture: complex ``[2, bins, N]``.
        weights: the stems' power, ``[K, bins, N]``, positive.
        frames: of a segment; segments begin at frame 0.

    Returns:
        ``[2, K, bins, N]``, summing to the mixture over `K` up to rounding.
    """
    places = [_place(stem, frames) for stem in stems.unbind(1)]
    total = weights.sum(0)
    shares = [weight / total for weight in weights]
    # The mixture's covariance [[left, cross], [cross*, right]] in units of the total power.
    left = sum(
        share * _spread(p[0], share, frames) for share, p in zip(shares, places, strict=True)
    )
    right = 2 - left
    cross = sum(
        share * _spread(p[1], share, frames) for share, p in zip(shares, places, strict=True)
    )
    determinant = left * right - (cross * cross.conj()).real
    whitened_left = (right * mixture[0] - cross * mixture[1]) / determinant
    whitened_right = (left * mixture[1] - cross.conj() * mixture[0]) / determinant
    out = torch.empty_like(stems)
    for k, (share, place) in enumerate(zip(shares, places, strict=True)):
        left, cross = (_spread(part, share, frames) for part in place)
        out[0, k] = share * (left * whitened_left + cross * whitened_right)
        out[1, k] = share * (cross.conj() * whitened_left + (2 - left) * whitened_right)
    return out


def _place(stem: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Spatial covariance of ``stem [2, bins, N]`` by segment: left's entry and the cross entry.

    The trace is 2, so that right's entry is ``2 - left``.
    """
    left, right = (_gather(channel.abs().square(), frames) for channel in stem)
    product = stem[0] * stem[1].conj()
    cross = torch.complex(_gather(product.real, frames), _gather(product.imag, frames))
    power = (left + right) / 2 + 1e-20
    left = torch.where(left + right > 1e-20, left / power, torch.ones_like(left))
    return DIFFUSE + (1 - DIFFUSE) * left, (1 - DIFFUSE) * cross / power


def _gather(values: Tensor, frames: int) -> Tensor:
    """Sums ``[bins, segments]`` of ``[bins, N]`` over each segment and its neighbours."""
    whole = F.pad(values, (0, -values.shape[-1] % frames)).unflatten(-1, (-1, frames)).sum(-1)
    size = 2 * REACH + 1
    return size * F.avg_pool1d(whole, size, stride=1, padding=REACH)


def _spread(segments: Tensor, like: Tensor, frames: int) -> Tensor:
    """Every segment's value in all its frames, ``[bins, N]``."""
    return segments.repeat_interleave(frames, -1)[..., : like.shape[-1]]
