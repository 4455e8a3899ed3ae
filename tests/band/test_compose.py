"""The composer: the same for the same seed, valid always, and broad."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from recipes.band.compose import compose
from recipes.band.compose.bass import write_bass
from recipes.band.compose.doubling import RANGES, select, transpose
from recipes.band.compose.drums import write_drums
from recipes.band.compose.form import Bar, Event, Section, draw_metre, draw_sections
from recipes.band.compose.grooves import GROOVES
from recipes.band.compose.guitar import write_guitar
from recipes.band.compose.harmony import (
    QUALITIES,
    SCALES,
    Span,
    draw_progression,
    make_chord,
)
from recipes.band.compose.loops import LOOPS
from recipes.band.compose.perform import Clock, Feel, perform, tie
from recipes.band.compose.piano import write_piano
from recipes.band.compose.rhythm import METRES, draw_onsets, euclid, with_lengths
from recipes.band.compose.sounds import WEIGHTS
from recipes.band.compose.styles import STYLES, draw_style
from recipes.band.compose.voicing import nearest, scale_step, strum_shape, voice
from recipes.band.midi import read_midi
from recipes.band.score import PROGRAMS, STEMS

SECONDS = 24.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def songs():
    return [compose(seed, SECONDS) for seed in range(200)]


def test_same_seed_same_song_in_another_process():
    code = "from recipes.band.compose import compose; print([compose(s) for s in range(8)])"
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert printed[0].decode().strip() == str([compose(s) for s in range(8)])


def test_seeds_differ():
    assert len({str(compose(seed, 4.0).parts) for seed in range(50)}) == 50


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_length_must_be_positive(seconds):
    with pytest.raises(ValueError, match="more than 0 s"):
        compose(0, seconds)


def test_seeds_are_whole_numbers_from_zero():
    assert compose(np.int64(5), 4.0) == compose(5, 4.0)
    with pytest.raises(ValueError, match="negative"):
        compose(-1)
    with pytest.raises(TypeError):
        compose(1.5)


def test_all_play_where_everyone_was_to_rest():
    """Seed 18075 draws a rest for each of the four stems."""
    assert {part.stem for part in compose(18075, 8.0).parts} == set(STEMS)


@pytest.mark.parametrize("seconds", [0.3, 3.0, 90.0])
def test_any_length_is_filled(seconds):
    ends = [
        max((n.start + n.duration for p in song.parts for n in p.notes), default=0.0)
        for song in (compose(seed, seconds) for seed in range(20))
    ]
    assert max(ends) <= seconds + 1e-9
    assert np.median(ends) > 0.9 * seconds


def test_every_event_is_playable(songs):
    for song in songs:
        assert song.duration == SECONDS
        for part in song.parts:
            assert part.stem in STEMS
            assert part.program in PROGRAMS[part.stem]
            assert part.notes == sorted(part.notes, key=lambda n: n.start)
            for note in part.notes:
                assert 0 <= note.key <= 127
                assert 1 <= note.velocity <= 127
                assert note.duration > 0
                assert note.start >= 0
                assert note.start + note.duration <= SECONDS + 1e-9
            for control in part.controls:
                assert control.controller in (7, 11, 64)
                assert 0 <= control.value <= 127
                assert 0 <= control.time <= SECONDS
            for bend in part.bends:
                assert abs(bend.semitones) < 12
                assert 0 <= bend.time <= SECONDS
            assert part.bends == sorted(part.bends, key=lambda b: b.time)
            assert part.controls == sorted(part.controls, key=lambda c: c.time)


def test_no_key_is_struck_while_it_sounds(songs):
    for song in songs:
        for part in song.parts:
            ends: dict[int, float] = {}
            for note in part.notes:
                assert note.start >= ends.get(note.key, 0.0) - 1e-9
                ends[note.key] = note.start + note.duration


def test_breadth_over_songs(songs):
    """The spread that separates this from a narrow composer; every bound is far from typical."""
    stems = [{p.stem for p in s.parts} for s in songs]
    for stem in STEMS:
        missing = np.mean([stem not in present for present in stems])
        assert 0.03 < missing < 0.3
        rates = [
            sum(len(p.notes) for p in s.parts if p.stem == stem) / SECONDS
            for s in songs
            if any(p.stem == stem for p in s.parts)
        ]
        low, high = np.quantile(rates, [0.05, 0.95])
        assert high / low > 6  # sparse to busy
    programs = Counter((p.stem, p.program) for s in songs for p in s.parts)
    assert set(programs) == {(stem, p) for stem in STEMS for p in PROGRAMS[stem]}
    assert any(sum(p.stem == "guitar" for p in s.parts) > 1 for s in songs)
    velocities = [np.mean([n.velocity for n in p.notes]) for s in songs for p in s.parts]
    assert np.quantile(velocities, 0.05) < 65 < 110 < np.quantile(velocities, 0.95)
    kinds = {c.controller for s in songs for p in s.parts for c in p.controls}
    assert kinds == {7, 11, 64}
    assert any(p.bends for s in songs for p in s.parts)
    keys = {stem: [n.key for s in songs for p in s.parts if p.stem == stem for n in p.notes]
            for stem in STEMS}  # fmt: skip
    assert min(keys["bass"]) <= 26
    assert max(keys["bass"]) >= 60
    assert min(keys["guitar"]) <= 32
    assert max(keys["guitar"]) >= 84
    assert np.quantile(keys["piano"], 0.02) < 38 < 82 < np.quantile(keys["piano"], 0.98)
    assert len(set(keys["drums"])) > 40


def test_breadth_over_styles():
    rng = Random(0)
    styles = [draw_style(rng) for _ in range(2000)]
    assert {s.name for s in styles} == {*STYLES, "hybrid"}
    assert {draw_metre(rng, s).name for s in styles} == set(METRES)
    tempi = [rng.uniform(*s.tempo) for s in styles]
    assert np.quantile(tempi, 0.02) < 65 < 190 < np.quantile(tempi, 0.98)


def _section(rng, style, metre):
    return draw_sections(rng, style, metre, 16.0)[0]


@pytest.mark.parametrize("style", STYLES.values(), ids=lambda s: s.name)
def test_every_manner_of_a_style_can_be_written_in_every_metre(style):
    rng = Random(1)
    for metre in METRES.values():
        section = _section(rng, style, metre)
        begin = section.bars[0].start
        end = section.bars[-1].start + metre.length
        played = [
            *(write_drums(rng, section, m) for m in style.drums),
            *(write_bass(rng, section, m, 28, [0.0, 1.5]) for m in (*style.bass, "tune")),
            *(write_guitar(rng, section, m, 40) for m in (*style.guitar, "bassline")),
            *(write_piano(rng, section, m, 60) for m in (*style.piano, "bassline")),
        ]
        for events in played:
            assert all(begin - 1e-9 <= e.start < end + 1e-9 and e.duration > 0 for e in events)
        assert sum(map(len, played)) > 10
    names = (*style.modes, *(h for h in style.harmony if h != "diatonic"))
    assert all(name in SCALES or name in LOOPS for name in names)


def test_tables_are_well_formed():
    for rows in (row for groove in GROOVES.values() for bar in groove for row in bar):
        key, row = rows
        assert 27 <= key <= 87
        assert set(row) <= set("Xxo.")
        assert 16 % len(row) == 0  # a row that does not divide the bar is a slip of the pen
    for stem in STEMS:
        assert len(WEIGHTS[stem]) == len(PROGRAMS[stem])


def test_a_section_repeats_its_figure():
    """Over one chord, strummed bars are at most a figure and its answer."""
    chord = make_chord(Random(0), 0, "m7", [0, 2, 3, 5, 7, 8, 10], 0.0)
    bars = [Bar(4.0 * i, [Span(4.0 * i, 4.0 * i + 4, chord)]) for i in range(8)]
    section = Section(0, 0, METRES["4/4"], bars, 0.5, frozenset(STEMS), (0.0,), 0.0)
    for seed in range(20):
        events = write_guitar(Random(seed), section, "strum", 40)
        played = [
            [e._replace(start=e.start - bar.start) for e in events if 0 <= e.start - bar.start < 4]
            for bar in bars
        ]
        assert played[0]
        assert played[0::2] == [played[0]] * 4
        assert played[1::2] == [played[1]] * 4
        assert events == write_guitar(Random(seed), section, "strum", 40)


def test_a_shared_hook_brings_players_together():
    rng, metre = Random(0), METRES["4/4"]
    section = _section(rng, STYLES["pop"], metre)._replace(hook=(0.0, 1.5, 3.25), unity=1.0)
    for events in (
        write_bass(rng, section, "groove", 28, []),
        write_guitar(rng, section, "strum", 40),
    ):
        assert {e.start % 4.0 for e in events if e.start < section.bars[-1].start} == {
            0.0,
            1.5,
            3.25,
        }


def test_half_time_doubles_the_bar_and_keeps_the_chords():
    rng, metre = Random(2), METRES["3/4"]
    section = draw_sections(rng, STYLES["pop"], metre, 400.0)[-1]
    slow = section.half_time()
    assert slow.metre.length == 6.0
    assert slow.metre.steps == metre.steps
    begin = section.bars[0].start
    beats = begin + np.arange(0, 3 * len(section.bars), 0.5)
    assert [slow.chord_at(b) for b in beats] == [section.chord_at(b) for b in beats]
    odd = section._replace(bars=section.bars[:1])
    assert odd.half_time() == odd


def test_clock_swings_and_never_goes_back():
    straight = Clock(0.5, 0.0, 0.0, 1.0, 0.0, 16.0)
    triplet = straight._replace(swing=1.0)
    assert [straight(b) for b in (0, 0.5, 1, 3)] == [0.0, 0.25, 0.5, 1.5]
    assert [triplet(b) for b in (0, 0.5, 1, 1.5)] == pytest.approx([0, 1 / 3, 0.5, 0.5 + 1 / 3])
    wild = Clock(0.5, 1.3, 1.05, 0.5, 0.06, 16.0)
    assert np.diff([wild(b) for b in np.arange(0, 64, 0.125)]).min() > 0


def test_performance_stays_inside_and_keeps_velocities():
    rng = Random(0)
    clock = Clock(0.5, 2.0, 0.0, 1.0, 0.0, 16.0)
    events = [Event(0, 1, 40, 90), Event(1, 3, 41, 90), Event(4, 1, 42, 200), Event(9, 9, 43, 60)]
    notes = perform(rng, events, clock, Feel(0, 0, 90, 1, 0), 4.0)
    # The first has ended before the excerpt, the second already sounds, the last is cut.
    assert notes == [(0.0, 1.0, 41, 90), (1.0, 0.5, 42, 127), (3.5, 0.5, 43, 60)]
    flat = perform(rng, events, clock, Feel(0, 0, 100, 0, 0), 4.0)
    assert {n.velocity for n in flat} == {100}


def test_ties_join_what_follows_without_a_gap():
    events = [Event(0, 4, 60, 90), Event(4, 4, 60, 80), Event(4, 4, 64, 80), Event(10, 1, 60, 70)]
    assert tie(events) == [Event(0, 8, 60, 90), Event(4, 4, 64, 80), Event(10, 1, 60, 70)]


def test_followers_play_the_leaders_notes_in_their_own_range():
    chord = [Event(0, 1, k, 90, 0.01) for k in (40, 47, 52)] + [Event(1, 1, 20, 90)]
    assert [e.key for e in select(chord, "top")] == [52, 20]
    assert [e.key for e in select(chord, "bottom")] == [40, 20]
    assert select(chord, "all") == chord
    for stem, (low, high) in RANGES.items():
        moved = transpose(chord, 48, stem)
        assert all(low <= e.key <= high and e.shift == 0 for e in moved)
        assert [(e.key - f.key) % 12 for e, f in zip(moved, chord, strict=True)] == [0] * 4


def test_rhythms():
    assert euclid(3, 8) == [0, 2, 5]
    assert euclid(4, 16) == [0, 4, 8, 12]
    rng = Random(0)
    for metre in METRES.values():
        assert metre.steps * metre.step == metre.length
        assert all(0 <= p < metre.length for p in metre.pulses)
        sparse, dense = (
            np.mean([len(draw_onsets(rng, metre, d, 0.2)) for _ in range(200)]) for d in (0.1, 0.8)
        )
        assert 1 <= sparse < dense <= metre.steps
    assert with_lengths([0.0, 1.0], 4.0, 0.5) == [(0.0, 0.5), (1.0, 1.5)]


def test_chords_and_voicings():
    rng = Random(0)
    for mode in SCALES:
        for family in (*LOOPS, "diatonic"):
            for chord in draw_progression(rng, 7, mode, family, 0.5, 0.3):
                assert set(chord.tones) <= set(chord.scale)
                assert chord.bass in chord.tones
                for size in (1, 3, 5):
                    keys = voice(chord, 60, size, [64, 67])
                    assert len(keys) == size
                    assert {k % 12 for k in keys} <= set(chord.tones)
                    assert abs(np.mean(keys) - 62) < 20
                shape = strum_shape(rng, chord, 40, 6)
                assert shape == sorted(set(shape))
                assert shape[0] % 12 == chord.bass
                assert shape[-1] - shape[0] <= 29
    c7 = make_chord(rng, 0, "7", [0, 2, 4, 5, 7, 9, 11], 0.0)
    assert 11 not in c7.scale  # the major seventh gives way to the chord's minor one
    assert c7.tones == [0, 4, 7, 10]
    assert nearest([0, 7], 61.4) == 60
    assert scale_step([0, 2, 4, 5, 7, 9, 11], 64, 2) == 67
    assert all(intervals[0] == 0 for intervals in QUALITIES.values())


def test_command_line_writes_a_song_that_reads_back(tmp_path):
    path = tmp_path / "song.mid"
    subprocess.run(
        [sys.executable, "-m", "recipes.band.compose", "3", str(path), "10"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    song, back = compose(3, 10.0), read_midi(path)
    count = Counter((p.stem, len(p.notes)) for p in song.parts if p.stem != "drums")
    assert count == Counter((p.stem, len(p.notes)) for p in back.parts if p.stem != "drums")
    assert back.duration == pytest.approx(10.0)
