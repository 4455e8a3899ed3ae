"""Resampling and the band above the prior's, against sines and scipy's spectra."""

import numpy as np
import pytest
import torch

from mgdm_audio.audio import log_spectrogram, resample, resampled_length, share_out
from mgdm_audio.audio.spectra import band_power


@pytest.mark.parametrize(("rate", "target"), [(44100, 22050), (48000, 22050), (22050, 44101)])
def test_resampling_a_sine_gives_the_sine(rate, target):
    def sine(samplerate):
        return np.sin(2 * np.pi * 440 * np.arange(samplerate) / samplerate)[None]

    result = resample(sine(rate).astype(np.float32), rate, target)
    assert result.shape == (1, resampled_length(rate, rate, target))
    inner = slice(500, -500)
    np.testing.assert_allclose(result[0, inner], sine(target)[0, inner], atol=1e-4)


def test_resampling_pieces_at_aligned_positions_is_resampling_the_whole():
    x = np.random.default_rng(0).standard_normal((1, 22050)).astype(np.float32)
    whole = resample(x, 22050, 48000)
    start, stop, halo = 147 * 40, 147 * 80, 147 * 4
    piece = resample(x[:, start - halo : stop + halo], 22050, 48000)
    inner = piece[:, halo // 147 * 320 :][:, : (stop - start) // 147 * 320]
    expected = whole[:, start // 147 * 320 : stop // 147 * 320]
    np.testing.assert_allclose(inner, expected, atol=1e-4)


def test_the_band_above_goes_to_the_stem_that_is_bright_then():
    """Two stems with bursts in turn: each takes the rest of its own half."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(22050, generator=rng)
    first = torch.arange(22050) < 11025
    stems = torch.stack([noise * first, noise * ~first])[None]
    rest = torch.randn(1, 44100, generator=rng)
    parts = share_out(rest, stems, 512)
    torch.testing.assert_close(parts.sum(1), rest, atol=1e-5, rtol=0)
    middle = slice(2000, 18000)
    assert (parts[0, 0, middle] - rest[0, middle]).abs().max() < 1e-3
    assert (parts[0, 1, -18000:] - rest[0, -18000:]).abs().max() < 1e-3


def test_dark_stems_get_nothing_of_the_band_above():
    t = torch.arange(22050) / 22050
    bass = 0.5 * torch.sin(2 * torch.pi * 80 * t)
    cymbal = 0.02 * torch.randn(22050, generator=torch.Generator().manual_seed(0))
    rest = 0.01 * torch.ones(1, 44100)
    parts = share_out(rest, torch.stack([bass, cymbal])[None], 512)
    assert parts[0, 0].abs().max() < 0.01 * parts[0, 1].abs().min()


def test_silence_is_shared_equally():
    parts = share_out(torch.ones(1, 4410), torch.zeros(1, 4, 2205), 512)
    torch.testing.assert_close(parts, torch.full((1, 4, 4410), 0.25))


def test_band_power_of_a_sine_is_in_its_band_and_has_its_size():
    t = torch.arange(44100) / 22050
    power = band_power(torch.sin(2 * torch.pi * 1000 * t), 22050, bands=48)
    middle = power[:, power.shape[1] // 2]
    edges = np.geomspace(40, 11025, 49)
    expected = int(np.searchsorted(edges, 1000)) - 1
    assert abs(int(middle.argmax()) - expected) <= 1
    image = log_spectrogram(torch.zeros(2, 22050), 22050)
    assert image.max() == pytest.approx(-120)
