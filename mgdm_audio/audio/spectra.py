"""Spectrograms with a logarithmic frequency axis, for people to look at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def band_edges(bins: int, samplerate: int, bands: int, lowest: float = 40.0) -> np.ndarray:
    """Bin numbers that bound `bands` bands of growing width, ``[bands + 1]``, strictly increasing.

    Bands are spaced evenly in log-frequency where they are wider than a bin, and a bin wide below.
    """
    nyquist = samplerate / 2
    edges = np.geomspace(lowest / nyquist * (bins - 1), bins, bands + 1).round().astype(int)
    edges[0] = max(edges[0], 1)
    for i in range(1, len(edges)):
        edges[i] = max(edges[i], edges[i - 1] + 1)
    return np.minimum(edges, bins)[np.r_[True, np.diff(np.minimum(edges, bins)) > 0]]


def band_power(x: Tensor, samplerate: int, bands: int = 96, window: int = 2048) -> Tensor:
    """Mean power in bands of log-frequency over time (hop is half the window).

    Shape: ``[..., T]`` to ``[..., about bands, frames]``.
    """
    hop = window // 2
    shape = x.shape[:-1]
    x = F.pad(x.reshape(-1, x.shape[-1]), (hop, hop + (-x.shape[-1]) % hop))
    spectrum = torch.stft(
        x, window, hop, window=torch.hann_window(window, device=x.device),
        center=False, return_complex=True,
    )  # fmt: skip
    power = spectrum.abs().square() * (8 / 3 / window**2)
    edges = band_edges(power.shape[-2], samplerate, bands)
    parts = [power[:, a:b].mean(1) for a, b in pairwise(edges)]
    return torch.stack(parts, 1).reshape(*shape, len(parts), -1)


def log_spectrogram(x: Tensor, samplerate: int, bands: int = 96) -> np.ndarray:
    """`band_power` in dB, averaged over leading axes: ``[..., T]`` to ``[bands, frames]``."""
    power = band_power(x, samplerate, bands)
    power = power.reshape(-1, *power.shape[-2:]).mean(0)
    return (10 * torch.log10(power + 1e-12)).cpu().numpy()
