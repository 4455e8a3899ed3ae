"""From events in quarter notes to notes in seconds: tempo, swing, feel, dynamics, controllers."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from recipes.band.compose.form import Event
from recipes.band.score import Bend, Control, Note


class Clock(NamedTuple):
    """Maps quarter notes to seconds.

    `swing` in 0..1 moves the middle of each `grid` (1.0 for eighths, 0.5 for sixteenths) towards
    the triplet. `drift` is the relative depth of a slow tempo wave of `period` quarters.
    """

    quarter: float  # seconds
    offset: float  # quarter notes skipped at the start
    swing: float
    grid: float
    drift: float
    period: float

    def __call__(self, beat: float) -> float:
        if self.swing:
            cell = math.floor(beat / self.grid)
            phase = beat / self.grid - cell
            middle = 0.5 + self.swing / 6
            warped = (
                phase * middle * 2 if phase < 0.5 else middle + (phase - 0.5) * 2 * (1 - middle)
            )
            beat = (cell + warped) * self.grid
        beat -= self.offset
        if self.drift:
            turn = 2 * math.pi / self.period
            beat += self.drift * math.sin(turn * beat) / turn
        return beat * self.quarter


class Feel(NamedTuple):
    """How tightly one player plays: seconds and velocity units."""

    push: float
    jitter: float
    spread: float
    gain: float


def draw_feel(rng: Random) -> Feel:
    """From a sequencer's grid to loose hands."""
    if rng.random() < 0.25:
        return Feel(0.0, 0.0, rng.choice((0.0, 2.0, 5.0)), rng.uniform(0.7, 1.15))
    return Feel(
        rng.gauss(0, 0.008), rng.uniform(0.001, 0.016), rng.uniform(2, 12), rng.uniform(0.65, 1.2)
    )


def perform(
    rng: Random, events: list[Event], clock: Clock, feel: Feel, duration: float
) -> list[Note]:
    """Notes within [0, duration]; one key is never struck twice at once; sorted by time."""
    gauss, notes = rng.gauss, []
    for start, length, key, velocity, shift in events:
        begin = clock(start)
        end = clock(start + length) + shift
        begin += shift + feel.push + (gauss(0, feel.jitter) if feel.jitter else 0.0)
        if begin >= duration - 0.01 or end <= 0.02:
            continue
        begin = max(0.0, begin)
        end = min(max(end, begin + 0.03), duration)
        if not 0 <= key <= 127:
            continue
        loud = velocity * feel.gain + (gauss(0, feel.spread) if feel.spread else 0.0)
        notes.append((begin, end, key, min(127, max(1, round(loud)))))
    return _untangle(sorted(notes))


def _untangle(notes: list[tuple[float, float, int, int]]) -> list[Note]:
    """End a note where its key is struck again; of two strikes within 10 ms keep the first."""
    sounding: dict[int, int] = {}
    out: list[Note] = []
    for begin, end, key, velocity in notes:
        index = sounding.get(key)
        if index is not None:
            before = out[index]
            if begin - before.start < 0.01:
                continue
            if before.start + before.duration > begin:
                out[index] = before._replace(duration=begin - before.start)
        sounding[key] = len(out)
        out.append(Note(begin, end - begin, key, velocity))
    return out


def ornament(rng: Random, notes: list[Note], amount: float) -> list[Bend]:
    """Bends into notes, slides away and vibrato for a line of notes, with probability `amount`."""
    bends: list[Bend] = []
    for note, after in zip(notes, [*notes[1:], None], strict=True):
        room = min(note.duration, (after.start - note.start) if after else note.duration)
        if room < 0.12 or rng.random() > amount:
            continue
        roll = rng.random()
        end = note.start + room
        if roll < 0.4:  # up into the note
            depth, reach = rng.choice((1.0, 2.0, 0.5)), min(0.5 * room, rng.uniform(0.04, 0.2))
            curve = [(note.start + reach * i / 5, -depth * (1 - i / 5)) for i in range(6)]
        elif roll < 0.5:  # up and back
            depth = rng.choice((1.0, 2.0, 0.5))
            curve = [
                (note.start + room * i / 9, depth * math.sin(math.pi * i / 9)) for i in range(10)
            ]
        elif roll < 0.6:  # fall away
            depth = rng.uniform(1, 3)
            curve = [(note.start + room * (0.7 + 0.29 * i / 5), -depth * i / 5) for i in range(6)]
        else:  # vibrato after a delay
            rate, depth, wait = rng.uniform(4.5, 7), rng.uniform(0.1, 0.5), min(0.2, room * 0.4)
            n = int((room - wait) * 30)
            curve = [
                (note.start + wait + i / 30, depth * math.sin(2 * math.pi * rate * i / 30))
                for i in range(n)
            ]
        bends += [Bend(t, s) for t, s in curve if t < end]
        bends.append(Bend(end - 0.002, 0.0))
    return bends


def pedal(changes: list[float], duration: float) -> list[Control]:
    """Sustain pedal pressed after each change of chord and lifted just before the next."""
    controls = [Control(0.0, 64, 127)]
    for t in changes:
        if 0.05 < t < duration - 0.1:
            controls += [Control(t - 0.02, 64, 0), Control(t + 0.03, 64, 127)]
    return controls


def swell(rng: Random, duration: float) -> list[Control]:
    """A slow expression curve: crescendo, diminuendo or wave."""
    a, b = rng.uniform(50, 127), rng.uniform(60, 127)
    n = max(2, int(duration * 2))
    waves = rng.choice((0.5, 0.5, 1, 2, 4))
    return [
        Control(
            i * duration / n,
            11,
            round(a + (b - a) * (0.5 - 0.5 * math.cos(2 * math.pi * waves * i / n))),
        )
        for i in range(n)
    ]
