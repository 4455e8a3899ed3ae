"""Small pieces of music and measurements that several tests share."""

from __future__ import annotations

import numpy as np

from recipes.band.score import Note, Part, Song

RATE = 22050


def measured_pitch(
    audio: np.ndarray, expected: float, rate: int = RATE, octaves: float = 1 / 3
) -> float:
    """Frequency in Hz of the strongest partial within `octaves` of `expected`."""
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), size))
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    near = np.abs(np.log2(np.maximum(frequencies, 1) / expected)) < octaves
    return float(frequencies[near][spectrum[near].argmax()])


def measured_onset(audio: np.ndarray, rate: int = RATE, below: float = 40) -> float:
    """Time in seconds at which `audio` first comes within `below` dB of its peak."""
    return float(np.argmax(np.abs(audio) > np.abs(audio).max() * 10 ** (-below / 20)) / rate)


def scale(stem: str, program: int, low: int, notes: int = 16, step: float = 0.25) -> Part:
    return Part(stem, program, [Note(i * step, 0.2, low + i % 12, 90) for i in range(notes)])


def little_song(seed: int, seconds: float) -> Song:
    """A plain tune for tests that are not about music."""
    rng = np.random.default_rng(seed)
    notes = int(seconds * 4)
    beat = [
        Note(i / 4, 0.1, key, int(rng.integers(60, 120)))
        for i in range(notes)
        for key in ([42, 36] if i % 4 == 0 else [42, 38] if i % 4 == 2 else [42])
    ]
    low = int(rng.integers(0, 12))
    return Song(
        [
            scale("bass", 33, 28 + low, notes),
            Part("drums", 0, beat),
            scale("guitar", 25, 48 + low, notes),
            scale("piano", 0, 60 + low, notes),
        ],
        seconds,
    )
