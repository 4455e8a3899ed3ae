"""The table of styles: what kind of writing goes together. Data only.

Columns are words separated by blanks; repeating a word makes it likelier.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Style(NamedTuple):
    """Choices of one style. The manners of the four stems name what their writers know."""

    name: str
    tempo: tuple[float, float]  # pulses a minute
    metres: tuple[str, ...]
    modes: tuple[str, ...]
    harmony: tuple[str, ...]
    drums: tuple[str, ...]
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]
    swing: tuple[float, ...] = (0.0,)  # 0 straight, 1 triplets
    swing_grid: float = 1.0  # quarter notes: 1 swings eighths, 0.5 sixteenths
    richness: float = 0.15  # chance that a chord gets a colour
    slash: float = 0.08  # chance that a chord stands on another of its tones
    chord_bars: tuple[float, ...] = (0.5, 1, 1, 1, 2)  # bars a chord lasts
    rest: float = 0.06  # chance that a stem rests for a section


def _style(name: str, tempo: tuple[float, float], *columns: str, **more) -> Style:
    return Style(name, tempo, *(tuple(column.split()) for column in columns), **more)


# fmt: off
_TABLE = (
    _style("rock", (90, 160), "4/4", "major minor mixolydian dorian", "rock pop minor",
           "rock rock halftime", "eighths root groove locked",
           "power power strum strum riff lead arpeggio double", "block octaves eighths long rests"),
    _style("pop", (75, 130), "4/4 4/4 4/4 6/8", "major minor", "pop pop minor diatonic",
           "pop rock halftime house", "root eighths groove melodic locked long",
           "strum strum pick arpeggio muted lead",
           "block ballad eighths arpeggio melody repeat long"),
    _style("ballad", (50, 85), "4/4 4/4 6/8 12/8 3/4", "major minor", "pop jazz minor diatonic",
           "ballad pop brush", "root long melodic", "pick arpeggio swell lead",
           "ballad arpeggio melody block", richness=0.3, slash=0.2),
    _style("funk", (85, 125), "4/4", "dorian mixolydian minor", "funk",
           "funk funk breakbeat", "funk slap groove locked",
           "funk16 muted riff octaves stab", "clav block stabs montuno",
           richness=0.3, chord_bars=(1, 2, 4), swing=(0.0, 0.0, 0.3),
           swing_grid=0.5),
    _style("disco", (105, 132), "4/4", "minor major dorian", "minor pop funk",
           "disco house", "slap octaves groove", "funk16 octaves muted strum",
           "block stabs octaves", richness=0.3),
    _style("house", (115, 135), "4/4", "minor dorian major", "minor modal funk",
           "house house disco", "groove octaves offbeat eighths", "muted ostinato stab rests",
           "stabs ostinato block repeat long", richness=0.4, chord_bars=(0.5, 1, 2)),
    _style("blues", (60, 140), "4/4 4/4 12/8", "blues mixolydian minor", "blues",
           "shuffle shuffle rock", "walk boogie root", "shuffle lead strum riff",
           "boogie comp block melody", swing=(0.7, 1.0, 0.9), chord_bars=(1,)),
    _style("jazz", (90, 260), "4/4 4/4 4/4 3/4 5/4", "major minor dorian melodic",
           "jazz jazz blues", "swing brush swing", "walk walk root", "comp lead freddie octaves",
           "comp rootless melody stride", swing=(0.6, 0.8, 1.0), richness=0.4,
           chord_bars=(0.5, 1, 1, 2)),
    _style("bossa", (110, 150), "4/4", "major minor", "jazz", "bossa", "bossa",
           "bossa pick lead", "comp rootless melody bossa", richness=0.4),
    _style("samba", (90, 125), "2/4 4/4", "major minor", "jazz pop", "samba", "bossa groove",
           "bossa funk16", "montuno comp melody", richness=0.3),
    _style("reggae", (65, 95), "4/4", "minor major dorian", "pop minor modal",
           "reggae", "reggae melodic", "skank muted", "skank bubble block", swing=(0.0, 0.3, 0.6),
           swing_grid=0.5),
    _style("ska", (120, 180), "4/4", "major minor", "pop minor rock", "ska rock punk",
           "walk eighths", "skank", "skank block"),
    _style("latin", (85, 125), "4/4", "minor major harmonic", "minor pop jazz",
           "latin latin samba", "tumbao", "pick lead stab roll", "montuno montuno octaves"),
    _style("metal", (90, 220), "4/4 4/4 7/8 3/4", "phrygian minor harmonic locrian",
           "rock chromatic minor", "metal blast halftime", "gallop eighths locked",
           "palm power gallop lead riff tremolo run", "octaves arpeggio block long shimmer rests"),
    _style("punk", (150, 220), "4/4", "major minor", "rock pop", "punk", "eighths",
           "power strum", "eighths rests block"),
    _style("waltz", (80, 190), "3/4 3/4 6/8", "major minor harmonic", "pop jazz minor diatonic",
           "waltz brush", "root walk", "oompah pick strum", "oompah melody arpeggio", slash=0.15),
    _style("country", (90, 190), "4/4 2/4", "major mixolydian", "pop", "train rock march",
           "rootfifth walk", "boomchick pick roll lead strum", "block oompah melody",
           swing=(0.0, 0.0, 0.5)),
    _style("march", (90, 130), "2/4 4/4 6/8", "major minor", "pop diatonic", "march", "rootfifth",
           "oompah strum", "oompah melody octaves"),
    _style("hiphop", (65, 100), "4/4", "minor dorian phrygian", "minor jazz modal",
           "trap trap breakbeat funk", "long groove root", "ostinato pick muted",
           "ostinato ballad block rootless", swing=(0.0, 0.4, 0.6),
           swing_grid=0.5),
    _style("drumbass", (150, 180), "4/4", "minor dorian", "minor modal", "breakbeat",
           "long funk groove", "swell ostinato", "stabs arpeggio ballad long"),
    _style("folk", (70, 140), "4/4 3/4 6/8", "major mixolydian dorian", "pop diatonic modal",
           "percussion ballad brush train", "root rootfifth melodic", "pick strum boomchick roll",
           "melody arpeggio block", rest=0.15),
    _style("gospel", (60, 120), "4/4 12/8 6/8 3/4", "major mixolydian", "jazz pop blues",
           "ballad shuffle rock", "walk root melodic", "comp lead strum",
           "block octaves ballad stride hymn", richness=0.4, slash=0.3, chord_bars=(0.25, 0.5, 1),
           swing=(0.0, 0.8)),
    _style("prog", (80, 180), "7/8 5/4 7/4 9/8 4/4 3/4", "dorian lydian phrygian minor harmonic",
           "modal chromatic diatonic minor", "invent random rock solo",
           "ostinato locked melodic high arpeggio", "riff arpeggio power ostinato lead",
           "ostinato arpeggio melody octaves"),
    _style("game", (100, 190), "4/4 3/4 7/8 6/8", "minor harmonic lydian major phrygian",
           "diatonic minor chromatic modal", "rock march tribal percussion invent",
           "octaves eighths arpeggio ostinato", "riff lead arpeggio tremolo",
           "arpeggio ostinato melody octaves tremolo run shimmer"),
    _style("ambient", (50, 100), "4/4 3/4 6/8", "lydian dorian major whole",
           "modal diatonic chromatic", "percussion none ballad random tribal", "long melodic",
           "swell arpeggio pick", "ballad long arpeggio sparse shimmer", rest=0.25, richness=0.5,
           chord_bars=(1, 2, 4)),
    _style("free", (50, 220), "4/4 3/4 5/4 7/8 6/8", "chromatic octatonic whole minor major blues",
           "diatonic chromatic modal", "random random invent solo", "drift ostinato high",
           "drift ostinato poly run", "drift poly ostinato sparse cluster repeat run",
           richness=0.5, slash=0.4, rest=0.12),
)
# fmt: on

STYLES = {style.name: style for style in _TABLE}


def draw_style(rng: Random) -> Style:
    """A row of the table, or now and then a new row whose columns come from several."""
    rows = list(STYLES.values())
    style = rng.choice(rows)
    if rng.random() > 0.3:
        return style
    mixed = {field: getattr(rng.choice(rows), field) for field in Style._fields}
    if rng.random() < 0.6:  # mostly a tempo with the metre it belongs to
        for field in ("tempo", "metres", "swing", "swing_grid"):
            mixed[field] = getattr(style, field)
    return Style(**{**mixed, "name": "hybrid"})
