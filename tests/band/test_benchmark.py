"""The benchmark on a few seconds of audio, with an untrained prior."""

import json
import shutil
import sys
import types
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from safetensors.torch import save

from mgdm_audio.digest import sha256
from mgdm_audio.engine import SAMPLERS as ENGINE
from mgdm_audio.engine import DenoiserError, SamplingError
from mgdm_audio.evaluation import si_sdr, si_sdr_improvement
from mgdm_audio.networks import BandDenoiser
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import load_prior
from recipes.band.benchmark.__main__ import main
from recipes.band.benchmark.clock import Clock
from recipes.band.benchmark.peers import STEMS, Unavailable, hpss, htdemucs, oracle_mask, oracle_nmf
from recipes.band.benchmark.run import Runner
from recipes.band.benchmark.systems import Estimate, System, read_systems, run_system
from recipes.band.benchmark.tuning import describe, tune

RATE = 22050
CPU = torch.device("cpu")
NETWORK = {"window": 512, "bands": [[16, 4], [16, 12]], "channels": [8, 8], "blocks": 1, "heads": 2}
SYSTEMS = read_systems()


def song(seconds=2.5, seed=0):
    """Four stems with spectra and rhythms of their own, ``[4, T]``."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    bass = np.sin(2 * np.pi * 55 * t) * (1 + np.sin(2 * np.pi * t))
    guitar = np.sin(2 * np.pi * 660 * t) * ((t % 1) < 0.5)
    piano = np.sin(2 * np.pi * 1320 * t) * ((t % 1.5) < 0.7)
    drums = rng.standard_normal(len(t)) * np.exp(-60 * (t % 0.25))
    return 0.1 * np.stack([bass, drums, guitar, piano]).astype(np.float32)


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """Untrained, so exactly the Wiener filter of the variances of `song`."""
    torch.manual_seed(0)
    net = BandDenoiser(4, **NETWORK)
    net.variance = net.stft(torch.from_numpy(song(seed=1))).abs().square().mean(-1) + 1e-9
    folder = tmp_path_factory.mktemp("priors") / "untrained"
    folder.mkdir()
    data = save({k: v.contiguous() for k, v in net.state_dict().items()})
    (folder / "weights.safetensors").write_bytes(data)
    options = "\n".join(f"{k} = {json.dumps(v)}" for k, v in NETWORK.items())
    (folder / "config.toml").write_text(
        f'[prior]\nname = "untrained"\nsamplerate = {RATE}\nsegment = 1.0\n'
        f"sources = {json.dumps(STEMS)}\nsigma_min = 1e-3\nsigma_max = 1.0\nnetwork = 'band'\n"
        f"[network]\n{options}\n[weights]\nsha256 = '{sha256(data)}'\n"
    )
    return folder


@pytest.fixture(scope="module")
def loaded(prior):
    return load_prior(prior, "cpu")


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """Two tracks as the band recipe renders them."""
    root = tmp_path_factory.mktemp("band")
    for seed in range(2):
        folder = root / f"song{seed}"
        folder.mkdir()
        for name, stem in zip(STEMS, song(seed=seed), strict=True):
            soundfile.write(folder / f"{name}.flac", stem, RATE, subtype="PCM_24")
    return root


def improvement(stems, references):
    estimates = torch.from_numpy(np.stack([stems[name] for name in STEMS]))
    return si_sdr_improvement(estimates, torch.from_numpy(references), RATE)


def test_hpss_gives_hits_to_the_drums():
    references = song()
    stems = hpss(references.sum(0), references, RATE)
    drums = torch.from_numpy(references[1])
    mixture = torch.from_numpy(references.sum(0))
    gain = si_sdr(torch.from_numpy(stems["drums"]), drums) - si_sdr(mixture, drums)
    assert gain > 8


@pytest.mark.parametrize(("peer", "floor"), [(oracle_mask, 15), (oracle_nmf, 8)])
def test_oracles_share_the_mixture_out(peer, floor):
    references = song(2.0)
    mixture = references.sum(0)
    stems = peer(mixture, references, RATE)
    assert np.abs(sum(stems.values()) - mixture).max() < 1e-4
    assert improvement(stems, references).mean() > floor


def test_htdemucs_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    monkeypatch.setitem(sys.modules, "demucs.apply", None)
    with pytest.raises(Unavailable, match="demucs package is not installed"):
        htdemucs(song(1.0).sum(0), song(1.0), RATE)


def test_untrained_prior_is_its_own_floor(loaded):
    """Before training the denoiser is the static Wiener filter, also through windows."""
    references = song()
    mixture = references.sum(0)
    floor = run_system(SYSTEMS["wiener"], mixture, references, loaded, CPU)
    fast = run_system(SYSTEMS["fast"], mixture, references, loaded, CPU)
    assert (fast.forwards, fast.backwards) == (1, 0)
    expected = improvement(floor.stems, references)
    assert expected.mean() > 3
    torch.testing.assert_close(improvement(fast.stems, references), expected, atol=0.7, rtol=0)
    assert np.abs(sum(fast.stems.values()) - mixture).max() < 1e-4


def test_level_of_the_mixture_does_not_matter(loaded):
    references = song(2.0)
    quiet = run_system(SYSTEMS["fast"], 0.01 * references.sum(0), references, loaded, CPU)
    loud = run_system(SYSTEMS["fast"], references.sum(0), references, loaded, CPU)
    for name in STEMS:
        np.testing.assert_allclose(100 * quiet.stems[name], loud.stems[name], atol=1e-5)


SAMPLERS = [name for name, s in SYSTEMS.items() if s.sampler]


def every_setting(system):
    """The start of the search, and it with every other value of the grid."""
    start = system.start()
    others = [start.with_value(k, v) for k, values in system.grid.items() for v in values[1:]]
    return [start, *others]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_setting_runs_at_equal_cost(name, loaded):
    """All that --tune may choose; whether it diverges is for tuning to see."""
    references = song(0.1)
    for system in [SYSTEMS[name], *every_setting(SYSTEMS[name])]:
        try:
            made = run_system(system, references.sum(0), references, loaded, CPU)
        except (DenoiserError, SamplingError):
            continue
        assert 30 <= made.forwards + 2 * made.backwards <= 42, describe(system)


def test_all_samplers_are_measured_and_tuned():
    assert {s.sampler for s in SYSTEMS.values() if s.sampler} == set(ENGINE)
    assert all(SYSTEMS[name].trials >= 3 for name in SAMPLERS)
    assert {s.quality for s in SYSTEMS.values() if s.quality} == set(QUALITIES)


def test_the_mixture_is_the_zero(loaded, band, tmp_path):
    result = Runner(loaded, CPU).measure(SYSTEMS["mixture"], sorted(band.iterdir()), tmp_path)
    for interval in (*result.summary("skip").stems.values(), result.summary("include").overall):
        assert abs(interval.mean) < 1e-3


def test_htdemucs_is_run_as_its_command_does(monkeypatch, tmp_path):
    """A model that multiplies by 2 what is standardised; its weights must be here already."""
    apply, pretrained = types.ModuleType("demucs.apply"), types.ModuleType("demucs.pretrained")
    seen = []

    def apply_model(model, stereo, shifts):
        seen.append(stereo)
        return torch.stack([2 * stereo[0]] * len(model.sources))[None]

    apply.apply_model = apply_model
    sources = ["drums", "bass", "other", "vocals"]
    model = types.SimpleNamespace(samplerate=44100, sources=sources)
    pretrained.get_model = lambda name: model
    for name, module in {
        "demucs": apply,
        "demucs.apply": apply,
        "demucs.pretrained": pretrained,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    mixture = song(1.0).sum(0)
    with pytest.raises(Unavailable, match="its weights are not in"):
        htdemucs(mixture, song(1.0), RATE)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "955717e8-8726e21a.th").touch()
    stems = htdemucs(mixture, song(1.0), RATE)
    assert set(stems) == {"bass", "drums"}
    assert seen[0].std().item() == pytest.approx(1.0, abs=0.01)
    middle = slice(1000, -1000)
    error = stems["bass"] - (2 * mixture - mixture.mean())
    assert np.std(error[middle]) < 0.1 * np.std(mixture)


def test_tuning_tries_one_entry_after_the_other(loaded, band, tmp_path, monkeypatch):
    """On a score with a known best: 3 + 1 candidates, not 6, and none of them twice."""
    calls = []

    def scored(system, mixture, references, *args):
        zeta, rho = system.options["zeta"], system.rho
        calls.append((zeta, rho))
        gap = 0.1 * abs(zeta - 2.0) + 0.1 * abs(rho - 3.0) + 0.01
        if zeta == 1.0:
            raise DenoiserError(0, 1.0)
        noise = np.random.default_rng(0).standard_normal(references.shape).astype(np.float32)
        stems = dict(zip(STEMS, references + gap * 0.1 * noise, strict=True))
        return Estimate(stems, 3, 0)

    monkeypatch.setattr("recipes.band.benchmark.run.run_system", scored)
    grid = {"zeta": [1.0, 2.0, 4.0], "rho": [7.0, 3.0]}
    system = System("dps", "DPS", sampler="dps", levels=3, grid=grid)
    tracks = sorted(band.iterdir())[:1]
    best = tune(system, tracks, Runner(loaded, CPU), tmp_path)
    assert calls == [(1.0, 7.0), (2.0, 7.0), (4.0, 7.0), (2.0, 3.0)]
    assert (best.options, best.rho, best.grid) == ({"zeta": 2.0}, 3.0, {})
    calls.clear()
    assert tune(system, tracks, Runner(loaded, CPU), tmp_path) == best
    assert calls == [(1.0, 7.0)]  # what diverged has no scores to keep


def test_time_left_does_not_count_what_was_found_done():
    now, lines = [0.0], []
    clock = Clock(100.0, lines.append, every=5.0, now=lambda: now[0])
    clock.advance(50.0, "kept", worked=False)
    assert "?:??" in clock.remaining()
    now[0] = 60.0
    clock.advance(10.0, "song")
    assert lines == ["song (1:00 so far, about 4:00 left)"]
    clock.advance(1.0, "next")  # too soon for another line
    assert len(lines) == 1


def test_measurements_are_kept(loaded, band, tmp_path, monkeypatch):
    tracks, runner = sorted(band.iterdir()), Runner(loaded, CPU)
    first = runner.measure(SYSTEMS["fast"], tracks, tmp_path)
    monkeypatch.setattr("recipes.band.benchmark.run.run_system", None)  # would fail if called
    again = runner.measure(SYSTEMS["fast"], tracks, tmp_path)
    assert repr(again.summary("skip")) == repr(first.summary("skip"))  # NaN is not equal to NaN
    with pytest.raises(ValueError, match="scores with other settings"):
        runner.measure(replace(SYSTEMS["fast"], levels=2), tracks, tmp_path)
    # a preset that has changed under its name, and other weights
    monkeypatch.setitem(QUALITIES, "fast", replace(QUALITIES["fast"], draws=3))
    with pytest.raises(ValueError, match="scores with other settings"):
        runner.measure(SYSTEMS["fast"], tracks, tmp_path)
    monkeypatch.undo()
    runner.weights = "others"
    with pytest.raises(ValueError, match="scores with other settings"):
        runner.measure(SYSTEMS["fast"], tracks, tmp_path)


def test_excerpts_are_from_the_middle(loaded, band, tmp_path, monkeypatch):
    seen = []

    def look(system, mixture, references, *args):
        seen.append(references)
        return Estimate(dict.fromkeys(STEMS, mixture), 0, 0)

    monkeypatch.setattr("recipes.band.benchmark.run.run_system", look)
    Runner(loaded, CPU).measure(SYSTEMS["mask"], [band / "song0"], tmp_path, seconds=1.0)
    first = (int(2.5 * RATE) - RATE) // 2
    np.testing.assert_allclose(seen[0], song()[:, first : first + RATE], atol=1e-6)


def test_stems_that_are_not_made_have_no_figure(loaded, band, tmp_path, monkeypatch):
    from recipes.band.benchmark import peers

    monkeypatch.setitem(
        peers.PEERS, "half", lambda y, references, rate: {"bass": references[0], "drums": y}
    )
    system = System("half", "Half", peer="half")
    summary = Runner(loaded, CPU).measure(system, sorted(band.iterdir()), tmp_path).summary("skip")
    assert summary.stems["bass"].mean > 40
    assert abs(summary.stems["drums"].mean) < 1e-3
    assert np.isnan(summary.stems["guitar"].mean)
    assert np.isnan(summary.overall.mean)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A track to tune on, as the band recipe renders its validation set."""
    folder = tmp_path_factory.mktemp("other") / "validation" / "song9"
    folder.mkdir(parents=True)
    for name, stem in zip(STEMS, song(seed=9), strict=True):
        soundfile.write(folder / f"{name}.flac", stem, RATE, subtype="PCM_24")
    return folder.parent


@pytest.fixture
def arguments(prior, band, other, tmp_path):
    found = ["--set", f"own={band}", "--prior", str(prior), "--work", str(tmp_path / "work")]
    found += ["--out", str(tmp_path / "docs" / "benchmarks.md"), "--tune", str(other)]
    found += ["--tune-tracks", "1", "--tune-seconds", "1", "--device", "cpu", "--seconds", "1.5"]
    found += ["--sampler-tracks", "1", "--sampler-seconds", "1", "--museval-seconds", "1"]
    for name in ("htdemucs", "wiener", "fast", "ddnm"):
        found += ["--system", name]
    return found


def test_one_command_writes_the_page(arguments, band, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    monkeypatch.setitem(sys.modules, "demucs.apply", None)
    tools = bool(shutil.which("ffmpeg") and shutil.which("ffprobe"))
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "left)" in result.output
    text = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "## own (2 tracks, 1.5 s from the middle of each)" in text
    assert "## own, samplers at equal cost (1 track, 1 s from the middle of each)" in text
    assert "| DDNM | `ddnm` | levels = " in text
    assert "levels = 9 and draws = 4, levels = 36 and draws = 1; rho: 3.0, 7.0 |" in text
    assert "Chosen on the middle 1 s of 1 track of" in text
    assert "HTDemucs (bass and drums): not measured, the demucs package is not installed" in text
    assert "| 0 + 36 | 36 |" in text
    assert "python -m recipes.band render --split validation --sounds pack/ --out " in text
    assert date.today().isoformat() in text
    assert (
        "BSS Eval v4 (museval), SDR / SIR / ISR / SAR in dB, on the middle 1 s" in text
    ) == tools
    # a second run finds everything and writes the same page
    for work in ("_sample", "_separate", "_wiener"):
        monkeypatch.setattr(f"recipes.band.benchmark.systems.{work}", None)
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0, again.output
    assert (tmp_path / "docs" / "benchmarks.md").read_text() == text


def test_without_ffmpeg_the_page_says_so(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    result = CliRunner().invoke(main, [*arguments, "--tracks", "1"])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "BSS Eval (museval): not measured, museval needs ffmpeg and ffprobe on the PATH" in text


def test_wrong_use_is_said(arguments, band, prior):
    bad = CliRunner().invoke(main, ["--set", "nothing", "--prior", str(prior)])
    assert "NAME=FOLDER" in bad.output
    same = CliRunner().invoke(main, [*arguments, "--tune", str(band)])
    assert "must not be tuned on what is measured" in same.output
