"""The separator: sums, seeds, windows, blocks, levels, and what it refuses."""

import itertools
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import mgdm_audio
from mgdm_audio import AudioFileError
from mgdm_audio import pipeline as module
from mgdm_audio.audio.absent import share_absent
from mgdm_audio.audio.refine import refine
from mgdm_audio.audio.templates import FitSettings, refit
from mgdm_audio.noise import PlacedNoise
from mgdm_audio.presets import SAMPLER_PRESETS, WINDOWS
from mgdm_audio.separation import Uncertainty
from mgdm_audio.separator import Separator
from mgdm_audio.settings import make_grid
from mgdm_audio.windowed import windowed_denoiser

from .conftest import music

SOURCES = ["bass", "drums", "guitar", "piano"]


def separate(prior, mixture, samplerate=44100, **options):
    return Separator(prior, **{"quality": "fast", **options}).separate(mixture, samplerate)


def largest_difference(one, other):
    return max(float((one.stems[name] - other.stems[name]).abs().max()) for name in one.stems)


@pytest.mark.parametrize("rate", [8000, 44056, 44099, 44100, 47952, 48000, 88288, 96000, 192000])
def test_the_treble_is_shared_in_short_frames_at_any_rate(rate):
    quantum, hop = module.chunk_steps(22050, rate)
    assert quantum * rate % 22050 == 0 == quantum % hop
    assert 240 < hop < 1100


def test_the_caller_s_buffer_is_its_own(prior):
    mixture = music(0.3, 22050)
    result = separate(prior, mixture, 22050)
    before = result.mixture.clone()
    mixture[:] = 0
    torch.testing.assert_close(result.mixture, before)


@pytest.mark.parametrize("sampler", ["conditional", "dps"])
def test_what_the_caller_s_thread_has_set_changes_nothing(prior_folder, sampler):
    mixture = music(0.3, 22050)
    prior = prior_folder
    options = {"sampler": sampler, "steps": 2, "templates": 1, "refine": True}
    plain = separate(prior, mixture, 22050, quality=None, **options)
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
            other = separate(prior, mixture, 22050, quality=None, **options)
    finally:
        torch.set_default_dtype(kept)
    assert largest_difference(plain, other) == 0


@pytest.mark.parametrize("samplerate", [8000, 22050, 44100, 44101, 48000])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_stems_have_the_shape_of_the_mixture_and_sum_to_it(prior, samplerate, channels):
    mixture = music(0.8, samplerate, channels)
    result = separate(prior, mixture, samplerate)
    assert list(result.stems) == SOURCES
    assert all(stem.shape == mixture.shape for stem in result.stems.values())
    np.testing.assert_allclose(sum(result.stems.values()), mixture, atol=1e-5)


def test_one_step_is_the_denoiser_applied_to_the_mixture(prior):
    """At the prior's rate, level and in one window nothing stands between file and network."""
    mixture = music(0.4, 22050, 1)
    length = math.ceil(mixture.shape[1] / 1024) * 1024
    y = torch.nn.functional.pad(torch.from_numpy(mixture), (0, length - mixture.shape[1]))
    noise = PlacedNoise((3, 0), 1, 0, length).normal((1, 4, length))
    mean = y[:, None].expand(1, 4, -1) / 4
    noisy = mean + 2.0 * (noise - noise.mean(1, keepdim=True))
    for settings, state in (
        ({"quality": "fast", "refine": False}, mean),
        ({"quality": None, "sampler": "conditional", "steps": 1}, noisy),
    ):
        with torch.no_grad():
            expected = prior.denoise.network(state, 2.0, 0.0)[0, :, : mixture.shape[1]]
        result = separate(prior, mixture, 22050, normalize=False, seed=3, **settings)
        for k, name in enumerate(SOURCES):
            torch.testing.assert_close(result.stems[name][0], expected[k], atol=1e-5, rtol=0)


def test_means_draw_no_noise(prior, monkeypatch):
    monkeypatch.setattr(torch, "randn", None)
    separate(prior, music(0.5, 22050), 22050, quality="balanced")
    with pytest.raises(TypeError):
        separate(prior, music(0.5, 22050), 22050, quality="fast", steps=2)


def test_means_differ_by_polarity_and_by_where_frames_begin(prior):
    mixture = music(0.6, 22050, 1)
    parts = []

    def remember(x, *levels):
        parts.append(x)
        return prior.denoise(x, *levels)

    separate(replace(prior, denoise=remember), mixture, 22050, draws=4)
    plain, turned, shifted, both = parts
    assert torch.equal(turned, -plain)
    assert torch.equal(both, -shifted)
    shift = shifted.shape[-1] - plain.shape[-1]
    assert 0 < shift < prior.stride
    assert torch.equal(shifted[..., shift:], plain)
    assert not shifted[..., :shift].any()


def refined(result, spatial: bool) -> torch.Tensor:
    """`refine` of what a separation without it found, ``[C, K, T]``."""
    return refine(torch.stack(list(result.stems.values()), 1), result.mixture, spatial=spatial)


def test_places_count_once_in_the_masks_or_in_the_templates(prior):
    mixture = music(1.5, 22050, 2)
    plain = separate(prior, mixture, 22050, quality="fast", refine=False)
    masked = separate(prior, mixture, 22050, quality="fast", templates=0)
    found = torch.stack(list(masked.stems.values()), 1)
    torch.testing.assert_close(found, refined(plain, spatial=True), atol=1e-4, rtol=0)
    assert (found - refined(plain, spatial=False)).abs().max() > 1e-3


def test_templates_are_a_stage_of_their_own(prior):
    """Fitted stems are `refit` of refined ones, and go with the refinement."""
    mixture = music(1.5, 22050, 2)
    rounds = ((2048, 1024), (512,))
    none = separate(prior, mixture, 22050, quality="fast", refine=False)
    fitted = separate(prior, mixture, 22050, quality="fast", templates=rounds)
    names = list(none.stems)
    expected = refit(refined(none, spatial=False), torch.from_numpy(mixture), rounds)
    for k, name in enumerate(names):
        torch.testing.assert_close(fitted.stems[name], expected[:, k], atol=1e-4, rtol=0)
    assert fitted.settings["templates"] == [[2048, 1024], [512]]
    assert Separator(prior, quality="best", refine=False).settings.templates == ()
    assert Separator(prior, quality="best", refine=False, templates=1).settings.templates
    assert Separator(prior, sampler="conditional").settings.templates == ()


@pytest.mark.parametrize("given", [None, 2])
def test_the_second_round_of_a_quality_adapts_one_that_is_asked_for_does_not(
    prior, monkeypatch, given
):
    """With limits that leave the round out."""
    never = FitSettings(again=(0.0, 1e-9))
    monkeypatch.setattr("mgdm_audio.pipeline.ADAPTIVE", never)
    mixture = music(1.5, 22050, 2)
    none = separate(prior, mixture, 22050, quality="balanced", refine=False)
    fitted = separate(prior, mixture, 22050, quality="balanced", templates=given)
    stems = refined(none, spatial=False)
    results = [
        refit(stems, torch.from_numpy(mixture), 2 * (WINDOWS,), s) for s in (never, FitSettings())
    ]
    difference = float((results[0] - results[1]).abs().max())
    assert difference > 1e-3
    found = torch.stack(list(fitted.stems.values()), 1)
    torch.testing.assert_close(found, results[given is not None], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("chosen", "windows"),
    [
        ({"quality": "fast"}, (4096,)),
        ({"quality": "best"}, 2 * WINDOWS),
        ({"sampler": "mgdm"}, WINDOWS),
    ],
)
def test_rounds_by_number_are_those_of_the_quality(prior, chosen, windows):
    for count in range(3):
        separator = Separator(prior, **chosen, templates=count)
        assert separator.settings.templates == count * (windows,)


@pytest.mark.parametrize(
    "templates", [-1, ((),), ((0,),), ((3000,),), (4096,), ((-4,),), (("a",),)]
)
def test_templates_that_are_none_are_refused_at_once(prior, templates):
    with pytest.raises(ValueError, match="number of rounds, or rounds of windows"):
        Separator(prior, quality="fast", templates=templates)


def test_more_steps_of_a_quality_make_a_draw_from_noise(prior):
    separator = Separator(prior, quality="fast", steps=3)
    assert not separator.settings.refine
    assert not separator.settings.templates
    assert "initial" not in separator.settings.options


def test_tones_go_where_the_prior_has_its_variance(prior):
    result = separate(prior, music(1.0, 44100, 1), steps=3)
    t = torch.arange(44100) / 44100
    for name, frequency in (("bass", 110), ("piano", 2500)):
        tone = torch.exp(-2j * math.pi * frequency * t)
        amounts = {n: float((stem[0] * tone).mean().abs()) for n, stem in result.stems.items()}
        assert max(amounts, key=amounts.get) == name


@pytest.mark.parametrize("steps", [1, 4])
def test_batch_size_changes_nothing(prior, steps):
    mixture = music(2.0, 44100)
    one = separate(prior, mixture, batch_size=1, steps=steps)
    seven = separate(prior, mixture, batch_size=7, steps=steps)
    assert largest_difference(one, seven) < 1e-5


@pytest.mark.parametrize(
    ("steps", "rate", "tolerance"), [(1, 44100, 1e-5), (1, 44056, 1e-5), (4, 44100, 1e-3)]
)
def test_blocks_join_without_seams(prior, monkeypatch, steps, rate, tolerance):
    """Exactly with one step, where blocks need no context; else up to what context leaves."""
    mixture = music(4.0, rate)
    whole = separate(prior, mixture, rate, steps=steps)
    monkeypatch.setattr(module, "BLOCK_WINDOWS", 3)
    blocks = separate(prior, mixture, rate, steps=steps)
    assert largest_difference(whole, blocks) < tolerance


def test_segments_change_little(prior):
    mixture = music(2.0, 44100, 1)
    short, long = (separate(prior, mixture, segment=s, overlap=0.25, steps=4) for s in (0.3, 2.5))
    error = sum((short.stems[n] - long.stems[n]).square().mean() for n in SOURCES)
    assert error < 1e-3 * np.square(mixture).mean()


@pytest.mark.parametrize("segment", [0.01, 0.05, 0.14, 0.33, 0.5])
def test_windows_of_any_length_fade_into_each_other(prior, segment):
    """Windows that disagree about a constant by its whole level: nowhere is there a step."""
    turns = itertools.cycle((0.0, 1.0))

    def moody(x, *levels):
        share = next(turns)
        return x.sum(1, keepdim=True) * torch.tensor([share, 1 - share, 0, 0])[:, None]

    options = {"refine": False, "retune": False, "batch_size": 1, "segment": segment}
    mixture = np.ones((1, 22050), np.float32)
    moods = replace(prior, denoise=moody)
    bass = separate(moods, mixture, 22050, **options).stems["bass"][0, :-2000]
    assert bass.min() < 0.1
    assert bass.max() > 0.9
    assert bass.diff().abs().max() < 2 / 1024  # a raised cosine over 1,024 samples: pi / 2 of that
    hard = separate(moods, mixture, 22050, overlap=0.0, **options).stems["bass"][0, :-2000]
    assert hard.diff().abs().max() > 0.5


def test_seeds(prior):
    mixture = music(0.5, 44100)
    first, again, other = (separate(prior, mixture, steps=3, seed=s) for s in (1, 1, 2))
    assert largest_difference(first, again) == 0
    assert largest_difference(first, other) > 1e-5


def test_a_mean_of_draws_is_the_mean_of_the_same_samples(prior):
    mixture = music(0.5, 44100)
    mean = separate(prior, mixture, draws=2, steps=2)
    pair = separate(prior, mixture, samples=2, steps=2)
    for name in SOURCES:
        expected = (pair.samples[0][name] + pair.samples[1][name]) / 2
        torch.testing.assert_close(mean.stems[name], expected, atol=2e-3, rtol=0)


def test_equal_channels_stay_equal(prior):
    mono = music(0.5, 44100, 1)
    stereo = separate(prior, np.concatenate([mono, mono]))
    single = separate(prior, mono)
    for name in SOURCES:
        assert torch.equal(stereo.stems[name][0], stereo.stems[name][1])
        assert torch.equal(stereo.stems[name][:1], single.stems[name])


def test_level_does_not_matter(prior):
    mixture = music(0.5, 44100)
    loud, quiet = separate(prior, mixture), separate(prior, 0.01 * mixture)
    for name in SOURCES:
        torch.testing.assert_close(0.01 * loud.stems[name], quiet.stems[name], atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("exponent", [-140, -120, -60, -30, -20, 30])
@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_no_level_is_too_low_or_too_high(prior, exponent, quality):
    """Times a power of two, which is exact until numbers get so small that they lose digits."""
    mixture = music(0.5, 44100)
    expected = separate(prior, mixture, quality=quality)
    found = separate(prior, np.ldexp(mixture, exponent), quality=quality)
    tolerance = 1e-2 if exponent < -130 else 1e-5
    for name in SOURCES:
        stem = torch.from_numpy(np.ldexp(found.stems[name].numpy().astype(float), -exponent))
        error = (stem - expected.stems[name]).abs().max()
        assert error < tolerance * mixture.max()


@pytest.mark.parametrize(("level", "normalize"), [(0.1, False), (None, True)])
def test_where_no_level_is_matched_the_network_hears_the_mixture_itself(prior, level, normalize):
    mixture = np.ldexp(music(0.4, 22050, 1), -30)
    heard = []

    def remember(x, *levels):
        heard.append(x.sum(1))
        return prior.denoise(x, *levels)

    listening = replace(prior, denoise=remember, level=level)
    separate(listening, mixture, 22050, normalize=normalize)
    np.testing.assert_allclose(heard[0][:, : mixture.shape[1]], mixture, rtol=1e-5, atol=0)


def test_uncertainty_of_quiet_music_is_in_its_own_units(prior):
    mixture = music(0.5, 22050, 1)
    options = {"quality": None, "sampler": "conditional", "draws": 3, "steps": 3}
    loud, quiet = (
        separate(prior, np.ldexp(mixture, -e), 22050, **options).uncertainty for e in (0, 20)
    )
    np.testing.assert_allclose(quiet.spread * 4.0**20, loud.spread, rtol=1e-2, atol=1e-9)


@pytest.mark.parametrize("peak", [1.1e10, 1e17, -1e20, 1e300, np.inf, np.nan])
def test_absurd_levels_are_refused(prior, peak):
    mixture = music(0.1, 44100).astype(float)
    mixture[1, 7] = peak
    with pytest.raises(AudioFileError, match=r"NaN or infinite.*beyond 1e\+10 times full scale"):
        separate(prior, mixture)


def test_residual_holds_what_is_above_the_prior(prior):
    mixture = music(1.0, 44100, 1)
    result = separate(prior, mixture, residual=True)
    assert list(result.stems) == [*SOURCES, "residual"]
    np.testing.assert_allclose(sum(result.stems.values()), mixture, atol=1e-5)
    above = torch.fft.rfftfreq(44100, 1 / 44100) > 11100
    powers = {n: torch.fft.rfft(x[0])[above].abs().square().sum() for n, x in result.stems.items()}
    assert all(powers[name] < 1e-3 * powers["residual"] for name in SOURCES)


@pytest.mark.parametrize("overlap", [0.0, 0.125])
@pytest.mark.parametrize(
    "options",
    [{"quality": "fast", "refine": False}, {"quality": None, "sampler": "mgdm_free", "steps": 2}],
)
def test_stems_that_are_not_there_go_to_the_others(prior, monkeypatch, options, overlap):
    """`share_absent` of what all four are, across blocks as well."""
    monkeypatch.setattr(module, "BLOCK_WINDOWS", 1)
    mixture = music(3.0, 22050)
    options = {**options, "overlap": overlap}
    stems = torch.stack(list(separate(prior, mixture, 22050, **options).stems.values()), 1)
    found = separate(prior, mixture, 22050, without=("bass", "piano"), **options)
    assert list(found.stems) == ["drums", "guitar"]
    assert found.settings["without"] == ["bass", "piano"]
    expected = share_absent(stems, (0, 3))
    assert float((expected - stems[:, [1, 2]]).abs().max()) > 0.02
    torch.testing.assert_close(torch.stack(list(found.stems.values()), 1), expected)


def test_a_residual_does_not_depend_on_who_is_not_there(prior):
    mixture = music(1.0, 44100)
    results = [separate(prior, mixture, residual=True, without=n) for n in ((), ("bass", "piano"))]
    assert list(results[1].stems) == ["drums", "guitar", "residual"]
    rest = [result.stems["residual"] for result in results]
    torch.testing.assert_close(*rest, atol=1e-5, rtol=0)
    refined = separate(prior, mixture, without=("bass", "piano")).stems
    assert list(refined) == ["drums", "guitar"]
    np.testing.assert_allclose(sum(refined.values()), mixture, atol=1e-5)


def test_draws_without_a_stem_tell_how_sure_they_are_of_the_others(prior, tmp_path):
    """A stem beside which nobody is left has what all play in every draw: there is no doubt."""
    mixture = music(1.0, 22050, 1)
    options = {"samples": 3, "steps": 3, "quality": None, "sampler": "conditional", "churn": 1.0}
    every = separate(prior, mixture, 22050, **options)
    result = separate(prior, mixture, 22050, without="drums", **options)
    assert list(result.stems) == list(result.sources) == ["bass", "guitar", "piano"]
    assert len(result.uncertainty.spread) == 3
    page = result.report(tmp_path / "report.html").read_text()
    assert page.count('class="doubt"') == 3
    assert "<b>drums</b>" not in page
    assert "<b>drums</b>" in every.report(tmp_path / "every.html").read_text()
    alone = separate(prior, mixture, 22050, without=["drums", "guitar", "piano"], **options)
    assert alone.uncertainty.shares().max() < 1e-3 * every.uncertainty.shares().max()


def test_a_stem_that_is_not_there_must_be_known_and_another_left(prior):
    with pytest.raises(ValueError, match="no stem 'banjo' to leave out, there are bass, drums"):
        Separator(prior, without=["banjo"])
    with pytest.raises(ValueError, match="nothing to separate"):
        Separator(prior, without=SOURCES)


@pytest.mark.parametrize("length", [1, 2, 700, 22050])
def test_short_and_silent(prior, length):
    rng = np.random.default_rng(0)
    mixture = 0.1 * rng.standard_normal((1, length)).astype(np.float32)
    np.testing.assert_allclose(sum(separate(prior, mixture).stems.values()), mixture, atol=1e-6)
    silent = separate(prior, np.zeros_like(mixture))
    assert not any(stem.any() for stem in silent.stems.values())
    fewer = separate(prior, np.zeros_like(mixture), without=("piano",)).stems
    assert list(fewer) == SOURCES[:3]
    assert not any(stem.any() for stem in fewer.values())


@pytest.mark.parametrize(
    "settings", [{"steps": 3}, {"quality": "fast", "templates": ((512,),) * 8}]
)
def test_progress_rises_to_the_end(prior, settings):
    calls = []
    separator = Separator(prior, draws=2, **settings)
    separator.separate(music(1.5, 44100), 44100, lambda done, total: calls.append((done, total)))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert calls[0][0] == 0
    assert calls[-1] == (1.5, 1.5)
    assert len(set(done)) > 6 or separator.settings.templates
    before = done[-3] if separator.settings.templates else 0  # what is left for the fits
    assert before < 1.2


def test_uncertainty_needs_draws_and_lies_where_they_differ(prior):
    """One draw has no spread, and one step estimates the mean however often it is repeated."""
    mixture = music(1.0, 22050, 1)
    for steps, draws in ((1, 1), (1, 4), (2, 1)):
        assert separate(prior, mixture, 22050, steps=steps, draws=draws).uncertainty is None
    uncertainty = separate(prior, mixture, 22050, samples=3, steps=3, churn=1.0).uncertainty
    assert uncertainty.spread.shape == uncertainty.power.shape
    assert len(uncertainty.spread) == 4
    assert (uncertainty.spread >= 0).all()
    assert uncertainty.spread.max() > 0
    assert ((uncertainty.shares() >= 0) & (uncertainty.shares() <= 1)).all()


def test_tensors_arrays_and_one_dimension(prior):
    mixture = music(0.3, 44100, 1)
    separator = Separator(prior, quality="fast")
    flat = separator.separate_tensor(torch.from_numpy(mixture[0]), 44100)
    array = separator.separate_tensor(mixture, 44100)
    assert flat["bass"].shape == mixture[0].shape
    assert torch.equal(flat["bass"], array["bass"][0])
    one_call = mgdm_audio.separate(mixture, 44100, prior=prior, quality="fast")
    assert torch.equal(one_call.stems["bass"], array["bass"])
    with pytest.raises(TypeError, match="samplerate"):
        mgdm_audio.separate(mixture, prior=prior)


def test_one_call_takes_parts_and_stems(prior, track):
    options = {"prior": prior, "quality": "fast"}
    told = []
    part = mgdm_audio.separate(
        track,
        start=0.1,
        duration=0.2,
        stems="bass",
        progress=lambda *at: told.append(at),
        **options,
    )
    expected = Separator(**options).separate_file(track, 0.1, 0.2)
    assert list(part.stems) == ["bass"]
    assert torch.equal(part.stems["bass"], expected.stems["bass"])
    assert torch.equal(part.stems["bass"], expected.select("bass").stems["bass"])
    assert told[-1][0] == pytest.approx(0.2)
    assert part.settings["start"] == 0.1
    assert part.settings["duration"] == 0.2
    with pytest.raises(TypeError, match="knows its own samplerate"):
        mgdm_audio.separate(track, 44100, **options)
    with pytest.raises(TypeError, match="give that part of the array"):
        mgdm_audio.separate(music(0.2, 44100), 44100, start=0.1, **options)


def test_what_is_no_setting_is_named_before_a_prior_is_loaded():
    with pytest.raises(TypeError, match=r"'qualty' is no setting.*'conditional'.*churn=0\.0"):
        Separator("no such prior", qualty="fast")


def test_stems_that_there_are_not_are_refused_before_a_file_is_read(prior, tmp_path):
    with pytest.raises(ValueError, match="no stem 'vocals'"):
        Separator(prior).separate_file(tmp_path / "none.wav", stems="vocals")


def test_draws_that_options_make_of_a_mean_are_not_smoothed(prior):
    settings = Separator(prior, quality="balanced", initial=1.0).settings
    assert not settings.refine
    assert settings.templates == ()
    asked = Separator(prior, quality="balanced", initial=1.0, refine=True, templates=1).settings
    assert asked.refine
    assert len(asked.templates) == 1


def test_draws_that_share_nothing_differ_in_all_of_their_energy():
    """Of two of them the unbiased variance is twice the power about their mean."""
    power = np.ones((2, 3, 4))
    shares = Uncertainty(power * [[[2.0]], [[0.5]]], power, 22050).shares()
    np.testing.assert_allclose(shares, [1.0, 0.5])


def test_uncertainty_knows_no_blocks(prior, monkeypatch):
    """At a joint as elsewhere a frame hears what comes before it: its power is not cut in half."""
    options = {"quality": None, "sampler": "conditional", "draws": 2, "steps": 2, "churn": 1.0}
    mixture = music(4.0, 22050, 1)
    whole = separate(prior, mixture, 22050, **options).uncertainty
    monkeypatch.setattr(module, "BLOCK_WINDOWS", 2)
    joined = separate(prior, mixture, 22050, **options).uncertainty
    assert joined.power.shape == whole.power.shape
    np.testing.assert_allclose(joined.power.sum((0, 1)), whole.power.sum((0, 1)), rtol=0.02)


def test_rates_and_samples_of_any_numeric_type(prior):
    mixture = torch.from_numpy(music(0.3, 44100, 1)).bfloat16()
    expected = separate(prior, mixture.float(), 44100)
    for samplerate in (44100.0, np.int64(44100), np.float32(44100), torch.tensor(44100)):
        found = separate(prior, mixture, samplerate)
        assert type(found.samplerate) is int
        assert largest_difference(found, expected) == 0


@pytest.mark.parametrize("rate", [0, -44100, 44100.5, float("nan"), float("inf"), None, "44100"])
def test_rates_that_are_none(prior, rate):
    with pytest.raises(ValueError, match=r"samplerate must be a whole number.*such as 44100"):
        Separator(prior).separate(music(0.1, 44100), rate)


def test_mgdm_runs_in_windows(prior):
    result = separate(
        prior, music(1.2, 22050, 1), 22050, quality=None, sampler="mgdm", steps=2,
        n_gibbs=1, n_gradient=1, n_gradient_last=1, n_denoise=2,
    )  # fmt: skip
    mixture = result.mixture
    np.testing.assert_allclose(sum(result.stems.values()), mixture, atol=1e-5)
    assert any(not torch.allclose(stem, mixture / 4) for stem in result.stems.values())


@pytest.mark.parametrize("kind", ["prior", "cascade"])
@pytest.mark.parametrize("sampler", sorted(SAMPLER_PRESETS))
def test_every_sampler_separates_a_file(request, kind, sampler):
    """In several windows, with noise by position."""
    options = {"n_gibbs": 1} if sampler.startswith("mgdm") else {}
    result = separate(
        request.getfixturevalue(kind),
        music(0.7, 22050, 1),
        22050,
        quality=None,
        sampler=sampler,
        steps=2,
        **options,
    )
    np.testing.assert_allclose(sum(result.stems.values()), result.mixture, atol=1e-4)
    assert all(torch.isfinite(stem).all() for stem in result.stems.values())


@pytest.mark.parametrize(
    "options",
    [
        {"overlap": 0.7}, {"segment": 0}, {"quality": "superb"}, {"sampler": "magic"},
        {"quality": "fast", "sampler": "mgdm"}, {"steps": 0}, {"draws": 0}, {"samples": 0},
        {"batch_size": 0}, {"seed": -1}, {"steps": 1.5}, {"draws": 2.0}, {"samples": "2"},
        {"batch_size": float("nan")}, {"seed": 0.5}, {"segment": float("inf")},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(prior, options):
    with pytest.raises(ValueError, match=r".+"):
        Separator(prior, **options)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("msdm_dirac", {"constrained": 4}), ("mgdm", {"rho": 0.0}), ("mgdm_free", {"rho": 0.0}),
        ("mgdm", {"index": "fixed", "index_sigma": -1.0}), ("diffpir", {"strength": -1.0}),
    ],
)  # fmt: skip
def test_hyperparameters_out_of_range_fail_before_any_file_is_read(prior, sampler, options):
    with pytest.raises(ValueError, match=list(options)[-1]):
        Separator(prior, sampler=sampler, **options)


def test_unknown_hyperparameter(prior):
    with pytest.raises(TypeError, match="chrun"):
        Separator(prior, chrun=0.5)


@pytest.mark.parametrize("bad", [np.zeros((2, 0)), np.full((1, 9), np.nan), np.zeros((1, 2, 9))])
def test_mixtures_that_are_none(prior, bad):
    with pytest.raises(mgdm_audio.AudioFileError, match="mixture"):
        separate(prior, bad)


def test_a_prior_without_mixture_level_cannot_be_conditional(prior):
    from dataclasses import replace

    with pytest.raises(ValueError, match="mgdm"):
        Separator(replace(prior, conditional=False), quality="fast")


def test_a_loaded_prior_is_used_where_it_is(prior, monkeypatch):
    """On a machine that has a GPU as well, which a separator would pick by itself."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    for device in (None, "auto", "cpu"):
        assert Separator(prior, device=device).device == torch.device("cpu")
    with pytest.raises(ValueError, match=r"loaded on cpu.*load_prior\(name, 'cuda'\)"):
        Separator(prior, device="cuda")

    def elsewhere(x, *levels):
        return x

    elsewhere.device = torch.device("cuda:1")
    there = replace(prior, denoise=elsewhere)
    for device in (None, "cuda", "cuda:1"):
        assert Separator(there, device=device, batch_size=1).device == torch.device("cuda:1")
    for device in ("cpu", "cuda:0"):
        with pytest.raises(ValueError, match=f"loaded on cuda:1.* on {device}"):
            Separator(there, device=device)


def test_frames_taken_for_channels_are_refused(prior):
    """soundfile's layout is [frames, channels]: the commonest slip with arrays."""
    with pytest.raises(AudioFileError, match=r"at most 64 channels, not \[4000, 2\].*transpose"):
        Separator(prior).separate_tensor(torch.zeros(4000, 2), 22050)


@pytest.mark.parametrize(
    ("mixture", "told"),
    [
        ("song.wav", "not str"),
        ([["a"]], "not list"),
        ([[0.1, 0.2], [0.3]], "not so"),
        (torch.zeros(1, 100, dtype=torch.complex64), "not complex"),
        (np.zeros((1, 100), np.complex128), "not complex ones"),
    ],
)
def test_what_is_no_mixture_is_named(prior, mixture, told):
    with pytest.raises(TypeError, match=told):
        Separator(prior, quality="fast").separate_tensor(mixture, 22050)


def test_nested_lists_are_mixtures(prior):
    mixture = music(0.2, 22050)
    separator = Separator(prior, quality="fast")
    stems = separator.separate_tensor(mixture.tolist(), 22050)
    again = separator.separate_tensor(mixture, 22050)
    assert all(torch.equal(stems[name], again[name]) for name in again)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"start": -1}, "start must be"),
        ({"start": math.nan}, "start must be"),
        ({"duration": 0}, "duration must be"),
        ({"duration": math.inf}, "duration must be"),
    ],
)
def test_parts_that_make_no_sense(prior, track, part, told):
    with pytest.raises(ValueError, match=told):
        Separator(prior, quality="fast").separate_file(track, **part)


def test_pictures_without_matplotlib_say_what_to_install(prior, monkeypatch):
    result = separate(prior, music(0.2, 22050), 22050, quality="fast")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"mgdm-audio\[plots\]"):
        result.figure()


def test_a_prior_is_where_its_module_is(prior):
    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("factor", torch.tensor(0.5))

        def forward(self, x, sigma, sigma_mix=None):
            return self.factor * x

    assert prior.device == torch.device("cpu")
    assert replace(prior, denoise=Half().to("meta")).device == torch.device("meta")
    assert replace(prior, denoise=lambda x, sigma: x).device is None
    assert replace(prior, denoise=torch.nn.Identity()).device is None


@pytest.mark.parametrize("batch_size", [1, 3])
def test_items_of_the_windowed_denoiser_have_levels_of_their_own(prior, batch_size):
    grid = make_grid(prior, 0.4, 0.25)
    x = torch.randn(2, 4, grid.span(3), generator=torch.Generator().manual_seed(0))
    sigma, sigma_mix = torch.tensor([0.1, 1.0]), torch.tensor([0.0, 0.5])
    denoise = windowed_denoiser(prior, grid, batch_size)
    together = denoise(x, sigma, sigma_mix)
    for item in range(2):
        alone = denoise(x[item : item + 1], float(sigma[item]), float(sigma_mix[item]))
        torch.testing.assert_close(together[item : item + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("level", [1.0, 1e-9])
def test_draws_of_quiet_music_differ_as_those_of_loud_music_do(level):
    power = np.full((1, 2, 3), level**2)
    assert Uncertainty(power / 4, power, 22050).shares() == pytest.approx([0.25])
    assert Uncertainty(0 * power, 0 * power, 22050).shares() == 0
