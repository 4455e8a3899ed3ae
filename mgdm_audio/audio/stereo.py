"""Panning as a clue: mid and side, and a Wiener filter over both channels of a mixture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

#: Samples over which spatial covariances are gathered, 1.5 s at 22,050 Hz, and how many such
#: segments either side count as well: instruments stay where they are.
SEGMENT = 32768
REACH = 4

#: Window of the spectra that `imbalance` compares, and samples that are transformed at a time.
WINDOW = 4096
PIECE = 1 << 20

#: Part of every stem's spatial covariance that has no direction: estimates are not pure.
DIFFUSE = 0.05


def mid_side(audio: Tensor) -> Tensor:
    """Left and right ``[2, ...]`` as mid and side, of the same energy, or mid and side as those.

    The side holds nothing of what is panned to the centre, as basses, voices and most drums are,
    but half the energy of guitars that were recorded twice and panned apart.
    """
    left, right = audio
    return torch.stack([left + right, left - right]) / math.sqrt(2)


def imbalance(audio: Tensor) -> float:
    """How unlike the spectra of left and right are, all in all: 0, alike, to 1, one side only.

    Of music whose sides are alike, what is not in the centre is on both sides, and mid and side
    tell that apart; of music whose instruments stand to one side each, left and right do. Silence
    has 0.

    Args:
        audio: ``[2, T]``.
    """
    total = audio.new_zeros(2, WINDOW // 2 + 1)
    hann = torch.hann_window(WINDOW, dtype=audio.dtype, device=audio.device)
    for part in audio.split(PIECE, -1):
        part = F.pad(part, (0, max(WINDOW - part.shape[-1], 0)))
        spectra = torch.stft(
            part, WINDOW, WINDOW // 2, window=hann, center=False, return_complex=True
        )
        total += power(spectra).sum(-1)
    left, right = total
    return float((left - right).abs().sum() / (left + right).sum().clamp_min(1e-20))


def places(stems: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Spatial covariance of every stem, by segment and frequency: left's entry and the cross entry.

    The trace is 2, so that right's entry is ``2 - left``.

    Args:
        stems: spectra, complex ``[2, K, N, bins]``.
        frames: of a segment; segments begin at frame 0.

    Returns:
        Real and complex, ``[K, segments, bins]`` each.
    """
    sums = []
    for part in stems.split(frames, 2):
        cross = (part[0] * part[1].conj()).sum(-2)
        sums.append(torch.stack([*power(part).sum(-2), cross.real, cross.imag]))
    left, right, *cross = _gather(torch.stack(sums, -2))
    mean = (left + right) / 2 + 1e-20
    left = torch.where(left + right > 1e-20, left / mean, torch.ones_like(left))
    cross = torch.complex(*cross) / mean
    return DIFFUSE + (1 - DIFFUSE) * left, (1 - DIFFUSE) * cross


def spatial_filter(shares: Tensor, mixture: Tensor, left: Tensor, cross: Tensor) -> Tensor:
    """Share a stereo spectrum among stems by their power and their place between the channels.

    The multichannel Wiener filter under the local Gaussian model (Duong, Vincent and Gribonval,
    "Under-determined reverberant audio source separation using a full-rank spatial covariance
    model", IEEE TASLP 2010): a stem's covariance is its power at that time and frequency times a
    spatial covariance ``[2, 2]`` a frequency, which here is that of the estimates within `REACH`
    segments of time. Where two stems overlap in time and frequency but not in place, it tells them
    apart; where all are in the middle, it shares by power alone.

    Args:
        shares: of the stems in the power, ``[K, N, bins]``, summing to 1 over `K`.
        mixture: complex ``[2, N, bins]``, the frames of one segment.
        left, cross: the stems' `places` in that segment, ``[K, bins]``.

    Returns:
        Complex ``[2, K, N, bins]``, summing to the mixture over `K` up to rounding.
    """
    left, cross = left[:, None], cross[:, None]
    # The mixture's covariance [[whole, across], [across*, 2 - whole]], in units of its power.
    whole, across = (shares * left).sum(0), (shares * cross).sum(0)
    determinant = whole * (2 - whole) - (across * across.conj()).real
    mixture = mixture / determinant
    first = (2 - whole) * mixture[0] - across * mixture[1]
    second = whole * mixture[1] - across.conj() * mixture[0]
    out = torch.stack([left * first + cross * second, cross.conj() * first + (2 - left) * second])
    return out.mul_(shares)


def mask(
    spectra: Tensor,
    mixture: Tensor,
    window: int,
    shares: Callable[[slice, Tensor], Tensor],
    spatial: bool = True,
) -> None:
    """Overwrite stems' spectra by their shares of the mixture's, a segment at a time.

    Two channels go through `spatial_filter`, with the `places` that the stems had, if `spatial`.

    Args:
        spectra: complex ``[C, K, N, bins]``, from `masking_stft`.
        mixture: complex ``[C, N, bins]``.
        window: of the STFT.
        shares: called with the segment's frames and the stems' spectra there ``[C, K, n, bins]``;
            of two channels ``[K, n, bins]``, else ``[K, n, bins]`` or one for each channel.
        spatial: whether the places of two channels' stems count.
    """
    frames = max(2 * SEGMENT // window, 1)
    left, cross = places(spectra, frames) if spatial and len(spectra) == 2 else (None, None)
    for number, part in enumerate(spectra.split(frames, 2)):
        here = slice(number * frames, number * frames + part.shape[2])
        given, own = shares(here, part), mixture[:, here]
        if left is None:
            part.copy_(given * own[:, None])
        else:
            part.copy_(spatial_filter(given, own, left[:, number], cross[:, number]))


def power(spectra: Tensor) -> Tensor:
    """Squared magnitude of a complex tensor, without the root that ``abs`` takes."""
    return spectra.real.square() + spectra.imag.square()


def _gather(sums: Tensor) -> Tensor:
    """Sums ``[..., segments, bins]`` over each segment and its neighbours."""
    size = 2 * REACH + 1
    flat = sums.movedim(-2, -1).flatten(0, -3)
    gathered = size * F.avg_pool1d(flat, size, stride=1, padding=REACH)
    return gathered.unflatten(0, sums.shape[:-2]).movedim(-1, -2)
