"""Sharpening of estimated stems by soft masks over windows longer than the denoiser's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .blocks import Chunker
from .spectra import masking_istft, masking_stft
from .stereo import REACH, SEGMENT, mask, power

#: Windows in samples: at 22,050 Hz, 186 and 372 ms, two and four times the shipped denoiser's.
WINDOWS = (4096, 8192)

#: Of the power by which masks share. Estimates of a posterior mean are too even already where the
#: denoiser is unsure, and a Wiener filter's 1 takes from the weaker stem there.
EXPONENT = 0.75


def soft_masks(stems: Tensor, mixture: Tensor, window: int, spatial: bool = True) -> Tensor:
    """Share the mixture's spectrum among the stems by their power in it (a Wiener filter).

    The variances of the filter are the power spectra of the estimated stems, to the `EXPONENT`;
    of two channels the stems' places between them count as well (`spatial_filter`) if `spatial`.

    Args:
        stems: ``[C, K, T]``.
        mixture: ``[C, T]``.
        window: of the STFT, see `masking_stft`.
        spatial: whether places count.

    Returns:
        ``[C, K, T]``, summing to the mixture over `K` up to rounding.
    """
    # Spectra are held once; what is computed from them is made a segment at a time.
    mixed, spectra = masking_stft(mixture, window), masking_stft(stems, window)

    def given(_: slice, part: Tensor) -> Tensor:
        return shares(power(part).mean(0) if len(part) == 2 else power(part))

    mask(spectra, mixed, window, given, spatial)
    return masking_istft(spectra, window, stems.shape[-1])


def shares(powers: Tensor, exponent: float = EXPONENT) -> Tensor:
    """Parts of the mixture, ``[..., K, N, bins]``, from the stems' powers."""
    weights = powers**exponent
    # Far below the frame's own level, equal parts: a share of nothing is no number.
    weights += 1e-6 * weights.sum(-3, keepdim=True).mean(-1, keepdim=True) + 1e-20
    return weights.div_(weights.sum(-3, keepdim=True))


def refine(
    stems: Tensor, mixture: Tensor, windows: Sequence[int] = WINDOWS, spatial: bool = True
) -> Tensor:
    """Mean of the estimated stems and of the mixture shared out by `soft_masks` in long windows.

    An estimate of the posterior mean leaves a little of every stem in every other. Tones, which a
    long window tells apart better than the denoiser's does, go to the stem that has most of them.

    Shape: ``[C, K, T]`` and ``[C, T]`` to ``[C, K, T]``. Stems that sum to the mixture still do.
    """
    masked = sum(soft_masks(stems, mixture, window, spatial) for window in windows) / len(windows)
    return (stems + masked) / 2


class Refiner:
    """`refine` for a signal that comes in pieces; equal to that of the whole up to rounding.

    Args:
        length: samples of the whole signal.
        channels: of the signal.
        windows: see `refine`; each a divisor of the longest.
        spatial: see `soft_masks`.
        device: where to compute; pieces come from the CPU and go back there.
    """

    def __init__(
        self,
        length: int,
        channels: int,
        windows: Sequence[int] = WINDOWS,
        device: torch.device | str = "cpu",
        spatial: bool = True,
    ):
        self.windows, self.device, self.spatial = tuple(windows), device, spatial
        longest = max(self.windows)
        # A sample depends on what is up to a window away, in frames that lie on multiples of hops;
        # where places count, on the segments of these frames and of their neighbours as well.
        stereo = spatial and channels == 2
        quantum, halo = (SEGMENT, (REACH + 2) * SEGMENT) if stereo else (longest // 2, longest)
        self.chunker = Chunker(length, quantum, halo)

    def push(self, stems: Tensor, mixture: np.ndarray) -> Iterator[Tensor]:
        """Take stems ``[C, K, n]``, yield refined ones in order.

        Args:
            stems: the next piece; what lies beyond the signal's length is dropped.
            mixture: the whole signal, ``[C, length]``.
        """
        for first, last, begin, piece in self.chunker.push(stems):
            part = torch.from_numpy(mixture[:, begin : begin + piece.shape[-1]]).to(self.device)
            refined = refine(piece.to(self.device), part, self.windows, self.spatial)
            yield refined[..., first - begin : last - begin].cpu()
