"""A mixture as it comes in: sample rate, shape, level, and channels that are the same."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from .audio.files import LOUDEST
from .audio.formats import peak
from .errors import AudioFileError

#: More channels than that are frames that were taken for channels.
MAX_CHANNELS = 64

#: Peak under which a mixture is brought up before anything is computed: below -100 dB of full scale
#: the floors that keep silent frames from dividing by nothing begin to count.
QUIETEST = 1e-5


def as_rate(samplerate: float) -> int:
    """The sample rate as an integer, which other libraries may hold in another type.

    Raises:
        ValueError: it is no positive whole number.
    """
    try:
        rate = int(samplerate)
    except (TypeError, ValueError, OverflowError):  # no number, not a finite one
        rate = 0
    if rate < 1 or rate != samplerate:
        raise ValueError(
            f"samplerate must be a whole number of samples a second, such as 44100, "
            f"not {samplerate!r}"
        )
    return rate


def as_array(mixture: Tensor | np.ndarray, copy: bool = True) -> np.ndarray:
    """A mixture ``[C, T]`` or ``[T]`` as ``[C, T]`` in float32, `copy` for memory of its own.

    Raises:
        AudioFileError: it is empty, not finite or absurdly loud, or its channels are frames.
        TypeError: it is something else.
    """
    if isinstance(mixture, Tensor):
        if mixture.is_complex():
            raise TypeError("a mixture is real, not complex")
        here = mixture.detach().cpu().float()  # NumPy has no bfloat16
        copy = copy and here.data_ptr() == mixture.data_ptr()
        mixture = here.numpy()
    try:
        given = np.asarray(mixture)
    except (ValueError, RuntimeError) as error:  # lists of unequal length, or of other tensors
        raise TypeError(f"a mixture is an array or tensor of numbers, not so: {error}") from error
    if given.dtype.kind not in "biuf":
        raise TypeError(f"a mixture is an array or tensor of numbers, not {_kind(mixture, given)}")
    if 0 in given.shape:
        raise AudioFileError(f"the mixture of shape {list(given.shape)} holds no samples.")
    with np.errstate(over="ignore"):  # what is too large for float32 is refused below
        mixture = np.ascontiguousarray(np.atleast_2d(given), np.float32)
    if mixture.ndim != 2 or len(mixture) > MAX_CHANNELS:
        raise AudioFileError(
            f"a mixture has shape [channels, frames] with at most {MAX_CHANNELS} channels, "
            f"not {list(mixture.shape)}; arrays from soundfile want a transpose (.T)."
        )
    if not peak(mixture) < LOUDEST:  # not so for NaN
        raise AudioFileError(
            f"the mixture holds NaN or infinite samples, or samples beyond {LOUDEST:g} times full "
            "scale, which is 1.0; leave that part out, or scale the mixture."
        )
    return mixture.copy() if copy and np.may_share_memory(mixture, given) else mixture


def _kind(mixture: object, given: np.ndarray) -> str:
    return "complex ones" if given.dtype.kind == "c" else type(mixture).__name__


def lift_exponent(mixture: np.ndarray) -> int:
    """The power of two, which costs no precision, that brings a very quiet mixture up; or 0."""
    highest = peak(mixture)
    return -math.frexp(highest)[1] if 0 < highest < QUIETEST else 0


def distinct_channels(mixture: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The channels that differ, and which of them each channel is: dual mono costs one."""
    kept: list[int] = []
    copies = []
    for i, channel in enumerate(mixture):
        same = [j for j, k in enumerate(kept) if np.array_equal(mixture[k], channel)]
        if not same:
            kept.append(i)
        copies.append(same[0] if same else len(kept) - 1)
    # A view where it can be, and it nearly always can: a long track is large.
    leading = kept == list(range(len(kept)))
    return mixture[: len(kept)] if leading else mixture[kept], copies
