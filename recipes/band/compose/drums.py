"""The drummer: picks or invents a groove, varies it, fills, crashes.

A groove here is one bar of hits `(position, key, velocity)`.
"""

from __future__ import annotations

from random import Random

from recipes.band.compose import grooves as kit
from recipes.band.compose.form import Event, Section
from recipes.band.compose.rhythm import Metre, draw_onsets

Hit = tuple[float, int, float]

#: Manners that have no table.
INVENTED = ("invent", "waltz")
#: Manners that are nothing without their sixteenths.
SIXTEENTHS = ("samba", "latin", "blast", "train", "march", "trap")

CHIMING = (kit.HAT, kit.HAT, kit.HAT, kit.HAT, kit.HAT, kit.RIDE, kit.RIDE, kit.RIDE, kit.OPEN,
           kit.OPEN, kit.PEDAL, kit.CRASH, kit.CRASH2, kit.BELL, kit.CHINA, kit.SHAKER,
           kit.TAMBOURINE, kit.COWBELL, kit.CABASA, kit.TOMS[-1])  # fmt: skip
LAYERS = (kit.PEDAL, kit.PEDAL, kit.HAT, kit.OPEN, kit.RIDE, kit.CRASH, kit.CLAP, kit.TAMBOURINE,
          kit.SHAKER, kit.COWBELL)  # fmt: skip
FILLS = (
    (kit.SNARE,), (kit.SNARE, *kit.TOMS), kit.TOMS, (kit.SNARE, 48, 45, 41),
    (kit.KICK, kit.SNARE, 43), (kit.SNARE, kit.SNARE2), (kit.KICK, *kit.TOMS),
    (kit.CRASH, kit.SNARE, kit.KICK), (60, 61, 63, 64),
)  # fmt: skip


def write_drums(rng: Random, section: Section, manner: str) -> list[Event]:
    """One section of drums. `manner` names a table of grooves or a way to invent one."""
    if manner == "none":
        return []
    if manner == "solo":
        return _solo(rng, section)
    metre = section.metre
    groove = draw_groove(rng, metre, manner)
    steady = rng.random() < 0.25  # a machine: the same bar again and again
    if rng.random() < section.unity * 0.6:  # the kick plays the hook
        groove = [h for h in groove if h[1] != kit.KICK]
        groove += [(p, kit.KICK, 105.0) for p in section.hook]
    if rng.random() < 0.06:
        groove = _stack(rng, groove)
    twin = _vary(rng, metre, groove) if not steady and rng.random() < 0.5 else groove
    level = 0.6 + 0.45 * section.intensity
    fill_every = 99 if steady else rng.choice((2, 4, 4, 8, 8, 99))
    crash_every = rng.choice((1, 2, 4, 4, 8, 8, 99, 99))
    crash = rng.choice((kit.CRASH, kit.CRASH, kit.CRASH2, kit.SPLASH, kit.CHINA, kit.RIDE))
    dropped = _draw_dropped(rng, section.intensity)
    gap = rng.choice((0.0, 0.0, 0.0, 0.02, 0.06))
    events = []
    for i, bar in enumerate(section.bars):
        until = metre.length
        ending = i + 1 == len(section.bars) and not steady and rng.random() < 0.5
        if (i + 1) % fill_every == 0 or ending:
            until = max(0.0, until - rng.choice((0.5, 1.0, 1.0, 2.0, metre.length)))
            events += _fill(rng, metre, bar.start, until, level)
        for position, key, velocity in twin if i % 2 else groove:
            if position < until and key not in dropped and not (gap and rng.random() < gap):
                events.append(Event(bar.start + position, 0.2, key, velocity * level))
        if i % crash_every == 0 and crash_every < 99 and section.intensity > 0.25:
            events.append(Event(bar.start, 1.5, crash, 108 * level))
    return events


def draw_groove(rng: Random, metre: Metre, manner: str) -> list[Hit]:
    """One bar of `manner`. The tables are in four; other metres have theirs invented to fit."""
    if manner == "percussion":
        return _percussion(rng, metre)
    if manner == "random":
        return _random(rng, metre)
    if manner not in kit.GROOVES and manner not in INVENTED:
        raise ValueError(f"no groove is called {manner!r}")
    if manner in kit.GROOVES and metre.name in ("4/4", "2/4") and rng.random() < 0.8:
        steps = metre.steps
        hits = [
            (i * 0.25, key, kit.VELOCITY[row[i % len(row)]])
            for key, row in rng.choice(kit.GROOVES[manner])
            for i in range(steps)
            if row[i % len(row)] != "."
        ]
        if manner not in SIXTEENTHS and rng.random() < 0.45:
            hits = [h for h in hits if (h[0] * 2) % 1 == 0]
        if rng.random() < 0.12:
            hits += [(p, rng.choice(kit.CYMBALS), 92.0) for p in metre.pulses]
        return hits + (_layer(rng, metre, hits) if rng.random() < 0.3 else [])
    return _invent(rng, metre, soft=manner in ("ballad", "brush", "waltz", "swing", "bossa"))


def _invent(rng: Random, metre: Metre, soft: bool) -> list[Hit]:
    """A groove by the roles of its parts: kick, backbeat, timekeeper, extra layer."""
    pulses, step = metre.pulses, metre.step
    even = len(pulses) % 2 == 0
    back = rng.choice((
        pulses[1::2] if even else pulses[1:], pulses[1::2] or pulses, (pulses[len(pulses) // 2],),
        [p + 0.5 for p in pulses], (rng.choice(pulses),), pulses[-1:],
    ))  # fmt: skip
    kick = rng.choice((
        list(pulses), [0.0], [0.0, *draw_onsets(rng, metre, rng.uniform(0.05, 0.3), 0.4)],
        [0.0, *draw_onsets(rng, metre, rng.uniform(0.05, 0.3), 0.4)],
        draw_onsets(rng, metre, rng.uniform(0.1, 0.4), 0.6),
        [i * step for i in range(metre.steps)] if rng.random() < 0.3 else [0.0, pulses[-1]],
    ))  # fmt: skip
    struck = (
        (kit.STICK, kit.PEDAL, kit.SNARE, kit.SNARE2)
        if soft
        else (kit.SNARE, kit.SNARE, kit.SNARE2, kit.CLAP)
    )
    snare = rng.choice(struck)
    hits = [(p, rng.choice((kit.KICK, kit.KICK, kit.KICK2)), 105.0) for p in sorted(set(kick))]
    hits += [(p, snare, 68.0 if soft else 108.0) for p in back if p < metre.length]
    if not soft and rng.random() < 0.12:
        hits += [(p, kit.CLAP, 100.0) for p in back if p < metre.length]
    if rng.random() < 0.25:
        hits += [(p, kit.SNARE, 40.0) for p in draw_onsets(rng, metre, 0.15, 0.9) if p not in back]
    hits += _timekeeper(rng, metre, rng.choice(CHIMING))
    return hits + (_layer(rng, metre, hits) if rng.random() < 0.35 else [])


def _timekeeper(rng: Random, metre: Metre, key: int) -> list[Hit]:
    """A steady row: pulses, their halves, offbeats, gallops, every step, or triplets."""
    unit = 1.5 if metre.compound else 1.0
    every, first = rng.choice((
        (unit, 0.0), (0.5, 0.0), (0.5, 0.0), (0.5, 0.0), (metre.step, 0.0), (unit, unit / 2),
        (1 / 3, 0.0), (2.0, 0.0),
    ))  # fmt: skip
    loud, quiet = rng.choice(((95.0, 95.0), (100.0, 75.0), (105.0, 55.0), (75.0, 95.0)))
    gallop = every < 0.4 and rng.random() < 0.3
    opened = rng.random() < 0.2 and key == kit.HAT
    hits = []
    for i in range(int((metre.length - first) / every + 1e-6)):
        if gallop and i % 4 == 1:
            continue
        at = first + i * every
        chosen = kit.OPEN if opened and i % 4 == 3 else key
        hits.append((at, chosen, loud if i % 2 == 0 else quiet))
    return hits


def _layer(rng: Random, metre: Metre, hits: list[Hit]) -> list[Hit]:
    """Something on top: with what is there already, as a steady row, or where it likes."""
    key, roll = rng.choice((*LAYERS, rng.choice(kit.HAND))), rng.random()
    if roll < 0.35:
        every = rng.choice((1, 1, 2))
        return [(p, key, 85.0) for p in sorted({h[0] for h in hits})[::every]]
    if roll < 0.5:
        return [(p, key, 90.0) for p in metre.pulses]
    if roll < 0.8:
        return _timekeeper(rng, metre, key)
    return [(p, key, 80.0) for p in draw_onsets(rng, metre, rng.uniform(0.1, 0.6), rng.random())]


def _stack(rng: Random, groove: list[Hit]) -> list[Hit]:
    """Every key doubled by another one, as when two kits or a machine play along."""
    partner = {
        key: rng.choice((*kit.TOMS, kit.CLAP, kit.OPEN, kit.RIDE, *kit.HAND))
        for _, key, _ in groove
    }
    return groove + [(p, partner[key], velocity * 0.9) for p, key, velocity in groove]


def _percussion(rng: Random, metre: Metre) -> list[Hit]:
    """Hand percussion only."""
    hits = []
    keys = (*kit.HAND, kit.TAMBOURINE, kit.SHAKER, kit.CABASA, kit.COWBELL, kit.STICK, kit.CLAP)
    for key in rng.sample(keys, rng.randint(1, 5)):
        accent = rng.randrange(1, 5)
        for i, p in enumerate(draw_onsets(rng, metre, rng.uniform(0.1, 0.9), rng.random())):
            hits.append((p, key, 105.0 if i % accent == 0 else 65.0))
    return hits


def _random(rng: Random, metre: Metre) -> list[Hit]:
    """Anything on anything: no idea of roles."""
    hits = []
    for _ in range(rng.randint(1, 6)):
        key = rng.choice(
            (kit.KICK, kit.SNARE, kit.HAT, kit.RIDE, kit.OPEN, *kit.TOMS, rng.randrange(27, 88))
        )
        velocity = rng.uniform(50, 120)
        hits += [
            (p, key, velocity)
            for p in draw_onsets(rng, metre, rng.uniform(0.05, 0.7), rng.random())
        ]
    return hits


def _solo(rng: Random, section: Section) -> list[Event]:
    """Bar after bar of fills, over a kick or not."""
    metre, events = section.metre, []
    steady = rng.random() < 0.5
    for bar in section.bars:
        events += _fill(rng, metre, bar.start, 0.0, 0.7 + 0.4 * section.intensity)
        if steady:
            events += [Event(bar.start + p, 0.2, kit.KICK, 95.0) for p in metre.pulses]
    return events


def _vary(rng: Random, metre: Metre, groove: list[Hit]) -> list[Hit]:
    """The answering bar: a few hits fewer, a kick or a soft snare more."""
    hits = [h for h in groove if h[0] == 0.0 or rng.random() > 0.06]
    for _ in range(rng.randint(1, 3)):
        position = rng.randrange(metre.steps) * metre.step
        key, velocity = rng.choice(
            ((kit.KICK, 95.0), (kit.SNARE, 42.0), (kit.OPEN, 85.0), (kit.KICK, 80.0))
        )
        hits.append((position, key, velocity))
    return hits


def _draw_dropped(rng: Random, intensity: float) -> tuple[int, ...]:
    """Keys left out for a section: quiet sections often lose a limb."""
    if rng.random() > (0.4 if intensity < 0.35 else 0.12):
        return ()
    return rng.choice((
        (kit.KICK, kit.KICK2), (kit.SNARE, kit.SNARE2, kit.CLAP),
        (kit.HAT, kit.OPEN, kit.PEDAL, *kit.CYMBALS),
        (kit.KICK, kit.KICK2, kit.SNARE, kit.SNARE2, kit.CLAP),
    ))  # fmt: skip


def _fill(rng: Random, metre: Metre, start: float, begin: float, level: float) -> list[Event]:
    """A run from `begin` to the end of the bar: down the toms, at random, or a growing roll."""
    room = metre.length - begin
    step = rng.choice((0.25, 0.25, 0.25, 0.5, 1 / 6, 1 / 3, 0.125 if room <= 1 else 0.25))
    n = int(room / step + 1e-6)
    drums, order = rng.choice(FILLS), rng.choice(("down", "down", "random", "roll"))
    drop, flam = rng.choice((0.0, 0.0, 0.25, 0.5)), rng.random() < 0.15
    events = []
    for i in range(n):
        if drop and rng.random() < drop:
            continue
        where = {"down": i / n, "random": rng.random(), "roll": 0.0}[order]
        key = drums[int(where * len(drums))]
        velocity = (70 + 45 * i / n if order == "roll" else rng.uniform(75, 118)) * level
        at = start + begin + i * step
        events.append(Event(at, 0.2, key, velocity))
        if flam:
            events.append(Event(at, 0.2, kit.SNARE, velocity * 0.6, -0.025))
    if rng.random() < 0.3:
        events += [Event(start + p, 0.2, kit.KICK, 95 * level) for p in metre.pulses if p >= begin]
    return events
