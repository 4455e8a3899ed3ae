"""Cut a song: the part worth listening to, of songs that other people wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .performance import sustain
from .score import STEMS, Bend, Control, Part, Song

STEP = 0.25  # seconds
INTRODUCTION = 4.0  # seconds after the first note that are skipped where the song is long enough
Event = TypeVar("Event", Bend, Control)


def activity(song: Song, step: float = STEP) -> np.ndarray:
    """Whether each stem has a note in each `step` seconds, ``[4, steps]`` bool.

    A drum counts for half a second, however long its note.
    """
    sounding = np.zeros((len(STEMS), int(np.ceil(song.duration / step))), bool)
    for part in song.parts:
        for note in sustain(part.notes, part.controls):
            length = 0.5 if part.stem == "drums" else min(note.duration, 8.0)
            first = int(note.start / step)
            last = int(np.ceil((note.start + length) / step))
            sounding[STEMS.index(part.stem), first:last] = True
    return sounding


def fullest(song: Song, seconds: float) -> float:
    """Start of the `seconds` in which the least active stem is most active, then all of them."""
    sounding = activity(song)
    window = min(round(seconds / STEP), sounding.shape[1])
    sums = np.cumsum(np.pad(sounding, ((0, 0), (1, 0))), axis=1)
    share = (sums[:, window:] - sums[:, :-window]) / window  # [4, starts]
    score = share.min(0) + 0.1 * share.mean(0)
    first = min(int(sounding.any(0).argmax() + INTRODUCTION / STEP), len(score) - 1)
    return float((first + score[first:].argmax()) * STEP)


def cut(song: Song, start: float, seconds: float) -> Song:
    """The notes that begin in the `seconds` from `start` on, and what controls them by then."""
    parts = []
    for part in song.parts:
        notes = [
            note._replace(start=note.start - start)
            for note in part.notes
            if start <= note.start < start + seconds
        ]
        parts.append(
            Part(
                part.stem,
                part.program,
                notes,
                _from(part.bends, start, seconds, lambda bend: 0),
                _from(part.controls, start, seconds, lambda control: control.controller),
            )
        )
    return Song([part for part in parts if part.notes], seconds, song.name)


def _from(events: Sequence[Event], start: float, seconds: float, kind) -> list[Event]:
    """Events from `start` on; the last one of each kind before it moves to time zero."""
    before = {kind(event): event for event in sorted(events) if event.time <= start}
    after = [event for event in events if start < event.time < start + seconds]
    moved = [event._replace(time=0.0) for event in before.values()]
    return moved + [event._replace(time=event.time - start) for event in sorted(after)]
