"""Score a run against its references, track by track, and read the scores back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mgdm_audio.evaluation import WindowScores, bss_eval, window_scores
from mgdm_audio.evaluation.bss_eval import find_museval
from mgdm_audio.evaluation.files import read_scores, write_scores

from .layout import STEMS, LayoutError, read_track
from .loading import load_stems, read_mono
from .parallel import pool_map
from .separate import DONE

SCORES, BSS = "windows.csv", "bss_eval"


def evaluate_run(
    data: Sequence[Path],
    run: Path,
    jobs: int = 1,
    museval: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> None:
    """Write ``run / TRACK / windows.csv`` for every track, and ``run / bss_eval / TRACK.json``.

    Tracks that are scored already are left alone.

    Args:
        data: track folders with the references.
        run: folder that `separate_tracks` wrote.
        jobs: processes.
        museval: BSS Eval v4 as well (minutes a track).

    Raises:
        LayoutError: a track is not separated yet.
        EvaluationError: museval or ffmpeg is missing.
    """
    missing = [folder.name for folder in data if not (run / folder.name / DONE).exists()]
    if missing:
        raise LayoutError(
            f"{run}: {len(missing)} of {len(data)} tracks are not separated yet "
            f"({', '.join(missing[:3])}, ...); run separate again to go on."
        )
    if museval:
        find_museval()  # what is missing is better said before an hour of work
    work = partial(evaluate_track, run=run, museval=museval)
    for name in pool_map(work, data, jobs):
        progress(name)


def evaluate_track(folder: Path, run: Path, museval: bool = False) -> str:
    """Score one track and return its name."""
    scores, frames = run / folder.name / SCORES, run / BSS / f"{folder.name}.json"
    if scores.exists() and (frames.exists() or not museval):
        return folder.name
    rate = json.loads((run / folder.name / DONE).read_text(encoding="utf-8"))["samplerate"]
    estimates = torch.from_numpy(
        np.stack([read_mono(run / folder.name / f"{stem}.wav") for stem in STEMS])
    )
    # only whole chunks were separated
    references = torch.from_numpy(load_stems(read_track(folder), rate))[:, : estimates.shape[1]]
    if museval and not frames.exists():
        frames.parent.mkdir(exist_ok=True)
        part = frames.with_suffix(".part")
        bss_eval(estimates, references, rate, STEMS, folder.name).save(part)
        os.replace(part, frames)
    write_scores(window_scores(estimates, references, rate), STEMS, scores)
    return folder.name


def read_run(run: Path) -> list[WindowScores]:
    """Scores of every track of a run, in the order of their names.

    Raises:
        LayoutError: nothing is scored yet.
    """
    files = sorted(run.glob(f"*/{SCORES}"))
    if not files:
        raise LayoutError(f"{run}: no scores; run evaluate first.")
    return [read_scores(file) for file in files]
