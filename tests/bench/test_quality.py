"""The cost-quality study: costs counted by hand, the front by its definition."""

import itertools
from pathlib import Path

import pytest
import torch

from mgdm_audio.presets import preset
from mgdm_audio.pretrained import Prior
from recipes.bench import quality
from recipes.bench.quality import Point, markdown, measure, pareto
from recipes.bench.settings import GROUPS, Setting


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
