"""SI-SDR against closed forms and against code that shares nothing with ours."""

import math

import numpy as np
import pytest
import torch

from mgdm_audio.evaluation import si_sdr, si_sdr_improvement, window_scores

RATE = 1000


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def naive_window_scores(estimates, references, rate, window=4.0, hop=2.0):
    """The protocol written as a plain loop in float64 numpy: {(start, stem): improvement}."""

    def ratio(e, s):
        a = (np.dot(e, s) + 1e-8) / (np.dot(s, s) + 1e-8)
        t = a * s
        return 10 * np.log10((np.dot(t, t) + 1e-8) / (np.dot(t - e, t - e) + 1e-8))

    estimates, references = estimates.double().numpy(), references.double().numpy()
    size, step = int(window * rate), int(hop * rate)
    scores, start = {}, 0
    while start < references.shape[1] - (size - step):
        part = references[:, start : start + size]
        active = [np.sqrt((s**2).sum()) / len(s) >= 1.5e-5 for s in part]
        if sum(active) >= 2:
            for k, s in enumerate(part):
                e = estimates[k, start : start + size]
                scores[start, k] = ratio(e, s) - ratio(part.sum(0), s), active[k]
        start += step
    return scores


def test_orthogonal_noise_of_known_power_gives_its_ratio():
    t = torch.arange(RATE) / RATE
    reference, error = torch.sin(2 * math.pi * 50 * t), torch.sin(2 * math.pi * 120 * t)
    for gain in (1.0, 0.1, 0.01):
        expected = -20 * math.log10(gain)
        assert si_sdr(reference + gain * error, reference).item() == pytest.approx(
            expected, abs=1e-3
        )


def test_does_not_depend_on_the_scale_of_the_estimate():
    reference, estimate = noise(2, 500), noise(2, 500, seed=1)
    expected = si_sdr(estimate, reference)
    for scale in (1e-1, 3.0, -2.0):
        torch.testing.assert_close(si_sdr(scale * estimate, reference), expected)


@pytest.mark.parametrize("length", [12_000, 11_500, 10_001, 3_000])
def test_windows_agree_with_a_plain_loop(length):
    references = noise(4, length) * torch.tensor([[1.0], [0.3], [0.1], [0.02]])
    references[1, 5000:] = 0.0  # silent in some windows
    references[2:, 8000:] = 0.0  # one active stem only at the end
    estimates = references + 0.1 * noise(4, length, seed=1)
    expected = naive_window_scores(estimates, references, RATE)
    scores = window_scores(estimates, references, RATE)
    got = {
        (start.item(), k): (scores.improvement[w, k].item(), scores.active[w, k].item())
        for w, start in enumerate(scores.start)
        for k in range(4)
    }
    assert got.keys() == expected.keys()
    for key, (value, active) in expected.items():
        assert got[key][0] == pytest.approx(value, abs=2e-3)
        assert got[key][1] == active


def test_many_windows_are_not_changed_by_working_in_groups():
    references, estimates = noise(2, 90_000), noise(2, 90_000, seed=1)  # 44 windows
    scores = window_scores(estimates, references, RATE)
    expected = naive_window_scores(estimates, references, RATE)
    assert len(scores.start) * 2 == len(expected) == 88
    torch.testing.assert_close(
        scores.improvement.flatten(),
        torch.tensor([v for v, _ in expected.values()], dtype=torch.float32),
        atol=2e-3,
        rtol=0,
    )


def test_the_mixture_as_estimate_improves_nothing():
    references = noise(3, 9000)
    mixture = references.sum(0, keepdim=True).expand(3, -1)
    assert si_sdr_improvement(mixture, references, RATE).abs().max() < 1e-4


def test_silence_conventions():
    references = noise(3, 8000)
    references[2] = 0.0
    estimates = references + 0.01 * noise(3, 8000, seed=1)
    estimates[2] = 0.0
    skip = si_sdr_improvement(estimates, references, RATE, silent="skip")
    include = si_sdr_improvement(estimates, references, RATE, silent="include")
    torch.testing.assert_close(skip[:2], include[:2])
    assert skip[2].isnan()
    mixture = references.sum(0)
    windows = [mixture[s : s + 4000].square().sum().item() for s in (0, 2000, 4000)]
    expected = sum(10 * math.log10(w / 1e-8) for w in windows) / 3
    assert include[2].item() == pytest.approx(expected, abs=1e-3)
    assert expected > 100


def test_whole_chunks_leave_out_the_rest():
    references, estimates = noise(2, 10_000), noise(2, 10_000, seed=1)
    torch.testing.assert_close(
        si_sdr_improvement(estimates, references, RATE, chunk=4096),
        si_sdr_improvement(estimates[:, :8192], references[:, :8192], RATE),
    )
    assert window_scores(estimates, references, RATE, chunk=20_000).improvement.shape == (0, 2)


def test_a_track_with_one_source_has_no_figure():
    references = noise(2, 8000)
    references[1] = 0.0
    assert si_sdr_improvement(references, references, RATE, silent="include").isnan().all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"silent": "mean"}, "silent must be"),
        ({"hop": 5.0}, "hop <= window"),
        ({"hop": 0.0}, "hop <= window"),
    ],
)
def test_wrong_options_raise(kwargs, message):
    with pytest.raises(ValueError, match=message):
        si_sdr_improvement(noise(2, 5000), noise(2, 5000), RATE, **kwargs)


def test_wrong_shapes_raise():
    with pytest.raises(ValueError, match=r"must both be \[K, T\]"):
        si_sdr_improvement(noise(2, 5000), noise(3, 5000), RATE)
