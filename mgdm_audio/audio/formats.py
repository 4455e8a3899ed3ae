"""File formats of the stems, and what to do with samples beyond full scale."""

from __future__ import annotations

from collections.abc import Mapping
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


def fit_range(
    stems: Mapping[str, np.ndarray], mode: str, limit: bool = True
) -> tuple[dict[str, np.ndarray], float]:
    """Bring stems into full scale for formats that need it.

    Args:
        stems: arrays of any shape.
        mode: ``rescale`` turns all stems down by one common factor, so that their balance and
            their sum keep their shape; ``clamp`` cuts peaks; ``none`` leaves them alone.
        limit: whether the format needs it at all.

    Returns:
        the stems and the factor they were scaled by.
    """
    if mode not in CLIP_MODES:
        raise ValueError(f"unknown clip mode {mode!r}, expected one of {', '.join(CLIP_MODES)}")
    if not limit or mode == "none":
        return dict(stems), 1.0
    if mode == "clamp":
        return {name: np.clip(stem, -1.0, 1.0) for name, stem in stems.items()}, 1.0
    peak = max((float(np.abs(stem).max(initial=0.0)) for stem in stems.values()), default=0.0)
    if peak <= 1.0:
        return dict(stems), 1.0
    scale = 0.999 / peak
    return {name: stem * np.float32(scale) for name, stem in stems.items()}, scale
