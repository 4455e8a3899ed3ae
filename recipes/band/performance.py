"""What MIDI controllers do, the same for every kind of sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .score import Control, Note

VOLUME, EXPRESSION, PEDAL = 7, 11, 64
RAMP = 0.005  # seconds over which a change of volume is spread, against clicks


def sustain(notes: Sequence[Note], controls: Sequence[Control]) -> list[Note]:
    """Notes with their durations extended to where the pedal (controller 64) is released.

    A key struck again while its note is held ends the earlier note.
    """
    pedal = sorted((c.time, c.value >= 64) for c in controls if c.controller == PEDAL)
    notes = sorted(notes)
    if not pedal:
        return notes
    times = np.array([time for time, _ in pedal])
    held = np.array([down for _, down in pedal])
    following = {}  # key -> start of the next note of that key, walking backwards
    result = []
    for note in reversed(notes):
        end = note.start + note.duration
        last = np.searchsorted(times, end, side="right") - 1
        if last >= 0 and held[last]:
            releases = np.flatnonzero(~held[last:])
            end = times[last + releases[0]] if len(releases) else np.inf
            end = min(end, max(following.get(note.key, np.inf), note.start + note.duration))
        following[note.key] = note.start
        # A pedal that is never released holds for as long as anything can ring.
        result.append(note._replace(duration=float(min(end - note.start, 30.0))))
    return result[::-1]


def volume_curve(controls: Sequence[Control], length: int, samplerate: int) -> np.ndarray | float:
    """Gain ``[length]`` of volume and expression; the recommended square law, 127 is unity.

    Controllers that never come count as 127.
    """
    curve = 1.0
    for controller in (VOLUME, EXPRESSION):
        changes = sorted((c.time, c.value) for c in controls if c.controller == controller)
        if not changes:
            continue
        times = np.array([time for time, _ in changes]) * samplerate
        gains = (np.array([value for _, value in changes]) / 127) ** 2
        # Each step becomes a short ramp; before the first change the first value holds.
        points = np.stack([times, times + RAMP * samplerate], 1).reshape(-1)
        values = np.stack([np.concatenate([gains[:1], gains[:-1]]), gains], 1).reshape(-1)
        order = np.argsort(points, kind="stable")
        curve = curve * np.interp(np.arange(length), points[order], values[order])
    return curve if np.isscalar(curve) else curve.astype(np.float32)
