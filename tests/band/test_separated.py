"""Songs and their separations, for the network that corrects them."""

from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader

from mgdm_audio import Separator, load_prior
from recipes.band.dataset import BandDataset
from recipes.band.separated import ROUNDS, SeparatedDataset

from ..product.conftest import make_prior
from .conftest import RATE, little_song

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
SONGS = {"fonts": (), "compose": little_song, "song_seconds": 2.0, "effects": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_prior(tmp_path_factory.mktemp("prior") / "three", "band-cascade", third=True)


@pytest.fixture
def small(folder):
    def make(**options):
        given = {"prior": folder, "seconds": 0.5, "crops": 2, "window": 2} | SONGS | options
        return SeparatedDataset(**given)

    return make


def test_items_are_songs_and_what_the_prior_makes_of_them(small, folder):
    """Whole songs, one at a time, by hand: the first network's and second's, not the third's."""
    prior = load_prior(folder, "cpu")
    songs = BandDataset(seconds=2.0, samplerate=RATE, crops=1, **SONGS)
    items = small(seconds=2.0, crops=1, window=1, averaged=0.0)
    for (clean, separated), expected in zip(islice(items, 2), songs, strict=False):
        assert torch.equal(clean, expected)
        found = [
            Separator(prior, quality="fast", templates=rounds, correct=False, retune=False)
            .separate_tensor(clean.sum(0), RATE)
            .values()
            for rounds in ROUNDS
        ]
        difference = min((torch.stack([*f]) - separated).abs().max() for f in found)
        assert difference < 1e-5


def test_some_are_means_of_two_speeds(small):
    one, two = (next(iter(small(seed=3, averaged=share))) for share in (0.0, 1.0))
    assert torch.equal(one[0], two[0])
    assert not torch.allclose(one[1], two[1], atol=1e-4)


@pytest.mark.parametrize("start", [1, 3])
def test_a_run_that_was_cut_short_goes_on_with_the_same_items(small, start):
    whole = list(islice(small(), 5))
    rest = list(islice(small(start=start), 5 - start))
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))
    assert all(item.shape == (2, 4, RATE // 2) for item in whole)


def test_workers_give_different_items_and_resume_exactly(small):
    whole = list(islice(DataLoader(small(), 2, num_workers=2), 4))
    rest = list(islice(DataLoader(small(start=4), 2, num_workers=2), 2))
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], rest, strict=True))
    assert len({float(item.sum()) for batch in whole for item in batch}) == 8


def test_too_long_items_are_refused(small):
    with pytest.raises(ValueError, match="do not fit"):
        small(seconds=3.0)
