"""Crops of recorded tracks: folders of stems, and Slakh2100 as distributed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..audio.resample import resample

STEMS = ("bass", "drums", "guitar", "piano")


class Track(NamedTuple):
    """Files that are summed for each stem (none: it is silent), their rate and greatest length."""

    name: str
    files: tuple[tuple[Path, ...], ...]
    samplerate: int
    frames: int


def find_tracks(folder: str | Path, sources: Sequence[str] = STEMS) -> list[Track]:
    """Tracks directly below `folder`, sorted by name.

    A track is a folder with ``{source}.flac`` or ``.wav`` for at least one source, or one of
    Slakh2100's (``metadata.yaml`` and ``stems/S00.flac``, ...), whose files go by ``inst_class``.

    Raises:
        FileNotFoundError: `folder` holds no tracks.
        ValueError: files of one track differ in sampling rate, or its metadata is damaged.
    """
    folder = Path(folder)
    tracks = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        files = _files(path, sources)
        if any(files):
            tracks.append(_track(path, files))
    if not tracks:
        raise FileNotFoundError(
            f"{folder}: no folders with {', '.join(sources)} as .flac or .wav, nor Slakh2100 tracks"
        )
    return tracks


def _files(path: Path, sources: Sequence[str]) -> tuple[tuple[Path, ...], ...]:
    if (path / "metadata.yaml").exists():
        return _slakh_files(path, sources)
    choices = [[path / f"{source}{ending}" for ending in (".flac", ".wav")] for source in sources]
    return tuple(tuple([p for p in paths if p.exists()][:1]) for paths in choices)


def _slakh_files(path: Path, sources: Sequence[str]) -> tuple[tuple[Path, ...], ...]:
    import yaml  # only Slakh's layout needs it

    try:
        stems = yaml.safe_load((path / "metadata.yaml").read_text(encoding="utf-8"))["stems"]
        rows = [(row["inst_class"].lower(), name) for name, row in sorted(stems.items())]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path / 'metadata.yaml'} is damaged ({error!r})") from error
    # Some stems that the metadata lists were never rendered: their files do not exist.
    named = [(kind, path / "stems" / f"{name}.flac") for kind, name in rows]
    return tuple(
        tuple(file for kind, file in named if kind == source and file.exists())
        for source in sources
    )


def read_header(file: Path):
    """What `soundfile.info` tells of a file.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return soundfile.info(file)
    except soundfile.LibsndfileError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: soundfile.LibsndfileError) -> ValueError:
    return ValueError(f"{file}: cannot be read ({error.error_string.strip()})")


def _track(path: Path, files: tuple[tuple[Path, ...], ...]) -> Track:
    headers = [read_header(file) for group in files for file in group]
    rates = {header.samplerate for header in headers}
    if len(rates) > 1:
        raise ValueError(f"{path}: files of different sampling rates, {sorted(rates)}")
    return Track(path.name, files, rates.pop(), max(header.frames for header in headers))


def read_crop(track: Track, start: float, seconds: float, samplerate: int) -> np.ndarray:
    """Stems ``[K, T]`` float32, mono, from `start` seconds on; zeros where a file has ended.

    Only the crop is read, with a margin for the resampling filter.

    Raises:
        ValueError: a file is damaged, or ends before it says.
    """
    length = round(seconds * samplerate)
    margin = 0 if track.samplerate == samplerate else track.samplerate // 20
    first = round(start * track.samplerate)
    # The margin before it is a whole number of samples at both rates.
    unit = track.samplerate // math.gcd(track.samplerate, samplerate)
    before = min(margin, first) // unit * unit
    frames = int(np.ceil(length * track.samplerate / samplerate)) + before + margin
    stems = np.zeros((len(track.files), frames), np.float32)
    for stem, files in zip(stems, track.files, strict=True):
        for file in files:
            try:
                audio = _read(file, first - before, frames)
            except soundfile.LibsndfileError as error:
                raise _unreadable(file, error) from error
            stem[: len(audio)] += audio.mean(1)
    if track.samplerate == samplerate:
        return stems[:, :length]
    audio = resample(stems, track.samplerate, samplerate)
    skip = before * samplerate // track.samplerate
    return audio[:, skip : skip + length]


def _read(file: Path, first: int, frames: int) -> np.ndarray:
    """``[at most frames, channels]`` from `first` on; nothing of a file that has ended by then."""
    with soundfile.SoundFile(file) as sound:
        count = max(min(frames, sound.frames - first), 0)
        if count:
            sound.seek(first)
        audio = sound.read(count, dtype="float32", always_2d=True)
    if len(audio) < count:
        raise ValueError(f"{file}: is cut short; fetch it again, or leave it out")
    return audio


def sounding(stems: np.ndarray) -> np.ndarray:
    """Which of the stems ``[K, T]`` sound, ``[K]``: their peak is above -60 dB of full scale."""
    return np.abs(stems).max(1) > 1e-3


class TrackDataset(IterableDataset):
    """Endless random crops of the tracks below a folder, ``[K, T]`` float32.

    Item `n` depends on the arguments and `n` alone, so a run that was cut short goes on with
    ``start`` = the number of items consumed (a multiple of the batch size times the number of
    workers, if there are several).

    Args:
        folder: see `find_tracks`.
        seconds: length of an item. Shorter tracks are padded with zeros.
        samplerate: in Hz; files are resampled where theirs is another.
        seed: of the endless stream.
        start: number of the first item.
        sources: stems, in this order.
        remix: probability that each stem comes from a track of its own.
        gain: spread in decibels of a random gain a stem.
        tries: crops drawn until one has two stems that sound; the last is taken as it is.

    Raises:
        FileNotFoundError: there are no tracks.
    """

    def __init__(
        self,
        folder: str | Path,
        seconds: float = 6.0,
        samplerate: int = 22050,
        seed: int = 0,
        *,
        start: int = 0,
        sources: Sequence[str] = STEMS,
        remix: float = 0.0,
        gain: float = 0.0,
        tries: int = 4,
    ):
        self.tracks, self.sources = find_tracks(folder, sources), tuple(sources)
        self.seconds, self.samplerate, self.seed, self.start = seconds, samplerate, seed, start
        self.remix, self.gain, self.tries = remix, gain, tries

    def __iter__(self) -> Iterator[Tensor]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        number = self.start + worker
        while True:
            yield self.item(number)
            number += workers

    def item(self, number: int) -> Tensor:
        """Item `number` of the stream, ``[K, T]``."""
        rng = np.random.default_rng([self.seed, number])
        for _ in range(self.tries):
            crop = self._crop(rng)
            if sounding(crop).sum() >= 2:
                break
        return torch.from_numpy(np.ascontiguousarray(crop))

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        stems = self._random(rng)
        if rng.random() < self.remix:
            stems = np.stack([self._random(rng)[k] for k in range(len(stems))])
        if self.gain:
            gains = 10 ** (rng.normal(0, self.gain, (len(stems), 1)) / 20)
            stems = stems * gains.astype(np.float32)
        return stems

    def _random(self, rng: np.random.Generator) -> np.ndarray:
        track = self.tracks[rng.integers(len(self.tracks))]
        room = max(track.frames / track.samplerate - self.seconds, 0.0)
        return read_crop(track, rng.uniform(0, room), self.seconds, self.samplerate)
