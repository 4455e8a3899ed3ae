"""Band-limited resampling, with lengths that are the same however often one converts."""

from __future__ import annotations

import numpy as np
import soxr

#: Samples on either side (at the lower rate) beyond which soxr's HQ filter has no effect.
REACH = 256


def resampled_length(length: int, rate: int, target: int) -> int:
    """Number of samples at `target` that cover `length` samples at `rate`."""
    return -(-length * target // rate)


def resample(audio: np.ndarray, rate: int, target: int, length: int | None = None) -> np.ndarray:
    """Linear-phase resampling by libsoxr (HQ: flat to 0.91 of the Nyquist rate).

    Args:
        audio: ``[channels, frames]`` float32.
        length: frames of the result; by default `resampled_length`.

    Returns:
        ``[channels, length]`` float32, aligned in time with the input.
    """
    length = resampled_length(audio.shape[-1], rate, target) if length is None else length
    if rate == target and length == audio.shape[-1]:
        return np.array(audio, np.float32)
    result = np.zeros((len(audio), length), np.float32)
    # Silence after the end, so that the result is never a sample short. One channel at a time, so
    # that a long file does not need memory for copies of all.
    pad = -(-2 * rate // target) + 2
    for channel, out in zip(audio, result, strict=True):
        converted = soxr.resample(np.pad(channel, (0, pad)), rate, target, quality="HQ")
        count = min(length, len(converted))
        out[:count] = converted[:count]
    return result
