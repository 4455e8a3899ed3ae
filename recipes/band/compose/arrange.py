"""One song from one seed: a style, a form, and the players."""

from __future__ import annotations

from random import Random

from recipes.band.compose.bass import write_bass
from recipes.band.compose.drums import write_drums
from recipes.band.compose.form import Event, Section, draw_metre, draw_sections
from recipes.band.compose.guitar import write_guitar
from recipes.band.compose.perform import Clock, draw_feel, ornament, pedal, perform, swell
from recipes.band.compose.piano import PEDALLED, write_piano
from recipes.band.compose.rhythm import Metre
from recipes.band.compose.styles import STYLES, Style, draw_style
from recipes.band.score import PROGRAMS, Part, Song


def compose(seed: int, seconds: float = 24.0) -> Song:
    """A song of `seconds` seconds, the same for the same seed.

    Raises ValueError if `seconds` is not positive.
    """
    if seconds <= 0:
        raise ValueError(f"a song must last more than 0 s, got {seconds}")
    # Python's generator: a scalar draw is some twenty times faster than numpy's.
    rng = Random(seed)
    style = draw_style(rng)
    metre = draw_metre(rng, style)
    clock = _draw_clock(rng, style, metre)
    sections = draw_sections(
        rng, style, metre, seconds / clock.quarter * 1.05 + clock.offset + metre.length
    )
    parts = []
    guitar = _write(rng, sections, "guitar", style, [])
    parts += _parts(rng, "guitar", sections, guitar, style, clock, seconds)
    parts += _parts(
        rng, "bass", sections, _write(rng, sections, "bass", style, guitar), style, clock, seconds
    )
    parts += _parts(
        rng, "drums", sections, _write(rng, sections, "drums", style, []), style, clock, seconds
    )
    parts += _parts(
        rng, "piano", sections, _write(rng, sections, "piano", style, guitar), style, clock, seconds
    )
    for stem in ("guitar", "piano"):
        if rng.random() < 0.3:
            second = _write(rng, sections, stem, style, guitar, lead=rng.random() < 0.5)
            parts += _parts(rng, stem, sections, second, style, clock, seconds)
    return Song([p for p in parts if p.notes], seconds, f"{seed}-{style.name}")


def _draw_clock(rng: Random, style: Style, metre: Metre) -> Clock:
    tempo = rng.uniform(*style.tempo)
    if metre.compound:
        tempo *= 0.75 if tempo > 90 else 1.0
    quarter = 60 / tempo / (1.5 if metre.compound else 1.0)
    swing = 0.0 if metre.compound else rng.choice(style.swing)
    if swing:
        swing *= rng.uniform(0.8, 1.05)
    grid = (
        0.5 if swing and style.name in ("funk", "hiphop", "reggae") and rng.random() < 0.8 else 1.0
    )
    offset = rng.choice((0.0, rng.uniform(0, 4), 0.0))
    drift = rng.choice((0.0, 0.0, rng.uniform(0, 0.05)))
    return Clock(quarter, offset, swing, grid, drift, rng.uniform(16, 64))


def _write(
    rng: Random,
    sections: list[Section],
    stem: str,
    style: Style,
    heard: list[Event],
    lead: bool = False,
):
    """All events of one player. Sections of a kind share a seed, so they repeat."""
    writers = {
        "bass": style.bass,
        "drums": style.drums,
        "guitar": style.guitar,
        "piano": style.piano,
    }
    manners = [rng.choice(writers[stem]) for _ in range(3)]
    if rng.random() < 0.5:
        manners = manners[:1] * 3
    if rng.random() < 0.08:  # a player from another band
        manners = [rng.choice(getattr(STYLES[rng.choice(sorted(STYLES))], stem))] * 3
    if lead:
        manners = ["lead" if stem == "guitar" else "melody"] * 3
    elif stem == "bass" and rng.random() < 0.06:
        manners = ["unison"] * 3
    elif stem == "piano" and rng.random() < 0.06:
        manners = ["double"] * 3
    salt = rng.getrandbits(32)
    place = {
        "bass": rng.choice((28, 28, 28, 31, 33, 24, 36)),
        "guitar": rng.choice((40, 40, 40, 43, 45, 36, 48, 52, 55)),
        "piano": rng.choice((52, 55, 58, 60, 60, 62, 65, 70, 76)),
        "drums": 0,
    }[stem]
    events = []
    for section in sections:
        if stem not in section.playing:
            continue
        own = Random(section.seed ^ salt)
        manner = manners[section.kind % 3]
        a, b = section.bars[0].start, section.bars[-1].start + section.metre.length
        if stem == "bass":
            events += write_bass(own, section, manner, place, _between(heard, a, b))
        elif stem == "drums":
            events += write_drums(own, section, manner)
        elif stem == "guitar":
            events += write_guitar(own, section, manner, place)
        else:
            events += write_piano(own, section, manner, place, _between(heard, a, b))
    return events


def _between(events: list[Event], a: float, b: float) -> list[Event]:
    return [e for e in events if a <= e.start < b]


def _parts(
    rng: Random, stem: str, sections, events, style: Style, clock: Clock, seconds: float
) -> list[Part]:
    feel = draw_feel(rng)
    notes = perform(rng, events, clock, feel, seconds)
    program = rng.choice(PROGRAMS[stem])
    bends, controls = [], []
    if stem in ("guitar", "bass") and notes:
        chordal = sum(
            b.start - a.start < 0.03 for a, b in zip(notes, notes[1:], strict=False)
        ) / len(notes)
        if chordal < 0.1 and rng.random() < (0.6 if stem == "guitar" else 0.2):
            bends = ornament(rng, notes, rng.uniform(0.05, 0.6))
    if stem == "piano" and rng.random() < 0.35:
        changes = [
            clock(s.start) for section in sections for bar in section.bars for s in bar.spans
        ]
        controls += pedal(changes, seconds)
    if stem != "drums" and rng.random() < 0.12:
        controls += swell(rng, seconds)
    return [Part(stem, program, notes, bends, sorted(controls))]
