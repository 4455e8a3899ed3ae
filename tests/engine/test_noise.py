"""Random streams: one per item, whatever the batch."""

import numpy as np
import pytest
import torch

from mgdm_audio.engine.noise import Noise


def test_an_item_draws_the_same_numbers_in_any_batch():
    together = Noise([5, 6, 7], 3, "cpu")
    alone = Noise([6], 1, "cpu")
    for shape in ((2, 3), (2, 3), (5000,), (4,)):
        assert torch.equal(together.normal((3, *shape))[1:2], alone.normal((1, *shape)))
        assert torch.equal(together.uniform()[1:2], alone.uniform())


def test_equal_seeds_share_their_noise_and_derived_seeds_differ():
    shared = Noise([4, 4], 2, "cpu").normal((2, 10))
    assert torch.equal(shared[0], shared[1])
    derived = Noise(4, 2, "cpu").normal((2, 10))
    assert not torch.equal(derived[0], derived[1])


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_seeds_of_any_integer_type(kind):
    expected = Noise(3, 2, "cpu").normal((2, 10))
    assert torch.equal(Noise(kind(3), 2, "cpu").normal((2, 10)), expected)
    each = Noise([3, 4], 2, "cpu").normal((2, 10))
    assert torch.equal(Noise(np.array([3, 4], kind), 2, "cpu").normal((2, 10)), each)


@pytest.mark.parametrize("shape", [(3, 5), (3, 9000)])
def test_what_is_skipped_counts_as_drawn_but_costs_nothing_by_itself(monkeypatch, shape):
    noise, other = Noise(4, 3, "cpu"), Noise(4, 3, "cpu")
    drawn = [noise.normal(shape) for _ in range(4)]
    assert torch.equal(other.normal(shape), drawn[0])
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn", None)
        other.skip(shape)
        other.skip(shape)
    assert torch.equal(other.normal(shape), drawn[3])
    with pytest.raises(ValueError, match="batch of 3"):
        other.skip((2, 5))


def test_numbers_are_standard_and_unrelated_between_items_and_draws():
    noise = Noise(0, 200, "cpu")
    draws = torch.stack([noise.normal((200, 50)) for _ in range(20)])
    assert draws.mean().abs() < 0.01
    assert (draws.std() - 1).abs() < 0.01
    between_items = torch.corrcoef(draws.permute(1, 0, 2).flatten(1)[:40])
    assert (between_items - torch.eye(40)).abs().max() < 0.2
    between_draws = torch.corrcoef(draws.flatten(1))
    assert (between_draws - torch.eye(20)).abs().max() < 0.06


def test_as_many_seeds_as_items():
    with pytest.raises(ValueError, match="2 seeds for a batch of 3"):
        Noise([1, 2], 3, "cpu")


def test_items_of_a_batch_can_be_drawn_by_themselves():
    whole = Noise(range(4), 4, "cpu").normal((4, 7))
    assert torch.equal(Noise([2, 3], 2, "cpu").normal((2, 7)), whole[2:])
