"""BSS Eval v4 (Stoeter, Liutkus and Ito, 2018) by the museval package, with its frames and JSON."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ..errors import MGDMError

if TYPE_CHECKING:
    from museval import TrackStore

METRICS = ("SDR", "SIR", "ISR", "SAR")
_TRACE = 1e-9  # for estimates of nothing, which museval refuses; -180 dB


class EvaluationError(MGDMError):
    """A figure cannot be computed; the message says why and what to do."""


def find_museval() -> ModuleType:
    """The museval package, which looks for ffmpeg when it is imported.

    Raises:
        EvaluationError: museval or ffmpeg is missing; the message says how to get it.
    """
    missing = [tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None]
    if missing:
        raise EvaluationError(
            f"museval needs {' and '.join(missing)} on the PATH: install ffmpeg (for instance "
            "apt install ffmpeg, or brew install ffmpeg). SI-SDR figures need neither."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations of its dependencies
            import museval
    except ImportError as error:
        raise EvaluationError(
            f"museval cannot be imported ({error}): pip install 'mgdm-audio[evaluation]'."
        ) from error
    return museval


def bss_eval(
    estimates: Tensor,
    references: Tensor,
    samplerate: int,
    names: Sequence[str],
    track: str = "",
    window: float = 1.0,
    hop: float = 1.0,
) -> TrackStore:
    """Frame-wise SDR, SIR, ISR and SAR of one track as museval's ``TrackStore``.

    Its ``.json``, ``.df``, ``.save(path)`` and ``.validate()`` are museval's own. A stem whose
    reference is silent throughout has no figures and is left out, where museval itself would give
    none for any stem. A frame in which a stem or an estimate is silent throughout has none for any,
    as in museval: where stems pause, few frames may count, and of two systems not the same ones.

    Args:
        estimates, references: ``[K, T]``, or ``[K, C, T]`` for stereo images.
        samplerate: Hz.
        names: of the stems, K of them.
        track: name of the track.
        window, hop: of the frames, in seconds.

    Raises:
        ValueError: shapes that do not match.
        EvaluationError: museval or ffmpeg is missing, or no reference sounds.
    """
    if estimates.shape != references.shape or len(names) != len(references):
        raise ValueError(
            f"estimates {tuple(estimates.shape)}, references {tuple(references.shape)} and "
            f"{len(names)} names do not match"
        )
    museval = find_museval()
    reference, estimate = (_images(x) for x in (references, estimates))
    sounding = reference.any((1, 2))
    if not sounding.any():
        raise EvaluationError(f"{track or 'track'}: every reference is silent.")
    silent = ~estimate.any((1, 2))
    estimate[silent, 0] = _TRACE
    values = museval.evaluate(
        reference[sounding],
        estimate[sounding],
        win=int(window * samplerate),
        hop=int(hop * samplerate),
    )
    store = museval.TrackStore(track, win=window, hop=hop)
    kept = [name for name, keep in zip(names, sounding, strict=True) if keep]
    for i, name in enumerate(kept):
        sdr, isr, sir, sar = (v[i].tolist() for v in values)
        store.add_target(name, {"SDR": sdr, "SIR": sir, "ISR": isr, "SAR": sar})
    return store


def bss_medians(files: Iterable[Path]) -> dict[str, dict[str, float]]:
    """Median over tracks of the medians over frames, ``{stem: {metric: dB}}``.

    museval's convention. Reads the JSON files of one system, one a track; needs no museval.
    """
    tracks: dict[str, dict[str, list[float]]] = {}
    for file in files:
        for target in json.loads(Path(file).read_text(encoding="utf-8"))["targets"]:
            stem = tracks.setdefault(target["name"], {metric: [] for metric in METRICS})
            for metric in METRICS:
                frames = [float(frame["metrics"][metric]) for frame in target["frames"]]
                stem[metric].append(_median(frames))
    return {
        name: {metric: _median(values) for metric, values in stem.items()}
        for name, stem in tracks.items()
    }


def _median(values: Sequence[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.median(known)) if known else float("nan")


def _images(x: Tensor) -> np.ndarray:
    """``[K, (C,) T]`` to museval's ``[K, T, C]`` in float64."""
    x = x.detach().cpu().double()
    return np.ascontiguousarray((x[:, None] if x.ndim == 2 else x).mT.numpy())
