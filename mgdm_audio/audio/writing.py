"""Writing audio files so that none is ever half-written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from ..errors import AudioFileError
from .formats import Fit, Format

#: Frames a call: libsndfile's Vorbis encoder overflows its stack on very long buffers.
CHUNK = 1 << 16

#: For stems that lie within full scale, or may leave it.
AS_IT_IS = Fit()


def write_files(
    files: Mapping[Path, np.ndarray],
    samplerate: int,
    format: Format,
    overwrite: bool = False,
    fit: Fit = AS_IT_IS,
) -> list[Path]:
    """Write several files: all of them complete, or none.

    Every file is written under a temporary name beside its own, and renamed when all are done.

    Args:
        files: path to ``[channels, frames]``.
        overwrite: replace files that exist.
        fit: applied to every block on its way, see `fit_range`.

    Raises:
        AudioFileError: a file exists, or cannot be written.
    """
    for path in files:
        if path.exists() and not overwrite:
            raise AudioFileError(f"{path}: exists already; pass --overwrite to replace it.")
    temporary: dict[Path, Path] = {}
    try:
        for path, audio in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path] = path.with_name(f".{path.name}.{os.getpid()}.part")
            _write(temporary[path], audio, samplerate, format, fit)
        for path, part in temporary.items():
            os.replace(part, path)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise AudioFileError(
            f"{path}: cannot be written as {format.container} ({reason}); "
            "check the disk, or choose another format such as --float32."
        ) from error
    except OSError as error:
        raise AudioFileError(
            f"{error.filename or path}: cannot be written ({error.strerror}); "
            "choose another folder with --out."
        ) from error
    finally:
        for part in temporary.values():
            part.unlink(missing_ok=True)
    return list(files)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8): complete, or not at all.

    Raises:
        AudioFileError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be written ({error.strerror}).") from error


def _write(path: Path, audio: np.ndarray, samplerate: int, format: Format, fit: Fit) -> None:
    container = format.container
    if container == "WAV" and audio.size * 4 > 2**32 - 2**20:
        container = "RF64"  # beyond the 32-bit sizes of WAV, and read by the same programs
    with (
        open(path, "wb") as raw,
        soundfile.SoundFile(
            raw, "w", samplerate, len(audio), subtype=format.subtype, format=container
        ) as file,
    ):
        for start in range(0, audio.shape[-1], CHUNK):
            file.write(_encode(fit(audio[:, start : start + CHUNK]).T, format.bits))


def _encode(audio: np.ndarray, bits: int | None) -> np.ndarray:
    """Round to `bits`, left-aligned in 32-bit integers; libsndfile itself would round down."""
    if bits is None:
        return audio
    steps = 2.0 ** (bits - 1)
    rounded = np.rint(audio * steps).clip(-steps, steps - 1).astype(np.int32)
    return np.ascontiguousarray(rounded << (32 - bits))
