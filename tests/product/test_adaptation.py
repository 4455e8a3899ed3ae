"""Test-time adaptation: what a copy of the prior learns of a track, and what stays as it was."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mgdm_audio import adaptation
from mgdm_audio.adaptation import adapt, excerpt, is_adaptable, remixed
from mgdm_audio.cli import command
from mgdm_audio.evaluation import si_sdr
from mgdm_audio.pretrained import NetworkDenoiser
from mgdm_audio.separator import Separator

from .conftest import music

RATE = 22050


@pytest.fixture(autouse=True)
def _short_remixes(monkeypatch):
    monkeypatch.setattr(adaptation, "CROP", 0.25)
    monkeypatch.setattr("mgdm_audio.separator.LEAST", 0.5)


def weights(prior):
    return {name: value.clone() for name, value in prior.denoise.network.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def banded(seconds: float = 2.0) -> torch.Tensor:
    """Noise in bands that do not overlap, one a stem."""
    rng = np.random.default_rng(3)
    noise = torch.from_numpy(rng.standard_normal((4, round(seconds * RATE)))).float()
    spectra = torch.fft.rfft(noise)
    hertz = torch.fft.rfftfreq(noise.shape[-1], 1 / RATE)
    for k, (low, high) in enumerate(((20, 300), (4000, 9000), (400, 1600), (1800, 3300))):
        spectra[k, (hertz < low) | (hertz > high)] = 0
    stems = torch.fft.irfft(spectra, noise.shape[-1])
    return 0.1 * stems / stems.square().mean(-1, keepdim=True).sqrt()


def separated(prior, stems):
    separator = Separator(prior, quality="fast", refine=False, normalize=False)
    found = separator.separate_tensor(stems.sum(0), RATE)
    return torch.stack([found[name] for name in prior.sources])


def test_a_prior_that_knows_nothing_of_a_track_learns_it_from_its_stems(prior, monkeypatch):
    monkeypatch.setattr(adaptation, "RATE", 5e-3)  # for a tiny network
    network = copy.deepcopy(prior.denoise.network)
    network.variance.fill_(2.5e-3)  # any stem may be anywhere
    blank = replace(prior, denoise=NetworkDenoiser(network, prior.denoise.device, True))
    stems = banded()
    before = si_sdr(separated(blank, stems), stems)
    after = si_sdr(separated(adapt(blank, [stems], 100), stems), stems)
    assert before.max() < -3
    assert after.min() > 5


def test_equal_seeds_learn_the_same_and_the_prior_stays_as_it_is(prior):
    stems, before = banded(), weights(prior)
    one, same, other = (adapt(prior, [stems], 3, seed=seed) for seed in (0, 0, 1))
    assert not changed(before, weights(prior))
    assert changed(before, weights(one))
    assert not changed(weights(one), weights(same))
    assert changed(weights(one), weights(other))
    assert not any(p.requires_grad for p in one.denoise.network.parameters())
    assert replace(one, denoise=prior.denoise) == prior


def test_of_a_cascade_the_second_network_learns(cascade):
    after = adapt(cascade, [banded()], 2)
    names = changed(weights(cascade), weights(after))
    assert names
    assert all(name.startswith("second.") for name in names)


def test_remixes_are_the_tracks_own_stems_from_other_places():
    """Stems that count samples tell where each part of a remix was."""
    length, count = 500, 5000
    stems = torch.arange(1, count + 1).float() + 10_000 * torch.arange(1, 5)[:, None]
    remixes = remixed([stems], length, [(1, 1)], seed=0)
    together, gains = 0, []
    for _ in range(200):
        remix = next(remixes)
        steps = remix.diff(dim=-1).mean(-1, keepdim=True)  # each sample one more: the gain
        places = (remix / steps).round()
        torch.testing.assert_close(places.diff(dim=-1), torch.ones(4, length - 1))
        first = places[:, 0] - 10_000 * torch.arange(1, 5)
        assert ((first >= 1) & (first <= count - length + 1)).all()
        together += bool((first == first[0]).all())
        gains += steps.flatten().tolist()
    assert 80 < together < 120
    gains = torch.tensor(gains)
    assert 0.4 < (gains > 0).float().mean() < 0.6
    assert float((20 * gains.abs().log10()).std()) == pytest.approx(adaptation.GAIN, rel=0.1)


def test_remixes_at_another_speed_sound_higher():
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(RATE) / RATE).expand(4, -1)
    remix = next(remixed([tone], 11025, [(3, 2)], seed=0))
    assert remix.shape == (4, 11025)
    peaks = torch.fft.rfft(remix[:, 500:-500]).abs().argmax(-1) * RATE / (11025 - 1000)
    torch.testing.assert_close(peaks, torch.full((4,), 1500.0), atol=5, rtol=0)


def test_remixes_avoid_silence_and_take_it_where_there_is_nothing_else():
    stems = torch.zeros(4, 10_000)
    stems[:2, 5000:] = 1.0
    remixes = remixed([stems], 100, [(1, 1)], seed=0)
    sounding = [int((next(remixes).abs().amax(-1) > 0).sum()) for _ in range(400)]
    both = (0.5 + 0.25) / 2  # of one place half, and of two places a quarter
    expected = 1 - (1 - both) ** adaptation.TRIES
    assert np.mean([count == 2 for count in sounding]) == pytest.approx(expected, abs=0.06)
    assert not next(remixed([torch.zeros(4, 50)], 100, [(1, 1)], seed=0)).any()


def test_short_tracks_and_no_track(prior):
    assert next(remixed([torch.ones(4, 70)], 100, [(18, 17)], seed=0)).shape == (4, 70)
    adapt(prior, [banded(0.1)], 1)
    with pytest.raises(ValueError, match="no track"):
        adapt(prior, [], 1)


def test_a_long_track_is_learnt_from_pieces_all_over_it():
    seconds = np.arange(1000)[None].repeat(2, 0)
    pieces = excerpt(seconds, 1)
    assert pieces.shape == (2, 300)
    assert pieces[0, [0, -1]].tolist() == [0, 999]
    assert (np.diff(pieces) != 1).sum() == 2 * 4
    assert excerpt(seconds[:, :300], 1).shape == (2, 300)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_separator_separates_learns_and_separates_again(cascade, channels):
    mixture, before, told = music(1.5, 44100, channels), weights(cascade), []
    settings = {"quality": "balanced", "templates": 0}
    plain = Separator(cascade, **settings).separate(mixture, 44100)
    separator = Separator(cascade, **settings, adapt=4, adapt_always=True)
    with torch.inference_mode():  # as evaluations run
        result = separator.separate(mixture, 44100, lambda *progress: told.append(progress))
    assert separator.prior is cascade
    assert not changed(before, weights(cascade))
    total = sum(result.stems.values()).numpy()
    np.testing.assert_allclose(total, mixture, atol=1e-5)
    # Little, for the tiny network has little to say; but without learning not at all.
    same = [torch.equal(result.stems[name], plain.stems[name]) for name in cascade.sources]
    assert not any(same)
    done = [d for d, _ in told]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.5)
    assert {total for _, total in told} == {1.5}
    assert len(set(done)) > 6
    again = separator.separate(mixture, 44100).stems
    assert all(torch.equal(again[name], result.stems[name]) for name in again)
    assert (result.settings["adapt"], result.settings["learnt"]) == (4, 1.0)


@pytest.mark.parametrize("templates", [0, 1])
def test_a_track_is_learnt_as_far_as_its_sounds_come_back(prior, monkeypatch, templates):
    """`misfit` decides, as for further rounds of templates; where they do not, nothing is done."""
    mixture, calls = music(3.0, RATE, 1), []

    def count(x, *levels):
        calls.append(len(x))
        return prior.denoise(x, *levels)

    def never(*arguments, **settings):
        raise AssertionError("learnt")

    counted = replace(prior, denoise=count)
    settings = {"quality": "fast", "templates": templates, "batch_size": 100}
    plain = Separator(counted, **settings).separate(mixture, RATE)
    expected = len(calls)
    monkeypatch.setattr("mgdm_audio.separator.is_adaptable", lambda prior: True)
    monkeypatch.setattr("mgdm_audio.separator.check_adaptable", lambda prior: None)

    def separate(misfit, learn, **more):
        calls.clear()
        monkeypatch.setattr("mgdm_audio.audio.templates.misfit", lambda *_: misfit)
        monkeypatch.setattr("mgdm_audio.separator.adapt", learn)
        separator = Separator(counted, **settings, **more, adapt=5)
        return separator.separate(mixture, RATE, lambda done, total: told.append(done))

    told: list[float] = []
    result = separate(0.2, never)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(3.0)
    assert (result.settings["misfit"], result.settings["learnt"]) == (0.2, 0.0)
    assert len(calls) == expected
    several = separate(0.2, never, samples=2)
    for name in prior.sources:
        torch.testing.assert_close(result.stems[name], plain.stems[name], atol=1e-6, rtol=1e-5)
        for stems in several.samples:  # of another polarity
            torch.testing.assert_close(stems[name], plain.stems[name], atol=1e-4, rtol=0)
    shares = []

    def learn(prior, tracks, steps, *, share, **settings):
        shares.append(share)
        return prior

    separate(0.1, learn)
    assert len(calls) == 2 * expected
    assert separate(0.12, learn).settings["learnt"] == pytest.approx(0.5, abs=1e-3)
    assert separate(0.2, learn, adapt_always=True).settings["learnt"] == 1
    assert shares == pytest.approx([1.0, 0.5, 1.0])
    monkeypatch.setattr("mgdm_audio.separator.LEAST", 4.0)
    assert separate(0.1, never).settings["learnt"] == 0  # 3 s are too little to tell


@pytest.mark.parametrize("misfit", [0.05, 0.2])
def test_a_long_track_is_learnt_from_pieces_and_separated_whole(cascade, monkeypatch, misfit):
    monkeypatch.setattr(adaptation, "PIECE", 1)
    monkeypatch.setattr(adaptation, "PIECES", 2)
    monkeypatch.setattr("mgdm_audio.audio.templates.misfit", lambda *_: misfit)
    lengths = []

    def remember(prior, tracks, steps, **settings):
        lengths.extend(track.shape[-1] for track in tracks)
        return prior

    monkeypatch.setattr("mgdm_audio.separator.adapt", remember)
    mixture = music(4.0, RATE, 2)
    plain = Separator(cascade, quality="fast").separate(mixture, RATE)
    result = Separator(cascade, quality="fast", adapt=3).separate(mixture, RATE)
    assert lengths == ([2 * RATE] * 2 if misfit < 0.1 else [])
    for name in cascade.sources:
        torch.testing.assert_close(result.stems[name], plain.stems[name], atol=1e-6, rtol=1e-5)


def test_remixes_are_heard_in_the_key_and_at_the_speeds_of_the_separation(cascade, monkeypatch):
    """A tone between two keys is heard in the nearest one, and a semitone below and above."""
    heard = {}

    def remember(prior, tracks, steps, **settings):
        heard.update(settings)
        return prior

    monkeypatch.setattr("mgdm_audio.separator.adapt", remember)
    tone = 0.1 * np.sin(2 * np.pi * 440 * 2 ** (30 / 1200) * np.arange(3 * RATE) / RATE)
    settings = {"quality": "balanced", "templates": 0, "adapt": 2, "adapt_always": True}
    result = Separator(cascade, **settings).separate(tone, RATE)
    moved = result.settings["retuned"]
    assert moved == pytest.approx(-30, abs=3)
    pitches = [1200 * np.log2(faster / slower) for faster, slower in heard["speeds"]]
    assert pitches == pytest.approx([moved, moved - 99, moved + 99], abs=2)


def test_a_caller_under_autocast_learns_the_same(prior):
    stems = banded()
    with torch.autocast("cpu", torch.bfloat16):
        under = adapt(prior, [stems], 3)
    assert not changed(weights(adapt(prior, [stems], 3)), weights(under))
    assert not any(p.grad is not None for p in under.denoise.network.parameters())


def test_a_silent_channel_is_hardly_learnt_from():
    remixes = remixed([torch.zeros(4, 5000), torch.ones(4, 5000)], 100, [(1, 1)], seed=0)
    assert sum(bool(next(remixes).any()) for _ in range(100)) > 85  # by chance 50


def test_silence_is_not_learnt(prior):
    silent = Separator(prior, quality="best", adapt_always=True).separate(np.zeros((1, 9000)), RATE)
    assert silent.settings["learnt"] == 0
    assert not any(stem.any() for stem in silent.stems.values())


def test_a_share_of_what_is_learnt_lies_between(prior):
    none, half, full = (weights(adapt(prior, [banded()], 2, share=s)) for s in (0, 0.5, 1))
    assert not changed(none, weights(prior))
    for name in changed(none, full):
        torch.testing.assert_close(half[name], (none[name] + full[name]) / 2)


def test_the_teacher_is_the_separation_as_it_would_have_been(cascade, monkeypatch):
    """In the order of the prior's sources, at its level; a stem that is left out is silent."""
    learnt = {}

    def remember(prior, tracks, steps, **settings):
        learnt.update(settings, tracks=tracks, steps=steps)
        return prior

    monkeypatch.setattr("mgdm_audio.separator.adapt", remember)
    mixture = 0.1 * music(1.0, RATE, 2)
    settings = {"quality": "balanced", "templates": 0, "without": "drums", "residual": True}
    plain = Separator(cascade, **settings).separate(mixture, RATE)
    settings |= {"adapt": 7, "adapt_always": True, "samples": 2, "seed": 5}
    result = Separator(cascade, **settings).separate(mixture, RATE)
    assert len(result.samples) == 2
    assert (learnt["steps"], learnt["seed"]) == (7, 5)
    tracks = torch.stack(learnt["tracks"])
    assert not tracks[:, 1].any()
    gain = cascade.level / float(np.sqrt(np.square(mixture).mean()))
    for name in ("bass", "guitar", "piano"):
        found = tracks[:, cascade.sources.index(name)] / gain
        near = (found - plain.stems[name]).square().sum() / plain.stems[name].square().sum()
        assert near < 0.05  # the teacher has no residual: what is beyond the band is in the stems


def test_best_adapts_and_priors_that_cannot_learn_are_used_as_they_are(prior):
    assert Separator(prior, quality="best").describe()["adapt"] > 0
    assert Separator(prior).describe()["adapt"] == 0

    def foreign(x, *levels):
        return prior.denoise(x, *levels)

    unable = replace(prior, denoise=foreign)
    assert not is_adaptable(unable)
    assert Separator(unable, quality="best").describe()["adapt"] == 0
    with pytest.raises(ValueError, match="'tiny' cannot learn a track"):
        Separator(unable, adapt=3)
    compiled = NetworkDenoiser(prior.denoise.network, prior.denoise.device, True)
    compiled.compiled = True
    with pytest.raises(ValueError, match="adapt or compile"):
        Separator(replace(prior, denoise=compiled), adapt=3)
    with pytest.raises(ValueError, match="number of steps"):
        Separator(prior, adapt=-1)
    with pytest.raises(ValueError, match="adapt are for estimates of the mean"):
        Separator(prior, sampler="mgdm", adapt=3)
    assert Separator(prior, quality="best", steps=2).describe()["adapt"] == 0


def test_the_command_adapts(prior_folder, track, tmp_path):
    arguments = [str(track), "--name", str(prior_folder), "--out", str(tmp_path / "out")]
    arguments += ["--quality", "fast", "--adapt", "2", "--json", "--quiet"]
    outcome = CliRunner().invoke(command, arguments, standalone_mode=False)
    shown = json.loads(outcome.stdout)
    assert shown["tracks"][0]["settings"]["adapt"] == 2
    assert len(shown["tracks"][0]["files"]) == 4
