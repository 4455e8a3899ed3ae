"""What is measured: peers, the static Wiener filter, and samplers with their settings."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mgdm_audio.audio import Grid
from mgdm_audio.engine import SAMPLERS, MixtureSum, Progress, karras_schedule, sample
from mgdm_audio.pipeline import FIT
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior
from mgdm_audio.separator import Separator
from mgdm_audio.windowed import windowed_denoiser

from .peers import PEERS, STEMS, Unavailable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SYSTEMS = Path(__file__).with_name("systems.toml")
_OVERLAP = 0.25
_QUANTUM = 1024
#: Fields that a grid may change; its other entries are the sampler's options.
_TUNABLE = ("levels", "rho", "sigma_y", "draws")


@dataclass(frozen=True)
class System:
    """One line of the table.

    Attributes:
        name, title: for files and for the table.
        peer: a key of `PEERS`, for systems without our prior.
        floor: the static Wiener filter of the prior's variances.
        quality: a preset of `Separator`, run as a user would, instead of a bare sampler.
        sampler: a key of `mgdm_audio.engine.SAMPLERS`.
        levels, rho: of the Karras grid, which spans the prior's noise levels.
        draws: posterior draws that are averaged.
        sigma_y: of the likelihood.
        options: the sampler's hyper-parameters.
        grid: values to try for levels, rho, sigma_y or options when settings are tuned; a table
            among them sets several at once.
    """

    name: str
    title: str
    peer: str | None = None
    floor: bool = False
    quality: str | None = None
    sampler: str | None = None
    levels: int = 1
    rho: float = 7.0
    draws: int = 1
    sigma_y: float = 1e-4
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, list] = field(default_factory=dict)

    @property
    def equivalents(self) -> float:
        """About how many denoiser passes the work is worth, to say how long it will take."""
        if self.quality is not None:
            settings = QUALITIES[self.quality]
            return 1.0 + settings.steps * settings.draws + FIT * sum(map(len, settings.templates))
        return 36.0 if self.sampler else 10.0 if self.peer == "oracle_nmf" else 2.0

    @property
    def trials(self) -> int:
        """How many candidates tuning tries."""
        return 1 + sum(len(values) - 1 for values in self.grid.values()) if self.grid else 0

    def start(self) -> System:
        """The first value of every list in the grid, the rest of the grid kept."""
        system = self
        for key, values in self.grid.items():
            system = system.with_value(key, values[0])
        return system

    def with_value(self, key: str, value: Any) -> System:
        """This system with one value of its grid: a field, an option, or a table of them."""
        changes = value if isinstance(value, Mapping) else {key: value}
        own = {k: v for k, v in changes.items() if k in _TUNABLE}
        options = {k: v for k, v in changes.items() if k not in _TUNABLE}
        return replace(self, **own, options={**self.options, **options})


class Estimate(NamedTuple):
    """Stems by name, and the denoiser's forward and backward passes a draw of the whole signal."""

    stems: Mapping[str, np.ndarray]
    forwards: int
    backwards: int


def read_systems(path: Path = SYSTEMS) -> dict[str, System]:
    """All systems of a TOML file by name.

    Raises:
        ValueError: an unknown entry.
    """
    with open(path, "rb") as file:
        content = tomllib.load(file)
    known = {f.name for f in fields(System)}
    systems = {}
    for entry in content["system"]:
        if unknown := set(entry) - known:
            raise ValueError(f"{path}: unknown {', '.join(sorted(unknown))} in {entry}")
        systems[entry["name"]] = System(**entry)
    return systems


def run_system(
    system: System,
    mixture: np.ndarray,
    references: np.ndarray,
    prior: Prior,
    device: torch.device,
    batch: int = 4,
    seed: int = 0,
) -> Estimate:
    """Separate ``mixture [T]`` at the prior's rate; `references` are for oracle peers alone.

    Raises:
        Unavailable: a peer that is not installed.
        SamplingError, DenoiserError: settings with which the sampler diverges.
    """
    if system.peer is not None:
        return Estimate(PEERS[system.peer](mixture, references, prior.samplerate), 0, 0)
    if system.quality is not None:
        return _separate(system.quality, prior, mixture, device, batch, seed)
    y, gain = _normalised(mixture, prior)
    if system.floor:
        stems, calls = _wiener(prior, y.to(device), seed), (0, 0)
    else:
        stems, calls = _sample(system, prior, y.to(device), batch, seed)
    stems = (stems[0, :, : len(mixture)] / gain).cpu().numpy()
    return Estimate(dict(zip(prior.sources, stems, strict=True)), *calls)


def _normalised(mixture: np.ndarray, prior: Prior) -> tuple[Tensor, float]:
    """``[1, 1, T]`` at the level of the prior's training data, as `Separator` does."""
    level = float(np.sqrt(np.mean(np.square(mixture, dtype=np.float64))))
    gain = prior.level / level if prior.level is not None and level > 1e-8 else 1.0
    return torch.from_numpy(mixture)[None, None] * gain, gain


def _wiener(prior: Prior, y: Tensor, seed: int) -> Tensor:
    """The static Wiener filter at the highest noise level, conditioned on the mixture."""
    wiener = getattr(prior.denoise.network, "wiener", None)
    if wiener is None:
        raise Unavailable(f"the prior {prior.name} has no variances for a Wiener filter")
    generator = torch.Generator(y.device).manual_seed(seed)
    shape = (1, len(prior.sources), y.shape[-1])
    noise = torch.randn(shape, generator=generator, device=y.device)
    state = y / shape[1] + prior.sigmas[1] * (noise - noise.mean(1, keepdim=True))
    with torch.inference_mode():
        return wiener(state, prior.sigmas[1], 0.0)


def _separate(
    quality: str, prior: Prior, mixture: np.ndarray, device: torch.device, batch: int, seed: int
) -> Estimate:
    """What ``mgdm-separate --quality`` makes of it."""
    separator = Separator(prior, quality=quality, device=device, batch_size=batch, seed=seed)
    stems = separator.separate_tensor(mixture, prior.samplerate)
    settings = separator.settings
    return Estimate({k: v.numpy() for k, v in stems.items()}, settings.steps * settings.draws, 0)


def _sample(
    system: System, prior: Prior, y: Tensor, batch: int, seed: int
) -> tuple[Tensor, tuple[int, int]]:
    """Mean of the draws, the denoiser running in windows of the prior's segment."""
    grid = _windows(prior)
    length = y.shape[-1]
    whole = (
        grid.span(grid.count(length))
        if length > grid.window
        else _up(length, math.lcm(prior.stride, _QUANTUM))
    )
    y = torch.nn.functional.pad(y, (0, whole - length))

    denoise = windowed_denoiser(prior, grid, batch)
    sigmas = karras_schedule(system.levels, *prior.sigmas, system.rho)
    likelihood = MixtureSum(y, system.sigma_y)
    counts: list[Progress] = []
    total = torch.zeros(1, len(prior.sources), whole, device=y.device)
    for draw in range(system.draws):
        sampler = SAMPLERS[system.sampler](denoise, likelihood, **system.options)
        draw_seed = [seed * 1000 + draw]
        drawn = sample(
            sampler, sigmas, total.shape, seed=draw_seed, device=y.device, callback=counts.append
        )
        total += drawn / system.draws
    # what the stems leave of the mixture is shared out, as `Separator` does
    total = total + (y - total.sum(1, keepdim=True)) / len(prior.sources)
    last = counts[-1]
    passes = last.denoiser_calls * system.draws, last.gradient_calls * system.draws
    return total, passes


def _windows(prior: Prior) -> Grid:
    quantum = math.lcm(prior.stride, _QUANTUM)
    window = max(round(prior.segment * prior.samplerate / quantum), 1)
    return Grid(window * quantum, (window - math.floor(window * _OVERLAP)) * quantum)


def _up(length: int, quantum: int) -> int:
    return -(-length // quantum) * quantum


__all__ = ["STEMS", "Estimate", "System", "read_systems", "run_system"]
