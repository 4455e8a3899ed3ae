import numpy as np
import pytest

from recipes.band.amplifier import amplify
from recipes.band.compose import compose
from recipes.band.dataset import BandDataset
from recipes.band.score import PROGRAMS, Song
from recipes.band.wall import (
    LOUD_STYLES,
    PICKUPS,
    RINGING,
    TIMEKEEPERS,
    growl,
    loud_effects,
    loud_levels,
    loud_song,
    smash,
    wall,
)

from .conftest import RATE

TIME = np.arange(2 * RATE) / RATE


def plucked(*keys: int) -> np.ndarray:
    """Strings struck four times, with overtones that fade."""
    strings = [
        np.sin(2 * np.pi * n * 440 * 2 ** ((key - 69) / 12) * TIME) / n
        for key in keys
        for n in range(1, 6)
    ]
    return (sum(strings) * np.exp(-3 * (TIME % 0.5))).astype(np.float32)


def flatness(audio: np.ndarray, low: float = 500, high: float = 4000) -> float:
    """Geometric over arithmetic mean of the power between two frequencies, mean over frames."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, 2048)[::512] * np.hanning(2048)
    frequency = np.fft.rfftfreq(2048, 1 / RATE)
    power = np.abs(np.fft.rfft(frames)) ** 2
    power = power[:, (frequency > low) & (frequency < high)] + 1e-12
    return float((np.exp(np.log(power).mean(1)) / power.mean(1)).mean())


def unrest(audio: np.ndarray) -> float:
    """How much the level changes from frame to frame, in dB."""
    frames = audio[: len(audio) // 1024 * 1024].reshape(-1, 1024)
    return float((10 * np.log10(np.square(frames).mean(1) + 1e-12)).std())


def test_a_wall_is_flatter_than_an_amplifier_and_steadier_than_strings():
    chord = plucked(40, 47, 52)

    def measured(kind):
        out = [kind(chord, RATE, np.random.default_rng(seed)) for seed in range(12)]
        return np.median([flatness(x) for x in out]), np.median([unrest(x) for x in out])

    (flat, steady), (flat_before, steady_before) = measured(wall), measured(amplify)
    assert flat > 1.5 * flat_before > 3 * flatness(chord)
    assert max(steady, steady_before) < 0.5 * unrest(chord)


def test_a_wall_is_dark_above_eight_kilohertz_and_silence_stays_silent():
    power = np.abs(np.fft.rfft(wall(plucked(40, 47), RATE, np.random.default_rng(0)))) ** 2
    above = np.fft.rfftfreq(len(TIME), 1 / RATE) > 8000
    assert power[above].sum() < 0.02 * power.sum()
    silence = np.zeros(RATE, np.float32)
    for stem in ("guitar", "bass", "drums"):
        assert not loud_effects(silence, stem, [29], RATE, np.random.default_rng(0)).any()


def test_a_growling_bass_has_overtones_and_keeps_its_pitch():
    bass = np.sin(2 * np.pi * 80 * TIME).astype(np.float32)
    out = growl(bass, RATE, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(out)) ** 2
    frequency = np.fft.rfftfreq(len(TIME), 1 / RATE)
    assert out.dtype == np.float32
    # Nothing but whole multiples of 80 Hz, of which only the first came in.
    multiple = np.abs(frequency / 80 - np.round(frequency / 80)) < 0.02
    assert power[multiple].sum() > 0.99 * power.sum()
    assert power[multiple & (frequency > 120)].sum() > 0.01 * power.sum()


def test_smashed_drums_ring_between_the_strokes_and_keep_their_onsets():
    hits = np.zeros(2 * RATE, np.float32)
    for start in range(0, len(hits), RATE // 2):
        noise = np.random.default_rng(start).standard_normal(RATE // 2)
        hits[start : start + RATE // 2] = noise * np.exp(-20 * np.arange(RATE // 2) / RATE)

    def fall(audio):  # from a stroke to what is left of it 0.25 to 0.4 s later, in dB
        frames = audio.reshape(4, RATE // 2)
        struck, left = frames[:, : RATE // 50], frames[:, RATE // 4 : RATE * 2 // 5]
        return 10 * np.log10(np.square(struck).mean() / np.square(left).mean())

    out = [smash(hits, RATE, np.random.default_rng(seed)) for seed in range(12)]
    assert all(audio.dtype == np.float32 and np.isfinite(audio).all() for audio in out)
    assert np.median([fall(audio) for audio in out]) < 0.7 * fall(hits)
    assert all(fall(audio) > 3 for audio in out)


def test_loud_drums_are_louder_beside_the_others_and_nothing_else_changes():
    stems = 0.02 * np.random.default_rng(0).standard_normal((4, RATE)).astype(np.float32)
    gains = [loud_levels(stems, np.random.default_rng(seed)) / stems for seed in range(12)]
    for gain in gains:
        np.testing.assert_allclose(gain[[0, 2, 3]], 1, rtol=1e-6)
        np.testing.assert_allclose(gain[1], gain[1, 0], rtol=1e-5)
    decibels = [20 * np.log10(gain[1, 0]) for gain in gains]
    assert 0 <= min(decibels) < 2 < 6 < max(decibels) <= 8
    assert np.abs(loud_levels(20 * stems, np.random.default_rng(0)).sum(0)).max() < 1


def written(song: Song, stem: str | None = None) -> list:
    """All that a song says of its parts but which instruments play them."""
    return [(p.stem, p.notes, p.bends) for p in song.parts if stem in (None, p.stem)]


def test_a_loud_song_plays_what_was_written_on_pickups_and_mostly_without_a_piano():
    pianos = 0
    for seed in range(40):
        song = compose(4 * seed, 8.0)
        loud = loud_song(song, np.random.default_rng(seed))
        for stem in ("bass", "guitar"):
            assert written(loud, stem) == written(song, stem)
        assert written(loud, "piano") in ([], written(song, "piano"))
        guitars = {part.program for part in loud.parts if part.stem == "guitar"}
        assert guitars <= set(PICKUPS) <= set(PROGRAMS["guitar"])
        others = [part for part in loud.parts if part.stem in ("bass", "piano")]
        assert all(part in song.parts for part in others)
        pianos += any(part.stem == "piano" for part in loud.parts)
    assert 8 <= pianos <= 24


def test_most_loud_drummers_keep_time_on_what_rings_and_change_nothing_else():
    washed = heard = 0
    for seed in range(40):
        song = compose(4 * seed, 8.0, LOUD_STYLES)
        before = [part for part in song.parts if part.stem == "drums"]
        parts = loud_song(song, np.random.default_rng(seed)).parts
        after = [part for part in parts if part.stem == "drums"]
        pairs = [
            (was, now)
            for old, new in zip(before, after, strict=True)
            for was, now in zip(old.notes, new.notes, strict=True)
        ]
        assert all(now._replace(key=was.key) == was for was, now in pairs)
        changed = {(was.key, now.key) for was, now in pairs if was != now}
        assert all(was in TIMEKEEPERS and now in RINGING for was, now in changed)
        assert len({was for was, _ in changed}) == len(changed)  # one cymbal for another
        heard += any(was.key in (42, 44) for was, _ in pairs)
        washed += any(was in (42, 44) for was, _ in changed)
    assert 0.5 * heard < washed < heard


def test_songs_are_in_the_styles_asked_for_and_without_them_as_before():
    names = {compose(seed, 4.0, LOUD_STYLES).name.split("-")[1] for seed in range(40)}
    assert names == set(LOUD_STYLES)
    assert compose(7, 4.0, ()) == compose(7, 4.0)
    with pytest.raises(KeyError):
        compose(7, 4.0, ("polka",))


def test_a_share_of_the_data_is_loud_and_the_rest_is_as_without():
    def songs(loud):
        data = BandDataset(seed=6, fonts=[], song_seconds=6.0, production=True, loud=loud)
        bank = data.bank()
        return [data._song(0, number, bank) for number in range(12)]

    none, some, every = songs(0.0), songs(0.5), songs(1.0)
    changed = 0
    for quiet, song, loud in zip(none, some, every, strict=True):
        assert np.isfinite(loud).all()
        assert np.abs(loud.sum(0)).max() < 1
        assert not np.array_equal(quiet, loud)
        assert np.array_equal(song, quiet) or np.array_equal(song, loud)
        changed += np.array_equal(song, loud)
    assert 2 <= changed <= 10
    flat = [np.median([flatness(s[2]) for s in x if s[2].any()]) for x in (none, every)]
    assert flat[1] > 2 * flat[0]
    with pytest.raises(ValueError, match="share between 0 and 1"):
        BandDataset(fonts=[], loud=2.0)
    with pytest.raises(ValueError, match="exclude each other"):
        BandDataset(fonts=[], loud=0.5, compose=compose)
