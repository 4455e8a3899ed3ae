"""Which General MIDI program a player picks."""

from __future__ import annotations

from random import Random

from recipes.band.score import PROGRAMS

#: Relative popularity, in the order of `PROGRAMS[stem]`.
WEIGHTS = {
    "bass": (1.5, 3.5, 2.0, 1.5, 1.0, 1.0, 1.5, 1.5),
    "drums": (3.5, 1.5, 1.2, 1.0, 0.8, 1.0, 0.8),
    "guitar": (2.2, 2.8, 1.5, 2.5, 1.8, 2.0, 2.5, 0.8),
    "piano": (3.0, 2.0, 1.5, 1.0, 2.2, 1.8, 1.0, 1.0),
}

#: Favourites of a manner, taken in half of the cases.
FAVOURITES = {
    "power": (29, 30), "palm": (29, 30, 28), "gallop": (29, 30), "tremolo": (29, 30),
    "skank": (27, 28),
    "funk16": (27, 28), "muted": (28,), "pick": (24, 25), "roll": (24, 25), "strum": (25, 24, 27),
    "boomchick": (25, 27), "freddie": (26,), "comp": (26, 4, 0), "bossa": (24, 4),
    "swell": (27, 29),
    "walk": (32, 35), "slap": (36, 37), "tumbao": (32, 33), "clav": (7,), "stabs": (4, 5, 0, 7),
    "stride": (0, 3), "boogie": (0, 3, 1), "brush": (40, 32), "swing": (32, 40), "house": (24, 25),
    "trap": (25, 24), "metal": (16, 0), "blast": (16,), "halftime": (16, 0), "disco": (0, 24),
}  # fmt: skip


def draw_program(rng: Random, stem: str, manner: str) -> int:
    """A program of `stem` that suits `manner`, or any of them by popularity."""
    fitting = [p for p in FAVOURITES.get(manner, ()) if p in PROGRAMS[stem]]
    if fitting and rng.random() < 0.5:
        return rng.choice(fitting)
    return rng.choices(PROGRAMS[stem], WEIGHTS[stem])[0]
