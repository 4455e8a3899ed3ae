"""From a score to four stems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .performance import sustain, volume_curve
from .score import STEMS, Song
from .sounds import Family

#: RMS of Slakh's stems where they sound, full scale 1, and its spread between songs in decibels.
LEVELS = {"bass": 0.044, "drums": 0.054, "guitar": 0.041, "piano": 0.032}
SPREAD = 4.5
FRAME = 1024  # about 50 ms: levels are measured, and silence is judged, over frames this long
SILENCE = 2e-5  # peak below which a frame is silent (-94 dB full scale)
PEAK = 0.98


def render_song(
    song: Song,
    families: Mapping[str, Sequence[tuple[Family, float]]],
    samplerate: int,
    rng: np.random.Generator,
    effects=None,
) -> np.ndarray:
    """Render the four stems, each with a family drawn by weight from ``families[stem]``.

    Args:
        effects: called as ``effects(audio [T], stem, programs, samplerate, rng)`` on each stem that
            sounds.

    Returns:
        ``[4, T]`` float32: bass, drums, guitar, piano. The peak of their sum is below 1; a stem
        that plays nothing is exactly zero.
    """
    length = round(song.duration * samplerate)
    stems = np.zeros((len(STEMS), length), np.float32)
    for i, stem in enumerate(STEMS):
        # One generator a stem: what the others play does not change the sound of this one.
        own = np.random.default_rng(rng.integers(2**63))
        parts = [part for part in song.parts if part.stem == stem and part.notes]
        if not parts:
            continue
        choices, weights = zip(*families[stem], strict=True)
        family = choices[own.choice(len(choices), p=np.array(weights) / sum(weights))]
        audio = stems[i]
        for part in parts:
            player = family.player(stem, part.program, own)
            played = player(part._replace(notes=sustain(part.notes, part.controls)), length)
            audio += played * volume_curve(part.controls, length, samplerate)
        if effects is not None:
            audio = effects(audio, stem, [part.program for part in parts], samplerate, own)
        gain = 10 ** (own.normal(0, SPREAD) / 20)
        stems[i] = set_level(audio, LEVELS[stem] * gain)
    return limit(stems)


def set_level(audio: np.ndarray, rms: float) -> np.ndarray:
    """Scale to `rms` over the frames that sound (within 40 dB of the loudest), silence the rest.

    Frames whose peak stays below -94 dB full scale become exact zeros.
    """
    whole = len(audio) // FRAME * FRAME
    frames = audio[:whole].reshape(-1, FRAME)
    power = np.square(frames).mean(1) if whole else np.square(audio).mean(keepdims=True)
    loudest = power.max()
    if loudest == 0:
        return np.zeros_like(audio)
    audio = audio * np.float32(rms / np.sqrt(power[power > 1e-4 * loudest].mean()))
    padded = np.pad(audio, (0, -len(audio) % FRAME)).reshape(-1, FRAME)
    padded[np.abs(padded).max(1) < SILENCE] = 0
    return padded.reshape(-1)[: len(audio)]


def limit(stems: np.ndarray) -> np.ndarray:
    """Scale ``[K, T]`` so that neither the mixture nor a stem exceeds the peak."""
    peak = max(np.abs(stems.sum(0)).max(), np.abs(stems).max(), 1e-9)
    return stems * np.float32(min(1.0, PEAK / peak))
