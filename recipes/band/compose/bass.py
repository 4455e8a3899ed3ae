"""Bass lines."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from recipes.band.compose.form import Event, Section
from recipes.band.compose.harmony import nearest, scale_step
from recipes.band.compose.rhythm import draw_onsets, with_lengths


class Slot(NamedTuple):
    """One note of a pattern: where, how long, and which tone (0 root, 1 octave, 2 fifth...)."""

    position: float
    duration: float
    tone: str
    accent: float


GATES = (0.35, 0.6, 0.8, 0.95, 1.0)


def _uniform(
    section: Section, step: float, tone: str, gate: float, offset: float = 0.0
) -> list[Slot]:
    n = int((section.metre.length - offset) / step + 1e-6)
    return [Slot(offset + i * step, step * gate, tone, 1.1 if i == 0 else 1.0) for i in range(n)]


def _pattern(rng: Random, section: Section, manner: str) -> list[Slot]:
    """One bar of the manner, as slots."""
    metre, gate = section.metre, rng.choice(GATES)
    pulses, length = metre.pulses, metre.length
    unit = 1.5 if metre.compound else 1.0
    if manner == "eighths":
        return _uniform(
            section, rng.choice((0.5, 0.5, 0.25 if section.intensity > 0.8 else 0.5)), "root", gate
        )
    if manner == "octaves":
        return [
            s._replace(tone="root" if i % 2 == 0 else "octave")
            for i, s in enumerate(_uniform(section, rng.choice((0.5, 0.5, 0.25)), "root", gate))
        ]
    if manner == "offbeat":
        return _uniform(section, unit, "root", 0.45, unit / 2)
    if manner == "long":
        return [Slot(0.0, length * gate, "root", 1.0)]
    if manner == "root":
        onsets = (
            [0.0, pulses[len(pulses) // 2]]
            if rng.random() < 0.5 and len(pulses) > 1
            else list(pulses)
        )
        return [Slot(a, d, "root", 1.0) for a, d in with_lengths(onsets, length, gate)]
    if manner in ("rootfifth", "bossa"):
        half = pulses[len(pulses) // 2] if len(pulses) > 1 else length / 2
        slots = [
            Slot(0.0, half * gate, "root", 1.0),
            Slot(half, (length - half) * gate, "fifth", 1.0),
        ]
        if manner == "bossa":
            slots[0] = Slot(0.0, half * 0.7, "root", 1.0)
            slots.insert(1, Slot(half - 0.5, 0.45, "fifth" if rng.random() < 0.5 else "root", 0.8))
            slots.append(Slot(length - 0.5, 0.45, "root", 0.85))
        return slots
    if manner == "walk":
        return [Slot(p, unit * max(gate, 0.7), "walk", 1.0) for p in pulses]
    if manner == "boogie":
        cell = rng.choice(
            (
                ("root", "third", "fifth", "sixth"),
                ("root", "octave", "sixth", "fifth"),
                ("root", "fifth", "sixth", "fifth"),
            )
        )
        return [
            s._replace(tone=cell[(i // 2 if rng.random() < 2 and len(pulses) > 2 else i) % 4])
            for i, s in enumerate(_uniform(section, 0.5, "root", gate))
        ]
    if manner == "reggae":
        onsets = rng.choice(
            (
                [0.0, 1.5, 2.0, 3.0],
                [1.0, 1.5, 2.0, 3.5],
                [0.0, 0.5, 1.5, 2.5, 3.0],
                [0.0, 0.75, 1.5],
            )
        )
        return [
            Slot(a, d, rng.choice(("root", "fifth", "third", "root")), 1.0)
            for a, d in with_lengths([o for o in onsets if o < length], length, gate)
        ]
    if manner == "tumbao":
        return [
            Slot(p, d, t, 1.0)
            for p, d, t in ((1.5, 1.3, "fifth"), (3.0, 1.3, "next"))
            if p < length
        ]
    if manner == "arpeggio":
        cell = rng.choice(
            (
                ("root", "fifth", "octave", "fifth"),
                ("root", "third", "fifth", "octave"),
                ("root", "fifth", "third", "fifth"),
            )
        )
        return [
            s._replace(tone=cell[i % 4]) for i, s in enumerate(_uniform(section, 0.5, "root", gate))
        ]
    syncopation, density = {
        "groove": (0.25, 0.3), "funk": (0.5, 0.45), "slap": (0.4, 0.45), "melodic": (0.3, 0.3),
        "ostinato": (0.4, 0.4), "drift": (0.6, 0.3),
    }.get(manner, (0.3, 0.3))  # fmt: skip
    density *= rng.uniform(0.5, 1.4)
    onsets = draw_onsets(rng, metre, density, syncopation)
    if manner in ("groove", "funk", "slap") and onsets[0] > 0 and rng.random() < 0.85:
        onsets.insert(0, 0.0)
    tones = {
        "groove": ("root", "root", "root", "fifth", "octave"),
        "funk": ("root", "root", "octave", "fifth", "seventh", "dead", "step"),
        "slap": ("root", "octave", "octave", "dead", "fifth"),
        "melodic": ("root", "step", "step", "third", "fifth", "step"),
        "ostinato": ("root", "step", "fifth", "octave", "seventh"),
        "drift": ("step", "step", "leap"),
    }.get(manner, ("root",))  # fmt: skip
    slots = []
    for i, (a, d) in enumerate(with_lengths(onsets, length, gate, 2.0)):
        tone = "root" if i == 0 and manner != "drift" else rng.choice(tones)
        slots.append(Slot(a, 0.12 if tone == "dead" else d, tone, rng.uniform(0.85, 1.1)))
    return slots


def write_bass(
    rng: Random, section: Section, manner: str, low: int, riff: list[Event]
) -> list[Event]:
    """One section of bass; `low` is the lowest key liked. "unison" doubles `riff` (a guitar's)."""
    if manner == "unison":
        if riff:
            return [e._replace(key=_fold(e.key, low), shift=0.0) for e in _lowest(riff)]
        manner = "eighths"
    patterns = [_pattern(rng, section, manner) for _ in range(rng.choice((1, 1, 2, 4)))]
    level = 78 + 28 * section.intensity
    key = low + 7
    ending = rng.random() < 0.4
    events: list[Event] = []
    for i, bar in enumerate(section.bars):
        slots = patterns[i % len(patterns)]
        for j, slot in enumerate(slots):
            start = bar.start + slot.position
            chord = section.chord_at(start)
            nxt = section.chord_at(start + slot.duration + 0.5)
            root = _fold(chord.bass, low)
            fifth_at = chord.intervals[min(2, len(chord.intervals) - 1)] % 12
            third_at = chord.intervals[1] % 12
            tone, velocity = slot.tone, level * slot.accent
            if tone == "root":
                key = root
            elif tone == "octave":
                key = root + 12
            elif tone == "fifth":
                key = root + fifth_at - (12 if root + fifth_at > low + 14 else 0)
            elif tone == "third":
                key = root + third_at
            elif tone == "sixth":
                key = root + 9
            elif tone == "seventh":
                key = root + 10 if (chord.root + 10) % 12 in chord.scale else root + 11
            elif tone == "next":
                key = _fold(nxt.bass, low)
            elif tone == "dead":
                key, velocity = root, level * 0.45
            elif tone == "leap":
                key = nearest(chord.scale, low + rng.uniform(0, 24))
            elif tone == "step":
                key = scale_step(chord.scale, key, rng.choice((-2, -1, -1, 1, 1, 2)))
            elif tone == "walk":
                key = _walk(rng, chord, nxt, key, low, j, len(slots))
            key = min(max(key, 24), 67)
            if key > low + 26 or key < low - 5:
                key = _fold(key, low)
            events.append(Event(start, slot.duration, key, velocity))
        if ending and i + 1 == len(section.bars) and section.metre.length >= 3:
            events = [e for e in events if e.start < bar.start + section.metre.length - 1]
            step = rng.choice((0.25, 0.5))
            for n in range(int(1 / step)):
                key = scale_step(section.chord_at(bar.start).scale, key, rng.choice((-1, 1)))
                position = bar.start + section.metre.length - 1 + n * step
                events.append(Event(position, step * 0.9, min(max(key, 24), 67), level))
    return events


def _walk(rng: Random, chord, nxt, key: int, low: int, index: int, count: int) -> int:
    """Walking bass: root on one, approach the next root on the last pulse, chord or scale between."""
    if index == 0:
        return nearest([chord.bass], key if low <= key <= low + 20 else low + 8)
    if index == count - 1:
        return nearest([nxt.bass], key) + rng.choice((-1, 1, -2, 2, 7))
    if rng.random() < 0.5:
        return nearest(chord.tones, key + rng.choice((-4, 4, 5)))
    return scale_step(chord.scale, key, rng.choice((-1, 1)))


def _fold(key: int, low: int) -> int:
    """The key of the same pitch class in the octave from `low`."""
    return low + (key - low) % 12


def _lowest(events: list[Event]) -> list[Event]:
    """The lowest event at each onset."""
    bottom: dict[float, Event] = {}
    for e in events:
        if e.start not in bottom or e.key < bottom[e.start].key:
            bottom[e.start] = e
    return [bottom[t] for t in sorted(bottom)]
