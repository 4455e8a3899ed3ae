"""Reading audio files, with one clear sentence for each way in which a file can be bad."""

from __future__ import annotations

import math
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile

from ..errors import AudioFileError
from . import flac, mp3
from .advice import convert_first
from .containers import is_chained, is_cut
from .postpone import postponed

#: Endings that a folder is searched for; a file given by name may have any.
EXTENSIONS = {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus"}
EXTENSIONS |= {".rf64", ".w64", ".wav", ".wave"}

#: Frames read at a time.
BLOCK = 1 << 18

#: Frames read before each block of an MP3, and dropped: a frame can need bits of 23 frames before
#: it, of which the decoder fetches some, not all, after a seek.
MP3_LEAD = 32 * 1152

#: What libsndfile takes for the length of a stream is more.
ENDLESS = 1 << 60

#: Bytes of a file without samples, notes and pictures about it aside.
HEADER = 1 << 16

#: Times full scale. Integers kept as floats reach 2^31; what is beyond that is no sound.
LOUDEST = 1e10


class AudioInfo(NamedTuple):
    """What a file's header says. `frames` counts samples per channel."""

    channels: int
    frames: int
    samplerate: int

    @property
    def seconds(self) -> float:
        return self.frames / self.samplerate


def find_tracks(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The audio files that `paths` name: files as they are, folders by their contents, sorted.

    Folders within folders and hidden files are left out, and a path that comes twice counts once.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        inside = _audio_in(path) if os.path.isdir(path) else []
        for track in inside or [path]:  # reading a folder will say what is wrong with it
            found.setdefault(os.path.abspath(track), track)
    return list(found.values())


def _audio_in(folder: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in EXTENSIONS
            and not path.name.startswith(".")  # what other systems keep beside a file
            and not path.is_dir()
        )
    except OSError:
        return []


def audio_info(path: str | os.PathLike) -> AudioInfo:
    """Header of an audio file.

    Raises:
        AudioFileError: the file is missing, empty, not audio, or has no samples.
    """
    with _opened(Path(path)) as (file, frames):
        return AudioInfo(file.channels, frames, file.samplerate)


def check_part(start: float, duration: float | None) -> None:
    """Whether there can be such a part of a file.

    Raises:
        ValueError: `start` is negative, or `duration` not positive, or one of them not finite.
    """
    if not 0 <= start < math.inf:
        raise ValueError(f"start must be 0 or more seconds, not {start}")
    if duration is not None and not 0 < duration < math.inf:
        raise ValueError(f"duration must be a positive number of seconds, not {duration}")


def part_frames(
    frames: int, samplerate: int, start: float, duration: float | None
) -> tuple[int, int]:
    """First frame of a part of a file of `frames`, and how many it has: none beyond the end."""
    first = round(start * samplerate)
    left = max(frames - first, 0)
    return first, left if duration is None else min(round(duration * samplerate), left)


def read_audio(
    path: str | os.PathLike, start: float = 0.0, duration: float | None = None
) -> tuple[np.ndarray, int]:
    """Read samples as float32 and the sample rate.

    Args:
        path: any file that libsndfile reads (wav, flac, ogg, opus, mp3, aiff, ...).
        start, duration: the part to read, in seconds; by default all.

    Returns:
        ``[channels, frames]`` and samples a second.

    Raises:
        AudioFileError: the file is missing, empty, not audio, cut short, or holds NaN, infinite or
            absurd samples, or the part lies beyond its end.
        ValueError: see `check_part`.
    """
    check_part(start, duration)
    path = Path(path)
    with _opened(path) as (file, frames):
        rate = file.samplerate
        first, count = part_frames(frames, rate, start, duration)
        if first >= frames:
            raise AudioFileError(
                f"{path}: cannot start at {start:g} s, the file has {frames / rate:.2f} s; "
                "choose a smaller --start."
            )
        if count < 1:
            raise AudioFileError(
                f"{path}: a duration of {duration:g} s holds no sample; choose a longer one."
            )
        try:
            with _without_notes(), postponed() as deliver:
                audio = _read(file, first, count, deliver)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{path}: broken audio data ({error.error_string.strip().rstrip('.')}); "
                "fetch the file again, or separate a part of it with --start and --duration."
            ) from error
        whole = first + count == frames
        missing = is_cut(path, file) if whole else None
    if audio.shape[1] < count or missing:
        readable = (first + audio.shape[1]) / rate
        if not audio.shape[1]:
            raise AudioFileError(
                f"{path}: the file is cut short before {start:g} s; fetch it again"
                + (", or choose a smaller --start." if start else ".")
            )
        raise AudioFileError(
            f"{path}: the file is cut short (about {readable:.2f} s are readable); fetch it again, "
            f"or separate what is there with --duration {max(readable - start - 0.1, 0.1):.1f}."
        )
    sound = ((audio > -LOUDEST) & (audio < LOUDEST)).all(0)  # not so for NaN
    if not sound.all():
        worst = int(sound.argmin())
        finite = np.isfinite(audio[:, worst]).all()
        what = (
            f"samples beyond {LOUDEST:g} times full scale" if finite else "NaN or infinite samples"
        )
        raise AudioFileError(
            f"{path}: {what} at {(first + worst) / rate:.3f} s; export the file again, "
            "or leave that part out with --start and --duration."
        )
    return audio, rate


def _read(
    file: soundfile.SoundFile, first: int, count: int, between: Callable[[], None]
) -> np.ndarray:
    """``[channels, count]``, or less if the file ends before. In blocks: one copy in memory."""
    audio = np.empty((file.channels, count), np.float32)
    lead = MP3_LEAD if file.format == "MP3" else 0
    done = 0
    _go_to(file, first)
    while done < count:
        before = min(lead, first + done)
        if before:
            file.seek(first + done - before)
        size = before + min(BLOCK, count - done)
        block = file.read(size, dtype="float32", always_2d=True)[before:]
        if not len(block):
            break
        audio[:, done : done + len(block)] = block.T
        done += len(block)
        between()
    return audio[:, :done]


def _go_to(file: soundfile.SoundFile, frame: int) -> None:
    if file.seekable():
        file.seek(frame)
        return
    while frame > 0 and (passed := len(file.read(min(frame, BLOCK)))):  # as in old codecs' files
        frame -= passed


@contextmanager
def _opened(path: Path) -> Iterator[tuple[soundfile.SoundFile, int]]:
    """An audio file, and its samples per channel, of which there are some."""
    file, frames = _open(path)
    with file:
        if frames == 0:
            if path.stat().st_size > HEADER:
                raise AudioFileError(
                    f"{path}: its header tells of no samples, though there is more in the file (a "
                    f"recording that was cut off?); {convert_first(path)}"
                )
            raise AudioFileError(f"{path}: the file holds no samples.")
        yield file, frames


def _open(path: Path) -> tuple[soundfile.SoundFile, int]:
    try:
        if path.is_dir():
            endings = ", ".join(sorted({p.suffix for p in path.iterdir() if p.suffix})[:5])
            raise AudioFileError(
                f"{path}: this folder holds no audio files that this can read"
                f"{f' (there are {endings})' if endings else ''}; "
                "its subfolders are not searched, name them too."
            )
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe: samples are read from any place, twice
            raise AudioFileError(f"{path}: not a regular file; write the audio to one first.")
        if status.st_size == 0:
            raise AudioFileError(f"{path}: the file is empty.")
        with open(path, "rb"):  # libsndfile would call a file that may not be read damaged
            pass
        if path.suffix.lower() == ".raw":
            raise AudioFileError(
                f"{path}: raw samples do not tell their rate, channels and format; "
                f"{convert_first(path, '-f s16le -ar 44100 -ac 2')}, with what they have"
            )
        with _without_notes(), postponed():
            return _measured(path)
    except soundfile.LibsndfileError as error:
        raise AudioFileError(
            f"{path}: damaged, no audio, or of a format this cannot read ({_reason(error)}); "
            f"if other programs play it, {convert_first(path)}"
        ) from error
    except FileNotFoundError:
        address = re.match(r"(https?|ftp):/", str(path))
        hint = "; download what is at this address first." if address else "."
        raise AudioFileError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror}).") from error


def _measured(path: Path) -> tuple[soundfile.SoundFile, int]:
    """Open a file so that all its samples are read, and count them."""
    # Bytes where names are bytes: they may be no UTF-8, which soundfile would make of a text.
    file = soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path)
    if file.format == "MP3" and (whole := mp3.with_length(path)) is not None:
        file.close()
        return _counted(path, *whole)
    if file.frames < ENDLESS:
        if file.format == "OGG" and is_chained(path):
            file.close()
            raise AudioFileError(
                f"{path}: several Ogg streams in a row, of which only the first would be read; "
                f"{convert_first(path)}"
            )
        return file, file.frames
    file.close()
    content = flac.with_length(path) if file.format == "FLAC" else None
    if content is None:
        raise AudioFileError(f"{path}: the file does not tell its length; {convert_first(path)}")
    file = soundfile.SoundFile(content)
    return file, file.frames


def _counted(path: Path, content: BinaryIO, frames: int | None) -> tuple[soundfile.SoundFile, int]:
    file = soundfile.SoundFile(content)
    if frames is None:
        return file, file.frames
    if file.frames < frames:  # it guesses the length of layers I and II anyhow
        file.close()
        raise AudioFileError(
            f"{path}: MPEG audio of variable bitrate that does not tell its length; "
            f"{convert_first(path)}"
        )
    return file, min(frames, file.frames)


def _reason(error: soundfile.LibsndfileError) -> str:
    text = error.error_string.strip().rstrip(".")
    # It says so of MP3 files in which it finds no frame; the file was there a moment ago.
    return "Format not recognised" if text.startswith("File does not exist") else text


@contextmanager
def _without_notes() -> Iterator[None]:
    """Keep libsndfile's MP3 decoder, and only it, from writing notes about a file to stderr.

    They come from C, so the descriptor itself is turned away for the moment. Not if a program has
    other threads, which may have something to say.
    """
    try:
        kept = os.dup(2) if threading.active_count() == 1 else None
    except OSError:  # there is no stderr
        kept = None
    if kept is None:
        yield
        return
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
