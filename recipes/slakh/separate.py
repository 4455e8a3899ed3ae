"""Separate a folder of tracks after the protocol of MSDM, chunk by chunk, resumable.

Every chunk has a seed of its own, made of the run's seed, the track's name and the chunk's number:
results depend neither on which worker does a track nor on where a run was cut.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from mgdm_audio.devices import has_bfloat16
from mgdm_audio.engine import sample
from mgdm_audio.pretrained import Prior
from recipes.results import write_text

from .layout import LayoutError, read_track
from .loading import load_stems, write_float
from .priors import fingerprint
from .rows import Row

RUN, DONE, TIMING = "run.json", "separation.json", "timing.json"


def start_run(
    row: Row,
    weights: str,
    split: str,
    out: Path,
    level: float | None = None,
    precision: str = "float32",
) -> None:
    """Create a run's folder, or make sure that it holds the same run: settings, weights and split.

    `split` is the name of the folder of tracks, which may lie elsewhere for another worker; `level`
    the prior's, to which mixtures are brought, if it names one; `precision` that of its network.

    Raises:
        LayoutError: it holds another run.
    """
    out.mkdir(parents=True, exist_ok=True)
    noted = {"name": row.name, "title": row.title, "weights": weights, "split": split}
    noted |= row.settings()
    noted |= {"precision": precision} | ({} if level is None else {"level": level})
    text = json.dumps(noted, indent=1)
    path = out / RUN
    if not path.exists():
        write_text(path, text)  # atomic: workers that start together write the same
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    # Runs from before splits were noted go on.
    if {"split": split, **found} != json.loads(text):
        raise LayoutError(
            f"{path}: a run with other settings, weights or tracks; choose another --out or delete "
            f"{out} to start again."
        )


def separate_tracks(
    folders: Sequence[Path],
    row: Row,
    prior: Prior,
    out: Path,
    device: torch.device,
    batch: int = 1,
    progress: Callable[[str], None] = lambda name: None,
) -> None:
    """Separate every track that is not done yet into ``out / TRACK / STEM.wav``.

    Args:
        folders: tracks, in either layout.
        batch: chunks separated together. Equal batches give equal bytes; other batches give equal
            random numbers, but convolutions may round differently.
        progress: called with the name of each track.

    Raises:
        LayoutError: another run is there, or a track cannot be read.
    """
    if not folders:  # of a worker of whom there are more than tracks
        return
    precision = getattr(prior.denoise, "precision", "float32")
    if precision == "auto":  # what that is depends on the machine, and a run may have several
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    split = Path(os.path.abspath(folders[0])).parent.name
    start_run(row, fingerprint(prior), split, out, prior.level, precision)
    for folder in folders:
        target = out / folder.name
        if not (target / DONE).exists():
            separate_track(folder, row, prior, target, device, batch)
        progress(folder.name)


def separate_track(
    folder: Path, row: Row, prior: Prior, target: Path, device: torch.device, batch: int
) -> None:
    """Separate one track; finished batches of chunks are kept if it is cut.

    Where the prior names the level of its training mixtures, the track is brought to it, and back.
    """
    track = read_track(folder, prior.sources)
    mixture = torch.from_numpy(load_stems(track, prior.samplerate).sum(0))
    count = len(mixture) // row.chunk
    if count == 0:
        raise LayoutError(f"{folder}: shorter than one chunk of {row.chunk} samples.")
    parts = target / ".chunks"
    parts.mkdir(parents=True, exist_ok=True)
    gain = gain_to(mixture, prior.level)
    chunks = gain * mixture[: count * row.chunk].reshape(count, 1, row.chunk)
    began = time.perf_counter()
    paths = []
    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        path = parts / f"{first:04d}-{numbers[-1]:04d}.npy"
        paths.append(path)
        if path.exists():
            continue
        y = chunks[first : first + batch].to(device)
        stems = sample(
            row.build(prior, y),
            row.sigmas(prior),
            (len(numbers), len(prior.sources), row.chunk),
            stop=row.stop,
            seed=[chunk_seed(row.seed, track.name, i) for i in numbers],
            device=device,
        )
        part = path.with_suffix(".part")
        with open(part, "wb") as file:
            np.save(file, stems.cpu().numpy())
        os.replace(part, path)
    seconds = time.perf_counter() - began
    done = np.concatenate([np.load(path) for path in paths]) / np.float32(gain)
    for k, name in enumerate(prior.sources):
        write_float(target / f"{name}.wav", done[:, k].reshape(-1), prior.samplerate)
    timing = {
        "seconds": round(seconds, 3),  # of this run; chunks kept from an earlier one cost nothing
        "audio_seconds": round(count * row.chunk / prior.samplerate, 3),
        "device": str(device),
    }
    write_text(target / TIMING, json.dumps(timing))
    write_text(target / DONE, json.dumps({"chunks": count, "samplerate": prior.samplerate}))
    shutil.rmtree(parts)


def gain_to(mixture: torch.Tensor, level: float | None) -> float:
    """The factor that gives a mixture the RMS `level`; 1 if that is None, or the mixture silent."""
    rms = mixture.double().square().mean().sqrt().item()
    return 1.0 if level is None or rms < 1e-8 else level / rms


def chunk_seed(seed: int, track: str, chunk: int) -> int:
    """A 63-bit seed that names one chunk of one track."""
    digest = hashlib.sha256(f"{seed}/{track}/{chunk}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
