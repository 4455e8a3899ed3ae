import numpy as np
import pytest

from recipes.band import production
from recipes.band.amplifier import amplify
from recipes.band.dataset import BandDataset

from .conftest import RATE

TIME = np.arange(2 * RATE) / RATE


def share(audio, low, high):
    """Part of the energy between two frequencies."""
    power = np.abs(np.fft.rfft(audio)) ** 2
    frequency = np.fft.rfftfreq(len(audio), 1 / RATE)
    return power[(frequency >= low) & (frequency < high)].sum() / power.sum()


def tone(frequency):
    return np.sin(2 * np.pi * frequency * TIME).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_an_amplifier_evens_out_and_its_loudspeaker_ends_at_six_kilohertz(seed):
    chord = (tone(110) + tone(165)) * np.exp(-3 * TIME).astype(np.float32)
    out = amplify(chord, RATE, np.random.default_rng(seed))
    assert out.shape == chord.shape
    assert out.dtype == np.float32
    # A decaying chord is as loud in its second half as the amplifier can make it.
    fall = [np.square(x[RATE:]).mean() / np.square(x[:RATE]).mean() for x in (chord, out)]
    assert fall[1] > 3 * fall[0]
    assert share(out, 7000, RATE) < 0.01
    assert share(out, 1000, 7000) > 10 * share(chord, 1000, 7000)


def test_an_amplifier_makes_strings_intermodulate():
    """Two notes together have a difference tone, which the sum of them played alone has not."""

    def through(audio):
        return amplify(audio, RATE, np.random.default_rng(3))

    low, high = tone(330), tone(440)
    together, apart = through(low + high), through(low) + through(high)
    assert share(together, 105, 115) > 10 * share(apart, 105, 115)


def test_an_amplifier_leaves_silence_silent():
    silence = np.zeros(RATE, np.float32)
    assert not amplify(silence, RATE, np.random.default_rng(0)).any()
    assert not production.produced_effects(
        silence, "guitar", [30], RATE, np.random.default_rng(0)
    ).any()


def test_a_master_hears_the_sum_and_treats_all_stems_alike():
    rng = np.random.default_rng(0)
    stems = (0.1 * rng.standard_normal((4, 4 * RATE))).astype(np.float32)
    stems[2] = 0
    stems[:, : 2 * RATE] *= 0.1
    changed = 0
    for seed in range(10):
        out = production.master(stems, RATE, np.random.default_rng(seed))
        summed = production.master(stems.sum(0, keepdims=True), RATE, np.random.default_rng(seed))
        scale = np.abs(out.sum(0)).max() / np.abs(summed).max()  # `limit` may differ, by one factor
        np.testing.assert_allclose(out.sum(0), scale * summed[0], atol=1e-4)
        assert not out[2].any()
        assert np.abs(out.sum(0)).max() < 1
        changed += not np.array_equal(out, stems)
    assert 2 <= changed <= 8


def test_data_with_production_differ_in_guitars_most_of_all():
    def songs(production):
        data = BandDataset(seed=4, fonts=[], song_seconds=6.0, production=production)
        bank = data.bank()
        return [data._song(0, number, bank) for number in range(12)]

    pairs = list(zip(songs(False), songs(True), strict=True))
    assert all(np.isfinite(after).all() for _, after in pairs)
    # Where no master was drawn, other stems are as they were, and most guitars are.
    same = [sum(np.array_equal(a[i], b[i]) for a, b in pairs) for i in range(4)]
    assert max(same) < len(pairs)
    assert 1 <= same[2] < min(same[0], same[1], same[3])
