"""Stems that are not there: what was taken for them goes where its frequencies are."""

import pytest
import torch

from mgdm_audio.audio.absent import Sharer, share_absent

from .test_refine import noise, tone


@pytest.mark.parametrize("length", [1, 700, 40_000])
@pytest.mark.parametrize("absent", [(), (3,), (0, 2), (1, 2, 3)])
def test_the_others_sum_to_what_all_were(length, absent):
    stems = noise(length=length)
    stems[:, :, length // 3 : length // 2] = 0
    kept = share_absent(stems, absent)
    assert kept.shape == (2, 4 - len(absent), length)
    torch.testing.assert_close(kept.sum(1), stems.sum(1), atol=1e-4, rtol=0)


def test_nobody_absent_changes_nothing():
    stems = noise()
    assert share_absent(stems, ()) is stems


def test_a_note_taken_for_the_absent_goes_back_to_who_plays_it():
    low, high = tone(110.0), tone(1760.0)
    taken = torch.stack([low, 0.6 * high, 0.4 * high])[None]
    kept = share_absent(taken, (2,))
    inside = slice(4096, -4096)
    for k, truth in enumerate((low, high)):
        error = (kept[0, k] - truth)[inside].square().mean() / truth.square().mean()
        assert error < 1e-3


def test_shares_follow_the_power_of_the_others():
    """Noise of twice the amplitude gets four times as much: Wiener's filter in the mean."""
    loud, soft, foreign = noise(1, 3, 200_000)[0]
    kept = share_absent(torch.stack([2 * loud, soft, foreign])[None], (2,))[0]
    gains = [float((x * foreign).mean() / foreign.square().mean()) for x in kept]
    # Of two chi-squared variables with two degrees of freedom, X and Y: E 4X / (4X + Y).
    expected = 4 / 3 - 4 / 9 * torch.log(torch.tensor(4.0))
    assert gains[0] == pytest.approx(float(expected), abs=0.03)
    assert sum(gains) == pytest.approx(1, abs=0.02)


def test_what_nobody_else_plays_is_shared_evenly():
    stems = torch.zeros(1, 3, 20_000)
    stems[:, 2] = noise(1, 1, 20_000)[:, 0]
    kept = share_absent(stems, (2,))
    torch.testing.assert_close(kept, stems[:, 2:].expand(1, 2, -1) / 2, atol=1e-4, rtol=0)


def test_a_note_in_the_middle_stays_there():
    """Taken for the absent, between one on the left and one on the right who play it as well."""
    note = tone(440.0)
    left, right, middle = 0.3 * note, 0.2 * note, note
    zero = torch.zeros_like(note)
    stems = torch.stack([torch.stack([left, zero, middle]), torch.stack([zero, right, middle])])
    gained = share_absent(stems, (2,)) - stems[:, :2]
    torch.testing.assert_close(gained[0], gained[1], atol=1e-4, rtol=0)
    assert float(gained[0, 0].std()) > 2 * float(gained[0, 1].std()) > 0


@pytest.mark.parametrize("sizes", [[70_000], [1, 4095, 30_000, 2048, 33_856], [10_000] * 7])
@pytest.mark.parametrize("absent", [(), (1,)])
def test_pieces_make_no_difference(sizes, absent):
    stems = noise(length=70_000)
    sharer = Sharer(70_000, absent)
    found = torch.cat([out for part in stems.split(sizes, -1) for out in sharer.push(part)], -1)
    torch.testing.assert_close(found, share_absent(stems, absent))
