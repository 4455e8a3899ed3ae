"""Refinement of stems: sums, pieces, and tones that a short window does not tell apart."""

import math

import numpy as np
import pytest
import torch

from mgdm_audio.audio.refine import Refiner, refine, soft_masks
from mgdm_audio.audio.stereo import DIFFUSE, REACH, places, spatial_filter

RATE = 22050


def tone(frequency, seconds=2.0):
    return torch.sin(2 * math.pi * frequency * torch.arange(int(seconds * RATE)) / RATE)


def noise(channels=2, sources=4, length=40_000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(channels, sources, length, generator=generator)


@pytest.mark.parametrize("length", [1, 700, 5000, 40_000])
def test_stems_that_sum_to_the_mixture_still_do(length):
    stems = noise(length=length)
    refined = refine(stems, stems.sum(1))
    assert refined.shape == stems.shape
    torch.testing.assert_close(refined.sum(1), stems.sum(1), atol=1e-4, rtol=0)


def test_masks_sum_to_the_mixture_whatever_the_stems():
    stems, mixture = noise(), noise(seed=1).sum(1)
    stems[:, :, 10_000:25_000] = 0
    torch.testing.assert_close(soft_masks(stems, mixture, 4096).sum(1), mixture, atol=1e-4, rtol=0)


def test_neighbouring_tones_that_leaked_come_apart():
    """24 Hz are two bins of the denoiser's window, and four and nine of the long ones."""
    truth = torch.stack([tone(440.0), tone(464.0)])[None]
    leak = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
    estimate = torch.einsum("kj,cjt->ckt", leak, truth)
    refined = refine(estimate, truth.sum(1))
    inside = slice(8192, -8192)
    before, after = (float((x - truth)[..., inside].square().mean()) for x in (estimate, refined))
    assert after < 0.65 * before  # half of it is the estimate itself
    for window in (4096, 8192):
        masked = soft_masks(estimate, truth.sum(1), window)
        assert float((masked - truth)[..., inside].square().mean()) < 0.4 * before


def test_place_tells_stems_apart_that_sound_alike():
    """Two noises, one on the left and one in the middle, that leaked into each other."""
    left, middle = noise(1, 2, 100_000)[0]
    truth = torch.stack([torch.stack([left, middle]), torch.stack([0 * left, middle])])
    leak = torch.tensor([[0.7, 0.3], [0.3, 0.7]])
    estimate = torch.einsum("kj,cjt->ckt", leak, truth)
    mixture = truth.sum(1)
    apart = torch.cat(
        [soft_masks(e[None], m[None], 4096) for e, m in zip(estimate, mixture, strict=True)]
    )
    together = soft_masks(estimate, mixture, 4096)
    before, after = (float((x - truth).square().mean()) for x in (apart, together))
    assert after < 0.7 * before
    torch.testing.assert_close(together.sum(1), mixture, atol=1e-4, rtol=0)


def test_equal_channels_are_shared_as_one_channel_is():
    stems, mixture = noise(1), noise(1, seed=1).sum(1)
    one = soft_masks(stems, mixture, 4096)
    two = soft_masks(stems.expand(2, -1, -1), mixture.expand(2, -1), 4096)
    torch.testing.assert_close(two, one.expand(2, -1, -1), atol=1e-4, rtol=1e-3)


def test_the_filter_is_the_wiener_filter_of_its_covariances():
    """Against numpy's matrices, one time and frequency after the other."""
    generator = torch.Generator().manual_seed(0)
    frames, segments = 2, 11  # and one frame over
    stems, mixture = (
        torch.randn(*shape, generator=generator, dtype=torch.complex64)
        for shape in ((2, 3, 23, 5), (2, 23, 5))
    )
    left, cross = places(stems, frames)
    shares = torch.rand(3, 23, 5, generator=generator)
    shares /= shares.sum(0)
    for n, f in np.ndindex(23, 5):
        s = n // frames
        one = slice(n, n + 1)
        filtered = spatial_filter(shares[:, one], mixture[:, one], left[:, s], cross[:, s])
        heard = slice(max(s - REACH, 0) * frames, min(s + REACH, segments) * frames + frames)
        covariances = []
        for k in range(3):
            x = stems[:, k, heard, f].numpy()
            outer = x @ x.conj().T
            place = DIFFUSE * np.eye(2) + (1 - DIFFUSE) * 2 * outer / np.trace(outer)
            covariances.append(shares[k, n, f].item() * place)
        whitened = np.linalg.solve(sum(covariances), mixture[:, n, f].numpy())
        expected = np.stack([one @ whitened for one in covariances], 1)
        np.testing.assert_allclose(filtered[:, :, 0, f].numpy(), expected, atol=1e-4)


def test_changing_sides_is_changing_channels():
    stems, mixture = noise(), noise(seed=1).sum(1)
    turned = soft_masks(stems.flip(0), mixture.flip(0), 4096).flip(0)
    torch.testing.assert_close(turned, soft_masks(stems, mixture, 4096), atol=1e-4, rtol=1e-3)


def test_silence_is_no_division_by_zero():
    silence = torch.zeros(1, 4, 9000)
    assert torch.equal(refine(silence, silence.sum(1)), silence)


@pytest.mark.parametrize(("channels", "spatial"), [(1, True), (2, True), (2, False), (3, True)])
@pytest.mark.parametrize("parts", [[1], [0.003, 0.5, 0.375, 0.122], [0.23] * 5])
def test_pieces_give_what_the_whole_gives(channels, spatial, parts):
    length = 800_000 if channels == 2 and spatial else 40_000  # stereo looks nine seconds ahead
    pieces = [int(part * length) for part in parts]
    pieces[-1] += max(length - sum(pieces), 0)
    stems = noise(channels, length=length) * torch.linspace(1, 0.01, length)
    mixture = stems.sum(1) + 0.1 * noise(channels, sources=1, length=length, seed=2)[:, 0]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    refiner, done, start = Refiner(length, channels, device=device, spatial=spatial), [], 0
    filled = torch.nn.functional.pad(stems, (0, max(sum(pieces) - length, 0)))
    for size in pieces:
        done += refiner.push(filled[..., start : start + size], np.asarray(mixture))
        start += size
    whole = refine(stems, mixture, spatial=spatial)
    torch.testing.assert_close(torch.cat(done, -1), whole, atol=1e-4, rtol=0)
