"""The guitarist: strummed, picked, muted, riffing and leading."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from recipes.band.compose.bass import write_bass
from recipes.band.compose.form import Event, Section
from recipes.band.compose.harmony import Chord
from recipes.band.compose.melody import thicken, write_cycle, write_line, write_melody
from recipes.band.compose.rhythm import with_lengths
from recipes.band.compose.voicing import fold, strum_shape, voice

#: What a guitar or piano plays in the place of a bass.
BASSLINES = ("root", "eighths", "walk", "melodic", "arpeggio", "groove", "boogie", "long")
LINES = ("riff", "muted", "octaves", "tremolo", "ostinato", "drift", "run")


class Touch(NamedTuple):
    """How a manner plays chords: its rhythm, shape and the right hand."""

    rhythm: str
    shape: str
    sizes: tuple[int, ...]
    delay: tuple[float, float]  # seconds between strings
    gate: tuple[float, float]
    short: tuple[float, float] | None = None  # quarter notes at most
    raised: int = 0  # semitones above the player's lowest key
    muted: float = 0.0  # largest share of damped strokes
    upstrokes: bool = False


TOUCHES = {
    "strum": Touch("drawn", "open", (4, 5, 6, 6), (0.002, 0.025), (0.8, 1.0), None, 0, 0.4, True),
    "power": Touch("power", "power", (2, 3, 3), (0.0, 0.005), (0.5, 1.0)),
    "palm": Touch("steady", "power", (1, 2, 3), (0.0, 0.004), (1.0, 1.0), (0.15, 0.3), muted=0.3),
    "gallop": Touch("gallop", "power", (1, 2, 3), (0.0, 0.003), (1.0, 1.0), (0.15, 0.3)),
    "skank": Touch("offbeat", "close", (3, 4), (0.0, 0.01), (1.0, 1.0), (0.12, 0.35), 12),
    "funk16": Touch("busy", "close", (2, 3, 4), (0, 0.008), (1.0, 1.0), (0.1, 0.3), 14, 0.5, True),
    "comp": Touch("sparse", "close", (3, 4, 5), (0.0, 0.012), (0.3, 1.0), None, 10),
    "bossa": Touch("bossa", "close", (3, 4), (0.0, 0.01), (0.4, 1.0), None, 10),
    "freddie": Touch("pulses", "close", (3, 4), (0.0, 0.012), (0.3, 0.7), None, 8),
    "shuffle": Touch("eighths", "boogie", (2,), (0.0, 0.003), (0.5, 1.0)),
    "oompah": Touch("pulses", "open", (3, 4, 5), (0.0, 0.01), (0.4, 0.8)),
    "boomchick": Touch("halves", "open", (3, 4, 5), (0.0, 0.012), (0.4, 0.9)),
    "swell": Touch("long", "open", (3, 4, 5, 6), (0.01, 0.09), (0.9, 1.0)),
    "stab": Touch("sparse", "close", (2, 3, 4), (0.0, 0.005), (1.0, 1.0), (0.1, 0.5), 12),
    "double": Touch("drawn", "dyad", (2,), (0.0, 0.004), (0.5, 1.0), None, 14),
}  # fmt: skip


def _onsets(rng: Random, section: Section, rhythm: str) -> list[float]:
    """One bar of a touch's rhythm."""
    metre = section.metre
    length, pulses = metre.length, metre.pulses
    unit = 1.5 if metre.compound else 1.0
    if rhythm == "power":
        rhythm = rng.choice(("drawn", "eighths", "long", "ends", "pulses"))
    if rhythm in ("drawn", "busy", "sparse"):
        density = {"drawn": (0.15, 0.6), "busy": (0.4, 0.85), "sparse": (0.08, 0.3)}[rhythm]
        return section.onsets(rng, rng.uniform(*density), rng.uniform(0, 0.5))
    if rhythm == "offbeat":
        offbeats = [p + unit / 2 for p in pulses if p + unit / 2 < length]
        return rng.choice((offbeats, offbeats, list(pulses[1::2]) or [0.0]))
    if rhythm == "bossa":
        return [
            o
            for o in rng.choice(((0, 1.5, 2, 3.5), (0.5, 1.5, 2.5, 3), (0, 0.5, 1.5, 3)))
            if o < length
        ]
    if rhythm == "pulses":
        return list(pulses)
    if rhythm == "ends":
        return sorted({0.0, pulses[-1]})
    if rhythm == "long":
        return [0.0]
    step = {
        "eighths": 0.5,
        "halves": unit / 2,
        "gallop": 0.25,
        "steady": rng.choice((0.25, 0.5, 0.5)),
    }[rhythm]
    onsets = [i * step for i in range(int(length / step + 1e-6))]
    if rhythm == "gallop":
        gone = rng.choice((1, 1, 3))
        onsets = [o for i, o in enumerate(onsets) if i % 4 != gone]
    return onsets


def _shape(
    rng: Random, chord: Chord, touch: Touch, size: int, low: int, rootless: bool
) -> list[int]:
    """The keys of a chord under this touch."""
    if touch.shape in ("power", "boogie"):
        root = fold(chord.root, low)
        fifth = 6 if 6 in chord.intervals and 7 not in chord.intervals else 7
        return [root, root + fifth, root + 12][:size]
    if touch.shape == "close":
        return voice(chord, low + 4, size, rootless=rootless)
    if touch.shape == "dyad":
        return voice(chord, low + 4, 3)[-2:]
    return strum_shape(rng, chord, low, size)


def _write_chords(rng: Random, section: Section, low: int, manner: str) -> list[Event]:
    """Shapes on a rhythm, string after string."""
    touch, metre = TOUCHES[manner], section.metre
    low += touch.raised
    onsets = _onsets(rng, section, touch.rhythm)
    answer = _onsets(rng, section, touch.rhythm) if rng.random() < 0.3 else onsets
    size, delay, gate = rng.choice(touch.sizes), rng.uniform(*touch.delay), rng.uniform(*touch.gate)
    if rng.random() < 0.5:
        delay = 0.0  # as a sequencer writes it
    longest = rng.uniform(*touch.short) if touch.short else 99.0
    damped = rng.choice((0.0, rng.uniform(0.0, touch.muted)))
    damp = [rng.random() < damped for _ in range(16)]
    rootless = rng.random() < 0.4
    base = rng.uniform(74, 92) + 20 * section.intensity
    shapes: dict[tuple, list[int]] = {}
    events = []
    for i, bar in enumerate(section.bars):
        for j, (position, duration) in enumerate(
            with_lengths(bar.held(answer if i % 2 else onsets), metre.length, gate)
        ):
            start = bar.start + position
            chord = section.chord_at(start)
            mark = (chord.root, chord.intervals, chord.bass)
            if mark not in shapes:
                shapes[mark] = _shape(rng, chord, touch, size, low, rootless)
            keys = shapes[mark]
            if touch.shape == "boogie":
                keys = [keys[0], keys[0] + (7, 7, 9, 9)[j % 4]]
            elif manner in ("oompah", "boomchick"):
                strong = j == 0 if len(metre.pulses) == 3 and manner == "oompah" else j % 2 == 0
                keys = keys[:1] if strong else keys[1:]
            velocity = base * (1.07 if position in metre.pulses else 0.95)
            duration = min(duration, longest)
            if damp[j % 16]:
                duration, velocity = min(duration, 0.12), velocity * 0.6
            if touch.upstrokes and (position * 2) % 1:
                keys = keys[::-1][: max(2, len(keys) - 2)]
            events += [
                Event(start, duration, key, velocity * (1 - 0.02 * n), delay * n)
                for n, key in enumerate(keys)
            ]
    return events


def _write_picked(rng: Random, section: Section, low: int, manner: str) -> list[Event]:
    """Broken chords: "pick" with an alternating bass, "arpeggio" and "roll" in a cycle."""
    metre = section.metre
    step = rng.choice((0.5, 0.5, 0.25, 1 / 3)) if not metre.compound else 0.5
    if manner == "roll":
        step = 0.25
    n = max(1, int(metre.length / step + 1e-6))
    size = rng.choice((4, 5, 6)) if manner == "pick" else rng.choice((3, 3, 4, 5))
    cycle = list(range(size))
    if manner == "pick":
        cycle = [rng.randrange(1, size) for _ in range(n)]
    elif rng.random() < 0.2:
        rng.shuffle(cycle)
    elif rng.random() < 0.5:
        cycle += cycle[-2:0:-1]
    ring = rng.choice((0.5, 0.9, 1.0, 2.0, 4.0, 16.0))
    thin = rng.choice((0.0, 0.0, 0.1, 0.35))
    skip = [i > 0 and rng.random() < thin for i in range(n)]
    pinch = manner == "pick" and rng.random() < 0.5
    base = rng.uniform(70, 90) + 18 * section.intensity
    shapes: dict[tuple, list[int]] = {}
    events = []
    for bar in section.bars:
        for i in range(n):
            at = i * step
            chord = section.chord_at(bar.start + at)
            mark = (chord.root, chord.intervals, chord.bass)
            if mark not in shapes:
                shapes[mark] = strum_shape(rng, chord, low, size)
            keys = shapes[mark]
            duration = min(step * ring, metre.length - at)
            if manner == "pick" and at in metre.pulses:
                thumb = keys[0] if at in metre.pulses[::2] else keys[min(1, len(keys) - 1)]
                events.append(Event(bar.start + at, duration, thumb, base * 1.05))
                if pinch and i == 0:
                    events.append(Event(bar.start + at, duration, keys[-1], base))
            elif not skip[i]:
                key = keys[cycle[i % len(cycle)] % len(keys)]
                events.append(Event(bar.start + at, duration, key, base * 0.95))
    return events


def write_guitar(rng: Random, section: Section, manner: str, low: int) -> list[Event]:
    """One section of guitar; `low` is the lowest key of its shapes."""
    if manner == "rests":
        return []
    if manner == "bassline":
        return write_bass(rng, section, rng.choice(BASSLINES), min(low, 43), [])
    if manner == "lead":
        events = write_melody(rng, section, low + rng.uniform(12, 36), rng.uniform(5, 14))
        return thicken(section, events, rng.choice((-2, -5, -4))) if rng.random() < 0.15 else events
    if manner in ("pick", "arpeggio", "roll"):
        return _write_picked(rng, section, low, manner)
    if manner == "poly":
        return write_cycle(rng, section, low + 20)
    if manner in LINES:
        raised = rng.choice((0, 0, 12)) if manner in ("riff", "drift", "tremolo") else 12
        return write_line(rng, section, low + raised, manner)
    return _write_chords(rng, section, low, manner)
