"""The cost-quality study: costs counted by hand, the front by its definition."""

import itertools
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mgdm_audio.presets import preset
from mgdm_audio.pretrained import Prior
from recipes.bench import quality
from recipes.bench.quality import Point, markdown, measure, pareto
from recipes.bench.settings import GROUPS, Setting
from recipes.interval import half_width


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
    length = calls["plain"] // 1801  # of the window that the excerpt is filled up to
    assert calls == {"plain": 1801 * length, "gradient": 870 * length}
    assert point.equivalents == pytest.approx(4411 * length / 40)
    text = " ".join((Path(quality.__file__).parent / "README.md").read_text().split())
    assert "870 gradients and 1,801 plain calls a window, 4,411 equivalents" in text


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
