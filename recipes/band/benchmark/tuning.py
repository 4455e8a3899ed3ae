"""Settings of a sampler chosen by SI-SDRi on tracks that are not measured."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mgdm_audio.engine import DenoiserError, SamplingError

from .run import Runner
from .systems import System


def tune(
    system: System,
    tracks: Sequence[Path],
    runner: Runner,
    work: Path,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> System:
    """The best settings found by trying one entry of the grid after the other.

    The first value of each entry is where the search starts; each entry in turn keeps the value
    with the best mean SI-SDRi (silent references skipped), the others as they are by then. Settings
    that diverge are left out. Scores are kept below `work`, so a run that was cut goes on.

    Raises:
        SamplingError: every candidate diverges.
    """
    if not system.grid:
        return system
    best, problem = system.start(), None

    def score(candidate: System) -> float:
        nonlocal problem
        candidate = replace(candidate, grid={})
        out = work / f"{system.name}-{_key(candidate)}"
        try:
            result = runner.measure(candidate, tracks, out, seconds)
        except (DenoiserError, SamplingError) as error:
            problem = error
            amount = candidate.equivalents * (seconds or 0.0) * len(tracks)
            runner.progress(f"{system.name}, diverged", amount, True)
            return -math.inf
        mean = result.summary("skip").overall.mean
        say(f"tuning {system.name}: {describe(candidate)}: {mean:.2f} dB")
        return mean if mean == mean else -math.inf

    reached = score(best)
    for key, values in system.grid.items():
        base = best
        for value in values[1:]:
            candidate = base.with_value(key, value)
            found = score(candidate)
            if found > reached:
                best, reached = candidate, found
    if reached == -math.inf:
        if problem is not None:
            raise problem
        return replace(system, grid={})  # nothing sounds in these tracks
    return replace(best, grid={})


def describe(system: System) -> str:
    """Settings in words."""
    entries = {"levels": system.levels, "rho": system.rho, "draws": system.draws}
    entries |= {"sigma_y": system.sigma_y, **system.options}
    return ", ".join(f"{name} = {value}" for name, value in entries.items())


def _key(system: System) -> str:
    text = json.dumps({k: v for k, v in asdict(system).items() if k != "title"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
