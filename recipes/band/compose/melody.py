"""Melodies: phrases over the chords, used by lead guitar and by the right hand."""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event, Section
from recipes.band.compose.harmony import nearest, scale_step
from recipes.band.compose.rhythm import draw_onsets, with_lengths


def write_melody(rng: Random, section: Section, centre: float, span: float = 9.0) -> list[Event]:
    """Phrases of one or two bars that repeat and answer, with rests between them."""
    metre = section.metre
    density = rng.uniform(0.08, 0.55) * (0.6 + 0.6 * section.intensity)
    syncopation, gate = rng.uniform(0.0, 0.6), rng.choice((0.45, 0.8, 0.95, 1.0, 1.05))
    motifs = [
        draw_onsets(rng, metre, density, syncopation) for _ in range(rng.choice((1, 2, 2, 3)))
    ]
    plan = [rng.randrange(len(motifs)) for _ in range(4)]
    silent = rng.choice((0.0, 0.1, 0.25, 0.5))
    leap = rng.choice((0.1, 0.2, 0.35))
    velocity = rng.uniform(75, 95) + 20 * section.intensity
    steps = [rng.choice((-2, -1, -1, -1, 0, 1, 1, 1, 2)) for _ in range(24)]
    rest_bars = {i for i in range(8) if rng.random() < silent}
    key = centre
    events = []
    for i, bar in enumerate(section.bars):
        if i % 8 in rest_bars:
            continue
        for j, (position, duration) in enumerate(
            with_lengths(motifs[plan[i % 4]], metre.length, gate, 4.0)
        ):
            start = bar.start + position
            chord = section.chord_at(start)
            strong = position in metre.pulses
            move = steps[(j + 5 * plan[i % 4]) % 24]
            if rng.random() < leap:
                key = nearest(chord.tones, key + rng.uniform(-span, span))
            elif strong and rng.random() < 0.6:
                key = nearest(chord.tones, key + move)
            else:
                key = scale_step(chord.scale, round(key), move) if move else round(key)
            if abs(key - centre) > span:
                key = nearest(chord.tones, centre + rng.uniform(-4, 4))
            events.append(Event(start, duration, int(key), velocity * (1.06 if strong else 0.97)))
    return events
