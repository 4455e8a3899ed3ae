"""Writing files so that none is ever half-written, and none replaced unasked."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile

from ..errors import AudioFileError
from .formats import Fit, Format
from .postpone import postponed
from .temporary import part_for, release, remove_abandoned

#: Frames a call: libsndfile's Vorbis encoder overflows its stack on very long buffers.
CHUNK = 1 << 16

#: Hz: beyond it libsndfile's Vorbis encoder ends the process.
VORBIS_HIGHEST = 200_000

FLAC_CHANNELS = 8

#: For stems that lie within full scale, or may leave it.
AS_IT_IS = Fit()


def write_files(
    files: Mapping[Path, np.ndarray],
    samplerate: int,
    format: Format,
    overwrite: bool = False,
    fit: Fit = AS_IT_IS,
) -> list[Path]:
    """Write several files: all of them complete, or none (but see `new_files`).

    Every file is written under a temporary name beside its own, and renamed when all are done.

    Args:
        files: path to ``[channels, frames]``.
        overwrite: replace files that exist.
        fit: applied to every block on its way, see `fit_range`.

    Raises:
        AudioFileError: a file exists, or cannot be written.
    """
    for path in files:
        _check_rate(path, samplerate, format)
    with new_files(list(files), overwrite) as parts:
        for (path, audio), part in zip(files.items(), parts, strict=True):
            try:
                _write(part, audio, samplerate, format, fit)
            except OSError as error:
                raise _unwritable(path, error) from error
            except soundfile.LibsndfileError as error:
                raise _refused(path, format, error.error_string) from error
    return list(files)


def write_text(path: Path, text: str, overwrite: bool = True) -> None:
    """Write a text file (UTF-8): complete, or not at all.

    Bytes of a file name that are no UTF-8 become ``\\udc80`` to ``\\udcff``.

    Raises:
        AudioFileError: it exists and `overwrite` is false, or it cannot be written.
    """
    with new_files([path], overwrite) as (part,):
        try:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise _unwritable(path, error) from error


def check_format(path: Path, samplerate: int, channels: int, format: Format) -> None:
    """Find out before the work whether a format takes so many channels at such a rate.

    Raises:
        AudioFileError: it does not.
    """
    _check_rate(path, samplerate, format)
    kind = {"subtype": format.subtype, "format": format.container}
    try:
        with (
            postponed(),
            soundfile.SoundFile(io.BytesIO(), "w", samplerate, channels, **kind) as file,
        ):
            file.write(np.zeros((1, channels), np.float32))
    except soundfile.LibsndfileError as error:
        reason = error.error_string
        if format.container == "FLAC" and channels > FLAC_CHANNELS:
            reason = f"it holds no more than {FLAC_CHANNELS} channels, this has {channels}"
        raise _refused(path, format, reason) from error


@contextmanager
def new_files(paths: Sequence[Path], overwrite: bool) -> Iterator[list[Path]]:
    """Temporary paths to fill, which become `paths` if the body ends without an error.

    After an error there is nothing left: no temporary file, no new file, no new folder. What
    processes left that were killed before they could clean up goes as well, see `temporary`.

    Files that are replaced cannot be brought back. Where the last of several renames fails, in a
    folder in which single files are protected, the error names those that were replaced.

    Raises:
        AudioFileError: a path exists and `overwrite` is false (another process may be as fast), or
            cannot be written.
    """
    parts = [part_for(path) for path in paths]
    folders: list[Path] = []
    placed: list[Path] = []
    done = False
    try:
        for path in paths:
            if not overwrite and path.exists():
                raise exists_already(path)
            try:
                _make_folder(path.parent, folders)
            except OSError as error:
                raise _unwritable(path, error) from error
        for folder in {path.parent for path in paths}:
            remove_abandoned(folder)
        yield parts
        with postponed():  # a signal between two renames would leave a part of them
            for path, part in zip(paths, parts, strict=True):
                try:
                    _place(part, path, overwrite)
                except OSError as error:
                    raise _unwritable(path, error, placed if overwrite else ()) from error
                placed.append(path)
            done = True
    finally:
        for file in [*parts, *(() if done or overwrite else placed)]:
            with suppress(OSError):
                file.unlink()
        release(parts)
        for folder in () if done else reversed(folders):
            with suppress(OSError):  # somebody else's files are in it
                folder.rmdir()


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.exists() and folder != folder.parent:  # a drive may be missing
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        made.append(folder)


def _place(part: Path, path: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(part, path)  # unlike a rename, it fails if the file is there by now
            return
        except FileExistsError:
            raise exists_already(path) from None
        except OSError:  # a file system without hard links
            if path.exists():
                raise exists_already(path) from None
    os.replace(part, path)


def _write(path: Path, audio: np.ndarray, samplerate: int, format: Format, fit: Fit) -> None:
    container = format.container
    if container == "WAV" and audio.size * 4 > 2**32 - 2**20:
        container = "RF64"  # beyond the 32-bit sizes of WAV, and read by the same programs
    with _File(path, "w+") as raw, postponed() as deliver:
        try:
            with soundfile.SoundFile(
                raw, "w", samplerate, len(audio), subtype=format.subtype, format=container
            ) as file:
                for start in range(0, audio.shape[-1], CHUNK):
                    file.write(_encode(fit(audio[:, start : start + CHUNK]).T, format.bits))
                    deliver()
        finally:
            raw.check()


class _File(io.FileIO):
    """Remembers why a write failed: libsndfile, through which it is called, does not."""

    error: OSError | None = None

    def write(self, data) -> int:
        view = memoryview(data)
        try:
            while view and self.error is None:  # the system may write a part
                view = view[super().write(view) :]
        except OSError as error:
            self.error = error
        return len(data) - len(view)

    def check(self) -> None:
        if self.error is not None:
            raise self.error


def _encode(audio: np.ndarray, bits: int | None) -> np.ndarray:
    """Round to `bits`, left-aligned in 32-bit integers; libsndfile itself would round down."""
    if bits is None:
        return audio
    steps = 2.0 ** (bits - 1)
    rounded = np.rint(audio * steps).clip(-steps, steps - 1).astype(np.int32)
    return np.ascontiguousarray(rounded << (32 - bits))


def exists_already(path: Path) -> AudioFileError:
    """What to raise where a file may not be replaced."""
    return AudioFileError(
        f"{path}: exists already; --overwrite (overwrite=True in Python) replaces it."
    )


def _unwritable(path: Path, error: OSError, replaced: Sequence[Path] = ()) -> AudioFileError:
    message = f"{path}: cannot be written ({error.strerror}); choose another folder."
    if replaced:
        message += f" Replaced already: {', '.join(other.name for other in replaced)}."
    return AudioFileError(message)


def _check_rate(path: Path, samplerate: int, format: Format) -> None:
    if format.subtype == "VORBIS" and samplerate > VORBIS_HIGHEST:
        reason = f"it takes no more than {VORBIS_HIGHEST} Hz, this has {samplerate}"
        raise _refused(path, format, reason)


def _refused(path: Path, format: Format, reason: str) -> AudioFileError:
    return AudioFileError(
        f"{path}: cannot be written as {format.container} ({reason.strip().rstrip('.')}); "
        "choose another format such as --float32."
    )
