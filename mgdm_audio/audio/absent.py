"""Stems that a track is known not to have: what was taken for them belongs to the others."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .spectra import masking_istft, masking_stft
from .stereo import power

#: In samples: at 22,050 Hz 93 ms, as the shipped denoiser's.
WINDOW = 2048


def share_absent(stems: Tensor, absent: Sequence[int], window: int = WINDOW) -> Tensor:
    """Share absent stems among the others, by the power these have in time and frequency.

    That is a Wiener filter whose variances are the others' power spectra and whose mixture is what
    the absent stems hold. Given instead to the network, as a variance of nothing, the same
    knowledge helped less: it has not been trained on it.

    Args:
        stems: ``[C, K, T]``.
        absent: which of the `K`, not all.
        window: of the STFT, see `masking_stft`.

    Returns:
        ``[C, K - len(absent), T]``, of the same sum over stems up to rounding.
    """
    others = [k for k in range(stems.shape[1]) if k not in absent]
    if len(others) == stems.shape[1]:
        return stems
    kept = stems[:, others]
    foreign = masking_stft(stems[:, list(absent)].sum(1), window)
    shares = power(masking_stft(kept, window))
    # Far below the frame's own level, equal parts: a share of nothing is no number.
    shares += 1e-6 * shares.sum(1, keepdim=True).mean(-1, keepdim=True) + 1e-20
    shares /= shares.sum(1, keepdim=True)
    return kept + masking_istft(shares * foreign[:, None], window, stems.shape[-1])
