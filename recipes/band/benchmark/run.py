"""Measure systems on sets of tracks, one file a track, so that a run can be cut and resumed."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mgdm_audio.engine import DenoiserError, SamplingError
from mgdm_audio.evaluation import Summary, WindowScores, summarise, window_scores
from mgdm_audio.evaluation.files import read_scores, write_scores
from mgdm_audio.pretrained import Prior
from recipes.slakh.layout import read_track
from recipes.slakh.loading import load_stems

from .systems import STEMS, System, run_system


class Cost(NamedTuple):
    """Of one track: seconds of work and of audio, forward and backward denoiser passes."""

    seconds: float
    audio: float
    forwards: int
    backwards: int


class Result(NamedTuple):
    """Of one system on one set: scores a track, cost a track, and the stems it makes."""

    scores: list[WindowScores]
    costs: list[Cost]
    stems: tuple[str, ...]

    def summary(self, silent: str) -> Summary:
        """Means and intervals; stems that the system does not make are NaN, and so is the mean."""
        full = summarise(self.scores, STEMS, silent)
        missing = [name for name in STEMS if name not in self.stems]
        if not missing:
            return full
        nothing = full.overall._replace(mean=math.nan, low=math.nan, high=math.nan)
        return full._replace(
            stems={**full.stems, **dict.fromkeys(missing, nothing)}, overall=nothing
        )


def measure(
    system: System,
    tracks: Sequence[Path],
    prior: Prior,
    out: Path,
    device: torch.device,
    batch: int = 4,
    seconds: float | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Result:
    """Separate and score every track that is not scored yet; returns the scores of all.

    Args:
        tracks: folders with bass, drums, guitar and piano as .flac or .wav.
        out: folder for ``TRACK.csv`` and ``TRACK.json``.
        seconds: of each track, from its start; by default all.

    Raises:
        ValueError: `out` holds scores with other settings.
        Unavailable: see `run_system`.
    """
    out.mkdir(parents=True, exist_ok=True)
    _same_settings(out / "system.json", system, prior, seconds)
    scores, costs, stems = [], [], STEMS
    for folder in tracks:
        table, note = out / f"{folder.name}.csv", out / f"{folder.name}.json"
        if not note.exists():
            cost, stems, scored = _measure_track(system, folder, prior, device, batch, seconds)
            write_scores(scored, STEMS, table)
            _write(note, json.dumps({**cost._asdict(), "stems": stems}))
        noted = json.loads(note.read_text(encoding="utf-8"))
        stems = tuple(noted.pop("stems"))
        scores.append(read_scores(table))
        costs.append(Cost(**noted))
        progress(folder.name)
    return Result(scores, costs, stems)


def tune(
    system: System,
    tracks: Sequence[Path],
    prior: Prior,
    device: torch.device,
    batch: int = 4,
    seconds: float | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> System:
    """The candidate of a system's grid with the best mean SI-SDRi; diverging ones are left out.

    Raises:
        SamplingError: every candidate diverges.
    """
    best, best_score, problem = None, -math.inf, None
    for candidate in system.candidates():
        try:
            scores = [
                _measure_track(candidate, folder, prior, device, batch, seconds)[2]
                for folder in tracks
            ]
        except (DenoiserError, SamplingError) as error:
            problem = error
            continue
        score = summarise(scores, STEMS, "skip").overall.mean
        progress(f"{system.name} {dict(candidate.options)} {candidate.levels}: {score:.2f} dB")
        if score > best_score:
            best, best_score = candidate, score
    if best is None:
        raise problem
    return best


def read_tuned(path: Path, system: System) -> System:
    """A system with the settings that `write_tuned` noted for it, if it did."""
    if not path.exists():
        return system
    noted = json.loads(path.read_text(encoding="utf-8")).get(system.name)
    return replace(system, grid={}, **noted) if noted else system


def write_tuned(path: Path, system: System) -> None:
    """Note a system's settings among those of the others."""
    noted = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    names = ("levels", "rho", "sigma_y", "draws", "options")
    noted[system.name] = {name: getattr(system, name) for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, json.dumps(noted, indent=1))


def _measure_track(
    system: System,
    folder: Path,
    prior: Prior,
    device: torch.device,
    batch: int,
    seconds: float | None,
) -> tuple[Cost, tuple[str, ...], WindowScores]:
    rate = prior.samplerate
    references = load_stems(read_track(folder, STEMS), rate)
    references = references[:, : None if seconds is None else int(seconds * rate)]
    mixture = references.sum(0)
    began = time.perf_counter()
    estimate = run_system(system, mixture, references, prior, device, batch)
    took = time.perf_counter() - began
    # a stem that is not made is scored as the mixture and left out of the summary
    stems = np.stack([estimate.stems.get(name, mixture) for name in STEMS])
    scored = window_scores(torch.from_numpy(stems), torch.from_numpy(references), rate)
    cost = Cost(took, len(mixture) / rate, estimate.forwards, estimate.backwards)
    return cost, tuple(name for name in STEMS if name in estimate.stems), scored


def _same_settings(path: Path, system: System, prior: Prior, seconds: float | None) -> None:
    settings = {k: v for k, v in asdict(system).items() if k not in ("title", "grid")}
    used = None if system.peer else prior.name
    text = json.dumps({**settings, "prior": used, "seconds": seconds}, indent=1)
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != json.loads(text):
        raise ValueError(f"{path}: scores with other settings; delete the folder or use --work.")
    _write(path, text)


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
