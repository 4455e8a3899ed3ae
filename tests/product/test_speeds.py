"""Means over speeds: the network hears the mixture higher or lower, stems come back in place."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch

from mgdm_audio.audio.speed import cents, combined, played, ratio
from mgdm_audio.audio.tuning import LEAST, estimate_tuning, retuning
from mgdm_audio.presets import QUALITIES
from mgdm_audio.separator import Separator

from .conftest import music

RATE = 22050


def tone(frequency: float, seconds: float = 1.0) -> torch.Tensor:
    return torch.sin(2 * np.pi * frequency * torch.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("speed", [(18, 17), (17, 18)])
def test_played_moves_pitch_and_length_by_the_speed(speed):
    ratio = speed[0] / speed[1]
    audio = tone(440.0).expand(2, 3, -1)
    moved = played(audio, speed)
    assert moved.shape == (2, 3, -(-RATE * speed[1] // speed[0]))
    expected = tone(440.0 * ratio)[: moved.shape[-1]]
    inside = slice(1000, min(len(expected), moved.shape[-1]) - 1000)
    torch.testing.assert_close(moved[1, 2, inside], expected[inside], atol=1e-3, rtol=0)
    back = played(moved, speed[::-1], RATE)
    torch.testing.assert_close(back[..., 1000:-1000], audio[..., 1000:-1000], atol=1e-3, rtol=0)
    assert played(audio, (1, 1)) is audio
    half = played(audio[0, 0].bfloat16(), speed)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half[inside].float(), expected[inside], atol=2e-2, rtol=0)


def test_stems_heard_at_other_speeds_come_back_in_place(prior):
    """A denoiser that splits by fixed shares would give them whatever the speed."""
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])[:, None]
    heard = []

    def split(x, *levels):
        heard.append(x.shape[-1])
        return shares * x.sum(1, keepdim=True)

    mixture = music(1.3, RATE, 2)
    separator = Separator(
        replace(prior, denoise=split), draws=2, refine=False, speeds=[(18, 17), (17, 18)]
    )
    result = separator.separate(mixture, RATE)
    window = separator.grid.window
    assert {-(-window * 17 // 18), -(-window * 18 // 17)} == set(heard)
    got = torch.cat([result.stems[name] for name in result.stems]).unflatten(0, (4, 2))
    expected = shares[:, None] * torch.from_numpy(mixture)
    difference = (got - expected).square().mean() / expected.square().mean()
    assert difference < 1e-3  # above the highest that both speeds can hold all go by one share
    assert separator.describe()["speeds"] == [[18, 17], [17, 18]]


def test_the_top_of_the_band_stays_with_the_stem_that_has_the_octave_below(prior):
    """Played faster, it is beyond what the network hears."""
    only = torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None]
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32)

    def drums(x, *levels):
        return only * x.sum(1, keepdim=True)

    separator = Separator(replace(prior, denoise=drums), templates=0, refine=False)
    stems = separator.separate(noise, RATE).stems
    assert stems["bass"].square().sum() < 1e-6 * stems["drums"].square().sum()


@pytest.mark.parametrize("options", [{"steps": 2}, {"initial": 1.0}])
def test_only_means_are_heard_at_other_speeds(prior, options):
    """Draws begin with noise, which is tied to the file's time."""
    lengths = set()

    def remember(x, *levels):
        lengths.add(x.shape[-1])
        return prior.denoise(x, *levels)

    heard = replace(prior, denoise=remember)
    separator = Separator(heard, quality="balanced", **options)
    separator.separate(music(0.4, RATE, 1), RATE)
    assert len(lengths) == 1
    assert separator.describe()["speeds"] == [[1, 1]]
    with pytest.raises(ValueError, match="go with a quality"):
        Separator(heard, speeds=[(18, 17)], **options)


@pytest.mark.parametrize(
    "speeds", [[], [(0, 1)], [(1, 0)], [(3, 1)], [(1, -1)], [(1.06, 1)], (18, 17), [(1, 1, 1)]]
)
def test_speeds_that_make_no_sense_are_refused(prior, speeds):
    with pytest.raises(ValueError, match="pairs of whole numbers"):
        Separator(prior, speeds=speeds)


def test_one_draw_a_speed():
    for quality in QUALITIES.values():
        assert quality.draws % len(quality.speeds) == 0


def chord(off: float, seconds: float = 3.0) -> torch.Tensor:
    """A7 with octaves, so many cents above A = 440 Hz."""
    keys = (-24, -12, -8, -5, -2, 0, 4)
    tones = [tone(440 * n * 2 ** ((k + off / 100) / 12), seconds) / n for k in keys for n in (1, 2)]
    return torch.stack(tones).sum(0)


@pytest.mark.parametrize("off", [-45, -20, 0, 9, 30, 49])
def test_tuning_is_told_from_chords_in_noise(off):
    noise = 0.05 * torch.randn(3 * RATE, generator=torch.Generator().manual_seed(0))
    found = estimate_tuning(torch.stack([chord(off), noise]), RATE)
    assert found.cents == pytest.approx(off, abs=2)
    assert 0.8 < found.clarity <= 1


def test_tuning_agrees_with_librosa():
    for off in (-31, 7, 22):
        audio = chord(off)
        other = 100 * librosa.estimate_tuning(y=audio.numpy(), sr=RATE, n_fft=4096)
        assert estimate_tuning(audio, RATE).cents == pytest.approx(other, abs=2)


def test_tuning_is_that_of_the_whole(monkeypatch):
    """In pieces or not; of two tunings it is the one that more is played in."""
    mixed = torch.cat([chord(20, 4.0), chord(30, 1.0)])
    whole = estimate_tuning(mixed, RATE)
    assert 20 < whole.cents < 24
    monkeypatch.setattr("mgdm_audio.audio.tuning.PIECE", RATE)
    assert estimate_tuning(mixed, RATE) == pytest.approx(whole, abs=0.5)


@pytest.mark.parametrize(
    "audio",
    [
        torch.zeros(RATE),
        torch.zeros(2, 10),
        torch.randn(2, 8 * RATE, generator=torch.Generator().manual_seed(1)),
        chord(LEAST - 1),
        chord(1 - LEAST),
    ],
)
def test_what_has_no_tuning_or_is_in_tune_stays(audio):
    assert retuning(audio, RATE) == (1, 1)


@pytest.mark.parametrize("off", [-40, LEAST + 1, 25])
def test_retuned_music_is_in_tune(off):
    """Under noise as well, which leaves an estimate of little clarity."""
    for level, unclear in ((0.0, 1.0), (8.0, 0.3)):
        noise = torch.randn(6 * RATE, generator=torch.Generator().manual_seed(2))
        audio = chord(off, 6.0) + level * noise
        assert estimate_tuning(audio, RATE).clarity < unclear
        assert cents(retuning(audio, RATE)) == pytest.approx(-off, abs=3)


def test_speeds_after_each_other():
    assert combined(ratio(30), ratio(-30)) == (1, 1)
    assert cents(combined((17, 18), ratio(30))) == pytest.approx(cents((17, 18)) + 30, abs=0.5)


class Ear:
    """A denoiser that shares the mixture out by fixed parts, and remembers its pitch."""

    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])[:, None]

    def __init__(self):
        self.heard = []

    def __call__(self, x, *levels):
        if x.any():
            spectrum = torch.fft.rfft(x.sum((0, 1))).abs()
            self.heard.append(float(spectrum.argmax()) * RATE / x.shape[-1])
        return self.shares * x.sum(1, keepdim=True)


def test_the_network_hears_the_whole_track_in_tune_at_every_speed(prior, monkeypatch):
    """In all blocks by one tuning, the last and shortest among them; stems stay in place."""
    monkeypatch.setattr("mgdm_audio.pipeline.BLOCK_WINDOWS", 2)
    ear = Ear()
    mixture = tone(440.0 * 2 ** (33 / 1200), 4.2)[None]
    options = {"refine": False, "overlap": 0.0}
    separator = Separator(replace(prior, denoise=ear), **options)
    result = separator.separate(mixture, RATE)
    assert result.settings["retuned"] == pytest.approx(-33, abs=2)
    found = {round(f) for f in ear.heard}
    near = (440.0, 440.0 * 17 / 18, 440.0 * 18 / 17)
    assert all(min(abs(f - g) for g in near) < 3 for f in found)
    assert all(any(abs(f - g) < 3 for f in found) for g in near)
    got = torch.stack(list(result.stems.values()))[:, 0]
    torch.testing.assert_close(got, ear.shares * mixture, atol=2e-2, rtol=0)


def test_without_retuning_it_hears_the_track_as_it_is(prior):
    ear = Ear()
    pitch = 440 * 2 ** (33 / 1200)
    separator = Separator(replace(prior, denoise=ear), quality="fast", retune=False)
    assert separator.separate(tone(pitch, 3.0)[None], RATE).settings["retuned"] == 0
    assert separator.describe()["retune"] is False
    assert ear.heard == pytest.approx([pitch] * len(ear.heard), abs=3)
    assert ear.heard
