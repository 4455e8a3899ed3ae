"""Windows, blocks and chunks against a function applied to the whole."""

import numpy as np
import pytest
import torch

from mgdm_audio.audio import Grid, overlap_add
from mgdm_audio.audio.blocks import Chunker, Joiner, plan_blocks


@pytest.mark.parametrize(("window", "hop"), [(8, 8), (8, 6), (8, 4)])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_pointwise_functions_do_not_see_the_windows(window, hop, batch_size):
    grid = Grid(window, hop)
    x = torch.randn(2, 3, grid.span(5), dtype=torch.float64)
    y = overlap_add(lambda part: part**3, x, grid, batch_size)
    torch.testing.assert_close(y, x**3, atol=1e-6, rtol=1e-6)


def test_batches_hold_at_most_batch_size_windows():
    sizes = []

    def spy(part):
        sizes.append(len(part))
        return part

    overlap_add(spy, torch.zeros(2, 1, Grid(8, 6).span(5)), Grid(8, 6), 4)
    assert sizes == [4, 4, 2]


def test_neighbours_are_cross_faded():
    grid = Grid(8, 4)
    values = iter((0.0, 1.0))
    y = overlap_add(lambda part: part + next(values), torch.zeros(1, 1, 12), grid, 1)[0, 0]
    assert torch.equal(y[:4], torch.zeros(4))
    assert torch.equal(y[8:], torch.ones(4))
    assert (y[4:8].diff() > 0).all()
    torch.testing.assert_close(y[4:8] + y[4:8].flip(0), torch.ones(4))


def test_gradients_pass_through_windows():
    grid = Grid(8, 6)
    x = torch.randn(1, 2, grid.span(4), dtype=torch.float64, requires_grad=True)
    overlap_add(lambda part: part.sin(), x, grid, 2).sum().backward()
    torch.testing.assert_close(x.grad, x.detach().cos(), atol=1e-6, rtol=1e-6)


def test_lengths_that_do_not_fit():
    with pytest.raises(ValueError, match="whole number of windows"):
        overlap_add(lambda part: part, torch.zeros(1, 1, 21), Grid(8, 6), 1)
    with pytest.raises(ValueError, match="two windows"):
        overlap_add(lambda part: part, torch.zeros(1, 1, 12), Grid(8, 2), 1)
    with pytest.raises(ValueError, match="hop"):
        Grid(4, 5)


@pytest.mark.parametrize("length", [1, 8, 9, 50, 100])
@pytest.mark.parametrize("windows", [1, 2, 5])
@pytest.mark.parametrize("context", [0, 1])
def test_blocks_join_to_the_signal(length, windows, context):
    grid = Grid(8, 6)
    blocks = plan_blocks(length, grid, windows, context)
    signal = torch.randn(blocks[-1].end)
    joiner = Joiner(grid)
    joined = torch.cat([joiner.push(b, signal[b.begin : b.end].clone()) for b in blocks])
    torch.testing.assert_close(joined, signal)
    assert len(joined) >= length
    for block in blocks[1:]:
        assert block.begin % grid.hop == 0


@pytest.mark.parametrize("sizes", [[100], [1] * 100, [7, 40, 3, 50]])
def test_chunks_cover_the_signal_once_with_halos(sizes):
    signal = torch.arange(97)
    chunker = Chunker(97, quantum=5, halo=10)
    padded = torch.cat([signal, torch.zeros(3, dtype=torch.long)])
    covered = []
    for piece in padded.split(sizes):
        for first, last, begin, part in chunker.push(piece):
            covered += range(first, last)
            assert first % 5 == 0
            assert begin == max(first - 10, 0)
            end = begin + len(part)
            assert end == 97 if last == 97 else end == last + 10
            assert torch.equal(part, signal[begin:end])
    assert covered == list(range(97))


def test_a_function_with_reach_is_the_same_in_blocks_with_context():
    """A moving average of three windows' reach, in blocks with context, against the whole."""
    grid = Grid(16, 12)
    blocks = plan_blocks(200, grid, 2, 1)
    signal = torch.randn(blocks[-1].end)

    def smooth(x):
        return torch.nn.functional.avg_pool1d(x[None, None], 9, 1, 4)[0, 0]

    joiner = Joiner(grid)
    joined = torch.cat([joiner.push(b, smooth(signal[b.begin : b.end])) for b in blocks])
    np.testing.assert_allclose(joined, smooth(signal), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("length", [6, 14])
def test_windows_are_given_the_levels_of_their_items(batch_size, length):
    grid = Grid(8, 6)
    x, levels = torch.ones(3, 2, length), torch.tensor([1.0, 20.0, 300.0])
    y = overlap_add(lambda part, level: part * level.view(-1, 1, 1), x, grid, batch_size, levels)
    torch.testing.assert_close(y, x * levels.view(-1, 1, 1))
