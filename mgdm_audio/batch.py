"""Many tracks, one after the other: each is separated and written whole, or reported as failed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .audio import audio_info
from .engine import SamplingError
from .errors import AudioFileError, MGDMError
from .separation import Separation, stem_paths
from .separator import Separator

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Output:
    """What is written where, see the command's options.

    Attributes:
        stems: write only these, or all.
        two_stems: write this one and the sum of the others.
        report: write a page ``report.html`` as well.
    """

    folder: Path
    format: str = "wav24"
    filename: str = "{track}/{stem}.{ext}"
    clip: str = "rescale"
    stems: tuple[str, ...] | None = None
    two_stems: str | None = None
    overwrite: bool = False
    report: bool = False

    def names(self, separator: Separator) -> list[str]:
        """The stems that will be written.

        Raises:
            ValueError: one is asked for that the separator does not make.
        """
        made = separator.stem_names
        for name in self.stems or ((self.two_stems,) if self.two_stems else ()):
            if name not in made:
                raise ValueError(f"no stem {name!r}; this prior makes {', '.join(made)}")
        if self.two_stems:
            return [self.two_stems, f"no_{self.two_stems}"]
        return list(self.stems or made)

    def paths(self, names: Sequence[str], samples: int, track: str) -> list[Path]:
        """Paths of all stems of a track."""
        return stem_paths(
            self.folder, names, samples, self.format, filename=self.filename, track=track
        )

    def report_path(self, track: str) -> Path:
        """Path of a track's report."""
        name = self.filename.format(track=track, stem="report", sample=1, ext="html")
        return self.folder / name


@dataclass
class Outcome:
    """What became of one track: files, or an error."""

    track: Path
    error: str | None = None
    files: list[Path] = field(default_factory=list)
    report: Path | None = None
    info: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result: dict[str, Any] = {"track": str(self.track), "ok": self.error is None}
        if self.error is not None:
            return result | {"error": self.error}
        result["files"] = [str(path) for path in self.files]
        if self.report is not None:
            result["report"] = str(self.report)
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
    """
    for track, name in zip(tracks, unique_names(tracks), strict=True):
        try:
            yield _separate_track(separator, track, name, output, start, duration, progress)
        except (MGDMError, SamplingError) as error:
            yield Outcome(track, error=str(error))


def unique_names(tracks: Sequence[Path]) -> list[str]:
    """Names for the tracks' folders: their file names, numbered where two are the same."""
    names: list[str] = []
    for track in tracks:
        name, number = track.stem, 1
        while name in names:
            number += 1
            name = f"{track.stem}_{number}"
        names.append(name)
    return names


def _separate_track(separator, track, name, output, start, duration, progress) -> Outcome:
    info = audio_info(track)
    paths = output.paths(output.names(separator), separator.samples, name)
    report = output.report_path(name) if output.report else None
    _check_writable([*paths, *([report] if report else [])], output.overwrite)
    seconds = max(min(info.seconds - start, duration or info.seconds), 0.0)
    report_progress, finish = progress(track, seconds) if progress else (None, lambda: None)
    began = time.perf_counter()
    try:
        result = separator.separate_file(track, start, duration, report_progress)
    finally:
        finish()
    wanted = _select(result, output)
    files = wanted.save(
        output.folder,
        output.format,
        filename=output.filename,
        track=name,
        clip=output.clip,
        overwrite=output.overwrite,
    )
    took = time.perf_counter() - began
    if report:
        result.report(report, title=track.name)
    seconds = result.mixture.shape[-1] / result.samplerate
    details = {
        "samplerate": result.samplerate,
        "channels": result.mixture.shape[0],
        "duration": round(seconds, 3),
        "elapsed": round(took, 3),
        "realtime_factor": round(took / seconds, 3),
        "settings": wanted.settings,
    }
    return Outcome(track, files=files, report=report, info=details)


def _select(result: Separation, output: Output) -> Separation:
    if output.two_stems:
        return result.two_stems(output.two_stems)
    return result.select(output.stems) if output.stems else result


def _check_writable(paths: Sequence[Path], overwrite: bool) -> None:
    """Fail before the work, not after it."""
    for path in paths:
        if path.exists() and not overwrite:
            raise AudioFileError(f"{path}: exists already; pass --overwrite to replace it.")
        folder = path.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise AudioFileError(
                f"{folder}: is not a folder, so {path} cannot be written; choose another --out."
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise AudioFileError(f"{folder}: no permission to write; choose another --out.")
