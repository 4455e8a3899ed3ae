"""The settings that the cost-quality study compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mgdm_audio.presets import QUALITIES


@dataclass(frozen=True)
class Setting:
    """A name in the table, and the arguments of `mgdm_audio.Separator` that it stands for."""

    name: str
    arguments: Mapping[str, Any]


def _conditional(levels: int, draws: int = 1, churn: float = 0.0) -> Setting:
    kind = "flow" if churn == 0 else "ancestral"
    name = f"conditional {levels}" + (f" {kind}" if levels > 1 else ", from noise")
    name += f", mean of {draws}" if draws > 1 else ""
    return _setting(name, "conditional", levels, draws, churn=churn)


def _mean(draws: int, finish: str = "") -> Setting:
    """One call from the mean of the noisy states, or the mean of more, and what follows it."""
    name = "conditional 1" + (f", mean of {draws}" if draws > 1 else "")
    name += f", {finish}" if finish else ", not refined"
    return Setting(name, {"quality": "fast", "draws": draws} | FINISHES[finish])


def _speeds(name: str, *speeds: tuple[int, int]) -> Setting:
    """`balanced`, by a mean over `speeds`."""
    return Setting(f"balanced, {name}", {"draws": len(speeds), "speeds": speeds})


def _quality(name: str) -> Setting:
    return Setting(name, {"quality": name})


def _setting(name: str, sampler: str, steps: int, draws: int = 1, **options: Any) -> Setting:
    return Setting(name, {"sampler": sampler, "steps": steps, "draws": draws, **options})


#: What is done to an estimate of the mean: nothing, soft masks, and templates after these.
FINISHES = {
    "": {"refine": False},
    "masks": {"templates": ()},
    "templates of 3 windows": {"templates": ((2048, 4096, 8192),)},
    "templates of 3 windows, twice": {"templates": 2 * ((2048, 4096, 8192),)},
}

CONDITIONAL = (
    *(_quality(name) for name in QUALITIES),
    *(_mean(1, finish) for finish in FINISHES),
    _mean(4),
    _mean(4, "masks"),
    _mean(16, "masks"),
    _conditional(1),
    _conditional(1, draws=4),
    _conditional(2),
    _conditional(4),
    _conditional(8),
    _conditional(4, churn=1.0),
    _conditional(8, churn=1.0),
    _conditional(4, draws=4),
    _conditional(4, draws=4, churn=1.0),
    _conditional(8, draws=8, churn=1.0),
)

#: Means of calls that hear the music as it is or played faster and slower, in cents.
SPEEDS = (
    _speeds("no other speed", (1, 1), (1, 1)),
    _speeds("0 and 100 lower", (1, 1), (17, 18)),
    _speeds("100 lower and higher", (17, 18), (18, 17)),
    _speeds("150 lower and higher", (11, 12), (12, 11)),
)

#: Gradient-free or cheap samplers over the plain prior.
PLAIN = (
    _setting("DDNM 100", "ddnm", 100),
    _setting("MSDM Dirac 150", "msdm_dirac", 150),
    _setting("MGDM free 20", "mgdm_free", 20),
    _setting("MGDM free 20, mean of 4", "mgdm_free", 20, draws=4),
)

#: With the paper's settings: hours on a CPU, see the README.
PUBLISHED = (
    _setting("MSDM Dirac 150x2", "msdm_dirac", 150, resamplings=2),
    _setting("DPS 100", "dps", 100),
    _setting("PGDM 100", "pgdm", 100),
    _setting("MGDM R=1", "mgdm", 20, n_gibbs=1),
    _setting("MGDM R=6", "mgdm", 20, n_gibbs=6),
)

GROUPS = {"conditional": CONDITIONAL, "speeds": SPEEDS, "plain": PLAIN, "published": PUBLISHED}
