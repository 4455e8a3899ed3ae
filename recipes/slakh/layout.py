"""Where Slakh2100's stems are on disk, in either of the layouts that people have.

As distributed (Manilow et al., WASPAA 2019; "redux" lacks the duplicates)::

    train/Track00001/{metadata.yaml, mix.flac, stems/S00.flac, ...}

As prepared by MSDM or by this recipe::

    train/Track00001/{bass, drums, guitar, piano}.{wav, flac}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
import yaml

STEMS = ("bass", "drums", "guitar", "piano")
SPLITS = ("train", "validation", "test")
#: Tracks of each split of the two releases, redux and original.
RELEASES = {"train": (1289, 1500), "validation": (270, 375), "test": (151, 225)}
#: Largest difference between the lengths of one track's files, in seconds, as in MSDM.
TOLERANCE = 0.1
_ENDINGS = (".flac", ".wav")


class LayoutError(Exception):
    """Files that are missing, cut short, or do not belong together; the message says which."""


@dataclass(frozen=True)
class Track:
    """One song: for each stem the files that are summed (none for an absent instrument)."""

    name: str
    folder: Path
    files: dict[str, tuple[Path, ...]]
    samplerate: int
    frames: int


def read_track(folder: Path, stems: Sequence[str] = STEMS) -> Track:
    """What a track consists of, in either layout, with every file's header checked.

    Raises:
        LayoutError: nothing there that is known, a file that is announced but absent or unreadable,
            or files of different rates or lengths.
    """
    if (folder / "metadata.yaml").exists():
        files, extra = _distributed(folder, stems)
    else:
        files, extra = _prepared(folder, stems), ()
        if not any(files.values()):
            raise LayoutError(
                f"{folder}: neither metadata.yaml nor {', '.join(stems)} as .wav or .flac; "
                "is the archive unpacked completely?"
            )
    headers = {path: _header(path) for paths in (*files.values(), extra) for path in paths}
    rates = {rate for rate, _ in headers.values()}
    frames = [count for _, count in headers.values()]
    if len(rates) > 1:
        raise LayoutError(f"{folder}: files of different sample rates, {sorted(rates)}.")
    (rate,) = rates
    if max(frames) - min(frames) > TOLERANCE * rate:
        shortest = min(headers, key=lambda path: headers[path][1])
        raise LayoutError(
            f"{shortest}: {min(frames) / rate:.1f} s, while others of its track last "
            f"{max(frames) / rate:.1f} s; fetch the archive again."
        )
    return Track(folder.name, folder, files, rate, min(frames))


def find_tracks(root: Path, allow_partial: bool = False) -> list[Path]:
    """Track folders directly under `root`, sorted by name.

    Raises:
        LayoutError: none there; or `root` is named like a split of Slakh and has not as many
            tracks as either release, unless `allow_partial`.
    """
    folders = sorted(p for p in root.iterdir() if _is_track(p)) if root.is_dir() else []
    if not folders:
        raise LayoutError(f"{root}: no tracks (folders such as Track00001) found.")
    known = RELEASES.get(root.name)
    if known and len(folders) not in known and not allow_partial:
        redux, original = known
        raise LayoutError(
            f"{root}: {len(folders)} tracks, but {root.name} has {redux} (redux) or {original}; "
            "the download is incomplete. Use --allow-partial to go on with what is there."
        )
    return folders


def _is_track(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _distributed(
    folder: Path, stems: Sequence[str]
) -> tuple[dict[str, tuple[Path, ...]], tuple[Path, ...]]:
    """Files by ``inst_class``, and the mixture, whose length is the track's."""
    try:
        metadata = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
        sources = metadata["stems"]
        audio = folder / metadata.get("audio_dir", "stems")
        files: dict[str, list[Path]] = {stem: [] for stem in stems}
        for number, source in sorted(sources.items()):
            stem = source["inst_class"].lower()
            # a few sources of Slakh were never rendered, and their files do not exist
            if stem in files and source.get("audio_rendered", True):
                files[stem].append(audio / f"{number}.flac")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise LayoutError(f"{folder / 'metadata.yaml'}: damaged ({error!r}).") from error
    return {stem: tuple(paths) for stem, paths in files.items()}, (folder / "mix.flac",)


def _prepared(folder: Path, stems: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    found = {}
    for stem in stems:
        paths = [folder / f"{stem}{ending}" for ending in _ENDINGS]
        found[stem] = tuple(path for path in paths if path.exists())[:1]
    return found


def _header(path: Path) -> tuple[int, int]:
    if not path.exists():
        raise LayoutError(f"{path}: missing; the download or its unpacking is incomplete.")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise LayoutError(f"{path}: cannot be read ({error.error_string.strip()})") from error
    return info.samplerate, info.frames
