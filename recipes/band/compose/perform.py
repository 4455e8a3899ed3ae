"""From events in quarter notes to notes in seconds: tempo, swing, feel, bends, controllers."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from recipes.band.compose.form import Event
from recipes.band.score import Bend, Control, Note


class Clock(NamedTuple):
    """Maps quarter notes to seconds.

    `swing` in 0..1 moves the middle of each `grid` (1.0: eighths swing, 0.5: sixteenths) towards
    the triplet. `drift` is the relative depth of a slow tempo wave of `period` quarters.
    """

    quarter: float  # seconds
    offset: float  # quarter notes skipped at the start; negative: silence before the start
    swing: float
    grid: float
    drift: float
    period: float

    def __call__(self, beat: float) -> float:
        if self.swing:
            cell, phase = divmod(beat / self.grid, 1.0)
            middle = 0.5 + self.swing / 6
            if phase < 0.5:
                phase *= 2 * middle
            else:
                phase = middle + (phase - 0.5) * 2 * (1 - middle)
            beat = (cell + phase) * self.grid
        beat -= self.offset
        if self.drift:
            turn = 2 * math.pi / self.period
            beat += self.drift * math.sin(turn * beat) / turn
        return beat * self.quarter


class Feel(NamedTuple):
    """How one player plays: timing in seconds, loudness in velocity units."""

    push: float
    jitter: float
    centre: float
    contrast: float  # 1 keeps the written accents, 0 plays everything alike
    spread: float
    wave: float = 0.0  # depth of a slow swell in loudness
    period: float = 16.0  # of the swell, in quarter notes
    length: float = 1.0  # written durations are multiplied by this


WRITTEN_CENTRE = 90.0  # the velocity writers think of as normal


def draw_feel(rng: Random) -> Feel:
    """From a sequencer's grid and fixed velocity to loose hands."""
    centre = rng.choice((rng.uniform(25, 115), rng.gauss(84, 18), rng.gauss(98, 12)))
    if rng.random() < 0.4:
        push, jitter = 0.0, 0.0
    else:
        push, jitter = rng.gauss(0, 0.007), rng.uniform(0.001, 0.016)
    stretch = 1.0
    if rng.random() < 0.2:
        stretch = rng.choice((rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.0), rng.uniform(1.1, 3.0)))
    if rng.random() < 0.25:
        fixed = rng.choice((64.0, 80.0, 90.0, 100.0, 100.0, 110.0, 127.0, 127.0, centre))
        return Feel(push, jitter, fixed, 0.0, 0.0, length=stretch)
    spread = rng.choice((0.0, rng.uniform(1, 10)))
    wave = rng.choice((0.0, 0.0, rng.uniform(3, 20)))
    period = rng.choice((3, 4, 8, 16, 32))
    return Feel(push, jitter, centre, rng.uniform(0.3, 2.0), spread, wave, period, stretch)


def perform(
    rng: Random, events: list[Event], clock: Clock, feel: Feel, duration: float
) -> list[Note]:
    """Notes within [0, duration] in order of time; no key is struck while it sounds."""
    gauss, notes = rng.gauss, []
    push, jitter, centre, contrast, spread, wave, period, stretch = feel
    for start, length, key, velocity, shift in events:
        late = shift + push + (gauss(0, jitter) if jitter else 0.0)
        begin, end = clock(start) + late, clock(start + length * stretch) + late
        if begin >= duration - 0.02 or end <= 0.02 or not 0 <= key <= 127:
            continue
        begin = max(0.0, begin)
        end = min(max(end, begin + 0.03), duration)
        loud = centre + contrast * (velocity - WRITTEN_CENTRE)
        if wave:
            loud += wave * math.sin(2 * math.pi * start / period)
        if spread:
            loud += gauss(0, spread)
        notes.append((begin, end, key, min(127, max(1, round(loud)))))
    return _untangle(sorted(notes))


def _untangle(notes: list[tuple[float, float, int, int]]) -> list[Note]:
    """End a note where its key is struck again; of strikes within 20 ms keep the first."""
    sounding: dict[int, int] = {}
    out: list[Note] = []
    for begin, end, key, velocity in notes:
        index = sounding.get(key)
        if index is not None:
            before = out[index]
            if begin - before.start < 0.02:
                continue
            if before.start + before.duration > begin:
                out[index] = before._replace(duration=begin - before.start)
        sounding[key] = len(out)
        out.append(Note(begin, end - begin, key, velocity))
    return out


def tie(events: list[Event]) -> list[Event]:
    """Join notes of one key that follow without much of a gap, to at most 16 quarters."""
    out: list[Event] = []
    last: dict[int, int] = {}
    for event in sorted(events):
        index = last.get(event.key)
        if index is not None:
            before = out[index]
            length = event.start + event.duration - before.start
            gap = event.start - before.start - before.duration
            if gap <= 0.25 * min(1.0, before.duration) and length <= 16.0:
                out[index] = before._replace(duration=length)
                continue
        last[event.key] = len(out)
        out.append(event)
    return out


def draw_bends(rng: Random, notes: list[Note], amount: float) -> list[Bend]:
    """Bends into notes, slides away and vibrato for a line of notes, each with chance `amount`."""
    bends: list[Bend] = []
    for note, after in zip(notes, [*notes[1:], None], strict=True):
        room = min(note.duration, after.start - note.start) if after else note.duration
        if room < 0.12 or rng.random() > amount:
            continue
        start, roll = note.start, rng.random()
        if roll < 0.4:  # up (or down) into the note
            depth, reach = (
                rng.choice((-1, -2, -0.5, -2, 1)),
                min(0.5 * room, rng.uniform(0.04, 0.2)),
            )
            curve = [(start + reach * i / 5, depth * (1 - i / 5)) for i in range(6)]
        elif roll < 0.5:  # up and back
            depth = rng.choice((1, 2, 0.5))
            curve = [(start + room * i / 9, depth * math.sin(math.pi * i / 9)) for i in range(9)]
        elif roll < 0.6:  # fall away
            depth = rng.uniform(1, 4)
            curve = [(start + room * (0.7 + 0.05 * i), -depth * i / 5) for i in range(6)]
        else:  # vibrato after a while
            turn, wait = 2 * math.pi * rng.uniform(4.5, 7), min(0.2, room * 0.4)
            depth, count = rng.uniform(0.1, 0.5), int((room - wait) * 30)
            curve = [(start + wait + i / 30, depth * math.sin(turn * i / 30)) for i in range(count)]
        bends += [Bend(t, s) for t, s in curve]
        bends.append(Bend(start + room - 0.002, 0.0))
    return bends


def draw_pedal(rng: Random, changes: list[float], duration: float) -> list[Control]:
    """Sustain pedal down after each chord change, up at the next; some changes go without."""
    controls = [Control(0.0, 64, 127)]
    for t in changes:
        if 0.05 < t < duration - 0.1:
            down = 127 if rng.random() < 0.95 else 0
            controls += [Control(t - 0.02, 64, 0), Control(t + 0.03, 64, down)]
    return controls


def draw_swell(rng: Random, duration: float) -> list[Control]:
    """A slow expression curve: crescendo, diminuendo or waves."""
    low, high = rng.uniform(50, 127), rng.uniform(60, 127)
    waves, count = rng.choice((0.5, 0.5, 1, 2, 4)), max(2, int(duration * 4))
    return [
        Control(
            i * duration / count,
            11,
            round(low + (high - low) * (0.5 - 0.5 * math.cos(2 * math.pi * waves * i / count))),
        )
        for i in range(count)
    ]
