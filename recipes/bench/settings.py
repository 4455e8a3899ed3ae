"""The settings that the cost-quality study compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A sampler with its noise levels, hyper-parameters and number of averaged draws."""

    name: str
    sampler: str
    levels: int
    draws: int = 1
    rho: float = 7.0
    sigma_y: float = 1e-4
    options: Mapping[str, Any] = field(default_factory=dict)


def _conditional(levels: int, draws: int = 1, churn: float = 0.0) -> Setting:
    kind = "flow" if churn == 0 else "ancestral"
    name = f"conditional {levels}" + (f" {kind}" if levels > 1 else "")
    name += f", mean of {draws}" if draws > 1 else ""
    return Setting(name, "conditional", levels, draws, sigma_y=0.0, options={"churn": churn})


CONDITIONAL = (
    _conditional(1),
    _conditional(1, draws=2),
    _conditional(1, draws=4),
    _conditional(1, draws=16),
    _conditional(2),
    _conditional(4),
    _conditional(8),
    _conditional(4, churn=1.0),
    _conditional(8, churn=1.0),
    _conditional(4, draws=4),
    _conditional(4, draws=4, churn=1.0),
    _conditional(8, draws=8, churn=1.0),
)

#: Gradient-free or cheap samplers over the plain prior.
PLAIN = (
    Setting("DDNM 100", "ddnm", 100),
    Setting("MSDM Dirac 150", "msdm_dirac", 150),
    Setting("MSDM Dirac 150x2", "msdm_dirac", 150, options={"resamplings": 2}),
    Setting("MGDM free 20", "mgdm_free", 20, rho=3.0),
    Setting("MGDM free 20, mean of 4", "mgdm_free", 20, draws=4, rho=3.0),
)

#: With the paper's settings: hours on a CPU, see the README.
PUBLISHED = (
    Setting("DPS 100", "dps", 100),
    Setting("PGDM 100", "pgdm", 100),
    Setting("MGDM R=1", "mgdm", 20, rho=3.0, options={"n_gibbs": 1}),
    Setting("MGDM R=6", "mgdm", 20, rho=3.0, options={"n_gibbs": 6}),
)

GROUPS = {"conditional": CONDITIONAL, "plain": PLAIN, "published": PUBLISHED}
