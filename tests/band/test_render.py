import numpy as np
import pytest

from recipes.band.performance import sustain, volume_curve
from recipes.band.render import LEVELS, PEAK, limit, render_song, set_level
from recipes.band.score import STEMS, Control, Note, Part, Song
from recipes.band.sounds.bank import sound_bank

from .conftest import RATE, little_song


@pytest.fixture(scope="module")
def bank():
    return sound_bank(RATE, fonts=())


class Steady:
    """A family whose every sound is a tone at full scale while notes last."""

    name = "steady"

    def player(self, stem, program, rng):
        def play(part, length):
            audio = np.zeros(length, np.float32)
            for note in part.notes:
                first, last = (round(t * RATE) for t in (note.start, note.start + note.duration))
                audio[first:last] = np.sin(0.1 * np.arange(first, last))[: length - first]
            return audio

        return play


def test_four_stems_with_levels_and_a_peak_below_one(bank):
    for seed in range(4):
        stems = render_song(little_song(seed, 4.0), bank, RATE, np.random.default_rng(seed))
        assert stems.shape == (4, 4 * RATE)
        assert stems.dtype == np.float32
        assert np.abs(stems.sum(0)).max() <= PEAK + 1e-6
        assert (np.abs(stems).max(1) > 0.005).all()


def test_levels_are_slakhs_in_the_middle():
    bank = {stem: [(Steady(), 1.0)] for stem in STEMS}
    notes = [Note(0.0, 2.0, 60, 90)]
    song = Song([Part(stem, 0, notes) for stem in STEMS], 2.0)
    levels = np.array(
        [
            np.sqrt(np.square(render_song(song, bank, RATE, np.random.default_rng(s))).mean(1))
            for s in range(300)
        ]
    )
    expected = [LEVELS[stem] for stem in STEMS]
    np.testing.assert_allclose(np.median(levels, 0), expected, rtol=0.12)
    spread = np.std(20 * np.log10(levels), axis=0)
    assert ((spread > 3.5) & (spread < 5.5)).all()


def test_level_is_measured_where_the_stem_sounds():
    audio = np.zeros(20 * RATE, np.float32)
    audio[: 2 * RATE] = np.sin(0.1 * np.arange(2 * RATE))
    levelled = set_level(audio, 0.05)
    assert np.std(levelled[: 2 * RATE]) == pytest.approx(0.05, rel=0.02)


def test_what_does_not_play_is_exactly_silent(bank):
    song = little_song(0, 3.0)
    without = song._replace(parts=[part for part in song.parts if part.stem != "guitar"])
    stems = render_song(without, bank, RATE, np.random.default_rng(0))
    assert not stems[2].any()
    assert stems[[0, 1, 3]].any(1).all()


def test_what_one_stem_plays_does_not_change_the_others(bank):
    song = little_song(0, 3.0)
    without = song._replace(parts=[part for part in song.parts if part.stem != "bass"])
    whole, rest = (render_song(s, bank, RATE, np.random.default_rng(5)) for s in (song, without))
    for k in (1, 2, 3):  # up to the scale that keeps the mixture below full scale
        np.testing.assert_allclose(
            whole[k] / np.abs(whole[k]).max(), rest[k] / np.abs(rest[k]).max(), atol=1e-5
        )


def test_residues_below_hearing_become_silence():
    audio = np.concatenate([np.sin(0.1 * np.arange(8192)), np.full(8192, 1e-7)]).astype(np.float32)
    levelled = set_level(audio, 0.05)
    assert levelled[:8192].any()
    assert not levelled[8192:].any()


def test_limit_leaves_moderate_levels_alone():
    stems = np.full((4, 10), 0.1, np.float32)
    np.testing.assert_array_equal(limit(stems), stems)
    assert np.abs(limit(10 * stems).sum(0)).max() == pytest.approx(PEAK)
    cancelling = np.stack([np.full(10, 3.0), np.full(10, -3.0)]).astype(np.float32)
    assert np.abs(limit(cancelling)).max() == pytest.approx(PEAK)


def test_rendering_is_deterministic_and_sounds_differ_by_seed(bank):
    song = little_song(1, 2.0)
    a, b, c = (render_song(song, bank, RATE, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c, atol=1e-3)


def test_pedal_holds_notes_until_it_is_released():
    notes = [Note(0.0, 0.5, 60, 90), Note(0.2, 0.1, 64, 90), Note(2.0, 0.5, 60, 90)]
    pedal = [Control(0.4, 64, 127), Control(1.5, 64, 0)]
    held = sustain(notes, pedal)
    assert [note.duration for note in held] == pytest.approx([1.5, 0.1, 0.5])


def test_a_key_struck_again_ends_the_note_that_the_pedal_held():
    held = sustain([Note(0.0, 0.2, 60, 90), Note(1.0, 0.2, 60, 90)], [Control(0.0, 64, 127)])
    assert held[0].duration == pytest.approx(1.0)
    assert held[1].duration == 30.0  # the pedal is never released


def test_volume_and_expression_multiply_as_squares():
    controls = [Control(0.0, 7, 64), Control(0.5, 11, 32), Control(0.5, 1, 3)]
    curve = volume_curve(controls, RATE, RATE)
    assert curve[RATE // 4] == pytest.approx((64 / 127) ** 2 * (32 / 127) ** 2, rel=1e-5)
    step = volume_curve([Control(0.0, 7, 127), Control(0.5, 7, 0)], RATE, RATE)
    assert step[int(0.49 * RATE)] == 1
    assert step[int(0.51 * RATE)] == 0
    assert np.abs(np.diff(step)).max() < 0.02  # no click
    assert volume_curve([], RATE, RATE) == 1.0


def test_a_stem_without_any_sound_is_refused():
    with pytest.raises(ValueError, match="no sound for bass, drums, guitar, piano"):
        sound_bank(RATE, fonts=(), synth=False)
