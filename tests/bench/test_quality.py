"""The cost-quality study: costs counted by hand, the front by its definition."""

import itertools
import json
import statistics
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from mgdm_audio import pretrained
from mgdm_audio.presets import preset
from mgdm_audio.pretrained import Prior, load_prior
from recipes.bench import conditions, quality
from recipes.bench.__main__ import main
from recipes.bench.quality import Point, markdown, measure, pareto
from recipes.bench.settings import GROUPS, Setting
from recipes.interval import half_width
from tests.product.conftest import make_prior


@pytest.fixture
def counted():
    """An exact prior for white stems of unequal power, and how many samples it was asked for."""
    calls = {"plain": 0, "gradient": 0}
    power = torch.tensor([0.5, 0.1, 0.02, 0.01])[:, None]

    def denoise(x, sigma, sigma_mix=None):
        calls["gradient" if x.requires_grad else "plain"] += len(x) * x.shape[-1]
        sigma = torch.as_tensor(sigma).reshape(-1, 1, 1)
        return x * power / (power + sigma**2)

    prior = Prior(denoise, ("a", "b", "c", "d"), 1000, 4.0, (0.01, 2.0), "", True, "exact")
    torch.manual_seed(0)
    return prior, calls, [torch.randn(4, 8000) * power.sqrt() for _ in range(2)]


@pytest.mark.parametrize(
    "setting",
    [
        Setting("c", {"sampler": "conditional", "steps": 3, "draws": 2}),
        Setting("m", {"sampler": "mgdm", "steps": 4, "n_gibbs": 1, "n_gradient_last": 3}),
    ],
)
def test_equivalents_are_what_the_denoiser_was_asked(counted, setting):
    prior, calls, tracks = counted
    point = measure(prior, tracks, setting, "cpu")
    samples = calls["plain"] + 3 * calls["gradient"]
    assert point.equivalents == pytest.approx(samples / sum(t.shape[-1] for t in tracks))
    assert point.equivalents >= setting.arguments["steps"]
    assert (calls["gradient"] > 0) == (setting.arguments["sampler"] == "mgdm")
    assert len(point.stems) == 4


def test_intervals_are_those_of_few_tracks():
    """Student's t: 4.303 standard errors at three tracks, 2.776 at five (printed tables)."""
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.303 / 3**0.5, rel=1e-3)
    five = [0.0, 1.0, 2.0, 3.0, float("nan"), 4.0]
    assert half_width(five) == pytest.approx(2.776 * 2.5**0.5 / 5**0.5, rel=1e-3)
    assert half_width([1.0, 2.0, float("nan")]) is None


def test_an_interval_is_over_the_tracks_that_have_a_figure(counted):
    prior, _, _ = counted
    torch.manual_seed(1)
    tracks = [0.1 * torch.randn(4, 5000) * torch.rand(4, 1) for _ in range(4)]
    tracks.append(torch.zeros(4, 5000))  # no stem sounds, so it has none
    setting = Setting("c", {"sampler": "conditional", "steps": 1, "initial": 0.0})  # no chance
    alone = [measure(prior, [track], setting, "cpu") for track in tracks[:4]]
    assert [point.error for point in alone] == [None] * 4
    point = measure(prior, tracks, setting, "cpu")
    assert point.tracks == 4
    spread = statistics.stdev(p.si_sdri for p in alone)
    assert point.error == pytest.approx(3.182 * spread / 2, rel=1e-3)
    table = markdown([point, *alone[:1]], prior.sources)
    assert f"{point.si_sdri:.2f} ± {point.error:.2f} |" in table
    assert f"| {alone[0].si_sdri:.2f} | " in table
    assert "Student's t" in table
    assert "±" not in markdown([replace(point, tracks=None)], prior.sources).split("\n\n")[1]


def test_the_readme_says_what_the_published_settings_ask_for(counted):
    prior, calls, tracks = counted
    (setting,) = (s for s in GROUPS["published"] if s.name == "MGDM R=6")
    point = measure(prior, [tracks[0][:, :40]], setting, "cpu")
    length = calls["plain"] // 1633  # of the window that the excerpt is filled up to
    assert calls == {"plain": 1633 * length, "gradient": 870 * length}
    assert point.equivalents == pytest.approx(4243 * length / 40)
    text = " ".join((Path(quality.__file__).parent / "README.md").read_text().split())
    assert "870 gradients and 1,633 plain calls a window, 4,243 equivalents" in text


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The command on a set of two tracks, its prior and two settings that take no time."""
    for number, track in enumerate(("one", "two")):
        (tmp_path / "set" / track).mkdir(parents=True)
        for stem in ("bass", "drums", "guitar", "piano"):
            audio = np.random.default_rng(number).uniform(-0.5, 0.5, 22050)
            soundfile.write(tmp_path / "set" / track / f"{stem}.wav", audio, 22050)
    prior, measured = make_prior(tmp_path / "tiny"), []

    def measure(prior, tracks, setting, device):
        measured.append((setting.name, len(tracks), tracks[0].shape[-1]))
        return Point(setting.name, 1.0, None, (1.0,) * 4, float(len(measured)), 0.1, len(tracks))

    monkeypatch.setattr(quality, "measure", measure)
    monkeypatch.setitem(GROUPS, "plain", (Setting("a", {}), Setting("b", {})))
    out = tmp_path / "study.json"

    def run(*options):
        arguments = ["quality", str(tmp_path / "set"), "--prior", str(prior), "--group", "plain"]
        result = CliRunner().invoke(main, [*arguments, "--out", str(out), *options])
        assert result.exit_code in (0, 1), result.output
        return result.output

    return run, measured, out, tmp_path


def test_a_study_goes_on_and_says_what_it_did_not_measure(study):
    run, measured, out, _ = study
    monday = run("--seconds", "0.5")
    assert "2 settings measured now" in monday
    assert measured == [("a", 2, 11025), ("b", 2, 11025)]
    out.write_text(json.dumps(json.loads(out.read_text())[:1]))  # cut after the first
    again = run("--seconds", "0.5")
    assert "1 settings measured now; 1 not measured now but read from" in again
    assert measured[2:] == [("b", 2, 11025)]
    page = out.with_suffix(".md").read_text()
    assert "prior `tiny` (weights " in page
    assert "`set` (audio " in page
    assert "2 tracks of 0.5 s, cpu" in page
    assert date.today().isoformat() in page


@pytest.mark.parametrize("what", ["count", "length", "weights", "audio", "machine", "threads"])
def test_rows_of_other_conditions_are_refused(study, what, monkeypatch):
    run, measured, out, folder = study
    run("--seconds", "0.5")
    before, options = out.read_text(), ["--seconds", "0.5"]
    if what == "count":
        options += ["--count", "1"]
    elif what == "length":
        options = ["--seconds", "0.4"]
    elif what == "weights":  # trained further under the same name
        prior = load_prior(folder / "tiny", "cpu")
        with torch.no_grad():
            next(prior.denoise.network.parameters()).mul_(1.001)
        monkeypatch.setattr(pretrained, "load_prior", lambda name, device: prior)
    elif what == "audio":  # rendered again
        soundfile.write(folder / "set" / "two" / "bass.wav", np.zeros(22050), 22050)
    elif what == "machine":
        monkeypatch.setattr(conditions, "describe_machine", lambda device: "another")
    else:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    shown = run(*options)
    assert f"{what} " in shown
    assert "its rows were measured with" in shown
    assert "choose another --out, or delete it to measure again" in shown
    assert len(measured) == 2
    assert out.read_text() == before


def test_rows_that_do_not_say_how_they_were_measured_are_only_shown(study):
    run, measured, out, _ = study
    old = {"name": "a", "si_sdri": 1.5, "error": 0.5, "stems": [1.0] * 4}
    out.write_text(json.dumps([{**old, "equivalents": 1.0, "seconds": 0.1}]))
    assert "its rows do not say what they were measured with" in run()
    assert not measured
    shown = CliRunner().invoke(main, ["table", str(out)], catch_exceptions=False).output
    assert "nothing was measured" in shown
    page = out.with_suffix(".md").read_text()
    assert "| 1.50 | 1 |" in page  # without the interval, whose number of tracks nobody knows
    assert "Measured before rows said with what" in page


def test_a_set_that_cannot_be_read_ends_the_command_with_a_sentence(study):
    run, _, _, folder = study
    soundfile.write(folder / "set" / "one" / "bass.wav", np.zeros(100), 22050)
    assert "drums.wav has 22050 samples and bass.wav 100" in run()


def test_pareto_keeps_what_nothing_cheaper_beats():
    cost = {"a": (1, 3.0), "b": (2, 2.0), "c": (4, 4.0), "d": (4, 3.5), "e": (9, 4.0)}
    points = [Point(n, s, 0.1, (s,), c, 1.0) for n, (c, s) in cost.items()]
    assert pareto(points) == {"a", "c"}
    table = markdown(points, ("bass",))
    assert "| **a** |" in table
    assert "| b |" in table


def test_settings_and_their_names_are_unique():
    settings = [setting for group in GROUPS.values() for setting in group]
    assert len({setting.name for setting in settings}) == len(settings)
    keys = ("quality", "sampler", "steps", "draws", "refine", "templates", "speeds")
    resolved = [
        preset(**{key: value for key, value in setting.arguments.items() if key in keys}).with_(
            options={k: v for k, v in setting.arguments.items() if k not in keys} or None
        )
        for setting in settings
    ]
    assert all(one != other for one, other in itertools.combinations(resolved, 2))
