"""What a song is made of before anyone plays: sections, bars, chords, who plays when."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from recipes.band.compose.harmony import Chord, Span, draw_progression
from recipes.band.compose.rhythm import METRES, Metre, draw_onsets
from recipes.band.compose.styles import Style
from recipes.band.score import STEMS


class Event(NamedTuple):
    """A note to be played: times in quarter notes, `shift` in seconds on top of them."""

    start: float
    duration: float
    key: int
    velocity: float
    shift: float = 0.0


class Bar(NamedTuple):
    """A bar and the chords in it."""

    start: float
    spans: list[Span]

    def held(self, onsets: list[float]) -> list[float]:
        """`onsets`, and where the chords change if the bar would otherwise be one long chord."""
        if len(onsets) > 1:
            return onsets
        return [*onsets, *(s.start - self.start for s in self.spans[1:])]


class Section(NamedTuple):
    """Bars played in one manner. Sections with the same `seed` repeat one another."""

    kind: int
    seed: int
    metre: Metre
    bars: list[Bar]
    intensity: float
    playing: frozenset[str]
    hook: tuple[float, ...]  # a rhythm that players of this kind of section may share
    unity: float  # how likely they do

    def onsets(self, rng: Random, density: float, syncopation: float) -> list[float]:
        """Onsets for one bar of a player: the shared hook, or `draw_onsets` of their own."""
        if rng.random() < self.unity:
            return list(self.hook)
        return draw_onsets(rng, self.metre, density, syncopation)

    def half_time(self) -> Section:
        """The same music for a player who counts two bars as one (if their number is even)."""
        if len(self.bars) % 2:
            return self
        name, length, pulses, step = self.metre
        metre = Metre(name, 2 * length, tuple(2 * p for p in pulses), 2 * step)
        pairs = zip(self.bars[::2], self.bars[1::2], strict=True)
        bars = [Bar(one.start, one.spans + two.spans) for one, two in pairs]
        return self._replace(metre=metre, bars=bars, hook=tuple(2 * p for p in self.hook))

    def chord_at(self, beat: float) -> Chord:
        """The chord that sounds at `beat` (quarter notes from the start of the song)."""
        index = int((beat - self.bars[0].start) / self.metre.length + 1e-9)
        for span in self.bars[min(max(index, 0), len(self.bars) - 1)].spans:
            if beat < span.end - 1e-9:
                return span.chord
        return span.chord


def draw_sections(rng: Random, style: Style, metre: Metre, beats: float) -> list[Section]:
    """Sections that fill at least `beats` quarter notes."""
    tonic = rng.randrange(12)
    mode = rng.choice(style.modes)
    kinds = [_draw_kind(rng, style, tonic, mode, kind) for kind in range(rng.choice((1, 2, 2, 3)))]
    hooks = [
        tuple(draw_onsets(rng, metre, rng.uniform(0.1, 0.5), rng.uniform(0.0, 0.5))) for _ in kinds
    ]
    unity = rng.choice((0.0, 0.0, rng.uniform(0.0, 0.8)))
    # Drawn afresh for every stem, so that one song in 20,000 would have nobody: then all play.
    band = [s for s in STEMS if s not in _draw_rests(rng)] or list(STEMS)
    entry = _draw_entries(rng, band)
    sections, start, kind = [], 0.0, rng.randrange(len(kinds))
    while start < beats:
        progression, seed, per_chord, base = kinds[kind]
        building = len(sections) < max(entry.values())
        count = rng.choice((1, 2, 2, 4)) if building else rng.choice((2, 4, 4, 8, 8, 8, 16))
        bars = _lay_bars(progression, per_chord, metre, start, count)
        playing = [s for s in band if entry[s] <= len(sections) and rng.random() > style.rest]
        intensity = min(1.0, max(0.0, base + rng.gauss(0, 0.12)))
        start += count * metre.length
        sections.append(
            Section(
                kind,
                seed,
                metre,
                bars,
                intensity,
                frozenset(playing or band[:1]),
                hooks[kind],
                unity,
            )
        )
        if not building and rng.random() < 0.6:
            kind = (kind + 1) % len(kinds)
    return sections


def _draw_rests(rng: Random) -> set[str]:
    """Stems that are silent for the whole excerpt."""
    roll = rng.random()
    if roll < 0.76:
        return set()
    if roll < 0.93:
        return {rng.choice(STEMS)}
    if roll < 0.98:
        return set(rng.sample(STEMS, 2))
    return set(rng.sample(STEMS, 3))


def _draw_entries(rng: Random, band: list[str]) -> dict[str, int]:
    """The section in which each stem comes in: mostly at once, now and then one by one."""
    if rng.random() > 0.12:
        return dict.fromkeys(band, 0)
    order = rng.sample(band, len(band))
    pace = rng.choice((1, 1, 2))
    return {stem: i // pace for i, stem in enumerate(order)}


def _draw_kind(rng: Random, style: Style, tonic: int, mode: str, kind: int):
    if kind and rng.random() < 0.2:
        tonic = (tonic + rng.choice((2, 3, 5, 7, 9, 1))) % 12
    progression = draw_progression(
        rng, tonic, mode, rng.choice(style.harmony), style.richness, style.slash
    )
    per_chord = rng.choice(style.chord_bars)
    return progression, rng.getrandbits(48), per_chord, rng.uniform(0.15, 1.0)


def _lay_bars(progression, per_chord: float, metre: Metre, start: float, count: int) -> list[Bar]:
    """Bars under a loop of chords that last `per_chord` bars each (a half: two a bar)."""
    bars, n = [], len(progression)
    for i in range(count):
        begin, end = start + i * metre.length, start + (i + 1) * metre.length
        if per_chord >= 1:
            spans = [Span(begin, end, progression[int(i / per_chord) % n])]
        else:
            parts = 2 if per_chord == 0.5 else 4
            if len(metre.pulses) < parts:
                parts = len(metre.pulses)
            cuts = [metre.pulses[len(metre.pulses) * p // parts] for p in range(parts)]
            cuts.append(metre.length)
            spans = [
                Span(begin + cuts[p], begin + cuts[p + 1], progression[(i * parts + p) % n])
                for p in range(parts)
            ]
        bars.append(Bar(begin, spans))
    return bars


def draw_metre(rng: Random, style: Style) -> Metre:
    return METRES[rng.choice(style.metres)]
