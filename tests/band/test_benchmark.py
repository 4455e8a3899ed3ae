"""The benchmark on a few seconds of audio, with an untrained prior."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from safetensors.torch import save

from mgdm_audio.evaluation import si_sdr, si_sdr_improvement
from mgdm_audio.networks import BandDenoiser
from mgdm_audio.pretrained import load_prior, sha256
from recipes.band.benchmark.__main__ import main
from recipes.band.benchmark.peers import STEMS, Unavailable, hpss, htdemucs, oracle_mask, oracle_nmf
from recipes.band.benchmark.run import measure, read_tuned, tune, write_tuned
from recipes.band.benchmark.systems import System, read_systems, run_system

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


SAMPLERS = [name for name, s in SYSTEMS.items() if s.sampler and name not in ("fast", "balanced")]


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_run_at_equal_cost(name, loaded):
    references = song(0.5)
    estimate = run_system(SYSTEMS[name], references.sum(0), references, loaded, CPU)
    assert all(np.isfinite(stem).all() for stem in estimate.stems.values())
    assert 30 <= estimate.forwards + 2 * estimate.backwards <= 42


@pytest.mark.parametrize("name", [n for n, s in SYSTEMS.items() if s.grid])
def test_grids_name_real_settings(name, loaded):
    references = song(0.2)
    for candidate in SYSTEMS[name].candidates():
        quick = replace(candidate, levels=1)
        run_system(quick, references.sum(0), references, loaded, CPU)


def test_tuning_finds_the_better_setting(loaded, band, tmp_path):
    """One level ends in the posterior mean; with a Wiener filter, fresh noise can only hurt."""
    system = System(
        "c", "C", sampler="conditional", levels=4, sigma_y=0.0, grid={"churn": [1.0, 0.0]}
    )
    seen = []
    best = tune(system, [band / "song0"], loaded, CPU, progress=seen.append)
    assert len(seen) == 2
    scores = {text.split("'churn': ")[1][:3]: float(text.split(": ")[-1][:-3]) for text in seen}
    assert str(best.options["churn"]) == max(scores, key=scores.get)
    write_tuned(tmp_path / "tuned.json", best)
    assert read_tuned(tmp_path / "tuned.json", system) == best
    assert read_tuned(tmp_path / "tuned.json", SYSTEMS["fast"]) is SYSTEMS["fast"]


def test_measurements_are_kept(loaded, band, tmp_path, monkeypatch):
    tracks = sorted(band.iterdir())
    first = measure(SYSTEMS["fast"], tracks, loaded, tmp_path, CPU)
    monkeypatch.setattr("recipes.band.benchmark.run.run_system", None)  # would fail if called
    again = measure(SYSTEMS["fast"], tracks, loaded, tmp_path, CPU)
    assert again.summary("skip") == first.summary("skip")
    with pytest.raises(ValueError, match="scores with other settings"):
        measure(replace(SYSTEMS["fast"], levels=2), tracks, loaded, tmp_path, CPU)


def test_stems_that_are_not_made_have_no_figure(loaded, band, tmp_path, monkeypatch):
    from recipes.band.benchmark import peers

    monkeypatch.setitem(
        peers.PEERS, "half", lambda y, references, rate: {"bass": references[0], "drums": y}
    )
    system = System("half", "Half", peer="half")
    summary = measure(system, sorted(band.iterdir()), loaded, tmp_path, CPU).summary("skip")
    assert summary.stems["bass"].mean > 40
    assert abs(summary.stems["drums"].mean) < 1e-3
    assert np.isnan(summary.stems["guitar"].mean)
    assert np.isnan(summary.overall.mean)


def test_one_command_writes_the_page(prior, band, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    monkeypatch.setitem(sys.modules, "demucs.apply", None)
    page = tmp_path / "docs" / "benchmarks.md"
    arguments = ["--set", f"own={band}", "--prior", str(prior), "--work", str(tmp_path / "work")]
    arguments += ["--out", str(page), "--tune", str(band), "--tune-tracks", "1", "--device", "cpu"]
    arguments += ["--seconds", "1.5"]
    for name in ("htdemucs", "wiener", "fast", "ddnm"):
        arguments += ["--system", name]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "## own (2 tracks)" in text
    assert "| DDNM | `ddnm` | 36 |" in text
    assert "HTDemucs (bass and drums): not measured, the demucs package is not installed" in text
    assert "36 + 0" in text
    bad = CliRunner().invoke(main, ["--set", "nothing", "--prior", str(prior)])
    assert "NAME=FOLDER" in bad.output
