"""SI-SDR improvement in sliding windows: the protocol of MSDM (Mariani et al., ICLR 2024).

Two conventions differ by several dB on Slakh, so both are always at hand. A window counts when at
least two references are active in it. In such a window the reference of an absent instrument is
(nearly) silent, and SI-SDR only measures how small its estimate is, up to +109 dB for digital
silence. ``silent="include"`` keeps those values in a stem's mean and reproduces published tables;
``silent="skip"`` leaves them out and speaks of the sounds that were separated.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .si_sdr import si_sdr

Silent = Literal["skip", "include"]
SILENCE_THRESHOLD = 1.5e-5  # on |s| / N, as in MSDM's evaluation
_WINDOWS_AT_ONCE = 16  # bounds memory: 16 windows of 4 s and four stems are 22 MB


class WindowScores(NamedTuple):
    """SI-SDR improvement of one track, window by window.

    Shape:
        start: ``[W]``, first sample of each window.
        improvement: ``[W, K]``, dB over taking the mixture as the estimate.
        active: ``[W, K]``, whether the reference sounds in that window.
    """

    start: Tensor
    improvement: Tensor
    active: Tensor

    def mean(self, silent: Silent = "skip") -> Tensor:
        """Mean over windows, ``[K]``; NaN for a stem with no window that counts.

        Raises:
            ValueError: `silent` is neither "skip" nor "include".
        """
        keep = counted(self.active, silent)
        total = torch.where(keep, self.improvement, 0.0).sum(0)
        return total / keep.sum(0)  # 0 / 0 is the NaN that is documented


def counted(active: Tensor, silent: Silent) -> Tensor:
    """Which of the windows ``active [W, K]`` enter the mean under a silence convention."""
    if silent not in ("skip", "include"):
        raise ValueError(f'silent must be "skip" or "include", not {silent!r}')
    return active if silent == "skip" else torch.ones_like(active)


def is_active(signal: Tensor, length: Tensor | int | None = None) -> Tensor:
    """Whether ``signal [..., T]`` is not silent: ``|s| / N >= 1.5e-5``, ``[...]`` booleans.

    `length` is N, by default T; it is smaller for windows padded at the end of a track.
    """
    return signal.norm(dim=-1) / (signal.shape[-1] if length is None else length) >= (
        SILENCE_THRESHOLD
    )


def window_scores(
    estimates: Tensor,
    references: Tensor,
    samplerate: int,
    window: float = 4.0,
    hop: float = 2.0,
    chunk: int | None = None,
    min_active: int = 2,
) -> WindowScores:
    """SI-SDR improvement over the mixture in every window with enough active stems.

    The mixture is the sum of the references. The last window may be shorter than the others, as
    in MSDM's evaluation.

    Args:
        estimates, references: ``[K, T]``.
        samplerate: Hz.
        window, hop: seconds; ``0 < hop <= window``.
        chunk: score whole chunks of this many samples only and leave out the rest of the track
            (MSDM separates and scores whole chunks of ``2**18``).
        min_active: least number of active references for a window to count.

    Raises:
        ValueError: shapes that differ or are not ``[K, T]``, or windows that make no sense.
    """
    if estimates.shape != references.shape or references.ndim != 2:
        raise ValueError(
            "estimates and references must both be [K, T], "
            f"not {tuple(estimates.shape)} and {tuple(references.shape)}"
        )
    size, step = int(window * samplerate), int(hop * samplerate)
    if not 0 < step <= size:
        raise ValueError(f"need 0 < hop <= window, not hop {hop} s and window {window} s")
    length = references.shape[-1]
    if chunk is not None:
        length -= length % chunk
    # a track shorter than the overlap still gets one (short) window
    count = max(math.ceil((length - (size - step)) / step), 1 if length else 0)
    padded = (count - 1) * step + size
    references, estimates = (
        torch.nn.functional.pad(x[:, :length].detach(), (0, padded - length))
        for x in (references, estimates)
    )
    starts = torch.arange(count, device=references.device) * step
    lengths = (length - starts).clamp(max=size)
    parts = []
    for first in range(0, count, _WINDOWS_AT_ONCE):
        span = slice(first * step, (min(first + _WINDOWS_AT_ONCE, count) - 1) * step + size)
        # [K, t] -> [W, K, size]; padding zeros change no sum
        reference, estimate = (
            x[:, span].unfold(-1, size, step).transpose(0, 1) for x in (references, estimates)
        )
        n = lengths[first : first + _WINDOWS_AT_ONCE, None]
        active = is_active(reference, n)
        keep = active.sum(1) >= min_active
        reference, estimate = reference[keep], estimate[keep]
        mixture = reference.sum(1, keepdim=True)
        gain = si_sdr(estimate, reference) - si_sdr(mixture, reference)
        parts.append((starts[first : first + _WINDOWS_AT_ONCE][keep], gain, active[keep]))
    if not parts:
        k = references.shape[0]
        return WindowScores(starts, references.new_zeros(0, k), starts.new_zeros(0, k).bool())
    return WindowScores(*(torch.cat(part) for part in zip(*parts, strict=True)))


def si_sdr_improvement(
    estimates: Tensor,
    references: Tensor,
    samplerate: int,
    silent: Silent = "skip",
    window: float = 4.0,
    hop: float = 2.0,
    chunk: int | None = None,
) -> Tensor:
    """Mean SI-SDR improvement of one track's stems, ``[K]`` in dB; see `window_scores`.

    A stem with no window that counts gives NaN: that is an absent figure, not a bad one.

    Raises:
        ValueError: see `window_scores` and `WindowScores.mean`.
    """
    return window_scores(estimates, references, samplerate, window, hop, chunk).mean(silent)
