"""Stereo heard as middle and side: what that changes, and what it must not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mgdm_audio.audio.stereo import mid_side
from mgdm_audio.presets import QUALITIES
from mgdm_audio.separator import Separator

from .conftest import music

RATE = 22050


def test_middle_and_side_keep_energy_and_come_back():
    audio = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0))
    turned = mid_side(audio)
    torch.testing.assert_close(mid_side(turned), audio)
    torch.testing.assert_close(turned.square().sum((0, 2)), audio.square().sum((0, 2)))
    assert not mid_side(torch.ones(2, 5))[1].any()  # what is in the middle is not in the side


def heard(prior, channels, **settings):
    """What the denoiser is given, in order, and what comes out; it takes all for the first stem."""
    inputs = []

    def first(x, *levels):
        inputs.append(x.sum(1))
        return torch.cat([x.sum(1, keepdim=True), torch.zeros_like(x[:, 1:])], 1)

    settings = {"templates": 0, "refine": False, "normalize": False, "batch_size": 2} | settings
    separator = Separator(replace(prior, denoise=first), speeds=[(1, 1)], **settings)
    mixture = np.concatenate([music(0.4, RATE, 1), 0.3 * music(0.4, RATE, 1)[:, ::-1]])[:channels]
    return inputs, mixture, separator.separate(mixture, RATE).stems[prior.sources[0]].numpy()


def test_every_other_estimate_of_stereo_hears_middle_and_side(prior):
    inputs, mixture, stem = heard(prior, 2, quality="balanced", draws=2)
    left_right, turned = inputs
    frames = mixture.shape[-1]
    torch.testing.assert_close(left_right[:, :frames], torch.from_numpy(mixture))
    # The polarity of every other one is turned.
    torch.testing.assert_close(turned[:, :frames], -mid_side(torch.from_numpy(mixture)))
    np.testing.assert_allclose(stem, mixture, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "settings"),
    [
        (1, {"quality": "balanced"}),
        (2, {"quality": "balanced", "mid_side": False}),
        (2, {"quality": "fast", "draws": 2}),
    ],
)
def test_all_estimates_hear_the_channels_where_there_is_nothing_to_turn(prior, channels, settings):
    inputs, mixture, _ = heard(prior, channels, **settings)
    assert len(inputs) == 3 - (settings["quality"] == "fast")
    for number, given in enumerate(inputs[:2]):
        sign = -1 if number % 2 else 1
        torch.testing.assert_close(given[:, : mixture.shape[-1]], sign * torch.from_numpy(mixture))


def test_a_channel_turned_upside_down_has_no_middle_and_is_separated_all_the_same(prior):
    one = music(0.4, RATE, 1)
    stems = Separator(prior, quality="balanced").separate(np.concatenate([one, -one]), RATE).stems
    total = sum(stems.values()).numpy()
    np.testing.assert_allclose(total, np.concatenate([one, -one]), atol=1e-5)
    for stem in stems.values():
        torch.testing.assert_close(stem[0], -stem[1], atol=1e-5, rtol=0)


def test_middle_and_side_are_for_means(prior):
    assert [quality.mid_side for quality in QUALITIES.values()] == [False, True, True]
    separator = Separator(prior, quality="balanced", steps=2)
    assert separator.describe()["mid_side"] is False
    with pytest.raises(ValueError, match="mid_side"):
        Separator(prior, sampler="dps", mid_side=True)
