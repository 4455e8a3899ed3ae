"""Noise by position: the same samples wherever a piece begins, and as Gaussian as it should be."""

import pytest
import torch

from mgdm_audio.engine import Sampler, sample
from mgdm_audio.engine.types import Info
from mgdm_audio.noise import CHUNK, PlacedNoise


def test_pieces_of_a_file_draw_what_the_whole_draws():
    length = 2 * CHUNK + 100
    whole = PlacedNoise((5,), 2, 0, length)
    piece = PlacedNoise((5,), 2, CHUNK - 30, 200)
    for _ in range(3):
        expected = whole.normal((2, 4, length))[..., CHUNK - 30 : CHUNK + 170]
        assert torch.equal(piece.normal((2, 4, 200)), expected)


def test_items_share_calls_seeds_and_chunks_do_not():
    noise = PlacedNoise((5, 1), 3, 0, 2 * CHUNK)
    first = noise.normal((3, 4, 2 * CHUNK))
    assert torch.equal(first[0], first[2])
    others = [
        noise.normal((3, 4, 2 * CHUNK))[0],
        PlacedNoise((5, 2), 3, 0, 2 * CHUNK).normal((3, 4, 2 * CHUNK))[0],
        first[0].roll(CHUNK, -1),
        first[0].roll(1, 0),
    ]
    for other in others:
        correlation = float((first[0] * other).mean())
        assert abs(correlation) < 4 / (8 * CHUNK) ** 0.5


def test_moments():
    x = PlacedNoise((0,), 1, 12345, 100_000).normal((1, 4, 100_000)).double()
    n = x.numel()
    assert abs(float(x.mean())) < 4 / n**0.5
    assert float(x.square().mean()) == pytest.approx(1, abs=4 * (2 / n) ** 0.5)
    assert float(x.pow(4).mean()) == pytest.approx(3, abs=4 * (96 / n) ** 0.5)


def test_uniform_numbers_do_not_depend_on_the_place():
    here, there = PlacedNoise((1,), 2, 0, 10), PlacedNoise((1,), 2, 99, 10)
    for _ in range(2):
        numbers = here.uniform(3)
        assert torch.equal(numbers, there.uniform(3))
        assert numbers.shape == (2, 3)
        assert torch.equal(numbers[0], numbers[1])
        assert ((numbers >= 0) & (numbers < 1)).all()
    assert here.uniform().shape == (2,)


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="noise for 11 samples"):
        PlacedNoise((1,), 1, 0, 10).normal((1, 4, 11))


def test_what_is_skipped_counts_as_drawn():
    length = CHUNK + 10
    shape = (2, 4, length)
    noise, other = (PlacedNoise((5,), 2, 3, length) for _ in range(2))
    noise.normal(shape)
    other.skip(shape)
    assert torch.equal(other.normal(shape), noise.normal(shape))
    assert torch.equal(other.uniform(), noise.uniform())


def test_a_sampler_starts_at_the_highest_level_from_the_noise_it_is_given():
    seen = []

    def init(noise):
        seen.append(noise)
        return (noise,)

    class State(tuple):
        x0 = property(lambda self: self[0])

    def step(state, at):
        seen.append(at.noise)
        return State(state), Info(0, 0, torch.tensor(True))

    noise = PlacedNoise((3,), 1, 7, 50)
    x0 = sample(Sampler(init, step), [4.0, 2.0], (1, 2, 50), noise=noise)
    expected = 4.0 * PlacedNoise((3,), 1, 7, 50).normal((1, 2, 50))
    assert torch.equal(seen[0], expected)
    assert torch.equal(x0, expected)
    assert seen[1:] == [noise, noise]
