"""The tuning recipe, on a network that knows one tone and no other."""

import math

import pytest
import torch
from torch import nn

from mgdm_audio.audio.speed import ratio
from mgdm_audio.pretrained import NetworkDenoiser, Prior
from recipes.band.tuning import detuned, network_alone, separated

RATE = 8000


class KnowsTones(nn.Module):
    """Gives bass what is below 600 Hz and drums the rest, at the speed music was made for."""

    def __init__(self):
        super().__init__()
        self.any = nn.Parameter(torch.zeros(()))

    def forward(self, x, sigma, sigma_mix):
        spectrum = torch.fft.rfft(x.sum(1))
        frequency = torch.fft.rfftfreq(x.shape[-1], 1 / RATE)
        low = torch.fft.irfft(spectrum * (frequency < 600), x.shape[-1])
        return torch.stack([low, x.sum(1) - low], 1)


def test_cents_are_those_of_the_ratio():
    for cents in range(-400, 401):
        faster, slower = ratio(cents)
        assert 1200 * math.log2(faster / slower) == pytest.approx(cents, abs=0.5)


def test_stems_move_with_their_mixture():
    """A tone at 590 Hz is told from one at 1 kHz until it is moved past 600 Hz: 29 cents."""
    time = torch.arange(2 * RATE) / RATE
    stems = torch.stack([torch.sin(2 * math.pi * f * time) for f in (590.0, 1000.0)])
    denoise = NetworkDenoiser(KnowsTones(), torch.device("cpu"), True)
    prior = Prior(denoise, ("bass", "drums"), RATE, 6.0, (5e-4, 2.0), "", True, "toy")
    lower, same, little, much = detuned(network_alone(prior), [stems], [-100, 0, 15, 50])
    assert min(lower, same, little) > 20
    assert much < 1


def test_separated_music_is_brought_into_tune_unless_told_otherwise():
    """40 cents higher D5 is above 600 Hz, where it is taken for the other stem's; not in tune."""
    time = torch.arange(2 * RATE) / RATE
    stems = torch.stack([torch.sin(2 * math.pi * f * time) for f in (587.33, 1046.5)])
    denoise = NetworkDenoiser(KnowsTones(), torch.device("cpu"), True)
    prior = Prior(denoise, ("bass", "drums"), RATE, 6.0, (5e-4, 2.0), "", True, "toy")
    options = {"quality": "fast", "templates": 0, "refine": False}
    assert detuned(separated(prior, retune=False, **options), [stems], [40])[0] < 1
    assert detuned(separated(prior, **options), [stems], [40])[0] > 20
