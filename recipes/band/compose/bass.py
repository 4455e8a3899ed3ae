"""The bass player: a bar of slots (when, how long, which tone) resolved against the chords."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from recipes.band.compose.form import Event, Section
from recipes.band.compose.harmony import Chord
from recipes.band.compose.melody import write_melody
from recipes.band.compose.rhythm import with_lengths
from recipes.band.compose.voicing import fold, nearest, scale_step

LOWEST, HIGHEST = 23, 72
GATES = (0.3, 0.5, 0.7, 0.9, 0.97, 1.0, 1.0, 1.15)


class Slot(NamedTuple):
    """One note of a pattern; `tone` says which note it is once the chord is known."""

    position: float
    duration: float
    tone: str
    accent: float = 1.0


#: Manners that draw their rhythm: (syncopation, density, tones after the first).
DRAWN = {
    "groove": (0.25, 0.3, "root root root fifth octave"),
    "funk": (0.5, 0.45, "root root octave fifth seventh dead step"),
    "slap": (0.4, 0.45, "root octave octave dead fifth"),
    "melodic": (0.3, 0.3, "root step step third fifth step"),
    "ostinato": (0.4, 0.4, "root step fifth octave seventh"),
    "drift": (0.6, 0.3, "step step leap"),
    "high": (0.3, 0.35, "step step leap third"),
}
#: Manners that cycle through tones on a steady step.
CELLS = {
    "eighths": ("root",),
    "octaves": ("root octave", "root octave", "root root octave root", "root octave fifth octave"),
    "arpeggio": ("root fifth octave fifth", "root third fifth octave", "root fifth third fifth"),
    "boogie": ("root third fifth sixth", "root octave sixth fifth", "root fifth sixth fifth",
               "root root third third fifth fifth sixth sixth"),
    "gallop": ("root",),
}  # fmt: skip
REGGAE = ((0.0, 1.5, 2.0, 3.0), (1.0, 1.5, 2.0, 3.5), (0.0, 0.5, 1.5, 2.5, 3.0), (0.0, 0.75, 1.5))


def _pattern(rng: Random, section: Section, manner: str, kicks: list[float]) -> list[Slot]:
    """One bar of `manner`; `kicks` are the drummer's kicks in a bar."""
    metre, gate = section.metre, rng.choice(GATES)
    pulses, length = metre.pulses, metre.length
    unit = 1.5 if metre.compound else 1.0
    half = pulses[len(pulses) // 2] if len(pulses) > 1 else length / 2
    if manner in CELLS:
        step = rng.choice((0.5, 0.5, 0.5, 0.25, unit))
        if manner == "gallop":
            step = 0.25
        n = int(length / step + 1e-6)
        cell = rng.choice(CELLS[manner]).split()
        slots = [Slot(i * step, step * gate, cell[i % len(cell)]) for i in range(n)]
        return [s for i, s in enumerate(slots) if i % 4 != 1] if manner == "gallop" else slots
    if manner == "locked":
        onsets = sorted({k for k in kicks if 0 <= k < length}) or [0.0]
        return [Slot(a, d, rng.choice(("root", "root", "root", "fifth", "octave")))
                for a, d in with_lengths(onsets, length, gate)]  # fmt: skip
    if manner == "offbeat":
        return [Slot(p + unit / 2, unit * 0.45, "root") for p in pulses if p + unit / 2 < length]
    if manner == "long":
        return [Slot(0.0, length * gate, "root")]
    if manner == "root":
        onsets = rng.choice(([0.0, half], list(pulses), [0.0], [0.0, pulses[-1]]))
        return [Slot(a, d, "root") for a, d in with_lengths(onsets, length, gate)]
    if manner == "rootfifth":
        return [Slot(0.0, half * gate, "root"), Slot(half, (length - half) * gate, "fifth")]
    if manner == "bossa":
        pickup = rng.choice(("fifth", "root"))
        return [
            Slot(0.0, half * 0.7, "root"),
            Slot(half - 0.5, 0.45, pickup, 0.8),
            Slot(half, half * 0.7, "fifth"),
            Slot(length - 0.5, 0.45, "root", 0.85),
        ]
    if manner == "walk":
        return [Slot(p, unit * max(gate, 0.7), "walk") for p in pulses]
    if manner == "reggae":
        onsets = [o for o in rng.choice(REGGAE) if o < length]
        return [Slot(a, d, rng.choice(("root", "fifth", "third", "root")))
                for a, d in with_lengths(onsets, length, gate)]  # fmt: skip
    if manner == "tumbao":
        late = length - 1.0
        return [Slot(half - 0.5, late - half + 0.4, "fifth"), Slot(late, 1.3, "next")]
    syncopation, density, tones = DRAWN[manner]
    onsets = section.onsets(rng, density * rng.uniform(0.4, 1.5), syncopation)
    if manner in ("groove", "funk", "slap") and onsets[0] > 0 and rng.random() < 0.85:
        onsets.insert(0, 0.0)
    slots = []
    for i, (a, d) in enumerate(with_lengths(onsets, length, gate)):
        tone = "root" if i == 0 and manner not in ("drift", "high") else rng.choice(tones.split())
        slots.append(Slot(a, 0.12 if tone == "dead" else d, tone, rng.uniform(0.85, 1.1)))
    return slots


def _resolve(rng: Random, tone: str, chord: Chord, after: Chord, key: int, low: int) -> int:
    """The key of `tone` over `chord`, coming from `key` and heading for the chord `after`."""
    root = fold(chord.bass, low)
    if tone in ("root", "dead"):
        return root
    if tone == "octave":
        return root + 12
    if tone == "third":
        return root + chord.intervals[1] % 12
    if tone == "fifth":
        fifth = root + chord.intervals[min(2, len(chord.intervals) - 1)] % 12
        return fifth - 12 if fifth > low + 14 else fifth
    if tone == "sixth":
        return root + 9
    if tone == "seventh":
        return root + (10 if (chord.root + 10) % 12 in chord.scale else 11)
    if tone == "next":
        return fold(after.bass, low)
    if tone == "leap":
        return nearest(chord.scale, low + rng.uniform(0, 24))
    return scale_step(chord.scale, key, rng.choice((-2, -1, -1, 1, 1, 2)))


def _walk(rng: Random, chord: Chord, after: Chord, key: int, low: int, first: bool, last: bool):
    """Walking bass: the root first, a neighbour of the next root last, anything fitting between."""
    if first:
        return nearest([chord.bass], key if low <= key <= low + 20 else low + 8)
    if last:
        return nearest([after.bass], key) + rng.choice((-1, 1, -2, 2, 7))
    if rng.random() < 0.5:
        return nearest(chord.tones, key + rng.choice((-4, 4, 5)))
    return scale_step(chord.scale, key, rng.choice((-1, 1)))


def write_bass(
    rng: Random, section: Section, manner: str, low: int, kicks: list[float]
) -> list[Event]:
    """One section of bass. `low` is the lowest root liked; `kicks` a bar of the kick drum.

    "tune" is a melody where another instrument would play it.
    """
    if manner == "tune":
        return write_melody(rng, section, low + rng.uniform(10, 34), rng.uniform(6, 12))
    if manner == "high":
        low += 14
    bars = rng.choice((1, 1, 2, 4))
    patterns = [_pattern(rng, section, manner, kicks) for _ in range(bars)]
    level = 80 + 25 * section.intensity
    runs, pedal = rng.random() < 0.3, rng.random() < 0.06
    double = rng.choice((0,) * 18 + (7, 12))
    key, events = low + 7, []
    for i, bar in enumerate(section.bars):
        slots = patterns[i % bars]
        for j, slot in enumerate(slots):
            start = bar.start + slot.position
            chord = section.chord_at(start)
            if pedal:
                chord = chord._replace(bass=section.bars[0].spans[0].chord.bass)
            after = section.chord_at(start + slot.duration + 0.5)
            if slot.tone == "walk":
                key = _walk(rng, chord, after, key, low, j == 0, j + 1 == len(slots))
            else:
                key = _resolve(rng, slot.tone, chord, after, key, low)
            if not low - 5 <= key <= low + 26:
                key = fold(key, low)
            key = min(max(key, LOWEST), HIGHEST)
            velocity = level * slot.accent * (0.45 if slot.tone == "dead" else 1.0)
            events.append(Event(start, slot.duration, key, velocity))
            if double:
                events.append(Event(start, slot.duration, key + double, velocity * 0.9))
    return _end_with_run(rng, section, events, level) if runs else events


def _end_with_run(rng: Random, section: Section, events: list[Event], level: float) -> list[Event]:
    """Replace the last quarter of the section by a run in steps or semitones."""
    begin = section.bars[-1].start + section.metre.length - 1.0
    kept = [e for e in events if e.start < begin]
    if not kept:
        return events
    key, step, direction = kept[-1].key, rng.choice((0.25, 0.5)), rng.choice((-1, 1))
    scale = range(12) if rng.random() < 0.3 else section.chord_at(begin).scale
    for n in range(int(1.0 / step)):
        key = min(max(scale_step(scale, key, direction), LOWEST), HIGHEST)
        kept.append(Event(begin + n * step, step * 0.9, key, level))
    return kept
