"""Drum grooves, fills and crashes. Keys are those of the General MIDI percussion map."""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event, Section
from recipes.band.compose.rhythm import Metre, draw_onsets, euclid

KICK, KICK2, STICK, SNARE, SNARE2, CLAP = 36, 35, 37, 38, 40, 39
HAT, PEDAL, OPEN = 42, 44, 46
CRASH, CRASH2, CHINA, SPLASH, RIDE, RIDE2, BELL = 49, 57, 52, 55, 51, 59, 53
TOMS = (50, 48, 47, 45, 43, 41)
TAMBOURINE, COWBELL, SHAKER, CABASA = 54, 56, 70, 69
LATIN = (60, 61, 62, 63, 64, 65, 66, 67, 68, 71, 73, 74, 75, 76, 77, 78, 79, 80, 81, 58)

#: One bar of sixteen steps a row; X accent, x normal, o soft, . rest. Rows by key.
GROOVES: dict[str, tuple[dict[int, str], ...]] = {
    "rock": (
        {KICK: "X.......X.......", SNARE: "....X.......X...", HAT: "X.x.X.x.X.x.X.x."},
        {KICK: "X.....x.X.......", SNARE: "....X.......X...", HAT: "X.x.X.x.X.x.X.x."},
        {KICK: "X..x..x.X.x.....", SNARE: "....X.......X..o", HAT: "xoxoxoxoxoxoxoxo"},
        {KICK: "X.x.....x.x.....", SNARE: "....X.......X...", RIDE: "X.x.X.x.X.x.X.x."},
        {KICK: "X...x...X.x.x...", SNARE: "....X.......X...", HAT: "X...X...X...X..."},
        {KICK: "X.....X...X.....", SNARE: "....X.......X...", OPEN: "X...X...X...X..."},
        {KICK: "X..x....X.......", SNARE: "....X..x....X...", HAT: "x.x.x.x.x.x.x.x."},
    ),
    "pop": (
        {KICK: "X.......X.x.....", SNARE: "....X.......X...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "X.....x...x.....", CLAP: "....X.......X...", HAT: "xoxoxoxoxoxoxoxo"},
        {KICK: "X...X...X...X...", SNARE: "....X.......X...", SHAKER: "xoXoxoXoxoXoxoXo"},
        {KICK: "X..x..x.....x...", SNARE: "....X.......X...", HAT: "x.x.x.x.x.x.x.x.",
         TAMBOURINE: "....x.......x..."},
    ),
    "halftime": (
        {KICK: "X.........x.....", SNARE: "........X.......", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "X..x......x...x.", SNARE: "........X.......", CRASH: "X...x...x...x..."},
        {KICK: "X.x..x....x.....", SNARE: "........X.....o.", RIDE: "X...x...X...x..."},
    ),
    "ballad": (
        {KICK: "X.......x.......", STICK: "....x.......x...", HAT: "x.o.x.o.x.o.x.o."},
        {KICK: "X.....o.x.......", SNARE: "....x.......x...", RIDE: "x.o.x.o.x.o.x.o."},
        {KICK: "x...............", STICK: "........x.......", HAT: "o...o...o...o..."},
    ),
    "funk": (
        {KICK: "X.x.......x..x..", SNARE: "....X..o.o..X..o", HAT: "xxxxxxxxxxxxxxxx"},
        {KICK: "X..x..x...x.....", SNARE: "....X..o.o.oX...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "X......x..x..x..", SNARE: ".o..X..o.o..X..o", HAT: "X.xxX.xxX.xxX.xx"},
        {KICK: "X.....x..x......", SNARE: "....X..x....X...", HAT: "X.x.X.x.X.x.X...", OPEN: "..............x."},
        {KICK: "X..X..X...X..X..", SNARE: "....X.......X.o.", COWBELL: "X...X...X...X..."},
    ),
    "disco": (
        {KICK: "X...X...X...X...", SNARE: "....X.......X...", HAT: "x.........x.....", OPEN: "..X...X...X...X."},
        {KICK: "X...X...X...X...", SNARE: "....X.......X...", HAT: "xx.xxx.xxx.xxx.x", OPEN: "..X...X...X...X."},
    ),
    "house": (
        {KICK: "X...X...X...X...", CLAP: "....X.......X...", OPEN: "..X...X...X...X."},
        {KICK: "X...X...X...X...", SNARE: "....X.......X...", HAT: "oooooooooooooooo", OPEN: "..x...x...x...x."},
        {KICK: "X...X...X...X..x", CLAP: "....x.......x...", RIDE: "x.x.x.x.x.x.x.x.", STICK: "...x..x....x..x."},
    ),
    "shuffle": (
        {KICK: "X.......X.......", SNARE: "....X.......X...", HAT: "X.x.X.x.X.x.X.x."},
        {KICK: "X...x...X.x.x...", SNARE: "..o.X.o...o.X.o.", RIDE: "X.x.X.x.X.x.X.x."},
        {KICK: "X...X...X...X...", SNARE: "o.o.X.o.o.o.X.o.", HAT: "X.x.X.x.X.x.X.x."},
    ),
    "swing": (
        {RIDE: "x...X.x.x...X.x.", PEDAL: "....x.......x..."},
        {RIDE: "x...X.x.x...X.x.", PEDAL: "....x.......x...", KICK: "o...o...o...o...", SNARE: "......o......... "[:16]},
        {RIDE: "x...X...x...X.x.", PEDAL: "....x.......x...", SNARE: "..o.......o.....", KICK: "......x........."},
        {HAT: "x...X.x.x...X.x.", STICK: "............x...", KICK: "x.......o......."},
    ),
    "brush": (
        {SNARE2: "o.o.x.o.o.o.x.o.", PEDAL: "....x.......x..."},
        {SNARE: "o...x...o...x...", RIDE: "x...o.x.x...o.x.", KICK: "o.......o......."},
    ),
    "bossa": (
        {KICK: "X.....xxX.....xx"[:16], STICK: "X..x..X...x..x..", HAT: "xxxxxxxxxxxxxxxx"},
        {KICK: "x.....x.x.....x.", STICK: "x.....x...x.....", HAT: "x.x.x.x.x.x.x.x."},
    ),
    "samba": (
        {KICK: "x..xX..xx..xX..x", SHAKER: "XooxXooxXooxXoox", STICK: "x.x.xx.x.x.x.xx."[:16]},
        {41: "....X.......X...", SNARE: "XooxoxoxXooxoxox", TAMBOURINE: "XoxxXoxxXoxxXoxx", KICK: "x..xx..xx..xx..x"},
    ),
    "reggae": (
        {KICK: "........X.......", STICK: "........X.......", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "X.......X.......", SNARE: "........x..o....", HAT: "x.xxx.x.x.xxx.x."},
        {KICK: "X...X...X...X...", STICK: "....x..x....x..x", HAT: "..x...x...x...x."},
    ),
    "ska": ({KICK: "X.......X.......", SNARE: "....X.......X...", HAT: "..X...X...X...X."},),
    "latin": (
        {COWBELL: "X...x...X.x.x.x.", 62: "....x.......x...", 63: "......xx......xx", KICK: "......x.......x."},
        {75: "X..X..X...X.X...", 69: "x.xxx.xxx.xxx.xx", 64: "......xx......xx", 60: "x..o..x.o..x..o."},
        {65: "X.x.x.xxX.x.x.x.", 66: "....x.....x.....", COWBELL: "X.xxX.xxX.xxX.xx", KICK: "...x..x....x..x."},
        {67: "X.x.xx.x.xx.x.x."[:16], 63: "..x...xx..x...xx", 70: "xoxoxoxoxoxoxoxo", SNARE: "....x......x...."},
    ),
    "breakbeat": (
        {KICK: "X.X.......XX....", SNARE: "....X..x.x..X..x", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "X.........X.....", SNARE: "....X.......X...", HAT: "x.x.x.x.x.x.x.x.", RIDE: "................"},
        {KICK: "X..X..X.....X...", SNARE: "....X..o.o....X.", HAT: "xxxxxxxxxxxxxxxx"},
        {KICK: "X.x....x..x.....", SNARE: "....X.....X..X.o", RIDE: "x.x.x.x.x.x.x.x."},
    ),
    "punk": (
        {KICK: "X...X...X...X...", SNARE: "..X...X...X...X.", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "X...X.x.X...X.x.", SNARE: "..X...X...X...X.", CRASH: "x...x...x...x..."},
        {KICK: "X.x.....X.x.....", SNARE: "....X.......X...", OPEN: "X...X...X...X..."},
    ),
    "metal": (
        {KICK: "XxXxXxXxXxXxXxXx", SNARE: "....X.......X...", CHINA: "X...X...X...X..."},
        {KICK: "X.xxX.xxX.xxX.xx", SNARE: "....X.......X...", RIDE: "X...X...X...X..."},
        {KICK: "XxxxXxxxXxxxXxxx", SNARE: "........X.......", BELL: "X...X...X...X..."},
        {KICK: "X..X..X..X..X.X.", SNARE: "....X.......X...", CRASH2: "X...X...X...X..."},
    ),
    "blast": (
        {KICK: "X.X.X.X.X.X.X.X.", SNARE: ".X.X.X.X.X.X.X.X", RIDE: "X.X.X.X.X.X.X.X."},
        {KICK: "xxxxxxxxxxxxxxxx", SNARE: "x.x.x.x.x.x.x.x.", CRASH: "X...X...X...X..."},
    ),
    "train": (
        {KICK: "X...x...X...x...", SNARE: "oxoXoxoXoxoXoxoX"},
        {KICK: "X.......X.......", SNARE: "ooXoooXoooXoooXo", PEDAL: "..x...x...x...x."},
    ),
    "trap": (
        {KICK: "X.....x...x..x..", SNARE: "........X.......", HAT: "x.x.x.xxx.x.xxxx"},
        {KICK: "X..x......x.....", CLAP: "........X.......", HAT: "xxxxx.x.xxxxxoxo", OPEN: "......x........."},
        {KICK: "X......x..x.....", SNARE: "....X.......X...", HAT: "x.xxx.x.x.xxx.xx"},
    ),
    "march": (
        {SNARE: "XoooxooxXoooXxxx", KICK: "X.......X......."},
        {SNARE: "X.ooX.ooX.ooXoxo", KICK2: "X...x...X...x...", CRASH: "....x.......x..."},
    ),
}  # fmt: skip

VELOCITY = {"X": 112.0, "x": 88.0, "o": 48.0}


def write_drums(rng: Random, section: Section, manner: str) -> list[Event]:
    """One section of drums in a manner of `GROOVES`, or "percussion", "pulse", "random", "none"."""
    if manner == "none":
        return []
    metre = section.metre
    groove = _draw_groove(rng, metre, manner)
    twin = _vary(rng, metre, groove) if rng.random() < 0.5 else groove
    level = 0.55 + 0.5 * section.intensity
    fill_every = rng.choice((2, 4, 4, 8, 8, 99))
    crash = rng.choice((CRASH, CRASH, CRASH2, SPLASH, CHINA, RIDE, 0))
    mutation = rng.choice((0.0, 0.0, 0.02, 0.06))
    drop = rng.choice(("none",) * 6 + ("hat", "kick", "snare"))
    if section.intensity < 0.35 and rng.random() < 0.3:
        drop = rng.choice(("kick", "snare"))
    gone = {
        "none": (),
        "hat": (HAT, OPEN, RIDE),
        "kick": (KICK, KICK2),
        "snare": (SNARE, SNARE2, CLAP),
    }[drop]
    events = []
    for i, bar in enumerate(section.bars):
        filling = (i + 1) % fill_every == 0 or (i + 1 == len(section.bars) and rng.random() < 0.6)
        fill_from = metre.length
        if filling and manner not in ("percussion", "brush"):
            fill_from = metre.length - rng.choice((0.5, 1.0, 1.0, 2.0, metre.length))
            fill_from = max(0.0, fill_from)
            events += _fill(rng, metre, bar.start, fill_from, level)
        for position, key, velocity in twin if i % 2 else groove:
            if position >= fill_from or key in gone or rng.random() < mutation:
                continue
            events.append(Event(bar.start + position, 0.2, key, velocity * level))
        if i == 0 and crash and section.intensity > 0.3 and rng.random() < 0.8:
            events.append(Event(bar.start, 1.5, crash, 105 * level))
    return events


def _draw_groove(rng: Random, metre: Metre, manner: str) -> list[tuple[float, int, float]]:
    """One bar as (position, key, velocity)."""
    if manner == "percussion":
        return _percussion(rng, metre)
    if manner == "random":
        return _random(rng, metre)
    if metre.name in ("4/4", "2/4") and manner in GROOVES and rng.random() < 0.93:
        rows = rng.choice(GROOVES[manner])
        hits = [
            (i * 0.25, key, VELOCITY[mark])
            for key, row in rows.items()
            for i, mark in enumerate(row)
            if mark != "." and i * 0.25 < metre.length
        ]
        if rng.random() < 0.15:
            hits += [(p, TAMBOURINE, 70.0) for p in draw_onsets(rng, metre, 0.25, 0.4)]
        return hits
    return _pulse(rng, metre, manner)


def _pulse(rng: Random, metre: Metre, manner: str) -> list[tuple[float, int, float]]:
    """A groove for any metre: kick on the first pulses, a backbeat, a steady cymbal."""
    pulses = metre.pulses
    soft = manner in ("ballad", "brush", "waltz", "swing")
    kick = {0.0}
    back = set(pulses[1::2]) if len(pulses) % 2 == 0 else {rng.choice(pulses[1:])}
    if manner in ("waltz", "brush"):
        back = set(pulses[1:])
    for p in draw_onsets(rng, metre, rng.uniform(0.05, 0.3), 0.4):
        if p not in back:
            kick.add(p)
    every = rng.choice((0.5, 0.5, metre.step, 1.0))
    cymbal = rng.choice((HAT, HAT, RIDE, PEDAL, SHAKER))
    hits = [(p, KICK, 105.0) for p in sorted(kick)]
    snare = rng.choice((STICK, SNARE, PEDAL)) if soft else rng.choice((SNARE, SNARE, SNARE2, CLAP))
    hits += [(p, snare, 70.0 if soft else 108.0) for p in sorted(back)]
    n = int(metre.length / every)
    hits += [(i * every, cymbal, 95.0 if i * every in pulses else 72.0) for i in range(n)]
    return hits


def _percussion(rng: Random, metre: Metre) -> list[tuple[float, int, float]]:
    """Hand percussion only."""
    hits = []
    for key in rng.sample((*LATIN, TAMBOURINE, SHAKER, CABASA, COWBELL, STICK), rng.randint(1, 4)):
        accent = rng.randrange(1, 5)
        for i, p in enumerate(draw_onsets(rng, metre, rng.uniform(0.1, 0.9), rng.random())):
            hits.append((p, key, 105.0 if i % accent == 0 else 65.0))
    return hits


def _random(rng: Random, metre: Metre) -> list[tuple[float, int, float]]:
    """Anything on anything."""
    hits = []
    for _ in range(rng.randint(1, 6)):
        key = rng.choice((KICK, SNARE, HAT, RIDE, OPEN, *TOMS, rng.randrange(27, 88)))
        density, velocity = rng.uniform(0.05, 0.7), rng.uniform(50, 120)
        hits += [(p, key, velocity) for p in draw_onsets(rng, metre, density, rng.random())]
    return hits


def _vary(rng: Random, metre: Metre, groove: list[tuple[float, int, float]]):
    """The answering bar: a few hits fewer, a kick or a soft snare more."""
    hits = [h for h in groove if h[0] == 0.0 or rng.random() > 0.06]
    for _ in range(rng.randint(1, 3)):
        position = rng.randrange(metre.steps) * metre.step
        key, velocity = rng.choice(((KICK, 95.0), (SNARE, 42.0), (OPEN, 85.0), (KICK, 80.0)))
        hits.append((position, key, velocity))
    return hits


def _fill(rng: Random, metre: Metre, start: float, begin: float, level: float) -> list[Event]:
    """A run over snare and toms from `begin` to the end of the bar."""
    step = rng.choice((0.25, 0.25, 0.5, 1 / 6, 1 / 3, 0.125))
    if metre.length - begin > 2 and step < 0.2:
        step = 0.25
    n = int((metre.length - begin) / step + 1e-6)
    kit = rng.choice(
        ((SNARE,), (SNARE, *TOMS), TOMS, (SNARE, 48, 45, 41), (KICK, SNARE, 43), (SNARE, SNARE2))
    )
    drop = rng.choice((0.0, 0.0, 0.25, 0.5))
    order = rng.choice(("down", "random", "roll"))
    events = []
    for i in range(n):
        if rng.random() < drop:
            continue
        where = i / n if order == "down" else rng.random()
        key = kit[int(where * len(kit))] if order != "roll" else kit[0]
        velocity = (70 + 45 * i / n if order == "roll" else rng.uniform(75, 118)) * level
        events.append(Event(start + begin + i * step, 0.2, key, velocity))
    if rng.random() < 0.3:
        events += [
            Event(start + begin + p * 0.5, 0.2, KICK, 95 * level) for p in euclid(2, max(2, n // 2))
        ]
    return [e for e in events if e.start < start + metre.length - 1e-6]
