from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mgdm_audio.training.config import TrainingConfig
from mgdm_audio.training.loop import batches
from recipes.band.dataset import BandDataset
from recipes.band.score import Note, Part, Song

from .conftest import little_song, measured_pitch

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


@pytest.mark.parametrize("full", [0.0, 0.5])
@pytest.mark.parametrize("start", [1, 3, 6])
def test_a_run_that_was_cut_short_goes_on_with_the_same_items(start, full):
    whole = list(islice(small(full=full), 8))
    rest = list(islice(small(full=full, start=start), 8 - start))
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_workers_give_different_items_and_resume_exactly():
    whole = list(islice(DataLoader(small(), 2, num_workers=2), 6))
    rest = list(islice(DataLoader(small(start=8), 2, num_workers=2), 2))
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], rest, strict=True))
    items = torch.cat(whole)
    assert len(np.unique(items.numpy().reshape(len(items), -1), axis=0)) == len(items)


class Unheard(BandDataset):
    """Songs of noise, which tells lane and number, in place of music."""

    def bank(self):
        return {}

    def _song(self, lane, number, bank):
        rng = np.random.default_rng([lane, number])
        return 0.1 * rng.standard_normal((4, 4000), np.float32)


@pytest.mark.parametrize("workers", [1, 3, 5])
def test_training_resumes_at_any_step_with_any_number_of_workers(workers):
    config = TrainingConfig(
        data="tests.band.test_dataset:Unheard",
        data_options={"song_seconds": 0.5, "crops": 2, "window": 2},
        crop=0.1,
        batch_size=4,
        workers=workers,
    )
    whole = list(islice(batches(config, 8000, 0, 0), 11))
    items = torch.cat(whole)
    assert len(np.unique(items.numpy().reshape(len(items), -1), axis=0)) == len(items)
    if workers == 1:  # the stream of the data set itself, from its first item
        alone = islice(Unheard(seconds=0.1, samplerate=8000, **config.data_options), len(items))
        assert torch.equal(items, torch.stack(list(alone)))
    for step in (1, 3, 4, 8):
        rest = list(islice(batches(config, 8000, step, 0), 3))
        assert all(torch.equal(a, b) for a, b in zip(whole[step:], rest, strict=False))


def test_remixing_takes_stems_of_different_songs():
    def two_parts(seed, seconds):
        """Bass and piano play the same key throughout, another one in each song."""
        notes = [Note(0.0, seconds, 48 + seed // 4 % 24, 100)]
        return Song([Part("bass", 38, notes), Part("piano", 4, notes)], seconds)

    def same_key(item):
        keys = [
            round(12 * np.log2(measured_pitch(x.numpy(), 260, 8000, octaves=1.2) / 440))
            for x in item[[0, 3]]
        ]
        return keys[0] % 12 == keys[1] % 12  # the strongest partial may be an octave

    def share(remix):
        data = small(remix=remix, compose=two_parts, effects=False, window=6)
        return np.mean([same_key(item) for item in islice(data, 16)])

    assert share(1.0) < share(0.0) - 0.3


def test_a_share_of_the_songs_has_effects():
    """Each song is, sample for sample, what it is with all or with none."""
    some, none, every = (small(effects=share) for share in (0.5, 0, 1))
    bank = some.bank()
    with_effects = 0
    for number in range(8):
        song, dry, wet = (data._song(0, number, bank) for data in (some, none, every))
        assert not np.array_equal(dry, wet)
        assert np.array_equal(song, dry) or np.array_equal(song, wet)
        with_effects += np.array_equal(song, wet)
    assert 0 < with_effects < 8
    with pytest.raises(ValueError, match="share between 0 and 1"):
        small(effects=50)


def test_half_of_the_songs_play_at_another_speed_all_stems_alike():
    def two_tones(seed, seconds):
        """Bass and piano play A3 and A5, once a second, until the end."""
        times = [*np.arange(0, seconds - 1), seconds - 0.3]
        keys = {"bass": (38, 57), "piano": (4, 81)}
        parts = [Part(s, p, [Note(t, 0.9, k, 100) for t in times]) for s, (p, k) in keys.items()]
        return Song(parts, seconds)

    data = small(speed=2.0, compose=two_tones, effects=0, song_seconds=6.0)
    bank, moved = data.bank(), []
    for number in range(12):
        song = data._song(0, number, bank)
        assert song.shape == (4, 6 * 8000)
        assert np.abs(song[3, -2800:]).max() > 0.5 * np.abs(song[3]).max()  # the last note
        low = 12 * np.log2(measured_pitch(song[0], 220, 8000, octaves=0.5) / 220)
        high = 12 * np.log2(measured_pitch(song[3], 880, 8000, octaves=0.5) / 880)
        assert low == pytest.approx(high, abs=0.2)
        moved.append(high)
    assert sum(abs(pitch) < 0.1 for pitch in moved) in range(2, 11)
    assert max(map(abs, moved)) < 2.1
    assert max(moved) > 0.3
    assert min(moved) < -0.3
    with pytest.raises(ValueError, match="0 to 12 semitones"):
        small(speed=-1.0)


def test_items_in_which_all_stems_sound():
    """Of songs whose piano plays in the first half, and whose drums rest in two songs of three."""

    def song(seed: int, seconds: float) -> Song:
        parts = little_song(seed, seconds).parts
        kept = [p for p in parts if p.stem not in ("piano", "drums") or seed % 3 == 0]
        piano = [Part("piano", 0, [Note(0.0, seconds / 2, 60, 90)])]
        return Song([p for p in kept if p.stem != "piano"] + piano, seconds)

    def counts(**options):
        items = islice(small(compose=song, **options), 60)
        return np.array([int((item.abs().amax(1) > 1e-3).sum()) for item in items])

    some, most = counts(), counts(full=0.9)
    assert (some == 4).mean() < 0.4
    assert (most == 4).mean() > (some == 4).mean() + 0.25
    assert most.min() >= 2
    with pytest.raises(ValueError, match="full must be a share"):
        small(full=1.5)


def test_too_long_items_are_refused():
    with pytest.raises(ValueError, match=r"5\.0 s do not fit"):
        small(seconds=5.0)


def test_a_missing_pack_is_said_before_any_worker_starts(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"samples\.csv is missing"):
        small(sounds=tmp_path)
