"""Slakh2100 as distributed to four mono stems a track at 22,050 Hz, checked and resumable."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from mgdm_audio.digest import file_sha256

from .layout import LayoutError, find_tracks, read_track
from .loading import SAMPLERATE, load_stems, write_float
from .parallel import pool_map

MANIFEST = "prepared.json"
SUMS = "SHA256SUMS"


def prepare_split(
    source: Path,
    out: Path,
    jobs: int = 1,
    allow_partial: bool = False,
    verify: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> list[str]:
    """Prepare every track of one split, several at a time; returns the problems found.

    Tracks that are done are left alone (with `verify`, after recomputing their checksums, and they
    are made again if those differ), so a run that was cut is continued by running it again.
    Writes ``SHA256SUMS``, which ``sha256sum -c`` reads, when every track is done.

    Args:
        source: folder of tracks in either layout.
        out: folder to create, one folder a track.
        jobs: processes.
        progress: called with the name of each track that is done.

    Raises:
        LayoutError: `source` has no tracks, or fewer than a release has.
    """
    folders = find_tracks(source, allow_partial)
    out.mkdir(parents=True, exist_ok=True)
    problems = []
    work = partial(_attempt, out=out, verify=verify)
    for folder, problem in zip(folders, pool_map(work, folders, jobs), strict=True):
        if problem:
            problems.append(problem)
        progress(folder.name)
    if not problems:
        _write_sums(out, [folder.name for folder in folders])
    return problems


def prepare_track(folder: Path, out: Path, verify: bool = False) -> Path:
    """Write one track's stems to ``out / name`` and return that folder.

    Stems are 24-bit FLAC, or 32-bit float WAV for a track in which a sum of sources leaves full
    scale. The folder appears under its name only when it is complete.

    Raises:
        LayoutError: see `read_track` and `load_stems`.
    """
    target = out / folder.name
    if is_prepared(target, verify):
        return target
    track = read_track(folder)
    stems = load_stems(track)
    part = out / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    fits = np.abs(stems).max(initial=0.0) < 1.0
    files = {}
    for name, stem in zip(track.files, stems, strict=True):
        path = part / (f"{name}.flac" if fits else f"{name}.wav")
        if fits:
            soundfile.write(path, stem, SAMPLERATE, subtype="PCM_24")
        else:
            write_float(path, stem, SAMPLERATE)
        files[path.name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    sources = {stem: [path.name for path in paths] for stem, paths in track.files.items()}
    manifest = {"samplerate": SAMPLERATE, "frames": stems.shape[1], "sources": sources}
    text = json.dumps({**manifest, "files": files}, indent=1)
    (part / MANIFEST).write_text(text, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    return target


def is_prepared(target: Path, verify: bool = False) -> bool:
    """Whether a track's folder is complete: sizes as noted, and checksums with `verify`."""
    try:
        files = json.loads((target / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return False
    for name, noted in files.items():
        path = target / name
        if not path.is_file() or path.stat().st_size != noted["bytes"]:
            return False
        if verify and file_sha256(path) != noted["sha256"]:
            return False
    return bool(files)


def _attempt(folder: Path, out: Path, verify: bool) -> str | None:
    """`prepare_track` for a pool: one bad track must not stop the others."""
    try:
        prepare_track(folder, out, verify)
    except LayoutError as error:
        return str(error)
    return None


def _write_sums(out: Path, names: Sequence[str]) -> None:
    lines = []
    for name in names:
        files = json.loads((out / name / MANIFEST).read_text(encoding="utf-8"))["files"]
        lines += [f"{noted['sha256']}  {name}/{file}\n" for file, noted in sorted(files.items())]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")
