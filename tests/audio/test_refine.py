"""Refinement of stems: sums, pieces, and tones that a short window does not tell apart."""

import math

import numpy as np
import pytest
import torch

from mgdm_audio.audio.refine import Refiner, refine, soft_masks

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
    assert after < 0.5 * before


def test_silence_is_no_division_by_zero():
    silence = torch.zeros(1, 4, 9000)
    assert torch.equal(refine(silence, silence.sum(1)), silence)


@pytest.mark.parametrize("pieces", [[40_000], [100, 20_000, 15_000, 4900], [9000] * 5])
def test_pieces_give_what_the_whole_gives(pieces):
    stems = noise()
    mixture = stems.sum(1) + 0.1 * noise(sources=1, seed=2)[:, 0]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    refiner, done, start = Refiner(40_000, device=device), [], 0
    filled = torch.nn.functional.pad(stems, (0, max(sum(pieces) - 40_000, 0)))
    for size in pieces:
        done += refiner.push(filled[..., start : start + size], np.asarray(mixture))
        start += size
    whole = refine(stems, mixture)
    torch.testing.assert_close(torch.cat(done, -1), whole, atol=1e-4, rtol=0)
