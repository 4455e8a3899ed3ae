"""File formats of the stems, and what to do with samples beyond full scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Format(NamedTuple):
    """Names are libsndfile's; `limit`: samples must lie within full scale; `bits` of integers."""

    container: str
    subtype: str
    extension: str
    limit: bool
    bits: int | None = None


FORMATS = {
    "wav16": Format("WAV", "PCM_16", "wav", True, 16),
    "wav24": Format("WAV", "PCM_24", "wav", True, 24),
    "float32": Format("WAV", "FLOAT", "wav", False),
    "flac": Format("FLAC", "PCM_24", "flac", True, 24),
    "ogg": Format("OGG", "VORBIS", "ogg", True),
}

CLIP_MODES = ("rescale", "clamp", "none")


class Fit(NamedTuple):
    """How samples are brought into full scale: times `scale`, then cut if `clamp`.

    `beyond`: some are beyond it even so, until they are cut, if not here then by the format.

    It is applied to a block at a time while files are written: a copy of all stems would be the
    largest thing in memory.
    """

    scale: float = 1.0
    clamp: bool = False
    beyond: bool = False

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """The samples, of any shape, in full scale; `audio` itself if there is nothing to do."""
        if self.scale != 1.0:
            audio = audio * np.float32(self.scale)
        return np.clip(audio, -1.0, 1.0) if self.clamp else audio


def fit_range(stems: Iterable[np.ndarray], mode: str, limit: bool = True) -> Fit:
    """What brings stems into full scale for formats that need it. Copies nothing.

    Args:
        stems: arrays of any shape.
        mode: ``rescale`` turns all stems down by one common factor, so that their balance and
            their sum keep their shape; ``clamp`` cuts peaks; ``none`` leaves them alone.
        limit: whether the format needs it at all.

    Raises:
        ValueError: an unknown mode.
    """
    if mode not in CLIP_MODES:
        raise ValueError(f"unknown clip mode {mode!r}, expected one of {', '.join(CLIP_MODES)}")
    if not limit:
        return Fit()
    highest = max(map(peak, stems), default=0.0)
    if mode != "rescale":
        return Fit(clamp=mode == "clamp", beyond=highest > 1.0)
    return Fit(scale=0.999 / highest) if highest > 1.0 else Fit()


def peak(audio: np.ndarray) -> float:
    """Largest magnitude (NaN if there is one), without an array of magnitudes."""
    return max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)))
