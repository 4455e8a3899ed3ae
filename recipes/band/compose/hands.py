"""What two hands do on a keyboard: chords led smoothly, and a left hand below them."""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event, Section
from recipes.band.compose.rhythm import with_lengths
from recipes.band.compose.voicing import fold, spread, voice

#: Manners of the left hand.
LEFT = (
    "root", "root", "octave", "fifth", "tenth", "broken", "root pulse", "octave pulse",
    "rest", "rest",
)  # fmt: skip


def write_hits(
    rng: Random,
    section: Section,
    bars: list[list[float]],
    centre: float,
    velocity: float,
    size: int = 3,
    gate: float = 0.95,
    rootless: bool = False,
) -> list[Event]:
    """Chords on the onsets of `bars` (cycled), each led smoothly from the one before."""
    opened, rolled = rng.random() < 0.12, rng.choice((0.0, 0.0, 0.0, 0.0, rng.uniform(0.01, 0.05)))
    previous, held, events = None, {}, []
    for i, bar in enumerate(section.bars):
        for position, duration in with_lengths(
            bar.held(bars[i % len(bars)]), section.metre.length, gate
        ):
            chord = section.chord_at(bar.start + position)
            mark = (chord.root, chord.intervals)
            if mark not in held:
                keys = voice(chord, centre, size, previous, rootless)
                held[mark] = spread(keys) if opened else keys
            previous = held[mark]
            loud = velocity * (1.05 if position == 0.0 else 0.98)
            events += [
                Event(bar.start + position, duration, key, loud, rolled * n)
                for n, key in enumerate(previous)
            ]
    return events


def write_left(
    rng: Random, section: Section, centre: int, velocity: float, manner: str = ""
) -> list[Event]:
    """The left hand: roots, octaves, fifths, tenths, broken chords, pulses, or in the lap."""
    manner = manner or rng.choice(LEFT)
    if manner == "rest":
        return []
    low, gate = max(23, centre - rng.choice((36, 31, 26, 24, 20))), rng.choice((0.5, 0.95, 1.0))
    step = rng.choice((0.5, 0.5, 1.0))
    events = []
    for bar in section.bars:
        for span in bar.spans:
            length, chord = span.end - span.start, span.chord
            root = fold(chord.bass, low)
            third = root + chord.intervals[1] % 12
            fifth = root + chord.intervals[min(2, len(chord.intervals) - 1)] % 12
            if manner == "broken":
                cell = (root, fifth, root + 12, third + 12)
                for i in range(max(1, int(length / step))):
                    ring = min(2 * step, length - i * step)
                    events.append(Event(span.start + i * step, ring, cell[i % 4], velocity * 0.92))
                continue
            if manner.endswith("pulse"):
                starts = [
                    bar.start + p
                    for p in section.metre.pulses
                    if span.start <= bar.start + p < span.end
                ]
                gate_of = {s: gate for s in starts}
            else:
                gate_of = {span.start: length * gate}
            keys = {
                "root": (root,), "octave": (root, root + 12), "fifth": (root, fifth),
                "tenth": (root, third + 12),
            }[manner.removesuffix(" pulse")]  # fmt: skip
            events += [Event(s, d, key, velocity) for s, d in gate_of.items() for key in keys]
    return events
