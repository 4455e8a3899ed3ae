"""Means over speeds: the network hears the mixture higher or lower, stems come back in place."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mgdm_audio.audio.speed import played
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
    with pytest.raises(ValueError, match="for estimates of the mean"):
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
