"""Means over a test set with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .bss_eval import EvaluationError
from .windows import Silent, WindowScores, counted

_RESAMPLES = 2000
#: Tracks below which an interval would say nothing.
_FEWEST = 3


class Interval(NamedTuple):
    """A mean and the ends of its 95 % interval (NaN where there is nothing to average)."""

    mean: float
    low: float
    high: float


class Summary(NamedTuple):
    """Figures of one system under one silence convention, dB; ``overall`` is the stems' mean."""

    stems: Mapping[str, Interval]
    overall: Interval
    windows: int
    tracks: int


def summarise(
    tracks: Sequence[WindowScores], names: Sequence[str], silent: Silent, seed: int = 0
) -> Summary:
    """Mean over all windows of all tracks, as the papers do, with intervals over tracks.

    Windows of one track overlap and are alike, so intervals come from a bootstrap that draws
    whole tracks (2,000 times, percentile method); taking windows for independent would give
    intervals several times too narrow. Those of few tracks are too narrow as well, by what
    Student's t is wider than a normal distribution and by ``sqrt(n / (n - 1))``, so they are
    widened by both (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015). A stem that
    counts in fewer than three tracks has no interval.

    Args:
        tracks: scores of each track, K columns.
        names: of the K stems.
        silent: "skip" or "include", see `mgdm_audio.evaluation.windows`.
        seed: of the bootstrap.

    Raises:
        EvaluationError: there are three tracks or more, and scipy is missing.
    """
    shape = (len(tracks), len(names))
    total, count = np.zeros(shape), np.zeros(shape)
    for i, track in enumerate(tracks):
        keep = counted(track.active, silent).numpy()
        total[i] = np.where(keep, track.improvement.double().numpy(), 0.0).sum(0)
        count[i] = keep.sum(0)
    mean = _ratio(total.sum(0), count.sum(0))
    if len(tracks) > 1:
        rng = np.random.default_rng(seed)
        # how often each track is drawn, [resamples, tracks]
        drawn = rng.multinomial(len(tracks), np.full(len(tracks), 1 / len(tracks)), _RESAMPLES)
        spread = _ratio(drawn @ total, drawn @ count)
    else:
        spread = np.full((1, len(names)), np.nan)
    # a stem that sounds in no window has no figure, and no part in the mean of the stems
    number = (count > 0).sum(0)
    overall = _interval(
        _mean(mean), np.array([_mean(row) for row in spread]), int((count > 0).any(1).sum())
    )
    stems = {name: _interval(mean[k], spread[:, k], number[k]) for k, name in enumerate(names)}
    windows = sum(len(track.start) for track in tracks)
    return Summary(stems, overall, windows, len(tracks))


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _mean(row: np.ndarray) -> float:
    known = row[~np.isnan(row)]
    return float(known.mean()) if len(known) else float("nan")


def _interval(mean: float, spread: np.ndarray, tracks: int) -> Interval:
    known = spread[~np.isnan(spread)]
    if tracks < _FEWEST or not len(known):
        return Interval(float(mean), float("nan"), float("nan"))
    try:
        from scipy.stats import norm, t  # a second, for programs that need no interval
    except ImportError as error:
        raise EvaluationError(
            f"intervals need scipy ({error}): pip install 'mgdm-audio[evaluation]'."
        ) from error

    low, high = np.percentile(known, (2.5, 97.5))
    wider = t.ppf(0.975, tracks - 1) / norm.ppf(0.975) * math.sqrt(tracks / (tracks - 1))
    return Interval(float(mean), *(float(mean + wider * (end - mean)) for end in (low, high)))
