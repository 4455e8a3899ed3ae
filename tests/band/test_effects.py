import numpy as np
import pytest
from scipy.signal import sosfreqz

from recipes.band import effects
from recipes.band.room import room_response

from .conftest import RATE

TIME = np.arange(RATE) / RATE
SINE = np.sin(2 * np.pi * 441 * TIME).astype(np.float32)


def decibels(section, frequencies):
    _, response = sosfreqz(np.atleast_2d(section), np.array(frequencies), fs=RATE)
    return 20 * np.log10(np.abs(response) + 1e-12)


def test_peaking_raises_its_centre_and_nothing_far_away():
    at = decibels(effects.peaking(1000.0, 6.0, 2.0, RATE), [1.0, 1000.0, 11000.0])
    np.testing.assert_allclose(at, [0, 6, 0], atol=0.1)


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("gain", [-7.0, 4.0])
def test_shelf_raises_one_side_only(high, gain):
    at = decibels(effects.shelf(1000.0, gain, RATE, high), [1.0, 1000.0, 11000.0])
    np.testing.assert_allclose(at, [0, gain / 2, gain] if high else [gain, gain / 2, 0], atol=0.1)


def test_compressor_brings_loud_and_soft_together_by_its_ratio():
    soft, loud = 0.1 * SINE, SINE
    both = np.concatenate([soft, loud])
    out = both * effects.compression(both, RATE, -40.0, 4.0, 0.002, 0.02)
    rms = [np.sqrt(np.mean(x[RATE // 2 :] ** 2)) for x in (out[:RATE], out[RATE:])]
    assert 20 * np.log10(rms[1] / rms[0]) == pytest.approx(20 / 4, abs=0.5)


def test_drive_adds_odd_harmonics_and_bias_even_ones():
    def harmonics(audio):
        spectrum = np.abs(np.fft.rfft(audio)) / len(audio)
        return spectrum[[441, 882, 1323]]

    plain, biased = (harmonics(effects.drive(SINE, 5.0, bias)) for bias in (0.0, 0.3))
    assert plain[2] > 0.1 * plain[0]
    assert plain[1] < 1e-4 * plain[0]
    assert biased[1] > 0.01 * biased[0]


def test_a_delay_that_is_not_modulated_is_a_delay():
    late = effects.modulated_delay(SINE, RATE, 100 / RATE, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(late[100:], SINE[:-100], atol=1e-4)


def test_phaser_stages_change_the_phase_only():
    wet = effects.phase(SINE, RATE, 0.2, 300.0, 2000.0)
    assert np.std(wet[2000:]) == pytest.approx(np.std(SINE[2000:]), rel=0.02)
    assert np.abs(wet - SINE).max() > 0.5


def test_convolution_is_numpys():
    rng = np.random.default_rng(0)
    audio, response = rng.standard_normal(500), rng.standard_normal(80)
    expected = np.convolve(audio, response)[:500]
    np.testing.assert_allclose(effects.convolve(audio, response), expected, atol=1e-10)


def test_room_dies_away_in_its_reverberation_time():
    response = room_response(RATE, np.random.default_rng(0), size=3.0, t60=1.0)
    assert np.square(response).sum() == pytest.approx(1, rel=1e-3)
    first = np.argmax(np.abs(response) > 1e-3) / RATE
    assert first == pytest.approx(6 / 343, abs=0.005)  # there and back over three metres
    # Schroeder's backward integral; the low band, since treble dies sooner by design.
    low = np.convolve(response, np.ones(40) / 40, "same")
    energy = 10 * np.log10(np.cumsum(low[::-1] ** 2)[::-1] + 1e-20)
    slope = (energy[int(0.6 * RATE)] - energy[int(0.2 * RATE)]) / 0.4
    assert slope == pytest.approx(-60, rel=0.15)


@pytest.mark.parametrize("stem", ["bass", "drums", "guitar", "piano"])
def test_random_effects_keep_length_silence_and_the_seed(stem):
    silent = np.zeros(4000, np.float32)
    differ = 0
    for seed in range(12):

        def run(audio):
            rng = np.random.default_rng(seed)  # noqa: B023 (called within the loop)
            return effects.random_effects(audio, stem, [29], RATE, rng)

        out = run(SINE)
        assert out.shape == SINE.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        np.testing.assert_array_equal(out, run(SINE))
        np.testing.assert_array_equal(run(silent), 0)
        differ += not np.array_equal(out, SINE)
    assert 4 <= differ < 12
