"""One song from one seed: a style, a form, the players, and who follows whom."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import index
from random import Random
from typing import NamedTuple

from recipes.band.compose import grooves
from recipes.band.compose.bass import write_bass
from recipes.band.compose.doubling import follow, transpose
from recipes.band.compose.drums import write_drums
from recipes.band.compose.form import Event, Section, draw_metre, draw_sections
from recipes.band.compose.guitar import write_guitar
from recipes.band.compose.perform import (
    Clock,
    draw_bends,
    draw_feel,
    draw_pedal,
    draw_swell,
    perform,
    tie,
)
from recipes.band.compose.piano import write_piano
from recipes.band.compose.rhythm import Metre
from recipes.band.compose.sounds import draw_program
from recipes.band.compose.styles import STYLES, Style, draw_style
from recipes.band.score import STEMS, Bend, Control, Part, Song

#: Lowest root of a bass or guitar, middle of a piano's right hand.
PLACES = {
    "bass": (28, 28, 28, 31, 33, 24, 26, 36, 40),
    "drums": (0,),
    "guitar": (40, 40, 40, 40, 36, 38, 43, 45, 31, 33, 28, 48, 52),
    "piano": (48, 52, 55, 57, 60, 60, 60, 62, 64, 67, 72, 78, 40),
}
#: What a player does who takes over another's part.
SWAPPED = {"bass": "tune", "guitar": "bassline", "piano": "bassline"}
#: What a player does who only holds chords, in any style.
HELD = {"bass": "long", "guitar": "swell", "piano": "long"}
#: How many parts play a stem, and how often.
PARTS = {
    "bass": ((1, 2), (0.97, 0.03)),
    "drums": ((1, 2), (0.95, 0.05)),
    "guitar": ((1, 2, 3, 4), (0.6, 0.27, 0.09, 0.04)),
    "piano": ((1, 2, 3), (0.66, 0.29, 0.05)),
}


def compose(seed: int, seconds: float = 24.0, styles: Sequence[str] = ()) -> Song:
    """A song of `seconds` seconds, the same for the same seed.

    Args:
        styles: names of styles to choose from, repeated if likelier; by default all of them, and
            blends of several.

    Raises:
        KeyError: there is no such style.
        ValueError: `seconds` is not positive, or `seed` is negative.
    """
    seed = index(seed)  # numpy's integers too
    if seed < 0:
        raise ValueError(f"a seed must not be negative, got {seed}")
    if seconds <= 0:
        raise ValueError(f"a song must last more than 0 s, got {seconds}")
    # Python's generator: one draw at a time it is some twenty times faster than numpy's.
    rng = Random(seed)
    style = STYLES[rng.choice(styles)] if styles else draw_style(rng)
    metre = draw_metre(rng, style)
    clock = draw_clock(rng, style, metre)
    beats = max(0.0, seconds / clock.quarter + clock.offset) * 1.06 + metre.length
    sections = draw_sections(rng, style, metre, beats)
    players = _draw_players(rng, sections, style)
    end = seconds * rng.uniform(0.3, 0.95) if rng.random() < 0.05 else seconds
    return Song(_play(rng, players, sections, clock, end), seconds, f"{seed}-{style.name}")


def draw_clock(rng: Random, style: Style, metre: Metre) -> Clock:
    """Tempo, swing, drift, and where in the bar the excerpt begins."""
    tempo = rng.uniform(*style.tempo)
    if rng.random() < 0.06:
        tempo = rng.uniform(50, 220)
    if metre.compound:
        tempo = max(45.0, tempo * 0.7 if tempo > 80 else tempo)
    quarter = 60 / tempo / (1.5 if metre.compound else 1.0)
    swing = 0.0 if metre.compound else rng.choice(style.swing) * rng.uniform(0.8, 1.05)
    grid = style.swing_grid if rng.random() < 0.8 else 1.0
    offset = rng.choice((0.0, 0.0, rng.uniform(0, metre.length)))
    if rng.random() < 0.05:
        offset = -rng.uniform(0.5, 6.0)
    drift = rng.choice((0.0, 0.0, rng.uniform(0, 0.06)))
    return Clock(quarter, offset, swing, grid, drift, rng.uniform(16, 64))


class Player(NamedTuple):
    """One part: its stem, what it mostly does, its notes."""

    stem: str
    manner: str
    events: list[Event]


def _draw_players(rng: Random, sections: list[Section], style: Style) -> list[Player]:
    """All players, the first of each stem before the others."""
    manners, lines = {}, {}
    for stem in ("drums", "guitar", "piano", "bass"):
        manners[stem] = _draw_manners(rng, stem, style)
        kicks = _kicks(lines["drums"], sections) if stem == "bass" else []
        lines[stem] = _write(rng, stem, sections, manners[stem], kicks)
    if rng.random() < 0.3:
        follow(rng, lines)
    players = [Player(stem, manners[stem][0], lines[stem]) for stem in STEMS]
    for stem in STEMS:
        count = rng.choices(*PARTS[stem])[0] if lines[stem] else 1
        for _ in range(count - 1):
            players.append(_draw_second(rng, stem, sections, style, lines[stem]))
    return [half for player in players for half in _change_sound(rng, player, sections)]


def _change_sound(rng: Random, player: Player, sections: list[Section]) -> list[Player]:
    """Now and then a player takes another instrument for one kind of section."""
    if rng.random() > 0.1:
        return [player]
    kind = rng.choice(sections).kind
    own: tuple[list[Event], list[Event]] = ([], [])
    edges = [s.bars[0].start for s in sections]
    for event in player.events:
        section = sections[max(0, bisect_right(edges, event.start + 1e-9) - 1)]
        own[section.kind == kind].append(event)
    return [player._replace(events=events) for events in own]


def _draw_second(
    rng: Random, stem: str, sections: list[Section], style: Style, first: list[Event]
) -> Player:
    """Another player of a stem: a double of the first, a soloist, or one with an own idea."""
    roll = rng.random()
    if stem == "drums":
        manners = ["percussion"] * 3
    elif roll < 0.25:
        shift = rng.choice((0, 0, 12, -12, 7))
        return Player(stem, "", transpose(first, shift, stem))
    elif roll < 0.55 and stem != "bass":
        manners = [{"guitar": "lead", "piano": "melody"}[stem]] * 3
    else:
        manners = _draw_manners(rng, stem, style)
    return Player(stem, manners[0], _write(rng, stem, sections, manners, []))


def _draw_manners(rng: Random, stem: str, style: Style) -> list[str]:
    """What a player does in each kind of section."""
    if rng.random() < 0.15:  # a player from another band
        style = STYLES[rng.choice(sorted(STYLES))]
    if stem in SWAPPED and rng.random() < 0.07:
        return [SWAPPED[stem]] * 3
    if stem in HELD and rng.random() < 0.04:
        return [HELD[stem]] * 3
    choices = getattr(style, stem)
    if rng.random() < 0.5:
        return [rng.choice(choices)] * 3
    return [rng.choice(choices) for _ in range(3)]


def _write(
    rng: Random, stem: str, sections: list[Section], manners: list[str], kicks: list[float]
) -> list[Event]:
    """All events of one player. Sections of a kind mostly share a seed, so they repeat."""
    salt, place = rng.getrandbits(48), rng.choice(PLACES[stem])
    fresh, slow = rng.random() < 0.25, stem != "drums" and rng.random() < 0.08
    events: list[Event] = []
    for section in sections:
        if stem not in section.playing:
            continue
        if slow:
            section = section.half_time()
        own = Random(rng.getrandbits(48) if fresh else section.seed ^ salt)
        manner = manners[section.kind % 3]
        if stem == "bass":
            events += write_bass(own, section, manner, place, kicks)
        elif stem == "drums":
            events += write_drums(own, section, manner)
        elif stem == "guitar":
            events += write_guitar(own, section, manner, place)
        else:
            events += write_piano(own, section, manner, place)
    return events


def _kicks(drums: list[Event], sections: list[Section]) -> list[float]:
    """Positions of the kick drum in the first bar that has any."""
    length = sections[0].metre.length
    kicks = [e.start for e in drums if e.key in (grooves.KICK, grooves.KICK2)]
    if not kicks:
        return []
    bar = kicks[0] // length
    return sorted({k - bar * length for k in kicks if k // length == bar})


def _play(
    rng: Random, players: list[Player], sections: list[Section], clock: Clock, seconds: float
) -> list[Part]:
    """Each player's part, with tuning, bends, pedal and expression."""
    tuning = rng.gauss(0, 0.12) if rng.random() < 0.12 else 0.0
    changes = [clock(s.start) for section in sections for b in section.bars for s in b.spans]
    tight = draw_feel(rng) if rng.random() < 0.45 else None  # one person at a sequencer
    parts = []
    for stem, manner, events in players:
        feel = draw_feel(rng)
        if tight:
            feel = feel._replace(push=tight.push, jitter=tight.jitter)
        if rng.random() < (0.6 if manner in ("long", "swell") else 0.05):
            events = tie(events)
        notes = perform(rng, events, clock, feel, seconds)
        if not notes:
            continue
        controls: list[Control] = []
        if rng.random() < 0.15:
            controls.append(Control(0.0, 7, rng.randint(50, 127)))
        if stem == "piano" and rng.random() < 0.3:
            controls += draw_pedal(rng, changes, seconds)
        if stem != "drums" and rng.random() < 0.12:
            controls += draw_swell(rng, seconds)
        bends = _bends(rng, stem, notes, tuning)
        parts.append(Part(stem, draw_program(rng, stem, manner), notes, bends, sorted(controls)))
    return parts


def _bends(rng: Random, stem: str, notes: list, tuning: float) -> list[Bend]:
    """A constant mistuning, and for single lines the bends of fingers on strings."""
    if stem == "drums":
        return []
    if rng.random() < 0.04:
        tuning += rng.gauss(0, 0.08)
    bends = [Bend(0.0, tuning)] if tuning else []
    chance = {"guitar": 0.55, "bass": 0.2, "piano": 0.03}[stem]
    together = sum(b.start - a.start < 0.03 for a, b in pairwise(notes))
    if together < 0.1 * len(notes) and rng.random() < chance:
        bends += [Bend(t, s + tuning) for t, s in draw_bends(rng, notes, rng.uniform(0.05, 0.6))]
    return bends
