"""Pianos and other keyboards: two hands, many habits."""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event, Section
from recipes.band.compose.guitar import _line, _poly
from recipes.band.compose.harmony import nearest, scale_step, spread, voice
from recipes.band.compose.melody import write_melody
from recipes.band.compose.rhythm import draw_onsets, with_lengths

PEDALLED = ("ballad", "arpeggio", "long", "sparse", "melody")


def _hits(
    rng: Random,
    section: Section,
    onsets_by_bar,
    centre: float,
    size: int,
    gate: float,
    velocity: float,
    rootless: bool = False,
    opened: bool = False,
) -> list[Event]:
    """Chords on given onsets, led smoothly from one to the next."""
    events, previous, held = [], None, {}
    for i, bar in enumerate(section.bars):
        onsets = onsets_by_bar[i % len(onsets_by_bar)]
        for position, duration in with_lengths(onsets, section.metre.length, gate):
            start = bar.start + position
            chord = section.chord_at(start)
            mark = (chord.root, chord.intervals)
            if mark not in held:
                held[mark] = voice(chord, centre, size, previous, rootless)
            previous = held[mark]
            keys = spread(previous) if opened else previous
            accent = 1.06 if position == 0.0 else 0.97
            events += [Event(start, duration, k, velocity * accent) for k in keys]
    return events


def _left(
    rng: Random, section: Section, low: int, velocity: float, manner: str | None = None
) -> list[Event]:
    """The left hand: long roots, octaves, root-fifth, tenths, broken chords, or nothing."""
    manner = manner or rng.choice(("root", "octave", "fifth", "broken", "tenth", "rest", "pulse"))
    if manner == "rest":
        return []
    metre, events = section.metre, []
    for bar in section.bars:
        for span in bar.spans:
            length = span.end - span.start
            root = low + (span.chord.bass - low) % 12
            keys = [root + i % 12 + (12 if i > 11 else 0) for i in span.chord.intervals]
            if manner == "broken":
                cell = [root, keys[min(2, len(keys) - 1)], root + 12, keys[1] + 12]
                n = max(1, int(length / 0.5))
                events += [
                    Event(
                        span.start + i * 0.5,
                        min(2.0, length - i * 0.5),
                        cell[i % 4],
                        velocity * 0.9,
                    )
                    for i in range(n)
                ]
            elif manner == "pulse":
                events += [
                    Event(bar.start + p, 0.9, root, velocity)
                    for p in metre.pulses
                    if span.start <= bar.start + p < span.end
                ]
            else:
                chosen = {
                    "root": [root],
                    "octave": [root, root + 12],
                    "fifth": [root, root + 7],
                    "tenth": [root, keys[1] + 12],
                }[manner]
                events += [Event(span.start, length * 0.97, k, velocity) for k in chosen]
    return events


def _two_part(rng: Random, section: Section, low: int, centre: float, velocity: float, manner: str):
    """Stride and oom-pah: bass on strong pulses, chord on the others."""
    events, previous = [], None
    gate = rng.uniform(0.3, 0.9)
    for bar in section.bars:
        for j, p in enumerate(section.metre.pulses):
            chord = section.chord_at(bar.start + p)
            strong = j == 0 if len(section.metre.pulses) % 2 else j % 2 == 0
            if strong:
                fifth = chord.tones[min(2, len(chord.tones) - 1)]
                root = low + ((chord.bass if j == 0 or rng.random() < 0.5 else fifth) - low) % 12
                keys = [root] if rng.random() < 0.6 else [root, root + 12]
            else:
                keys = previous = voice(chord, centre - 8, 3, previous)
            events += [Event(bar.start + p, gate, k, velocity) for k in keys]
    if manner == "stride" or rng.random() < 0.5:
        events += write_melody(rng, section, centre + 14)
    return events


def _arpeggio(
    rng: Random, section: Section, low: int, centre: float, velocity: float
) -> list[Event]:
    """Broken chords over one to three octaves."""
    metre = section.metre
    step = rng.choice((0.25, 0.5, 0.5, 1 / 3)) if not metre.compound else rng.choice((0.5, 0.25))
    n = int(metre.length / step + 1e-6)
    octaves, gate = rng.choice((1, 1, 2, 3)), rng.choice((0.5, 0.95, 2.0))
    ladder_size = 4 * octaves
    shape = rng.choice(("up", "down", "wave", "alberti", "random"))
    order = list(range(ladder_size))
    if shape == "down":
        order.reverse()
    elif shape == "wave":
        order = order + order[-2:0:-1]
    elif shape == "alberti":
        order = [0, 2, 1, 2]
    elif shape == "random":
        rng.shuffle(order)
    events = []
    for bar in section.bars:
        for i in range(n):
            chord = section.chord_at(bar.start + i * step)
            keys = voice(chord, centre - 6 * (octaves - 1), 4)
            rung = order[i % len(order)]
            key = keys[rung % 4] + 12 * (rung // 4)
            events.append(
                Event(bar.start + i * step, step * gate, key, velocity * (1.05 if i == 0 else 0.95))
            )
    return events + _left(rng, section, low, velocity)


def _montuno(rng: Random, section: Section, centre: float, velocity: float) -> list[Event]:
    """Octaves with inner notes on a syncopated two-bar figure."""
    figure = rng.choice(
        (
            [0, 1, 1.5, 2.5, 3.5],
            [0, 0.5, 1.5, 2.5, 3.5],
            [0.5, 1.5, 2, 2.5, 3.5],
            [0, 0.75, 1.5, 2.25, 3],
        )
    )
    figure = [f for f in figure if f < section.metre.length]
    events = []
    for bar in section.bars:
        for i, (p, d) in enumerate(with_lengths(figure, section.metre.length, 0.7)):
            keys = voice(section.chord_at(bar.start + p), centre, 3)
            top = keys[i % 3]
            chosen = [top, top + 12] if i % 2 == 0 else [keys[(i + 1) % 3], keys[(i + 2) % 3]]
            events += [Event(bar.start + p, d, k, velocity) for k in chosen]
    return events


def write_piano(
    rng: Random, section: Section, manner: str, centre: int, tune: list[Event]
) -> list[Event]:
    """One section of piano around key `centre`; "double" follows `tune` (a guitar's)."""
    metre = section.metre
    low = max(24, centre - rng.choice((36, 29, 24, 20)))
    velocity = rng.uniform(58, 84) + 32 * section.intensity
    size = rng.choice((2, 3, 3, 4, 4, 5))
    gate = rng.choice((0.3, 0.6, 0.9, 1.0))
    if manner == "rests":
        return []
    if manner == "double":
        if tune:
            shift = rng.choice((0, 0, 12, -12))
            return [e._replace(key=e.key + shift, shift=0.0) for e in tune]
        manner = "melody"
    if manner in ("stride", "oompah"):
        return _two_part(rng, section, low, centre, velocity, manner)
    if manner == "arpeggio":
        return _arpeggio(rng, section, low, centre, velocity)
    if manner == "montuno":
        return _montuno(rng, section, centre, velocity)
    if manner == "melody":
        events = write_melody(rng, section, centre + 10, rng.uniform(7, 15))
        roll = rng.random()
        if roll < 0.2:
            events += [e._replace(key=e.key + 12) for e in events]
        elif roll < 0.4:
            events += [
                e._replace(key=scale_step(section.chord_at(e.start).scale, e.key, -2))
                for e in events
            ]
        if rng.random() < 0.3:
            return events + _hits(rng, section, [[0.0]], centre - 6, 3, 0.97, velocity * 0.85)
        return events + _left(rng, section, low, velocity * 0.9)
    if manner == "boogie":
        cell = rng.choice(
            ((0, 4, 7, 9, 10, 9, 7, 4), (0, 7, 9, 7), (0, 0, 4, 7, 9, 7, 4, 0), (0, 12, 7, 12))
        )
        events = []
        for bar in section.bars:
            for i in range(int(metre.length * 2)):
                chord = section.chord_at(bar.start + i * 0.5)
                root = low + (chord.root - low) % 12
                events.append(
                    Event(bar.start + i * 0.5, 0.5 * gate, root + cell[i % len(cell)], velocity)
                )
        onsets = [draw_onsets(rng, metre, 0.2, 0.5) for _ in range(2)]
        return events + _hits(rng, section, onsets, centre + 5, 3, gate, velocity * 0.95)
    if manner in ("drift", "ostinato", "clav"):
        events = _line(rng, section, centre - 12, "drift" if manner == "drift" else "ostinato")
        if manner == "clav":
            onsets = [draw_onsets(rng, metre, 0.5, 0.6)]
            return _hits(rng, section, onsets, centre - 4, 3, 0.35, velocity) + (
                events if rng.random() < 0.3 else []
            )
        return events + (_left(rng, section, low, velocity) if rng.random() < 0.5 else [])
    if manner == "poly":
        return _poly(rng, section, centre - 18)
    if manner == "sparse":
        events = []
        for bar in section.bars:
            if rng.random() < 0.6:
                at = bar.start + rng.randrange(metre.steps) * metre.step
                chord = section.chord_at(at)
                key = nearest(chord.tones, rng.uniform(36, 96))
                events += [
                    Event(at, rng.uniform(0.5, 6.0), key + d, velocity)
                    for d in rng.choice(((0,), (0, 12), (0, 7)))
                ]
        return events
    if manner == "cluster":
        onsets = [draw_onsets(rng, metre, rng.uniform(0.1, 0.4), 0.5) for _ in range(2)]
        events = []
        for i, bar in enumerate(section.bars):
            for p, d in with_lengths(onsets[i % 2], metre.length, gate):
                base = centre + rng.randint(-14, 14)
                events += [
                    Event(bar.start + p, d, base + k, velocity) for k in rng.sample(range(12), size)
                ]
        return events
    left, rootless, opened = rng.random() < 0.75, False, rng.random() < 0.15
    if manner == "block":
        onsets = [draw_onsets(rng, metre, rng.uniform(0.05, 0.25), 0.1)]
    elif manner in ("ballad", "long"):
        onsets, gate = [[0.0] if manner == "long" else list(metre.pulses)], 0.97
    elif manner == "eighths":
        onsets = [[i * 0.5 for i in range(int(metre.length * 2))]]
    elif manner == "octaves":
        onsets = [
            draw_onsets(rng, metre, rng.uniform(0.15, 0.5), rng.uniform(0, 0.5)) for _ in range(2)
        ]
        events = _hits(rng, section, onsets, centre, 1, gate, velocity)
        return [e for e in events] + [e._replace(key=e.key + 12) for e in events]
    elif manner == "stabs":
        onsets = [draw_onsets(rng, metre, rng.uniform(0.15, 0.35), 0.55)]
        gate, left = rng.uniform(0.2, 0.6), rng.random() < 0.3
    elif manner in ("skank", "bubble"):
        unit = 1.5 if metre.compound else 1.0
        onsets = [[p + unit / 2 for p in metre.pulses]]
        if manner == "bubble":
            onsets = [
                [p + q for p in metre.pulses for q in (0.25, 0.5, 0.75) if p + q < metre.length]
            ]
        gate, left = 0.3, rng.random() < 0.3
    else:  # comp, rootless, bossa
        onsets = [
            draw_onsets(rng, metre, rng.uniform(0.08, 0.3), 0.5)
            for _ in range(rng.choice((1, 2, 4)))
        ]
        rootless, left = manner == "rootless", rng.random() < 0.3
    events = _hits(rng, section, onsets, centre, size, gate, velocity, rootless, opened)
    return events + (_left(rng, section, low, velocity) if left else [])
