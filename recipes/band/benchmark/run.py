"""Measure systems on sets of tracks, one file a track, so that a run can be cut and resumed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mgdm_audio.evaluation import (
    Summary,
    WindowScores,
    bss_eval,
    bss_medians,
    summarise,
    window_scores,
)
from mgdm_audio.evaluation.files import read_scores, write_scores
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior
from recipes.results import write_text
from recipes.slakh.layout import read_track
from recipes.slakh.loading import load_stems
from recipes.slakh.priors import fingerprint

from .systems import STEMS, System, run_system

_BSS = "bss_eval"


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
    bss: dict[str, dict[str, float]]

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


class Runner:
    """What all measurements of a run share.

    Args:
        prior: of the systems that have one.
        device: of the prior.
        batch: windows a denoiser call.
        progress: called with a label, the cost in denoiser passes times seconds of audio, and
            whether there was work to do.
    """

    def __init__(
        self,
        prior: Prior,
        device: torch.device,
        batch: int = 4,
        progress: Callable[[str, float, bool], None] = lambda label, amount, worked: None,
    ):
        self.prior, self.device, self.batch, self.progress = prior, device, batch, progress
        self.weights = fingerprint(prior)

    def measure(
        self,
        system: System,
        tracks: Sequence[Path],
        out: Path,
        seconds: float | None = None,
        bss_seconds: float = 0.0,
    ) -> Result:
        """Separate and score every track that is not scored yet; returns the scores of all.

        Args:
            tracks: folders with bass, drums, guitar and piano as .flac or .wav.
            out: folder for ``TRACK.csv``, ``TRACK.json`` and ``bss_eval/TRACK.json``.
            seconds: of each track, from its middle; by default all.
            bss_seconds: of each track, from its middle, that museval scores; 0 for none.

        Raises:
            ValueError: `out` holds scores with other settings.
            Unavailable: see `run_system`.
            SamplingError, DenoiserError: the sampler diverges.
            EvaluationError: museval or ffmpeg is missing.
        """
        out.mkdir(parents=True, exist_ok=True)
        _same_settings(out / "system.json", self._settings(system, seconds, bss_seconds))
        scores, costs, stems = [], [], STEMS
        for folder in tracks:
            table, note = out / f"{folder.name}.csv", out / f"{folder.name}.json"
            worked = not note.exists()
            if worked:
                self._track(system, folder, out, seconds, bss_seconds)
            noted = json.loads(note.read_text(encoding="utf-8"))
            stems = tuple(noted.pop("stems"))
            scores.append(read_scores(table))
            costs.append(Cost(**noted))
            self.progress(folder.name, system.equivalents * costs[-1].audio, worked)
        files = [out / _BSS / f"{folder.name}.json" for folder in tracks] if bss_seconds else []
        medians = {name: m for name, m in bss_medians(files).items() if name in stems}
        return Result(scores, costs, stems, medians)

    def _track(
        self, system: System, folder: Path, out: Path, seconds: float | None, bss_seconds: float
    ) -> None:
        rate = self.prior.samplerate
        references = _middle(load_stems(read_track(folder, STEMS), rate), seconds, rate)
        mixture = references.sum(0)
        began = time.perf_counter()
        estimate = run_system(system, mixture, references, self.prior, self.device, self.batch)
        took = time.perf_counter() - began
        # a stem that is not made is scored as the mixture and left out of the summary
        stems = np.stack([estimate.stems.get(name, mixture) for name in STEMS])
        write_scores(
            window_scores(torch.from_numpy(stems), torch.from_numpy(references), rate),
            STEMS,
            out / f"{folder.name}.csv",
        )
        if bss_seconds:
            (out / _BSS).mkdir(exist_ok=True)
            parts = (torch.from_numpy(_middle(x, bss_seconds, rate)) for x in (stems, references))
            store = bss_eval(*parts, rate, STEMS, folder.name)
            store.save(out / _BSS / f"{folder.name}.json")
        cost = Cost(took, len(mixture) / rate, estimate.forwards, estimate.backwards)
        made = [name for name in STEMS if name in estimate.stems]
        # last, because it says that the track is done
        write_text(out / f"{folder.name}.json", json.dumps({**cost._asdict(), "stems": made}))

    def _settings(self, system: System, seconds: float | None, bss_seconds: float) -> dict:
        """Everything that scores depend on, as plain data."""
        settings = {k: v for k, v in asdict(system).items() if k not in ("title", "grid")}
        preset = asdict(QUALITIES[system.quality]) if system.quality else None
        used = None if system.peer else [self.prior.name, self.weights]
        asked = {"seconds": seconds, "bss_seconds": bss_seconds}
        return {**settings, "preset": preset, "prior": used, **asked}


def _middle(audio: np.ndarray, seconds: float | None, rate: int) -> np.ndarray:
    """`seconds` of ``[K, T]`` around the middle, or all of it."""
    length = audio.shape[-1]
    size = length if seconds is None else min(int(seconds * rate), length)
    first = (length - size) // 2
    return np.ascontiguousarray(audio[:, first : first + size])


def _same_settings(path: Path, settings: dict) -> None:
    text = json.dumps(settings, indent=1)
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != json.loads(text):
        raise ValueError(f"{path}: scores with other settings; delete the folder or use --work.")
    write_text(path, text)
