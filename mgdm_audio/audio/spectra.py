"""Spectra to mask, and spectrograms with a logarithmic frequency axis for people to look at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

#: Frames computed together where a whole track is looked at: 12 MB of spectrum a channel.
BLOCK = 1500

#: Samples a frame of `band_power` and its pictures.
BAND_WINDOW = 2048


def masking_stft(x: Tensor, window: int) -> Tensor:
    """Spectrum for masks: the root of a Hann window on either side, half-window hops.

    Frame `n` is centred on sample ``n * window / 2``; what lies outside the signal is silence. Its
    end is filled up to a whole hop, so that two frames hear every sample: where there is but one,
    the inverse divides by the slope of its window, and what a mask left there becomes a click.

    Shape: float32 ``[..., T]`` to complex ``[..., N, bins]``.
    """
    hop = window // 2
    x = F.pad(x, (0, -x.shape[-1] % hop))
    shape = torch.hann_window(window, dtype=torch.float32, device=x.device).sqrt()
    options = {"window": shape, "pad_mode": "constant", "return_complex": True}
    size = x.shape[-1] // hop + 1, hop + 1
    out = torch.empty(*x.shape[:-1], *size, dtype=torch.complex64, device=x.device)
    # One at a time, so that spectra are held once.
    for part, row in zip(out.view(-1, *size), x.reshape(-1, x.shape[-1]), strict=True):
        part.copy_(torch.stft(row, window, hop, **options).mT)
    return out


def masking_istft(spectrum: Tensor, window: int, length: int) -> Tensor:
    """Inverse of `masking_stft`, complex ``[..., N, bins]`` to ``[..., length]``."""
    shape = torch.hann_window(window, dtype=torch.float32, device=spectrum.device).sqrt()
    out = torch.empty(*spectrum.shape[:-2], length, dtype=torch.float32, device=spectrum.device)
    parts = spectrum.reshape(-1, *spectrum.shape[-2:])
    for row, part in zip(out.view(-1, length), parts, strict=True):
        row.copy_(torch.istft(part.mT, window, window // 2, window=shape, length=length))
    return out


def band_edges(bins: int, samplerate: int, bands: int, lowest: float = 40.0) -> np.ndarray:
    """Bin numbers that bound `bands` bands of growing width, ``[bands + 1]``, strictly increasing.

    Bands are spaced evenly in log-frequency where they are wider than a bin, and a bin wide below.
    """
    nyquist = samplerate / 2
    lowest = min(lowest, nyquist / 2)  # of the lowest rates, too
    edges = np.geomspace(lowest / nyquist * (bins - 1), bins, bands + 1).round().astype(int)
    edges[0] = max(edges[0], 1)
    for i in range(1, len(edges)):
        edges[i] = max(edges[i], edges[i - 1] + 1)
    return np.minimum(edges, bins)[np.r_[True, np.diff(np.minimum(edges, bins)) > 0]]


def band_power(x: Tensor, samplerate: int, bands: int = 96, window: int = BAND_WINDOW) -> Tensor:
    """Mean power in bands of log-frequency over time (hop is half the window).

    Shape: ``[..., T]`` to ``[..., about bands, frames]``.
    """
    hop = window // 2
    shape = x.shape[:-1]
    x = F.pad(x.reshape(-1, x.shape[-1]), (hop, hop + (-x.shape[-1]) % hop))
    parts = _frames_power(x, samplerate, bands, window)
    return parts.reshape(*shape, *parts.shape[1:])


def picture_power(
    x: Tensor, samplerate: int, columns: int, bands: int = 96, window: int = BAND_WINDOW
) -> np.ndarray:
    """`band_power` for a picture: mean over channels, and over time until `columns` are left.

    It goes through the signal in blocks: an hour of audio needs no more memory than a minute.

    Shape: ``[C, T]`` to ``[about bands, at most columns]``, float64.
    """
    hop = window // 2
    frames = -(-x.shape[-1] // hop) + 1
    columns = min(columns, frames)
    edges = np.arange(columns + 1) * frames // columns
    sums: np.ndarray | None = None
    for first in range(0, frames, BLOCK):
        last = min(first + BLOCK, frames)
        # Frame i sees the samples from (i - 1) to (i + 1) hops; what lies outside is silence.
        begin, end = (first - 1) * hop, last * hop
        piece = x[:, max(begin, 0) : end]
        piece = F.pad(piece, (max(-begin, 0), end - max(begin, 0) - piece.shape[-1]))
        power = _frames_power(piece, samplerate, bands, window).mean(0).numpy()
        sums = np.zeros((len(power), columns)) if sums is None else sums
        column = np.searchsorted(edges, np.arange(first, last), "right") - 1
        np.add.at(sums, (slice(None), column), power)
    return sums / np.diff(edges)


def log_spectrogram(x: Tensor, samplerate: int, columns: int = 2000, bands: int = 96) -> np.ndarray:
    """`picture_power` in dB: ``[C, T]`` to ``[bands, at most columns]``."""
    return 10 * np.log10(picture_power(x, samplerate, columns, bands) + 1e-12)


def _frames_power(x: Tensor, samplerate: int, bands: int, window: int) -> Tensor:
    """Mean power in bands, ``[N, T]`` to ``[N, bands, frames]``, of the windows that fit into T."""
    hann = torch.hann_window(window, dtype=torch.float32, device=x.device)
    spectrum = torch.stft(x, window, window // 2, window=hann, center=False, return_complex=True)
    power = spectrum.abs().square() * (8 / 3 / window**2)
    edges = band_edges(power.shape[-2], samplerate, bands)
    return torch.stack([power[:, a:b].mean(1) for a, b in pairwise(edges)], 1)
