"""Single lines shared by guitars and keyboards: melodies, riffs, runs, cycles across the bar."""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event, Section
from recipes.band.compose.rhythm import with_lengths
from recipes.band.compose.voicing import fold, nearest, scale_step, voice

#: Moves in scale steps, by how a tune moves.
CONTOURS = (
    (-2, -1, -1, -1, 0, 1, 1, 1, 2),
    (0, 0, 0, 0, 0, 1, -1),
    (-4, -3, -2, 2, 3, 4, 5, -5),
    (1, 1, 1, -1, -1, -1),
    (2, 2, -2, -2, 4, -4),
)


def write_melody(rng: Random, section: Section, centre: float, span: float = 9.0) -> list[Event]:
    """Phrases of one to four bars that repeat and answer, with bars of rest between them."""
    metre = section.metre
    density = rng.uniform(0.06, 0.6) * (0.6 + 0.6 * section.intensity)
    syncopation, gate = rng.uniform(0.0, 0.6), rng.choice((0.4, 0.8, 0.95, 1.0, 1.0, 1.1))
    motifs = [section.onsets(rng, density, syncopation) for _ in range(rng.choice((1, 2, 2, 3)))]
    plan = [rng.randrange(len(motifs)) for _ in range(4)]
    silent = rng.choice((0.0, 0.1, 0.25, 0.5))
    resting = {i for i in range(8) if rng.random() < silent}
    leap = rng.choice((0.02, 0.1, 0.2, 0.35))
    velocity = rng.uniform(78, 96) + 16 * section.intensity
    contour = rng.choice(CONTOURS)
    moves = [rng.choice(contour) for _ in range(24)]
    wandering = rng.random() < 0.4  # no phrase comes back
    chromatic = rng.random() < 0.12
    key, events = nearest(section.chord_at(section.bars[0].start).tones, centre), []
    for i, bar in enumerate(section.bars):
        if i % 8 in resting:
            continue
        turn = plan[i % 4]
        for j, (position, duration) in enumerate(with_lengths(motifs[turn], metre.length, gate)):
            start = bar.start + position
            chord = section.chord_at(start)
            move = rng.choice(contour) if wandering else moves[(j + 5 * turn) % 24]
            strong = position in metre.pulses
            if rng.random() < leap:
                key = nearest(chord.tones, key + rng.uniform(-span, span))
            elif strong and move and rng.random() < 0.6:
                key = nearest(chord.tones, key + move)
            elif move:
                key = scale_step(range(12) if chromatic else chord.scale, key, move)
            if abs(key - centre) > span:
                key = nearest(chord.tones, centre + rng.uniform(-4, 4))
            events.append(Event(start, duration, key, velocity * (1.05 if strong else 0.97)))
    if rng.random() < 0.25:
        return decorate(rng, section, events, rng.uniform(0.03, 0.35))
    return events


def decorate(rng: Random, section: Section, events: list[Event], chance: float) -> list[Event]:
    """Grace notes, mordents, trills and repeated strokes on some of the notes."""
    out = []
    for event in events:
        start, length, key, velocity, shift = event
        if length < 0.2 or rng.random() > chance:
            out.append(event)
            continue
        upper = scale_step(section.chord_at(start).scale, key, 1)
        figure = rng.choice(("grace", "grace", "mordent", "trill", "strokes"))
        if figure == "grace":
            below = rng.choice((key - 1, key - 2, upper))
            out += [Event(start, 0.08, below, velocity * 0.85, shift - 0.05), event]
            continue
        step = 0.125 if length < 1 else rng.choice((0.125, 1 / 6, 0.25))
        count = 3 if figure == "mordent" else max(2, int(length / step))
        keys = (key, key) if figure == "strokes" else (key, upper)
        for i in range(count):
            last = length - i * step if i + 1 == count else step
            out.append(Event(start + i * step, max(0.05, last), keys[i % 2], velocity, shift))
    return out


def write_line(rng: Random, section: Section, base: int, manner: str) -> list[Event]:
    """A repeating figure from the root above `base`.

    Manners: "riff", "muted" (short), "octaves" (doubled), "tremolo" (fast repeats), "run" (steady
    steps along the scale), "ostinato" (the same notes over all chords), "drift" (a random walk).
    """
    metre = section.metre
    hold = 1
    if manner in ("tremolo", "run"):
        step = (
            rng.choice((0.25, 0.125, 1 / 6))
            if manner == "tremolo"
            else rng.choice((0.25, 0.5, 1 / 3))
        )
        onsets = [i * step for i in range(int(metre.length / step + 1e-6))]
        hold = rng.choice((2, 4, 8)) if manner == "tremolo" else 1
    else:
        onsets = section.onsets(rng, rng.uniform(0.12, 0.75), rng.uniform(0.1, 0.6))
    gate = rng.uniform(0.2, 0.5) if manner == "muted" else rng.choice((0.4, 0.7, 0.95, 1.0))
    bars = rng.choice((1, 2, 2, 4))
    sense = rng.choice((1, -1))
    moves = [
        [
            sense * (j % 8) if manner == "run" else rng.choice((-3, -2, -1, 0, 0, 1, 2, 4))
            for j in range(len(onsets))
        ]
        for _ in range(bars)
    ]
    double = 12 if manner == "octaves" else rng.choice((0,) * 8 + (12, 7, -12, 5))
    pedal, plain = rng.random() < 0.3 and manner != "run", rng.random() < 0.2
    velocity = rng.uniform(78, 96) + 18 * section.intensity
    home = section.chord_at(section.bars[0].start)
    key, events = fold(home.root, base), []
    for i, bar in enumerate(section.bars):
        for j, (position, duration) in enumerate(with_lengths(onsets, metre.length, gate)):
            start = bar.start + position
            chord = home if manner == "ostinato" else section.chord_at(start)
            root = fold(chord.root, base)
            if manner == "drift":
                key = scale_step(chord.scale, key, rng.choice((-2, -1, 1, 2, rng.randint(-5, 5))))
            elif plain or j == 0 or (pedal and j % 2 == 0):
                key = root
            elif j % hold == 0:
                key = scale_step(chord.scale, root, moves[i % bars][j])
            if abs(key - root) > 17:
                key = root
            events.append(Event(start, duration, key, velocity * (1.06 if j == 0 else 0.98)))
            if double:
                events.append(Event(start, duration, key + double, velocity * 0.93))
    return events


def write_cycle(rng: Random, section: Section, centre: float) -> list[Event]:
    """Chord tones on a cycle that does not fit the bar, such as five steps of three sixteenths."""
    at, end = section.bars[0].start, section.bars[-1].start + section.metre.length
    step = rng.choice((0.75, 0.375, 1.25, 2 / 3, 1 / 3, 0.8, 1.75))
    cells = [rng.randrange(5) for _ in range(rng.choice((2, 3, 4, 5, 7)))]
    gate, velocity = rng.choice((0.3, 0.6, 1.0, 2.5)), rng.uniform(75, 105)
    events = []
    while at < end:
        keys = voice(section.chord_at(at), centre, 5)
        events.append(Event(at, step * gate, keys[cells[len(events) % len(cells)]], velocity))
        at += step
    return events


def thicken(section: Section, events: list[Event], steps: int) -> list[Event]:
    """`events` with a second voice `steps` scale notes away."""
    return [
        *events,
        *(
            e._replace(key=scale_step(section.chord_at(e.start).scale, e.key, steps))
            for e in events
        ),
    ]
