"""The score: what a composer or a MIDI file hands to the renderer.

Times are in seconds, keys are MIDI numbers, velocities 1 to 127.
"""

from __future__ import annotations

from typing import NamedTuple

STEMS = ("bass", "drums", "guitar", "piano")

#: General MIDI programs (0-based) that count as a stem, as Slakh groups them.
PROGRAMS = {
    "bass": tuple(range(32, 40)),
    "drums": (0, 8, 16, 24, 25, 32, 40),  # GM2/GS drum kits on channel 10
    "guitar": tuple(range(24, 32)),
    "piano": tuple(range(0, 8)),
}


class Note(NamedTuple):
    start: float
    duration: float
    key: int
    velocity: int


class Bend(NamedTuple):
    """Pitch bend of a whole part from `time` on, in semitones."""

    time: float
    semitones: float


class Control(NamedTuple):
    """MIDI controller of a whole part from `time` on (7 volume, 11 expression, 64 sustain)."""

    time: float
    controller: int
    value: int


class Part(NamedTuple):
    """One instrument. Several parts may belong to one stem."""

    stem: str
    program: int
    notes: list[Note]
    bends: list[Bend] = []  # noqa: RUF012 (never mutated)
    controls: list[Control] = []  # noqa: RUF012 (never mutated)


class Song(NamedTuple):
    parts: list[Part]
    duration: float
    name: str = ""
