"""Songs as records sound: loud guitars through amplifiers, and a master over the sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import sosfilt

from .amplifier import amplify
from .effects import DISTORTED, compression, random_effects, shelf
from .render import limit

AMPLIFIED = {True: 0.7, False: 0.15}  # chance of an amplifier, by whether the program is distorted


def produced_effects(
    audio: np.ndarray,
    stem: str,
    programs: Sequence[int],
    samplerate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """`random_effects` ``[T]``, behind an amplifier for some of the guitars."""
    distorted = any(program in DISTORTED for program in programs)
    if stem == "guitar" and rng.random() < AMPLIFIED[distorted] and audio.any():
        audio, programs = amplify(audio, samplerate, rng), ()
    return random_effects(audio, stem, programs, samplerate, rng)


def master(stems: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """Half of the songs ``[K, T]`` through an equaliser and a compressor that hear the sum.

    The equaliser is linear, and the compressor's gain is that of the sum for all stems, so that
    the stems still sum to the mixture.
    """
    if rng.random() < 0.5 or not stems.any():
        return stems
    low, high = rng.uniform(60, 250), min(rng.uniform(2000, 6000), 0.45 * samplerate)
    sections = np.array(
        [
            shelf(low, rng.normal(0, 3), samplerate, high=False),
            shelf(high, rng.normal(1, 4), samplerate, high=True),
        ]
    )
    stems = sosfilt(sections, stems).astype(np.float32)
    gain = compression(
        stems.sum(0),
        samplerate,
        threshold=rng.uniform(-18, -4),
        ratio=rng.uniform(1.5, 6.0),
        attack=10 ** rng.uniform(-2.5, -1.5),
        release=10 ** rng.uniform(-1.3, -0.5),
    )
    loud = np.float32(10 ** (rng.uniform(0, 6) / 20))
    return limit(stems * gain * loud)
