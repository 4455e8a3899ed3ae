"""The rule by which stems share what lies outside the prior's band."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def octave_shares(stems: Tensor, hop: int) -> Tensor:
    """Share of each stem in the energy of the highest octave of its band, over time.

    The octave is a quarter to a half of the sample rate. Frames are two hops long, centred on
    multiples of `hop`, and smoothed over three; where the octave is silent the shares tend to
    equal parts.

    Shape: ``[C, K, T]`` to ``[C, K, T // hop + 2]``, non-negative, summing to one over `K`.
    """
    frames = stems.shape[-1] // hop + 2
    x = F.pad(stems.flatten(0, 1), (hop, (frames + 1) * hop - hop - stems.shape[-1]))
    hann = torch.hann_window(2 * hop, dtype=torch.float32, device=stems.device)
    x = x.unfold(-1, 2 * hop, hop) * hann
    spectrum = torch.fft.rfft(x, norm="ortho")  # [C K, frames, bins]
    energy = spectrum[..., spectrum.shape[-1] // 2 :].abs().square().mean(-1)
    energy = F.avg_pool1d(energy[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    energy = energy.unflatten(0, stems.shape[:2]) + 1e-9
    return energy / energy.sum(1, keepdim=True)


def share_out(rest: Tensor, stems: Tensor, hop: int) -> Tensor:
    """Split `rest` among stems in proportion to their energy in the prior's highest octave.

    What lies above the prior's band belongs, at any moment, mostly to the stems that are bright
    just below it. The parts sum to `rest` up to rounding.

    Args:
        rest: ``[C, N]``, at the file's rate.
        stems: ``[C, K, T]`` at the prior's rate and level, covering the same time span.
        hop: of the shares, in samples at the prior's rate.

    Returns:
        ``[C, K, N]``.
    """
    shares = octave_shares(stems, hop)
    length = rest.shape[-1]
    position = torch.arange(length, device=rest.device, dtype=torch.float64)
    position = position * (stems.shape[-1] / length / hop)
    left = position.floor().long().clamp(max=shares.shape[-1] - 2)
    weight = (position - left).to(shares.dtype)
    parts = rest.new_empty(rest.shape[0], stems.shape[1], length)
    for k in range(stems.shape[1]):  # one at a time: gains for all would be as large as the parts
        gain = torch.lerp(shares[:, k, left], shares[:, k, left + 1], weight)
        torch.mul(gain, rest, out=parts[:, k])
    return parts
