"""The keyboard player: two hands, many habits."""

from __future__ import annotations

from random import Random

from recipes.band.compose.bass import write_bass
from recipes.band.compose.form import Event, Section
from recipes.band.compose.guitar import BASSLINES
from recipes.band.compose.hands import write_hits, write_left
from recipes.band.compose.melody import thicken, write_cycle, write_line, write_melody
from recipes.band.compose.rhythm import with_lengths
from recipes.band.compose.voicing import fold, nearest, voice

BOOGIE = (
    (0, 4, 7, 9, 10, 9, 7, 4), (0, 7, 9, 7), (0, 0, 4, 7, 9, 7, 4, 0), (0, 12, 7, 12),
    (0, 0, 7, 7, 9, 9, 7, 7),
)  # fmt: skip
MONTUNO = (
    (0, 1, 1.5, 2.5, 3.5),
    (0, 0.5, 1.5, 2.5, 3.5),
    (0.5, 1.5, 2, 2.5, 3.5),
    (0, 0.75, 1.5, 2.25, 3),
)
#: Chordal manners with a rhythm of their own making: (density, syncopation).
DRAWN = {
    "block": ((0.04, 0.3), 0.1), "octaves": ((0.12, 0.5), 0.3), "stabs": ((0.12, 0.35), 0.55),
    "clav": ((0.3, 0.7), 0.6), "comp": ((0.06, 0.3), 0.5), "rootless": ((0.06, 0.3), 0.5),
    "bossa": ((0.1, 0.35), 0.6),
}  # fmt: skip
GATES = (0.25, 0.5, 0.8, 0.95, 1.0, 1.0)


def write_piano(rng: Random, section: Section, manner: str, centre: int) -> list[Event]:
    """One section of piano, its right hand around the key `centre`."""
    if manner == "rests":
        return []
    hand = WRITERS.get(manner, _chords)
    return hand(rng, section, manner, centre, rng.uniform(70, 90) + 20 * section.intensity)


def _chords(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """Chords on the manner's rhythm, with or without a left hand."""
    size, gate = rng.choice((1, 2, 3, 3, 3, 4, 4, 5)), rng.choice(GATES)
    bars = [_onsets(rng, section, manner) for _ in range(rng.choice((1, 1, 2, 4)))]
    if manner in ("stabs", "skank", "bubble", "clav"):
        gate = rng.uniform(0.2, 0.5)
    if manner in ("ballad", "long", "hymn"):
        gate = 0.98
    if manner == "octaves":
        events = write_hits(rng, section, bars, centre, velocity, 1, gate)
        return [*events, *(e._replace(key=e.key + 12) for e in events)]
    rhythmic = manner in ("stabs", "skank", "bubble", "clav", "comp", "rootless", "bossa")
    events = write_hits(rng, section, bars, centre, velocity, size, gate, manner == "rootless")
    if rng.random() < (0.3 if rhythmic else 0.8):
        events += write_left(rng, section, centre, velocity)
    return events


def _onsets(rng: Random, section: Section, manner: str) -> list[float]:
    """One bar of a chordal manner's rhythm."""
    metre = section.metre
    unit = 1.5 if metre.compound else 1.0
    if manner == "long":
        return [0.0]
    if manner in ("ballad", "hymn"):
        return list(metre.pulses)
    if manner == "eighths":
        return [i * 0.5 for i in range(int(metre.length * 2))]
    if manner == "skank":
        return [p + unit / 2 for p in metre.pulses if p + unit / 2 < metre.length]
    if manner == "bubble":
        return [p + q for p in metre.pulses for q in (0.25, 0.5, 0.75) if p + q < metre.length]
    density, syncopation = DRAWN[manner]
    return section.onsets(rng, rng.uniform(*density), syncopation)


def _two_part(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """Stride and oom-pah: a bass note on strong pulses, a chord on the others."""
    low, gate = max(26, centre - 26), rng.uniform(0.3, 0.95)
    alternate, wide, odd = rng.random() < 0.6, rng.random() < 0.35, len(section.metre.pulses) % 2
    previous, events = None, []
    for bar in section.bars:
        for j, p in enumerate(section.metre.pulses):
            chord = section.chord_at(bar.start + p)
            if j == 0 or (j % 2 == 0 and not odd):
                fifth = chord.tones[min(2, len(chord.tones) - 1)]
                root = fold(fifth if alternate and j else chord.bass, low)
                keys = [root, root + 12] if wide else [root]
            else:
                keys = previous = voice(chord, centre - 8, 3, previous)
            events += [Event(bar.start + p, gate, key, velocity) for key in keys]
    if manner == "stride" or rng.random() < 0.5:
        events += write_melody(rng, section, centre + 12)
    return events


def _arpeggio(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """Broken chords over one to three octaves, up, down, both ways, Alberti or in any order."""
    metre = section.metre
    step = rng.choice((0.25, 0.5, 0.5, 1 / 3)) if not metre.compound else rng.choice((0.5, 0.25))
    octaves, gate = rng.choice((1, 1, 2, 3)), rng.choice((0.5, 0.95, 1.0, 2.0, 4.0))
    order = list(range(4 * octaves))
    shape = rng.choice(("up", "down", "wave", "alberti", "any"))
    if shape == "down":
        order.reverse()
    elif shape == "wave":
        order += order[-2:0:-1]
    elif shape == "alberti":
        order = [0, 2, 1, 2]
    elif shape == "any":
        rng.shuffle(order)
    events = []
    for bar in section.bars:
        for i in range(int(metre.length / step + 1e-6)):
            at, rung = i * step, order[i % len(order)]
            keys = voice(section.chord_at(bar.start + at), centre - 6 * (octaves - 1), 4)
            key = keys[rung % 4] + 12 * (rung // 4)
            events.append(
                Event(bar.start + at, step * gate, key, velocity * (1.04 if i == 0 else 0.96))
            )
    return events + write_left(rng, section, centre, velocity)


def _montuno(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """Octaves and inner notes by turns on a syncopated figure."""
    figure = [f for f in rng.choice(MONTUNO) if f < section.metre.length]
    gate, events = rng.choice((0.4, 0.7, 0.95)), []
    for bar in section.bars:
        for i, (p, d) in enumerate(with_lengths(figure, section.metre.length, gate)):
            keys = voice(section.chord_at(bar.start + p), centre, 3)
            top = keys[i % 3]
            chosen = (top, top + 12) if i % 2 == 0 else (keys[(i + 1) % 3], keys[(i + 2) % 3])
            events += [Event(bar.start + p, d, key, velocity) for key in chosen]
    return events


def _melody(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """A tune alone, in octaves or thirds, over a left hand, chords, or a second tune."""
    events = write_melody(rng, section, centre + rng.uniform(0, 20), rng.choice((6, 9, 12, 16, 24)))
    roll = rng.random()
    if roll < 0.15:
        events += [e._replace(key=e.key + 12) for e in events]
    elif roll < 0.3:
        events = thicken(section, events, rng.choice((-2, -5)))
    roll = rng.random()
    if roll < 0.25:
        return events + write_hits(rng, section, [[0.0]], centre - 6, velocity * 0.9)
    if roll < 0.4:
        return events + write_melody(rng, section, centre - rng.uniform(8, 20))
    if roll < 0.6:
        return events
    return events + write_left(rng, section, centre, velocity * 0.95)


def _boogie(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """A rolling left hand under chords or a tune."""
    cell, gate, low = rng.choice(BOOGIE), rng.choice(GATES), max(26, centre - 26)
    events = [
        Event(
            bar.start + i * 0.5,
            0.5 * gate,
            fold(section.chord_at(bar.start + i * 0.5).root, low) + cell[i % len(cell)],
            velocity,
        )
        for bar in section.bars
        for i in range(int(section.metre.length * 2))
    ]
    if rng.random() < 0.4:
        return events + write_melody(rng, section, centre + 12)
    bars = [section.onsets(rng, 0.2, 0.5) for _ in range(2)]
    return events + write_hits(rng, section, bars, centre + 5, velocity, 3, gate)


def _line(rng: Random, section: Section, manner: str, centre: int, velocity: float) -> list[Event]:
    """A figure in one hand, alone or over a left hand."""
    events = write_line(rng, section, centre - 6, manner)
    return events + (write_left(rng, section, centre, velocity) if rng.random() < 0.5 else [])


def _poly(rng: Random, section: Section, manner: str, centre: int, velocity: float) -> list[Event]:
    events = write_cycle(rng, section, centre)
    return events + (write_cycle(rng, section, centre - 18) if rng.random() < 0.3 else [])


def _sparse(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """Now and then a note or an octave anywhere on the keyboard."""
    events = []
    for bar in section.bars:
        if rng.random() < 0.6:
            at = bar.start + rng.randrange(section.metre.steps) * section.metre.step
            key = nearest(section.chord_at(at).tones, rng.uniform(36, 96))
            length = rng.uniform(0.5, 6.0)
            events += [
                Event(at, length, key + d, velocity) for d in rng.choice(((0,), (0, 12), (0, 7)))
            ]
    return events


def _cluster(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """Handfuls of neighbouring keys at random places."""
    bars = [section.onsets(rng, rng.uniform(0.1, 0.4), 0.5) for _ in range(2)]
    size, gate, events = rng.choice((2, 3, 4, 5)), rng.choice(GATES), []
    for i, bar in enumerate(section.bars):
        for p, d in with_lengths(bars[i % 2], section.metre.length, gate):
            base = centre + rng.randint(-14, 14)
            events += [
                Event(bar.start + p, d, base + k, velocity) for k in rng.sample(range(12), size)
            ]
    return events


def _bassline(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """What a bass would play, in one hand or in octaves."""
    events = write_bass(rng, section, rng.choice(BASSLINES), max(24, centre - 33), [])
    if rng.random() < 0.4:
        events += [e._replace(key=e.key + 12) for e in events]
    return events


def _shimmer(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """A chord split between two hands that alternate as fast as they can."""
    step, size, events = rng.choice((0.125, 0.125, 1 / 6, 0.25)), rng.choice((3, 4, 5)), []
    gate, raised = rng.choice((0.4, 0.9)), rng.choice((0, 12))
    for bar in section.bars:
        for i in range(int(section.metre.length / step + 1e-6)):
            keys = voice(section.chord_at(bar.start + i * step), centre + raised, size)
            hand = keys[1:] if i % 2 == 0 else keys[:1]
            events += [Event(bar.start + i * step, step * gate, k, velocity) for k in hand]
    return events


def _repeat(
    rng: Random, section: Section, manner: str, centre: int, velocity: float
) -> list[Event]:
    """One or two keys again and again, whatever the chords do."""
    onsets = section.onsets(rng, rng.uniform(0.05, 0.6), rng.uniform(0, 0.5))
    gate, key = (
        rng.choice(GATES),
        nearest(section.bars[0].spans[0].chord.tones, centre + rng.uniform(-12, 18)),
    )
    keys = rng.choice(((key,), (key, key + 12), (key, key + 7)))
    return [
        Event(bar.start + p, d, k, velocity)
        for bar in section.bars
        for p, d in with_lengths(onsets, section.metre.length, gate)
        for k in keys
    ]


#: Manners that are more than chords on a rhythm.
WRITERS = {
    "stride": _two_part, "oompah": _two_part, "arpeggio": _arpeggio, "montuno": _montuno,
    "melody": _melody, "boogie": _boogie, "drift": _line, "ostinato": _line, "run": _line,
    "tremolo": _line, "riff": _line, "poly": _poly, "sparse": _sparse, "cluster": _cluster,
    "repeat": _repeat, "bassline": _bassline, "shimmer": _shimmer,
}  # fmt: skip
