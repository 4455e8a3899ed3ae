"""Rows of the papers' tables: what is run, with which settings, and what was published."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from mgdm_audio.engine import SAMPLERS, MixtureSum, Sampler, karras_schedule
from mgdm_audio.hyperparameters import check_options
from mgdm_audio.pretrained import Prior

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAPER = Path(__file__).with_name("paper.toml")


@dataclass(frozen=True)
class Row:
    """One row: a prior, a sampler and its settings, and the run's protocol.

    Attributes:
        name: of the row, and of the folder its results go to.
        title: as shown in tables.
        prior: name of the prior, or path of its folder.
        sampler: key of `mgdm_audio.engine.SAMPLERS`.
        levels: number of noise levels of the Karras grid.
        sigma_min, sigma_max: ends of the grid, by default the prior's.
        rho: of the grid.
        stop: levels of the grid that are run, from the first on, by default all of them.
        sigma_y: standard deviation of the observation noise.
        chunk: samples separated at once; what is left at the end of a track is not separated.
        seed: of the run.
        options: hyper-parameters of the sampler.
        published: SI-SDRi in dB by stem and for "all", where a paper states it.
        figure, x: the scaling figure that the row is a point of, and where.
        source: where settings and figures are from.
    """

    name: str
    title: str
    prior: str
    sampler: str
    levels: int
    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float = 7.0
    stop: int | None = None
    sigma_y: float = 1e-4
    chunk: int = 2**18
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    figure: str | None = None
    x: float | None = None
    source: str = ""

    def sigmas(self, prior: Prior) -> Tensor:
        """Noise levels, descending."""
        low = prior.sigmas[0] if self.sigma_min is None else self.sigma_min
        high = prior.sigmas[1] if self.sigma_max is None else self.sigma_max
        return karras_schedule(self.levels, low, high, self.rho)

    def build(self, prior: Prior, mixture: Tensor) -> Sampler:
        """The sampler for ``mixture [B, 1, T]``.

        Raises:
            KeyError: an unknown sampler.
            TypeError: an option that the sampler does not have.
        """
        likelihood = MixtureSum(mixture, self.sigma_y)
        return SAMPLERS[self.sampler](prior.denoise, likelihood, **self.options)

    def settings(self) -> dict[str, Any]:
        """Everything that results depend on, as plain data."""
        names = ("prior", "sampler", "levels", "sigma_min", "sigma_max", "rho", "sigma_y")
        plain = {name: getattr(self, name) for name in (*names, "chunk", "seed")}
        return {**plain, "stop": self.stop, "options": dict(self.options)}


def read_rows(path: Path = PAPER) -> dict[str, Row]:
    """All rows of a TOML file by name, the ``[default.NAME]`` tables they refer to filled in.

    Raises:
        ValueError: an unknown or missing entry, default, sampler or option of it, a name that is
            used twice, or a file without rows.
    """
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: is no TOML ({error})") from error
    if "row" not in content:
        raise ValueError(f"{path}: has no [[row]]")
    defaults = content.get("default", {})
    known = {f.name for f in fields(Row)}
    rows: dict[str, Row] = {}
    for entry in content["row"]:
        base = entry.pop("default", None)
        if base is not None and base not in defaults:
            raise ValueError(f"{path}: row {entry.get('name', '?')!r}: no [default.{base}]")
        default = {} if base is None else defaults[base]
        options = {**default.get("options", {}), **entry.get("options", {})}
        merged = {**default, **entry, "options": options}
        name = merged.get("name", "?")
        if unknown := set(merged) - known:
            raise ValueError(f"{path}: row {name!r} has unknown {', '.join(sorted(unknown))}")
        if name in rows:
            raise ValueError(f"{path}: two rows are called {name!r}")
        try:
            rows[name] = Row(**merged)
            if rows[name].sampler not in SAMPLERS:
                raise ValueError(f"{path}: row {name!r} has no sampler {rows[name].sampler!r}")
            check_options(options, rows[name].sampler)
        except TypeError as error:
            raise ValueError(f"{path}: row {name!r}: {error}") from error
    return rows
