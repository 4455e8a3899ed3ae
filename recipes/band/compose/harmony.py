"""Scales, chords and progressions.

A chord is a root pitch class, intervals above it, a bass pitch class, and the scale that
melodies over it use.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

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

#: Loops as "semitones above the tonic:quality", by family.
LOOPS = {
    "pop": [
        "0: 7: 9:m 5:",
        "9:m 5: 0: 7:",
        "0: 9:m 5: 7:",
        "5: 7: 0: 9:m",
        "0: 5: 7: 5:",
        "5: 0: 7: 9:m",
        "0: 4:m 5: 7:",
        "0: 7: 5: 5:",
        "5: 7: 4:m 9:m",
        "0: 5:",
        "2:m 5: 0: 7:",
        "0: 0:sus4 7: 7:sus4",
        "0:add9 5:maj7 9:m7 7:sus4",
        "0: 7: 9:m 4:m 5: 0: 5: 7:",
        "0: 10: 5: 0:",
        "0: 2: 5: 0:",
        "0: 5: 5:m 0:",
        "0: 4: 5: 5:m",
        "0: 8: 10: 0:",
    ],
    "minor": [
        "0:m 8: 3: 10:",
        "0:m 10: 8: 10:",
        "0:m 10: 8: 7:",
        "0:m 5:m 7: 0:m",
        "0:m 5:m 10: 3:",
        "0:m 3: 10: 5:m",
        "8: 10: 0:m 0:m",
        "0:m 8: 5:m 7:7",
        "0:m 7:m",
        "0:m 5:",
        "0:m 1: 0:m 10:",
        "0:m 5:m 8: 7:",
        "0:m 2:m7b5 7:7 0:m",
        "0:m 3:aug 3: 0:m6",
        "0:m 11:aug 10:6 9:m7b5",
    ],
    "rock": [
        "0:5 10:5 5:5 0:5",
        "0:5 3:5 5:5 3:5",
        "0:5 8:5 10:5 0:5",
        "0:5 1:5 0:5 10:5",
        "0:5 5:5 10:5 3:5",
        "0:5 0:5 3:5 5:5",
        "0:5 6:5 5:5 3:5",
        "0:5 7:5 8:5 10:5",
        "0: 10: 5: 5:",
        "0: 3: 5: 0:",
        "0:5 5:5 7:5 5:5",
        "0:5",
    ],
    "blues": [
        "0:7 0:7 0:7 0:7 5:7 5:7 0:7 0:7 7:7 5:7 0:7 7:7",
        "0:7 5:7 0:7 0:7 5:7 5:7 0:7 9:7 2:7 7:7 0:7 7:7",
        "0:m7 0:m7 0:m7 0:m7 5:m7 5:m7 0:m7 0:m7 8:7 7:7 0:m7 7:7#9",
        "0:7 0:7 5:7 0:7 7:7 5:7 0:7 7:7",
        "0:9 0:9 5:9 0:9",
    ],
    "jazz": [
        "2:m7 7:7 0:maj7 0:6",
        "0:maj7 9:7 2:m7 7:7",
        "4:m7 9:7 2:m7 7:13",
        "2:m9 7:13 0:maj9 9:7b9",
        "0:maj7 5:maj7 11:m7b5 4:7b9 9:m7 2:7 2:m7 7:7",
        "2:m7b5 7:7b9 0:mM7 0:m6",
        "0:6 1:dim7 2:m7 3:dim7",
        "0:maj7 3:maj7 8:maj7 1:maj7",
        "2:m7 1:7 0:maj7 6:m7b5",
        "0:m9 5:13 10:maj9 3:maj7#11",
        "0:m7 0:m7 1:m7 1:m7",
        "0:maj7 2:7 2:m7 1:maj7#11",
        "0:6 0:6 4:7 4:7 9:7 9:7 2:m7 7:7",
        "5:m7 10:7 3:maj7 8:maj7 2:m7b5 7:7 0:m6 0:m6",
    ],
    "funk": [
        "0:9",
        "0:m7",
        "0:m9 5:13",
        "0:7#9",
        "0:m7 5:7",
        "0:9 0:9 5:9 0:9",
        "0:m7 3:maj7 5:7 10:7",
        "0:m11 0:m7 1:9 0:m7".replace("m11", "11"),
        "0:7 10:7 5:7 0:7#9",
    ],
    "modal": [
        "0:m7",
        "0:sus2",
        "0: 10:",
        "0: 2:",
        "0:maj7 2:",
        "0:m 1:",
        "0:m7 2:m7",
        "0:11 10:11",
        "0:sus4 10:sus2 5:sus2 0:sus2",
        "0:7sus4 3:7sus4 1:7sus4 0:7sus4",
        "0:m 0:m 5: 5:",
    ],
    "chromatic": [
        "0: 11: 10: 9:",
        "0:m 3:m 6:m 9:m",
        "0: 4: 8: 0:",
        "0:maj7 1:maj7 0:maj7 11:maj7",
        "0:aug 1:aug 2:aug 3:aug",
        "0:dim7 1:dim7 2:dim7 7:7",
        "0:m 6:m",
        "0:m 8:m",
        "0: 1: 0: 1:",
        "0:7 11:7 10:7 9:7 8:7 7:7",
    ],
}


class Chord(NamedTuple):
    root: int
    intervals: tuple[int, ...]
    bass: int
    scale: tuple[int, ...]

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


def enrich(rng: Random, quality: str, richness: float) -> str:
    """Swap a plain quality for a richer (or barer) relative, with probability `richness`."""
    options = {
        "": ("add9", "maj7", "6", "sus2", "sus4", "maj9", "7"),
        "m": ("m7", "m9", "madd9", "m6", "sus2"),
        "7": ("9", "13", "7sus4", "7b9", "7#9"),
        "maj7": ("maj9", "6", "maj7#11"),
        "m7": ("m9", "11"),
    }
    if quality in options and rng.random() < richness:
        return rng.choice(options[quality])
    return quality


def draw_progression(
    rng: Random, tonic: int, mode: str, family: str, richness: float, slash: float
) -> list[Chord]:
    """One loop of chords: a known loop of `family`, or a walk over the mode's own chords."""
    scale = [(tonic + s) % 12 for s in SCALES[mode]]
    if family == "diatonic" or family not in LOOPS:
        return _walk(rng, scale, richness, slash)
    chords = []
    for token in rng.choice(LOOPS[family]).split():
        offset, quality = token.split(":")
        quality = enrich(rng, quality, richness)
        chords.append(make_chord(rng, (tonic + int(offset)) % 12, quality, scale, slash))
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
