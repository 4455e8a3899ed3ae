from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from recipes.band.dataset import BandDataset

from .conftest import little_song

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def small(**options) -> BandDataset:
    options = {"fonts": (), "compose": little_song, "seconds": 1.0, "song_seconds": 4.0} | options
    return BandDataset(**{"crops": 2, "window": 2, "samplerate": 8000} | options)


def test_items_have_the_promised_shape_and_levels():
    for item in islice(small(), 6):
        assert item.shape == (4, 8000)
        assert item.dtype == torch.float32
        assert item.sum(0).abs().max() < 1
        assert item.square().mean(1).sqrt().max() > 0.002


def test_same_arguments_give_the_same_items_and_another_seed_others():
    first, again, other = (list(islice(small(seed=s), 4)) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("start", [1, 3, 6])
def test_a_run_that_was_cut_short_goes_on_with_the_same_items(start):
    whole = list(islice(small(), 8))
    rest = list(islice(small(start=start), 8 - start))
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_workers_give_different_items_and_resume_exactly():
    whole = list(islice(DataLoader(small(), 2, num_workers=2), 6))
    rest = list(islice(DataLoader(small(start=8), 2, num_workers=2), 2))
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], rest, strict=True))
    items = torch.cat(whole)
    assert len(np.unique(items.numpy().reshape(len(items), -1), axis=0)) == len(items)


def test_remixing_takes_stems_of_different_songs():
    def one_note(seed, seconds):  # each song is recognised by its pitch
        song = little_song(seed, seconds)
        key = 40 + seed // 4 % 24
        return song._replace(
            parts=[p._replace(notes=[n._replace(key=key) for n in p.notes]) for p in song.parts]
        )

    def pitches(item):
        return item.numpy()[[0, 2]].__abs__() @ np.ones(item.shape[1])

    together = list(islice(small(remix=0.0, gain=0.0, compose=one_note), 8))
    apart = list(islice(small(remix=1.0, gain=0.0, compose=one_note), 8))
    assert not any(torch.equal(a, b) for a, b in zip(together, apart, strict=True))
    assert len({tuple(pitches(item)) for item in apart}) > 4


def test_too_long_items_are_refused():
    with pytest.raises(ValueError, match=r"5\.0 s do not fit"):
        small(seconds=5.0)
