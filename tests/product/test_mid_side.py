"""Stereo heard as mid and side: what that changes, and what it must not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mgdm_audio.audio.stereo import PIECE, imbalance, mid_side
from mgdm_audio.presets import QUALITIES
from mgdm_audio.separator import Separator

from .conftest import music

RATE = 22050


def test_mid_and_side_keep_energy_and_come_back():
    audio = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0))
    turned = mid_side(audio)
    torch.testing.assert_close(mid_side(turned), audio)
    torch.testing.assert_close(turned.square().sum((0, 2)), audio.square().sum((0, 2)))
    assert not mid_side(torch.ones(2, 5))[1].any()  # what is in the centre is not in the side


def test_imbalance_is_what_one_side_has_more_of():
    tones = [torch.sin(2 * np.pi * f * torch.arange(3 * RATE) / RATE) for f in (300, 2000)]
    both = torch.stack([tones[0], tones[0]])
    apart = torch.stack(tones)
    assert imbalance(both) == 0
    assert imbalance(apart) == pytest.approx(1, abs=0.01)
    # Powers 1 and 1/4 of one tone, and 1 and 1 of the other: 0.75 of 3.25 are to one side.
    assert imbalance(torch.stack([sum(tones), 0.5 * tones[0] + tones[1]])) == pytest.approx(
        0.75 / 3.25, abs=0.01
    )
    noise = torch.randn(2, 20 * RATE, generator=torch.Generator().manual_seed(0))
    assert imbalance(noise) < 0.1  # two takes, hardly alike but in spectrum
    assert imbalance(torch.zeros(2, 100)) == 0
    long = torch.cat([apart, both, apart.flip(0)], 1).repeat(1, 8)[:, : 2 * PIECE + 5000]
    whole = torch.stft(long, 4096, window=torch.hann_window(4096), return_complex=True)
    left, right = whole.abs().square().sum(-1)
    expected = float((left - right).abs().sum() / (left + right).sum())
    assert imbalance(long) == pytest.approx(expected, abs=0.01)


def test_by_default_mid_and_side_are_heard_where_the_sides_are_alike(prior):
    inputs, mixture, _ = heard(prior, 2, quality="balanced", alike=True)
    expected = mid_side(torch.from_numpy(mixture))
    torch.testing.assert_close(inputs[1][:, : mixture.shape[-1]], -expected)


def heard(prior, channels, alike=False, **settings):
    """What the denoiser is given, in order, and what comes out; it takes all for the first stem."""
    inputs = []

    def first(x, *levels):
        inputs.append(x.sum(1))
        return torch.cat([x.sum(1, keepdim=True), torch.zeros_like(x[:, 1:])], 1)

    settings = {"templates": 0, "refine": False, "normalize": False, "batch_size": 3} | settings
    separator = Separator(replace(prior, denoise=first), speeds=[(1, 1)], **settings)
    one = music(0.4, RATE, 1)
    mixture = np.concatenate([one, 0.3 * one[:, ::-1], -0.2 * one])[:channels]
    mixture = np.concatenate([one, one[:, ::-1]]) if alike else mixture
    return inputs, mixture, separator.separate(mixture, RATE).stems[prior.sources[0]].numpy()


def test_one_estimate_of_stereo_in_three_hears_mid_and_side(prior):
    inputs, mixture, stem = heard(prior, 2, quality="best", mid_side=True)
    assert len(inputs) == 6
    shifts = [given.shape[-1] - inputs[0].shape[-1] for given in inputs]
    for number, given in enumerate(inputs):
        expected = torch.from_numpy(mixture)
        expected = mid_side(expected) if number in (1, 4) else expected
        sign = -1 if number % 2 else 1  # so that both ways are heard in both polarities
        there = given[:, shifts[number] :][:, : mixture.shape[-1]]
        torch.testing.assert_close(there, sign * expected)
    np.testing.assert_allclose(stem, mixture, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "settings"),
    [
        (1, {"quality": "balanced"}),
        (2, {"quality": "balanced", "mid_side": False}),
        (2, {"quality": "balanced"}),  # its sides are not alike
        (2, {"quality": "fast", "draws": 2}),
        (3, {"quality": "balanced", "mid_side": True}),
    ],
)
def test_other_estimates_hear_the_channels_as_they_are(prior, channels, settings):
    inputs, mixture, _ = heard(prior, channels, **settings)
    assert len(inputs) == 3 - (settings["quality"] == "fast")
    for number, given in enumerate(inputs[:2]):
        sign = -1 if number % 2 else 1
        torch.testing.assert_close(given[:, : mixture.shape[-1]], sign * torch.from_numpy(mixture))


def test_a_silent_mid_is_heard_and_the_stems_are_finite(prior):
    inputs = []

    def remember(x, *levels):
        inputs.append(x.sum(1))
        return prior.denoise(x, *levels)

    one = music(0.4, RATE, 1)
    separator = Separator(replace(prior, denoise=remember), quality="balanced", speeds=[(1, 1)])
    stems = separator.separate(np.concatenate([one, -one]), RATE).stems
    assert inputs[0].abs().amax(1).min() > 0.01
    heard_mid, heard_side = inputs[1].abs().amax(1)
    assert heard_mid < 1e-6 < 0.01 < heard_side
    assert all(stem.isfinite().all() for stem in stems.values())
    total = sum(stems.values()).numpy()
    np.testing.assert_allclose(total, np.concatenate([one, -one]), atol=1e-5)


def test_mid_and_side_are_for_means(prior):
    assert [bool(quality.mid_side) for quality in QUALITIES.values()] == [False, True, True]
    separator = Separator(prior, quality="balanced", steps=2)
    assert separator.describe()["mid_side"] == 0
    with pytest.raises(ValueError, match="mid_side"):
        Separator(prior, sampler="dps", mid_side=True)
    with pytest.raises(ValueError, match="between 0 and 1, not 2"):
        Separator(prior, quality="balanced", mid_side=2)
    with pytest.raises(ValueError, match="mean of several draws"):
        Separator(prior, quality="fast", mid_side=True)
