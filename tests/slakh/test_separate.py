"""Separate, evaluate, table and plot on the stand-in, with a tiny prior."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from mgdm_audio import Separator
from mgdm_audio.engine import SAMPLERS, karras_schedule, sample
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.pretrained import load_prior
from recipes.slakh import separate as module
from recipes.slakh.__main__ import cli
from recipes.slakh.evaluate import evaluate_run, read_run
from recipes.slakh.layout import LayoutError, find_tracks, read_track
from recipes.slakh.loading import load_stems
from recipes.slakh.report import write_figures, write_tables
from recipes.slakh.rows import PAPER, read_rows
from recipes.slakh.separate import chunk_seed, separate_tracks

from ..product.conftest import make_prior
from .conftest import STEMS, write_track

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


def audio(run):
    return {p.relative_to(run): p.read_bytes() for p in sorted(run.glob("*/*.wav"))}


@pytest.fixture(scope="module")
def tracks(slakh):
    return find_tracks(slakh / "test", allow_partial=True)


def load(prior):
    """As the command does: the same on machines with bfloat16 and without."""
    return load_prior(prior, "cpu", precision="float32")


@pytest.fixture(scope="module")
def runs(tracks, prior, rows_file, tmp_path_factory):
    """All rows, separated and scored."""
    out = tmp_path_factory.mktemp("runs")
    loaded = load(prior)
    for row in read_rows(rows_file).values():
        separate_tracks(tracks, row, loaded, out / row.name, CPU)
        evaluate_run(tracks, out / row.name)
    return out


def test_stems_are_whole_chunks(runs, tracks):
    for folder in tracks:
        for stem in STEMS:
            got, rate = soundfile.read(runs / "dirac" / folder.name / f"{stem}.wav")
            assert rate == 22050
            assert len(got) == 3 * 16384  # of 55,125 samples
    assert not list(runs.rglob(".chunks"))


def test_dirac_stems_sum_to_the_mixture(runs, tracks):
    """A property of the sampler that only holds if chunks are in place and in order."""
    for folder in tracks:
        mixture = load_stems(read_track(folder)).sum(0)[: 3 * 16384]
        path = runs / "dirac" / folder.name
        stems = [soundfile.read(path / f"{s}.wav")[0] for s in STEMS]
        assert np.abs(sum(stems) - mixture).max() < 1e-4


def test_two_torchrun_workers_give_the_same_bytes(runs, slakh, rows_file, tmp_path):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "recipes.slakh", "separate", str(slakh / "test"), "--row", "dirac"),
        *("--row", "mgdm-r1", "--out", str(tmp_path), "--rows", str(rows_file)),
        *("--device", "cpu", "--allow-partial"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=environment, cwd=ROOT, capture_output=True)
    for row in ("dirac", "mgdm-r1"):
        assert len(audio(tmp_path / row)) == 12
        assert audio(tmp_path / row) == audio(runs / row)


def test_a_cut_run_goes_on_where_it_was(runs, tracks, prior, rows_file, tmp_path, monkeypatch):
    row, loaded = read_rows(rows_file)["mgdm-r1"], load(prior)
    calls = []

    def counted(*args, **kwargs):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(kwargs["seed"])
        return original(*args, **kwargs)

    original = module.sample
    monkeypatch.setattr(module, "sample", counted)
    with pytest.raises(KeyboardInterrupt):  # in the second chunk of the second track
        separate_tracks(tracks, row, loaded, tmp_path, CPU)
    before = list(calls)
    calls.clear()
    monkeypatch.setattr(
        module, "sample", lambda *a, **k: (calls.append(k["seed"]), original(*a, **k))[1]
    )
    separate_tracks(tracks, row, loaded, tmp_path, CPU)
    assert len(before + calls) == 9  # no chunk twice
    assert audio(tmp_path) == audio(runs / "mgdm-r1")


def test_batches_get_the_same_noise(runs, tracks, prior, rows_file, tmp_path):
    row = read_rows(rows_file)["mgdm-r1"]
    separate_tracks(tracks[:1], row, load(prior), tmp_path, CPU, batch=2)
    name = tracks[0].name
    for stem in STEMS:
        got, _ = soundfile.read(tmp_path / name / f"{stem}.wav")
        expected, _ = soundfile.read(runs / "mgdm-r1" / name / f"{stem}.wav")
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_other_settings_do_not_mix(runs, tracks, prior, rows_file):
    row = replace(read_rows(rows_file)["dirac"], seed=1)
    with pytest.raises(LayoutError, match="a run with other settings"):
        separate_tracks(tracks, row, load(prior), runs / "dirac", CPU)


def test_other_splits_do_not_mix(runs, tracks, prior, rows_file, tmp_path):
    """Their tracks have names of their own, and scores would be averaged over both."""
    (tmp_path / "validation").mkdir()
    other = tmp_path / "validation" / "Track09999"
    other.symlink_to(tracks[0])
    row = read_rows(rows_file)["dirac"]
    with pytest.raises(LayoutError, match="a run with other settings, weights or tracks"):
        separate_tracks([other], row, load(prior), runs / "dirac", CPU)
    assert not (runs / "dirac" / other.name).exists()


def test_other_weights_do_not_mix(runs, tracks, prior, rows_file):
    """A prior may be trained further under its name, in the middle of a run."""
    loaded = load(prior)
    with torch.no_grad():
        next(loaded.denoise.network.parameters()).mul_(1.001)
    with pytest.raises(
        LayoutError, match=r"other settings, weights or tracks; .* delete .*dirac to start"
    ):
        separate_tracks(tracks, read_rows(rows_file)["dirac"], loaded, runs / "dirac", CPU)


def test_the_shipped_prior_does_what_the_package_does(tmp_path):
    """One step of the package, from the mean and at the prior's level, without what follows it."""
    folder = tmp_path / "Track00001"
    write_track(folder, ["Bass", "Drums", "Guitar", "Piano"], 65536.5 / 44100, seed=1)
    loaded = replace(load(make_prior(tmp_path / "tiny")), level=0.3)
    loaded.denoise.network.variance.add_(0.02)  # stems overlap, so that starting noise matters
    row = replace(PAPER_ROWS["band-conditional"], chunk=32768)
    separate_tracks([folder], row, loaded, tmp_path / "run", CPU)
    mixture = torch.from_numpy(load_stems(read_track(folder)).sum(0))
    assert mixture.square().mean().sqrt() < 0.15  # so that the level matters
    options = {"quality": "fast", "refine": False, "retune": False, "segment": 2.0}
    expected = Separator(loaded, device="cpu", **options).separate(mixture, 22050).stems
    for stem in STEMS:
        got, _ = soundfile.read(tmp_path / "run" / folder.name / f"{stem}.wav", dtype="float32")
        np.testing.assert_allclose(got, expected[stem][0].numpy(), atol=1e-5)
    noted = json.loads((tmp_path / "run" / "run.json").read_text())
    assert noted["level"] == loaded.level


def test_a_prior_without_a_level_takes_mixtures_as_they_are(prior):
    assert load(prior).level is None
    loud = torch.tensor([3.0, -3.0])
    assert module.gain_to(loud, None) == 1.0
    assert module.gain_to(loud, 0.3) == pytest.approx(0.1)
    assert module.gain_to(torch.zeros(2), 0.3) == 1.0


def test_killed_in_a_chunk_it_goes_on(runs, slakh, rows_file, tmp_path):
    """SIGKILL, as from a scheduler, leaves nothing that has to be cleaned up."""
    command = [
        *(sys.executable, "-m", "recipes.slakh", "separate", str(slakh / "test")),
        *("--row", "mgdm-r1", "--out", str(tmp_path), "--rows", str(rows_file)),
        *("--device", "cpu", "--allow-partial"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    kwargs = {"env": environment, "cwd": ROOT, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **kwargs) as process:
        while not list(tmp_path.glob("mgdm-r1/*/.chunks/*.npy")) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert not (tmp_path / "mgdm-r1" / "Track00003" / "separation.json").exists()
    subprocess.run(command, check=True, **kwargs)
    assert audio(tmp_path / "mgdm-r1") == audio(runs / "mgdm-r1")


def test_chunks_have_seeds_of_their_own():
    seeds = {chunk_seed(s, t, c) for s in (0, 1) for t in ("a", "b") for c in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_scores_are_those_of_the_package(runs, tracks):
    for folder, scores in zip(tracks, read_run(runs / "dirac"), strict=True):
        paths = [runs / "dirac" / folder.name / f"{s}.wav" for s in STEMS]
        estimates = torch.from_numpy(
            np.stack([soundfile.read(p, dtype="float32")[0] for p in paths])
        )
        references = torch.from_numpy(load_stems(read_track(folder)))[:, : estimates.shape[1]]
        for silent in ("skip", "include"):
            expected = si_sdr_improvement(estimates, references, 22050, silent)
            torch.testing.assert_close(
                scores.mean(silent).float(), expected, atol=1e-4, rtol=0, equal_nan=True
            )


def test_tracks_that_are_missing_are_named(runs, tracks, tmp_path):
    with pytest.raises(LayoutError, match="3 of 3 tracks are not separated yet"):
        evaluate_run(tracks, tmp_path)


def test_tables(runs, rows_file, tmp_path):
    rows = read_rows(rows_file)
    write_tables(rows, runs, tmp_path)
    text = (tmp_path / "results.md").read_text()
    assert "| Dirac | published | - | - | - | - | 1.50 | - |" in text
    with open(tmp_path / "results.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert {(r["system"], r["silent"]) for r in table} == {
        (name, silent) for name in rows for silent in ("include", "skip")
    }
    pooled = torch.cat([s.improvement[:, 0] for s in read_run(runs / "dirac")]).mean()
    (cell,) = (
        r["mean"]
        for r in table
        if (r["system"], r["silent"], r["stem"]) == ("dirac", "include", "bass")
    )
    assert float(cell) == pytest.approx(pooled.item(), abs=1e-3)


def test_figures(runs, rows_file, tmp_path):
    pytest.importorskip("matplotlib")
    (path,) = write_figures(read_rows(rows_file), runs, tmp_path)
    assert path.name == "gibbs.png"
    assert path.stat().st_size > 5000


def test_command_line(slakh, prior, rows_file, tmp_path, runs):
    data, out = str(slakh / "test"), str(tmp_path / "runs")
    options = ["--rows", str(rows_file), "--allow-partial"]
    result = CliRunner().invoke(
        cli, ["all", data, "--out", out, "--row", "dirac", "--device", "cpu", *options]
    )
    assert result.exit_code == 0, result.output
    assert "| Dirac | include |" in (tmp_path / "runs" / "results" / "results.md").read_text()
    assert audio(tmp_path / "runs" / "dirac") == audio(runs / "dirac")
    timing = json.loads((tmp_path / "runs" / "dirac" / "Track00001" / "timing.json").read_text())
    assert timing["audio_seconds"] == pytest.approx(3 * 16384 / 22050, abs=1e-3)
    unknown = CliRunner().invoke(cli, ["separate", data, "--row", "x", "--out", out, *options])
    assert "no row x; there are dirac, mgdm-r1, mgdm-r2" in unknown.output


def test_converted_priors_are_found_by_name(slakh, prior, rows_file, tmp_path, runs):
    rows = tmp_path / "rows.toml"
    rows.write_text(rows_file.read_text().replace(str(prior), prior.name))
    arguments = ["separate", str(slakh / "test"), "--row", "dirac", "--out", str(tmp_path / "runs")]
    arguments += ["--rows", str(rows), "--allow-partial", "--device", "cpu"]
    arguments += ["--priors", str(prior.parent)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert audio(tmp_path / "runs" / "dirac") == audio(runs / "dirac")


def test_museval_files(runs, tracks, rows_file, tmp_path):
    pytest.importorskip("museval")
    evaluate_run(tracks[:1], runs / "dirac", museval=True)
    frames = json.loads((runs / "dirac" / "bss_eval" / f"{tracks[0].name}.json").read_text())
    assert [t["name"] for t in frames["targets"]] == list(STEMS)
    write_tables(read_rows(rows_file), runs, tmp_path)
    assert "| Dirac | bass |" in (tmp_path / "bss_eval.md").read_text()


PAPER_ROWS = read_rows(PAPER)


@pytest.mark.parametrize("name", PAPER_ROWS)
def test_every_row_of_the_paper_builds(name, prior):
    """Samplers and options exist, and the published means are those of the stems."""
    row = PAPER_ROWS[name]
    assert row.sampler in SAMPLERS
    loaded = load(prior)
    row.build(loaded, torch.zeros(1, 1, 8))
    sigmas = row.sigmas(loaded)
    assert (sigmas.diff() < 0).all()
    stems = [row.published[s] for s in STEMS if s in row.published]
    if stems:
        assert np.mean(stems) == pytest.approx(row.published["all"], abs=0.011)


@pytest.mark.parametrize(
    ("name", "gradients", "others"),
    [
        # release, stated: 1,020 gradients and 1,428 passes; ours denoises once more at the start
        ("mgdm-r6-release", 1020, 1429),
        # paper: R * (15 * 3 + 5 * 20) and R * 20 * 15; the last two levels draw x_0 from the lowest
        # level, where one call of the 15 is all there is to do
        ("mgdm-r6", 870, 1801 - 6 * 2 * 14),
        ("mgdm-g90", 1800, 301 - 2 * 14),
        ("msdm-dirac", 0, 300),
        ("pnp-dm", 0, 3000 - 19),
        ("mgdm-free", 0, 200),
    ],
)
def test_cost_of_the_published_settings(name, gradients, others, prior):
    row, calls = PAPER_ROWS[name], []
    loaded = replace(load(prior), denoise=lambda x, sigma: x / (1 + sigma.reshape(-1, 1, 1) ** 2))
    sampler, sigmas = row.build(loaded, torch.zeros(1, 1, 4)), row.sigmas(loaded)
    sample(sampler, sigmas, (1, 4, 4), stop=row.stop, seed=0, callback=calls.append)
    assert calls[-1].gradient_calls == gradients
    assert calls[-1].denoiser_calls - calls[-1].gradient_calls == others


def loud_in_turn(length=256):
    """Deviations ``[1, 4, T]`` of stems at Slakh's levels, each loud in a quarter of the time."""
    std = torch.full((1, len(STEMS), length), 0.004)
    for k in range(len(STEMS)):
        std[:, k, k * length // 4 : (k + 1) * length // 4] = 0.06
    return std


#: One of a kind, whose prior can be any; points of a scaling figure are of the same kind.
OF_A_KIND = [n for n, row in PAPER_ROWS.items() if row.figure is None and row.prior != "band"]


@pytest.mark.parametrize("name", [*OF_A_KIND, "mgdm-r6", "mgdm-r6-release"])
def test_every_row_separates_what_its_denoiser_knows(name, prior):
    """With the exact denoiser of Gaussian stems; a wrong setting ends far from the posterior."""
    std = loud_in_turn()
    clean = std * torch.randn(std.shape, generator=torch.Generator().manual_seed(0))
    mixture = clean.sum(1, keepdim=True)

    def denoise(x, sigma):
        return x * std**2 / (std**2 + sigma.reshape(-1, 1, 1) ** 2)

    loaded = replace(load(prior), denoise=denoise)
    row = PAPER_ROWS[name]
    sampler, sigmas = row.build(loaded, mixture), row.sigmas(loaded)
    stems = sample(sampler, sigmas, clean.shape, stop=row.stop, seed=1)
    improvement = si_sdr_improvement(stems[0], clean[0], 22050)
    assert improvement.min() > 3.5, improvement


def test_the_release_visits_the_levels_it_is_known_to_visit(prior):
    """Of 20 levels the first for an estimate, then 17, whose x_0 are drawn down to the lowest."""
    row, levels = PAPER_ROWS["mgdm-r1-release"], []
    loaded = load(prior)

    def denoise(x, sigma):
        levels.append(sigma[0].item())
        return x / (1 + sigma.reshape(-1, 1, 1) ** 2)

    loaded = replace(loaded, denoise=denoise)
    grid = row.sigmas(loaded)
    done, counts = [], []

    def progress(report):
        done.append(report.sigma)
        counts.append(len(levels))

    sampler = row.build(loaded, torch.zeros(1, 1, 4))
    sample(sampler, grid, (1, 4, 4), stop=row.stop, callback=progress)
    assert done == pytest.approx(grid[:18].tolist())
    assert done[-1] == pytest.approx(0.045, abs=1e-3)
    assert counts[0] == 1  # at 20, an estimate and no more
    each = [levels[a:b] for a, b in pairwise(counts)]
    for at, calls in enumerate(each, 1):
        gradients = 3 if at < 11 else 20
        assert len(calls) == gradients + 14
        s = calls[0]
        assert calls[:gradients] == [s] * gradients
        assert s <= grid[at + 1].item() * (1 + 1e-6)
        assert calls[gradients] == s
        ladder = karras_schedule(15, 5e-4, s, 3.0).tolist()
        assert calls[gradients:] == pytest.approx(ladder[:14], rel=1e-4)
    # In the last seven the level below t is s.
    assert [calls[0] for calls in each[10:]] == pytest.approx(grid[12:19].tolist())


def test_rows_with_mistakes_are_refused(tmp_path):
    path = tmp_path / "rows.toml"
    good = '[[row]]\nname = "a"\ntitle = "A"\nprior = "p"\nsampler = "dps"\nlevels = 3\n'
    path.write_text(good + "steps = 4\n")
    with pytest.raises(ValueError, match="row 'a' has unknown steps"):
        read_rows(path)
    path.write_text(good + good)
    with pytest.raises(ValueError, match="two rows are called 'a'"):
        read_rows(path)
    path.write_text('[[row]]\nname = "a"\n')
    with pytest.raises(ValueError, match="missing"):
        read_rows(path)
    for text, message in (
        (good.replace("dps", "dsp"), "row 'a' has no sampler 'dsp'"),
        (
            good + "options = { zeta = 1.0, gamma = 2.0 }\n",
            "row 'a': 'gamma' is no setting",
        ),
        (good + 'default = "dsp-paper"\n', r"row 'a': no \[default.dsp-paper\]"),
        ("x = 1\n", r"rows.toml: has no \[\[row\]\]"),
        ("[[row]", "rows.toml: is no TOML"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_rows(path)
