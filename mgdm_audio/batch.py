"""Many tracks, one after the other: each is separated and written whole, or reported as failed."""

from __future__ import annotations

import os
import shutil
import time
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .audio import FORMATS, AudioInfo, audio_info, check_format, check_part, part_frames
from .audio.writing import exists_already
from .devices import explain_memory
from .engine import SamplingError
from .errors import AudioFileError, MGDMError, unexpected
from .separation import Separation, stem_paths
from .separator import Separator

Progress = Callable[[float, float], None]

#: Seconds by which stems may differ from what their track's header says.
SAME_LENGTH = 0.1


@dataclass(frozen=True)
class Output:
    """What is written where, see the command's options.

    Attributes:
        stems: write only these, or all.
        two_stems: write this one and the sum of the others.
        skip_existing: leave out tracks of which all files exist and have the track's length, rate
            and channels. Stems come into being all at once, so what is there is whole; a report is
            written after them.
        report: write a page ``report.html`` as well.
    """

    folder: Path
    format: str = "wav24"
    filename: str = "{track}/{stem}.{ext}"
    clip: str = "rescale"
    stems: tuple[str, ...] | None = None
    two_stems: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    report: bool = False

    def names(self, separator: Separator) -> list[str]:
        """The stems that will be written.

        Raises:
            ValueError: one is asked for that the separator does not make.
        """
        kept = self.computed(separator)
        if self.two_stems:
            kept.insert(1, f"no_{self.two_stems}")
        return kept

    def computed(self, separator: Separator) -> list[str]:
        """The separator's stems that `names` needs; a residual that was asked for is among them.

        Raises:
            ValueError: one is asked for that the separator does not make.
        """
        made = separator.stem_names
        wanted = (self.two_stems,) if self.two_stems else self.stems or made
        for name in wanted:
            if name not in made and name in separator.prior.sources:
                raise ValueError(f"{name!r} cannot be written: the music is said to be without it")
            if name not in made:
                known = ", ".join(separator.prior.sources)
                raise ValueError(f"no stem {name!r}; this prior makes {known}")
        return list(dict.fromkeys([*wanted, *(["residual"] if "residual" in made else [])]))

    def paths(self, names: Sequence[str], samples: int, track: str) -> list[Path]:
        """Paths of all stems of a track."""
        return stem_paths(
            self.folder, names, samples, self.format, filename=self.filename, track=track
        )

    def others(self, separator: Separator, track: str) -> Iterator[Path]:
        """Paths of stems that the prior makes, and of a report, which this does not write."""
        names = self.names(separator)
        written = {_same(path) for path in self.paths(names, separator.samples, track)}
        sources = separator.prior.sources
        for name in (*sources, "residual", *(f"no_{source}" for source in sources)):
            for path in () if name in names else self.paths([name], separator.samples, track):
                if _same(path) not in written:  # as where the template has no {stem}
                    yield path
        # Without {ext} a report would not be one by its name, but perhaps a stem.
        report = self.report_path(track) if self.filename.endswith(".{ext}") else None
        if report and not self.report and _same(report) not in written:
            yield report

    def report_path(self, track: str) -> Path:
        """Path of a track's report."""
        name = self.filename.format(track=track, stem="report", sample=1, ext="html")
        return self.folder / name

    def check(self, separator: Separator, tracks: Sequence[str]) -> None:
        """Whether every file of every track has a path of its own.

        Raises:
            ValueError: it has not, a stem is unknown, or the template cannot be filled in or gives
                files another ending than their own.
        """
        names = self.names(separator)
        owners: dict[str, str] = {}
        for track in tracks or ["track"]:
            paths = self.paths(names, separator.samples, track)
            paths += [self.report_path(track)] if self.report else []
            for path in map(_same, paths):
                if owners.setdefault(path, track) != track:
                    raise ValueError(
                        f"the file name {self.filename!r} is the same for several tracks, "
                        f"{owners[path]} and {track}; use all of {{track}}"
                    )
        ending, fixed = Path(self.filename).suffix, f".{FORMATS[self.format].extension}"
        if ending != ".{ext}" and (self.report or ending.lower() != fixed):
            raise ValueError(
                f"the file name {self.filename!r} gives files no or a wrong ending; end it in "
                ".{ext}"
            )


def _same(path: Path) -> str:
    """Equal for paths of the same file, see `unique_names`."""
    return _folded(os.path.normpath(path))


def _folded(name: str) -> str:
    """Equal for names that a file system may take for the same."""
    return unicodedata.normalize("NFC", name).casefold()


@dataclass
class Outcome:
    """What became of one track: files, or an error.

    Attributes:
        trace: the traceback of an error that nobody foresaw.
        skipped: whether all files were there, and nothing was done.
        stale: stems and a report of an earlier separation that lie beside the files, see
            `Output.others`.
    """

    track: Path
    error: str | None = None
    trace: str | None = None
    skipped: bool = False
    files: list[Path] = field(default_factory=list)
    report: Path | None = None
    info: dict[str, Any] = field(default_factory=dict)
    stale: list[Path] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """What all stems were multiplied by so that none is beyond full scale."""
        return self.info.get("settings", {}).get("scale", 1.0)

    @property
    def cut(self) -> bool:
        """Whether peaks of the stems were cut off."""
        return self.info.get("settings", {}).get("cut", False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result: dict[str, Any] = {"track": str(self.track), "ok": self.error is None}
        if self.error is not None:
            result["error"] = self.error
        if self.error is None or self.files:
            result["files"] = [str(path) for path in self.files]
        if self.skipped:
            result["skipped"] = True
        if self.report is not None:
            result["report"] = str(self.report)
        if self.stale:
            result["stale"] = [str(path) for path in self.stale]
        return result | self.info


def separate_tracks(
    separator: Separator,
    tracks: Sequence[Path],
    output: Output,
    *,
    start: float = 0.0,
    duration: float | None = None,
    progress: Callable[[Path, float], tuple[Progress, Callable[[], None]]] | None = None,
) -> Iterator[Outcome]:
    """Separate tracks and write their stems, going on after one that fails.

    Args:
        start, duration: the part of every track, in seconds.
        progress: called with each track and its seconds; returns a function of seconds done and
            their total, and one to call at the end.

    Yields:
        an outcome a track, in order.

    Raises:
        ValueError: there can be no such part of any track.
    """
    check_part(start, duration)
    originals = {identity for identity in map(_identity, tracks) if identity is not None}
    for track, name in zip(tracks, unique_names(tracks), strict=True):
        yield _attempt(separator, track, name, output, originals, start, duration, progress)


def unique_names(tracks: Sequence[Path]) -> list[str]:
    """Names for the tracks' folders: their file names, numbered where two are the same.

    Capital letters count as small ones, and an accent is the same in one character or two, as for
    many file systems. Dots and spaces at the end, which Windows leaves out of folders' names, go.
    """
    names: list[str] = []
    taken: set[str] = set()
    for track in tracks:
        # A file "...wav" has the stem "..", which would lead out of the output folder.
        plain = track.stem.rstrip(". ") or "track"
        name, number = plain, 1
        while _folded(name) in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(_folded(name))
        names.append(name)
    return names


def _attempt(separator, track, *how) -> Outcome:
    """Whatever is wrong with one track, the others are done."""
    outcome = Outcome(track)
    try:
        with explain_memory("separate a part of the track with --start and --duration."):
            _separate_track(outcome, separator, *how)
    except Exception as error:
        foreseen = isinstance(error, (MGDMError, SamplingError))
        outcome.error = str(error) if foreseen else unexpected(error)
        outcome.trace = None if foreseen else traceback.format_exc()
        if isinstance(error, SamplingError):
            outcome.error += "; use more --steps, other options (-O), or another --sampler."
        if outcome.files:
            outcome.error = f"the stems are written, the report is not: {outcome.error}"
        if outcome.files or not isinstance(error, AudioFileError):  # which begins with a path
            outcome.error = f"{track}: {outcome.error}"
    return outcome


def _separate_track(outcome, separator, name, output, originals, start, duration, progress) -> None:
    """Fill in `outcome`: its files as soon as they are there, whatever comes after."""
    track = outcome.track
    info = audio_info(track)
    paths = output.paths(output.names(separator), separator.samples, name)
    report = output.report_path(name) if output.report else None
    wanted_files = [*paths, *([report] if report else [])]
    done = output.skip_existing and all(map(os.path.isfile, wanted_files))
    _, count = part_frames(info.frames, info.samplerate, start, duration)
    # Of no samples reading will say so.
    if done and count and not originals.intersection(map(_identity, wanted_files)):
        _check_same(paths[0], info, count)
        outcome.files, outcome.report, outcome.skipped = paths, report, True
        return
    seconds = count / info.samplerate
    _check_writable(wanted_files, output.overwrite, originals)
    _check_format(paths, info, seconds, output.format)
    # The report shows all stems, the files may need fewer.
    stems = None if report else output.computed(separator)
    report_progress, finish = progress(track, seconds) if progress else (None, lambda: None)
    began = time.perf_counter()
    try:
        result = separator.separate_file(track, start, duration, report_progress, stems)
    finally:
        finish()
    details = {
        "samplerate": result.samplerate,
        "channels": result.mixture.shape[0],
        "duration": round(result.mixture.shape[-1] / result.samplerate, 6),
    }
    wanted = _select(result, output, separator)
    if not report:
        del result  # a long track is large, and `wanted` may be less of it
    files = wanted.save(
        output.folder,
        output.format,
        filename=output.filename,
        track=name,
        clip=output.clip,
        overwrite=output.overwrite,
    )
    took = time.perf_counter() - began
    settings = wanted.settings
    del wanted
    outcome.files = files
    # Replaced were those that are written; together with others they are no separation.
    others = output.others(separator, name) if output.overwrite else ()
    outcome.stale = [p for p in others if os.path.exists(p) and _identity(p) not in originals]
    outcome.info = details | {
        "elapsed": round(took, 3),
        "realtime_factor": round(took / max(details["duration"], 1e-6), 3),
        "settings": settings,
    }
    if report:
        outcome.report = result.report(report, title=track.name, overwrite=output.overwrite)


def _check_same(stem: Path, track: AudioInfo, wanted: int) -> None:
    """Whether a stem that is there can be of `wanted` frames of this track: names may be shared."""
    there = audio_info(stem)
    alike = abs(there.frames - wanted) <= SAME_LENGTH * track.samplerate
    if (there.channels, there.samplerate) != (track.channels, track.samplerate) or not alike:
        raise AudioFileError(
            f"{stem}: is of another track or part ({there.channels} channels of "
            f"{there.seconds:.2f} s at {there.samplerate} Hz, not {track.channels} of "
            f"{wanted / track.samplerate:.2f} s at {track.samplerate} Hz); choose another --out or "
            "--filename, or delete it."
        )


def _select(result: Separation, output: Output, separator: Separator) -> Separation:
    if output.two_stems:
        return result.two_stems(output.two_stems)
    return result.select(output.computed(separator))


def _check_writable(paths: Sequence[Path], overwrite: bool, originals: set) -> None:
    """Fail before the work, not after it. `originals` are never replaced, see `_identity`."""
    for path in paths:
        try:
            if _identity(path) in originals:
                raise AudioFileError(
                    f"{path}: is one of the tracks, and would be replaced by a stem; "
                    "choose another --out or --filename."
                )
            if path.is_dir():
                raise AudioFileError(f"{path}: is a folder; choose another --out or --filename.")
            if path.exists() and not overwrite:
                raise exists_already(path)
        except OSError as error:  # a name that is too long, for instance
            raise AudioFileError(
                f"{path}: cannot be written ({error.strerror}); choose another --filename."
            ) from error
        folder = path.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise AudioFileError(
                f"{folder}: is not a folder, so {path} cannot be written; choose another --out."
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise AudioFileError(f"{folder}: no permission to write; choose another --out.")


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of a file; None if there is none, or no way to it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_format(paths: Sequence[Path], info: AudioInfo, seconds: float, name: str) -> None:
    """Whether the format can hold the track, and the disk the files."""
    spec = FORMATS[name]
    check_format(paths[0], info.samplerate, info.channels, spec)
    if spec.container != "WAV":  # compressed: nobody knows the size
        return
    folder = next(parent for parent in paths[0].absolute().parents if parent.is_dir())
    size = len(paths) * seconds * info.samplerate * info.channels * (spec.bits or 32) / 8
    free = shutil.disk_usage(folder).free
    if size > free:
        raise AudioFileError(
            f"{folder}: the disk has room for {free / 1e6:.0f} MB, the stems need "
            f"{size / 1e6:.0f} MB; choose another --out, or --flac."
        )
