"""Scales, chords and progressions.

A chord is a root pitch class, intervals above it, a bass pitch class, and the scale that
melodies over it use.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from recipes.band.compose.loops import LOOPS

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "melodic": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "dominant": (0, 1, 4, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "whole": (0, 2, 4, 6, 8, 10),
    "octatonic": (0, 2, 3, 5, 6, 8, 9, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "chromatic": tuple(range(12)),
}

QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mM7": (0, 3, 7, 11),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "7sus4": (0, 5, 7, 10),
    "add9": (0, 4, 7, 14),
    "madd9": (0, 3, 7, 14),
    "9": (0, 4, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "m9": (0, 3, 7, 10, 14),
    "7#9": (0, 4, 7, 10, 15),
    "7b9": (0, 4, 7, 10, 13),
    "11": (0, 7, 10, 14, 17),
    "13": (0, 4, 10, 14, 21),
    "maj7#11": (0, 4, 7, 11, 18),
}


class Chord(NamedTuple):
    """A chord and what melodies over it may use."""

    root: int  # pitch class
    intervals: tuple[int, ...]  # semitones above the root, ascending from 0
    bass: int  # pitch class of the lowest note
    scale: tuple[int, ...]  # pitch classes

    @property
    def tones(self) -> list[int]:
        """Pitch classes, root first."""
        return [(self.root + i) % 12 for i in self.intervals]


class Span(NamedTuple):
    """A chord from `start` to `end`, in quarter notes from the start of the song."""

    start: float
    end: float
    chord: Chord


def make_chord(rng: Random, root: int, quality: str, scale: Sequence[int], slash: float) -> Chord:
    """A chord whose melody scale is `scale` bent to contain the chord's own tones."""
    intervals = QUALITIES[quality]
    tones = {(root + i) % 12 for i in intervals}
    # A scale note a semitone from a foreign chord tone gives way to it.
    kept = [
        p for p in scale if p in tones or not {(p + 1) % 12, (p - 1) % 12} & (tones - set(scale))
    ]
    bass = rng.choice(sorted(tones)) if rng.random() < slash else root
    return Chord(root, intervals, bass, tuple(sorted(tones.union(kept))))


#: What a quality may be swapped for.
RELATIVES = {
    "": ("add9", "maj7", "6", "sus2", "sus4", "maj9", "7"),
    "m": ("m7", "m9", "madd9", "m6", "sus2"),
    "7": ("9", "13", "7sus4", "7b9", "7#9"),
    "maj7": ("maj9", "6", "maj7#11"),
    "m7": ("m9", "11"),
}


def enrich(rng: Random, quality: str, richness: float) -> str:
    """Swap a plain quality for a richer (or barer) relative, with probability `richness`."""
    if quality in RELATIVES and rng.random() < richness:
        return rng.choice(RELATIVES[quality])
    return quality


def draw_progression(
    rng: Random, tonic: int, mode: str, family: str, richness: float, slash: float
) -> list[Chord]:
    """One loop of chords: a known loop of `family`, or a walk over the mode's own chords."""
    scale = [(tonic + s) % 12 for s in SCALES[mode]]
    if family == "diatonic":
        return _walk(rng, scale, richness, slash)
    chords = [
        make_chord(rng, (tonic + offset) % 12, enrich(rng, quality, richness), scale, slash)
        for offset, quality in rng.choice(LOOPS[family])
    ]
    if rng.random() < 0.15:
        shift = rng.randrange(len(chords))
        chords = chords[shift:] + chords[:shift]
    return chords


def _walk(rng: Random, scale: list[int], richness: float, slash: float) -> list[Chord]:
    """Chords stacked in thirds on the degrees of `scale`, the roots moving as roots like to."""
    n, degree, chords = len(scale), 0, []
    for _ in range(rng.choice((1, 2, 3, 4, 4, 4, 6, 8, 8, 12, 16))):
        size = 3 + (rng.random() < richness) + (rng.random() < richness * 0.5)
        stack = [scale[(degree + 2 * i) % n] for i in range(size)]
        intervals, last = [], -1
        for pitch in stack:
            step = (pitch - stack[0]) % 12
            while step <= last:
                step += 12
            intervals.append(step)
            last = step
        bass = rng.choice(stack) if rng.random() < slash else stack[0]
        chords.append(Chord(stack[0], tuple(intervals), bass, tuple(sorted(scale))))
        degree = (degree + rng.choice((3, 3, 4, 4, 1, -1, 5, 2))) % n
    return chords
