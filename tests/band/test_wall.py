import numpy as np
import pytest

from recipes.band.amplifier import amplify
from recipes.band.compose import compose
from recipes.band.dataset import BandDataset
from recipes.band.score import PROGRAMS
from recipes.band.wall import LOUD_STYLES, PICKUPS, growl, loud_effects, loud_song, wall

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


def test_a_loud_song_plays_what_was_written_on_pickups_and_mostly_without_a_piano():
    pianos = 0
    for seed in range(40):
        song = compose(4 * seed, 8.0)
        loud = loud_song(song, np.random.default_rng(seed))
        kept = [p for p in song.parts if p.stem != "piano" or p in loud.parts]
        assert [(p.stem, p.notes, p.bends) for p in loud.parts] == [
            (p.stem, p.notes, p.bends) for p in kept
        ]
        guitars = {part.program for part in loud.parts if part.stem == "guitar"}
        assert guitars <= set(PICKUPS) <= set(PROGRAMS["guitar"])
        others = [part for part in loud.parts if part.stem != "guitar"]
        assert all(part in song.parts for part in others)
        pianos += any(part.stem == "piano" for part in loud.parts)
    assert 8 <= pianos <= 24


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
