"""Stems that a track is known not to have: what was taken for them belongs to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .blocks import Chunker
from .refine import shares
from .spectra import masking_istft, masking_stft
from .stereo import power

#: In samples: at 22,050 Hz 93 ms, as the shipped denoiser's.
WINDOW = 2048

#: Power of the others that counts as none, relative to what is shared, in the frame's mean.
FLOOR = 1e-9


def share_absent(stems: Tensor, absent: Sequence[int], window: int = WINDOW) -> Tensor:
    """Share absent stems among the others, by the power these have in time and frequency.

    That is a Wiener filter whose variances are the others' power spectra and whose mixture is what
    the absent stems hold. Two channels are shared alike, so that nothing moves between them.

    Args:
        stems: ``[C, K, T]``.
        absent: which of the `K`, not all.
        window: of the STFT, see `masking_stft`.

    Returns:
        ``[C, K - len(absent), T]``, of the same sum over stems up to rounding.
    """
    if not absent:
        return stems
    kept = stems[:, [k for k in range(stems.shape[1]) if k not in absent]]
    foreign = masking_stft(stems[:, list(absent)].sum(1), window)
    powers = power(masking_stft(kept, window))
    # Beside what is shared, the others may be silent but for rounding: then all get equal parts.
    powers += FLOOR * power(foreign).mean(-1, keepdim=True)[:, None]
    parts = shares(powers.mean(0) if len(powers) == 2 else powers, exponent=1.0)
    return kept + masking_istft(parts * foreign[:, None], window, stems.shape[-1])


class Sharer:
    """`share_absent` for a signal that comes in pieces; equal to that of the whole.

    Args:
        length: samples of the whole signal.
        absent: see `share_absent`.
        device: where to compute; pieces come from the CPU and go back there.
    """

    def __init__(self, length: int, absent: Sequence[int], device: torch.device | str = "cpu"):
        self.absent, self.device = absent, device
        # A sample depends on what is up to a window away, in frames that lie on multiples of hops.
        self.chunker = Chunker(length, WINDOW // 2, WINDOW)

    def push(self, stems: Tensor) -> Iterator[Tensor]:
        """Take stems ``[C, K, n]``, yield those that are left, in order."""
        if not self.absent:
            yield stems
            return
        for first, last, begin, piece in self.chunker.push(stems):
            kept = share_absent(piece.to(self.device), self.absent)
            yield kept[..., first - begin : last - begin].cpu()
