"""The table of styles: what kind of writing goes together. Data only.

A style lists weighted choices by repetition. `hybrid` mixes the rows of several styles.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Style(NamedTuple):
    name: str
    tempo: tuple[float, float]  # pulses a minute
    metres: tuple[str, ...]
    modes: tuple[str, ...]
    harmony: tuple[str, ...]
    drums: tuple[str, ...]
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]
    swing: tuple[float, ...] = (0.0,)  # 0 straight, 1 full triplet
    richness: float = 0.15
    slash: float = 0.08
    chord_bars: tuple[float, ...] = (0.5, 1, 1, 1, 2)
    rest: float = 0.08


def _s(name, tempo, metres, modes, harmony, drums, bass, guitar, piano, **more) -> Style:
    split = [
        tuple(column.split()) for column in (metres, modes, harmony, drums, bass, guitar, piano)
    ]
    return Style(name, tempo, *split, **more)


STYLES = {
    s.name: s
    for s in (
        _s(
            "rock",
            (90, 160),
            "4/4",
            "major minor mixolydian dorian",
            "rock pop minor",
            "rock rock halftime",
            "eighths root groove",
            "power strum riff lead arpeggio",
            "block octaves eighths rests",
        ),
        _s(
            "pop",
            (75, 130),
            "4/4 4/4 4/4 6/8",
            "major minor",
            "pop pop minor diatonic",
            "rock pop halftime house",
            "root eighths groove melodic",
            "strum pick arpeggio muted lead",
            "block ballad eighths arpeggio melody",
        ),
        _s(
            "ballad",
            (50, 85),
            "4/4 4/4 6/8 12/8 3/4",
            "major minor",
            "pop jazz minor diatonic",
            "ballad pop brush",
            "root long melodic",
            "pick arpeggio swell lead",
            "ballad arpeggio melody block",
            richness=0.3,
            slash=0.2,
        ),
        _s(
            "funk",
            (85, 125),
            "4/4",
            "dorian mixolydian minor",
            "funk",
            "funk funk breakbeat",
            "funk slap groove",
            "funk16 muted riff octaves",
            "clav block stabs montuno",
            richness=0.3,
            chord_bars=(1, 2, 4),
            swing=(0.0, 0.0, 0.3),
        ),
        _s(
            "disco",
            (105, 132),
            "4/4",
            "minor major dorian",
            "minor pop funk",
            "disco house",
            "slap octaves groove",
            "funk16 octaves muted strum",
            "block stabs octaves",
            richness=0.3,
        ),
        _s(
            "house",
            (115, 135),
            "4/4",
            "minor dorian major",
            "minor modal funk",
            "house house disco",
            "groove octaves offbeat eighths",
            "muted ostinato rests",
            "stabs ostinato block",
            richness=0.4,
            chord_bars=(0.5, 1, 2),
        ),
        _s(
            "blues",
            (60, 140),
            "4/4 4/4 12/8",
            "blues mixolydian minor",
            "blues",
            "shuffle shuffle rock",
            "walk boogie root",
            "shuffle lead strum riff",
            "boogie comp block melody",
            swing=(0.7, 1.0, 0.9),
            chord_bars=(1,),
        ),
        _s(
            "jazz",
            (90, 260),
            "4/4 4/4 4/4 3/4 5/4",
            "major minor dorian melodic",
            "jazz jazz blues",
            "swing brush swing",
            "walk walk root",
            "comp lead freddie octaves",
            "comp rootless melody stride",
            swing=(0.6, 0.8, 1.0),
            richness=0.4,
            chord_bars=(0.5, 1, 1, 2),
        ),
        _s(
            "bossa",
            (110, 150),
            "4/4",
            "major minor",
            "jazz",
            "bossa",
            "bossa",
            "bossa pick lead",
            "comp rootless melody bossa",
            richness=0.4,
        ),
        _s(
            "samba",
            (90, 125),
            "2/4 4/4",
            "major minor",
            "jazz pop",
            "samba",
            "bossa groove",
            "bossa funk16",
            "montuno comp melody",
            richness=0.3,
        ),
        _s(
            "reggae",
            (65, 95),
            "4/4",
            "minor major dorian",
            "pop minor modal",
            "reggae",
            "reggae melodic",
            "skank muted",
            "skank bubble block",
            swing=(0.0, 0.3, 0.6),
        ),
        _s(
            "ska",
            (120, 180),
            "4/4",
            "major minor",
            "pop minor rock",
            "ska rock punk",
            "walk eighths",
            "skank",
            "skank block",
        ),
        _s(
            "latin",
            (85, 125),
            "4/4",
            "minor major harmonic",
            "minor pop jazz",
            "latin latin samba",
            "tumbao",
            "montuno pick lead",
            "montuno montuno octaves",
        ),
        _s(
            "metal",
            (90, 220),
            "4/4 4/4 7/8 3/4",
            "phrygian minor harmonic locrian",
            "rock chromatic minor",
            "metal blast halftime",
            "unison eighths",
            "palm power gallop lead riff tremolo",
            "octaves arpeggio block rests",
        ),
        _s(
            "punk",
            (150, 220),
            "4/4",
            "major minor",
            "rock pop",
            "punk",
            "eighths",
            "power strum",
            "eighths rests block",
        ),
        _s(
            "waltz",
            (80, 190),
            "3/4 3/4 6/8",
            "major minor harmonic",
            "pop jazz minor diatonic",
            "waltz brush",
            "root walk",
            "oompah pick strum",
            "oompah melody arpeggio",
            slash=0.15,
        ),
        _s(
            "country",
            (90, 190),
            "4/4 2/4",
            "major mixolydian",
            "pop",
            "train rock march",
            "rootfifth walk",
            "boomchick pick lead strum",
            "block oompah melody",
            swing=(0.0, 0.0, 0.5),
        ),
        _s(
            "march",
            (90, 130),
            "2/4 4/4 6/8",
            "major minor",
            "pop diatonic",
            "march",
            "rootfifth",
            "oompah strum",
            "oompah melody octaves",
        ),
        _s(
            "hiphop",
            (65, 100),
            "4/4",
            "minor dorian phrygian",
            "minor jazz modal",
            "trap breakbeat funk",
            "long groove root",
            "ostinato pick muted",
            "ostinato ballad block rootless",
            swing=(0.0, 0.4, 0.6),
        ),
        _s(
            "drumbass",
            (150, 180),
            "4/4",
            "minor dorian",
            "minor modal",
            "breakbeat",
            "long funk groove",
            "swell ostinato",
            "stabs arpeggio ballad",
        ),
        _s(
            "folk",
            (70, 140),
            "4/4 3/4 6/8",
            "major mixolydian dorian",
            "pop diatonic modal",
            "percussion ballad brush train",
            "root rootfifth melodic",
            "pick strum boomchick",
            "melody arpeggio block",
            rest=0.2,
        ),
        _s(
            "gospel",
            (60, 120),
            "4/4 12/8 6/8 3/4",
            "major mixolydian",
            "jazz pop blues",
            "ballad shuffle rock",
            "walk root melodic",
            "comp lead strum",
            "block octaves ballad stride",
            richness=0.4,
            slash=0.3,
            chord_bars=(0.25, 0.5, 1),
            swing=(0.0, 0.8),
        ),
        _s(
            "prog",
            (80, 180),
            "7/8 5/4 7/4 9/8 4/4 3/4",
            "dorian lydian phrygian minor harmonic",
            "modal chromatic diatonic minor",
            "pulse random rock",
            "ostinato unison melodic",
            "riff arpeggio power ostinato lead",
            "ostinato arpeggio melody octaves",
        ),
        _s(
            "game",
            (100, 190),
            "4/4 3/4 7/8 6/8",
            "minor harmonic lydian major phrygian",
            "diatonic minor chromatic modal",
            "rock march percussion pulse",
            "octaves eighths arpeggio ostinato",
            "riff lead arpeggio tremolo",
            "arpeggio ostinato melody octaves",
        ),
        _s(
            "ambient",
            (50, 100),
            "4/4 3/4 6/8",
            "lydian dorian major whole",
            "modal diatonic chromatic",
            "percussion none ballad random",
            "long melodic",
            "swell arpeggio pick",
            "ballad long arpeggio sparse",
            rest=0.3,
            richness=0.5,
            chord_bars=(1, 2, 4),
        ),
        _s(
            "free",
            (50, 220),
            "4/4 3/4 5/4 7/8 6/8",
            "chromatic octatonic whole minor major blues",
            "diatonic chromatic modal",
            "random random pulse",
            "drift ostinato",
            "drift ostinato poly",
            "drift poly ostinato sparse cluster",
            richness=0.5,
            slash=0.4,
            rest=0.15,
        ),
    )
}


def draw_style(rng: Random) -> Style:
    """A row of the table, or now and then a new row mixed from the columns of several."""
    names = list(STYLES)
    style = STYLES[rng.choice(names)]
    if rng.random() < 0.3:
        other = {field: getattr(STYLES[rng.choice(names)], field) for field in Style._fields}
        keep = {f for f in ("tempo", "metres") if rng.random() < 0.6}
        style = Style(**{**other, **{f: getattr(style, f) for f in keep}, "name": "hybrid"})
    return style
