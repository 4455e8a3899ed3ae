"""Guitars: strummed, picked, muted, riffing and leading."""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event, Section
from recipes.band.compose.harmony import Chord, nearest, scale_step, spread, voice
from recipes.band.compose.melody import write_melody
from recipes.band.compose.rhythm import draw_onsets, with_lengths


def strum_shape(rng: Random, chord: Chord, low: int, size: int) -> list[int]:
    """A fretboard-like voicing: bass note, fifth or third above it, doublings up to `size`."""
    root = low + (chord.bass - low) % 12
    keys, key = [root], root
    tones = chord.tones
    while len(keys) < size:
        key += rng.choice((3, 4, 5))
        key = nearest(tones, key)
        if key > keys[-1] and key <= root + 29:
            keys.append(key)
        elif key > root + 29:
            break
        else:
            key = keys[-1] + 2
    return keys


def _strum(
    keys: list[int], start: float, duration: float, velocity: float, delay: float, down: bool
):
    order = keys if down else keys[::-1][: max(2, len(keys) - 2)]
    return [
        Event(start, duration, k, velocity * (1 - 0.02 * i), delay * i) for i, k in enumerate(order)
    ]


def _chordal(rng: Random, section: Section, low: int, manner: str) -> list[Event]:
    """Manners that play a shape per chord on a rhythm."""
    metre = section.metre
    unit = 1.5 if metre.compound else 1.0
    intensity = section.intensity
    size, delay, gate, short = 6, rng.uniform(0.004, 0.03), 0.95, 0.0
    density, syncopation = rng.uniform(0.2, 0.6), rng.uniform(0, 0.4)
    if manner == "strum":
        onsets = draw_onsets(rng, metre, density, syncopation)
        size = rng.choice((4, 5, 6, 6))
    elif manner == "power":
        onsets = rng.choice(
            (
                draw_onsets(rng, metre, density, syncopation),
                [i * 0.5 for i in range(int(metre.length * 2))],
                [0.0],
                [0.0, metre.pulses[-1]],
            )
        )
        size, delay = rng.choice((2, 3, 3)), 0.003
    elif manner in ("palm", "gallop"):
        step = 0.25 if manner == "gallop" or rng.random() < 0.4 else 0.5
        onsets = [i * step for i in range(int(metre.length / step))]
        if manner == "gallop":
            onsets = [o for o in onsets if (o * 4) % 4 != rng.choice((1, 1, 3))]
        size, delay, short = rng.choice((1, 2, 3)), 0.002, rng.uniform(0.08, 0.18)
    elif manner == "skank":
        onsets = [p + unit / 2 for p in metre.pulses]
        if rng.random() < 0.3:
            onsets = list(metre.pulses[1::2])
        size, delay, short, low = rng.choice((3, 4)), 0.006, rng.uniform(0.08, 0.2), low + 12
    elif manner == "funk16":
        onsets = draw_onsets(rng, metre, rng.uniform(0.4, 0.85), 0.55)
        size, delay, short, low = rng.choice((2, 3, 4)), 0.005, rng.uniform(0.07, 0.2), low + 14
    elif manner in ("comp", "bossa"):
        onsets = draw_onsets(rng, metre, rng.uniform(0.12, 0.3), 0.5)
        if manner == "bossa":
            onsets = [o for o in (0.0, 1.5, 2.0, 3.5) if o < metre.length]
        size, delay, low, gate = rng.choice((3, 4)), 0.008, low + 8, rng.uniform(0.3, 1.0)
    elif manner == "freddie":
        onsets, size, delay, short = (
            list(metre.pulses),
            rng.choice((3, 4)),
            0.008,
            rng.uniform(0.2, 0.5),
        )
    elif manner == "shuffle":
        onsets = [i * 0.5 for i in range(int(metre.length * 2))]
        size, delay, gate = 2, 0.002, rng.uniform(0.5, 1.0)
    elif manner in ("oompah", "boomchick"):
        onsets, size, gate = list(metre.pulses), rng.choice((3, 4, 5)), 0.6
        if manner == "boomchick":
            onsets = [i * unit / 2 for i in range(int(metre.length / unit * 2 + 1e-6))]
    else:  # swell: one chord a bar, let ring
        onsets, gate, delay = [0.0], 1.0, rng.uniform(0.02, 0.09)
    close = manner in ("comp", "bossa", "skank", "funk16", "freddie")
    up = manner in ("strum", "funk16")
    mute = rng.uniform(0.0, 0.5) if manner in ("strum", "funk16", "palm") else 0.0
    base = rng.uniform(68, 88) + 26 * intensity
    ghost = [rng.random() < mute for _ in range(32)]
    shapes: dict[tuple, list[int]] = {}
    events = []
    for bar in section.bars:
        for j, (position, duration) in enumerate(with_lengths(onsets, metre.length, gate)):
            start = bar.start + position
            chord = section.chord_at(start)
            mark = (chord.root, chord.intervals, chord.bass)
            if mark not in shapes:
                if manner in ("power", "palm", "gallop", "shuffle"):
                    root = low + (chord.root - low) % 12
                    fifth = 6 if 6 in chord.intervals and 7 not in chord.intervals else 7
                    shapes[mark] = [root, root + fifth, root + 12][:size]
                elif close:
                    shapes[mark] = voice(chord, low + 14, size, rootless=rng.random() < 0.4)
                else:
                    shapes[mark] = strum_shape(rng, chord, low, size)
            keys = shapes[mark]
            velocity = base * (1.08 if position in metre.pulses else 0.94)
            if manner == "shuffle":
                keys = [keys[0], keys[0] + (7, 9)[j // 2 % 2 if j % 2 == 0 else (j - 1) // 2 % 2]]
            elif manner in ("oompah", "boomchick"):
                strong = j % 4 == 0 if manner == "oompah" else j % 2 == 0
                if len(metre.pulses) == 3:
                    strong = j == 0
                elif manner == "oompah":
                    strong = j % 2 == 0
                keys = keys[:1] if strong else keys[1:]
            if short:
                duration = min(duration, short)
            down = not up or (position * 2) % 1 == 0
            if ghost[j % 32]:
                duration, velocity = min(duration, 0.12), velocity * 0.6
            events += _strum(keys, start, duration, velocity, delay, down)
    return events


def _picked(rng: Random, section: Section, low: int, manner: str) -> list[Event]:
    """Broken chords: fingerpicking with an alternating bass, or an arpeggio in any order."""
    metre = section.metre
    step = rng.choice((0.5, 0.5, 0.25)) if not metre.compound else 0.5
    if rng.random() < 0.12:
        step = 1 / 3
    n = max(1, int(metre.length / step + 1e-6))
    size = rng.choice((4, 5, 6)) if manner == "pick" else rng.choice((3, 4, 5))
    order = [rng.randrange(1, size) for _ in range(n)]
    if manner == "arpeggio":
        cycle = list(range(size)) + (list(range(size - 2, 0, -1)) if rng.random() < 0.6 else [])
        if rng.random() < 0.2:
            rng.shuffle(cycle)
        order = [cycle[i % len(cycle)] for i in range(n)]
    ring = rng.choice((0.9, 1.0, 2.0, 4.0, 16.0))
    skip = [rng.random() < rng.choice((0.0, 0.1, 0.3)) for _ in range(n)]
    pinch = manner == "pick" and rng.random() < 0.5
    base = rng.uniform(62, 85) + 22 * section.intensity
    shapes: dict[tuple, list[int]] = {}
    events = []
    for bar in section.bars:
        for i in range(n):
            start = bar.start + i * step
            chord = section.chord_at(start)
            mark = (chord.root, chord.intervals, chord.bass)
            if mark not in shapes:
                shapes[mark] = strum_shape(rng, chord, low, size)
            keys = shapes[mark]
            duration = min(step * ring, bar.start + metre.length - start)
            if manner == "pick" and (i * step) in metre.pulses:
                alternate = keys[0 if i * step in metre.pulses[::2] else min(1, len(keys) - 1)]
                events.append(Event(start, duration, alternate, base * 1.05))
                if pinch and i == 0:
                    events.append(Event(start, duration, keys[-1], base))
            elif not skip[i]:
                events.append(Event(start, duration, keys[order[i] % len(keys)], base * 0.95))
    return events


def _line(rng: Random, section: Section, low: int, manner: str) -> list[Event]:
    """Riffs, muted lines, octaves, tremolo, random walks: one voice from a repeating pattern."""
    metre = section.metre
    density = rng.uniform(0.25, 0.7)
    if manner == "tremolo":
        step = rng.choice((0.25, 0.125))
        onsets = [i * step for i in range(int(metre.length / step))]
        hold = rng.choice((4, 8, 2)) if step == 0.25 else 8
    else:
        onsets, hold = draw_onsets(rng, metre, density, rng.uniform(0.1, 0.6)), 1
    gate = {"muted": rng.uniform(0.2, 0.5), "riff": rng.uniform(0.5, 1.0)}.get(
        manner, rng.uniform(0.4, 1.0)
    )
    base = low + (rng.choice((0, 12)) if manner in ("riff", "drift") else 12)
    bars = rng.choice((1, 2, 2, 4))
    moves = [[rng.choice((-3, -2, -1, 0, 0, 1, 2, 4)) for _ in onsets] for _ in range(bars)]
    double = 12 if manner == "octaves" else rng.choice((0,) * 7 + (12, 7, -12, 5))
    pedal = rng.random() < 0.3
    velocity = rng.uniform(75, 95) + 20 * section.intensity
    events = []
    for i, bar in enumerate(section.bars):
        key = None
        for j, (position, duration) in enumerate(with_lengths(onsets, metre.length, gate, 4.0)):
            start = bar.start + position
            chord = section.chord_at(start)
            root = base + (chord.root - base) % 12
            if key is None or (pedal and j % 2 == 0):
                key = root
            elif manner == "drift":
                key = scale_step(chord.scale, key, rng.choice((-2, -1, 1, 2, rng.randint(-5, 5))))
            elif j % hold == 0:
                key = scale_step(chord.scale, root, moves[i % bars][j])
            if abs(key - root) > 17:
                key = root
            events.append(Event(start, duration, key, velocity * (1.07 if j == 0 else 0.98)))
            if double:
                events.append(Event(start, duration, key + double, velocity * 0.93))
    return events


def _poly(rng: Random, section: Section, low: int) -> list[Event]:
    """A cycle that does not fit the bar: chord tones every three or five steps, and the like."""
    start, end = section.bars[0].start, section.bars[-1].start + section.metre.length
    step = rng.choice((0.75, 0.375, 1.25, 2 / 3, 1 / 3, 0.8, 1.75))
    cells = [rng.randrange(0, 5) for _ in range(rng.choice((2, 3, 4, 5, 7)))]
    gate, velocity = rng.uniform(0.3, 2.5), rng.uniform(70, 105)
    events, i, at = [], 0, start
    while at < end:
        chord = section.chord_at(at)
        keys = voice(chord, low + 20, 5)
        events.append(Event(at, step * gate, keys[cells[i % len(cells)]], velocity))
        i, at = i + 1, at + step
    return events


LINES = ("riff", "muted", "octaves", "tremolo", "ostinato", "drift")


def write_guitar(rng: Random, section: Section, manner: str, low: int) -> list[Event]:
    """One section of guitar; `low` is the lowest key of its shapes."""
    if manner == "rests":
        return []
    if manner == "lead":
        events = write_melody(rng, section, low + rng.uniform(18, 34), rng.uniform(6, 14))
        if rng.random() < 0.2:
            interval = rng.choice((2, 5))
            events += [
                e._replace(key=scale_step(section.chord_at(e.start).scale, e.key, -interval))
                for e in events
            ]
        return events
    if manner in ("pick", "arpeggio"):
        return _picked(rng, section, low, manner)
    if manner == "poly":
        return _poly(rng, section, low)
    if manner in LINES:
        return _line(rng, section, low, manner)
    events = _chordal(rng, section, low, manner)
    if manner == "comp" and rng.random() < 0.2:
        return [e for e in events if len(spread([e.key])) == 1]
    return events
