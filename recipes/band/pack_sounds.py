"""Turn SFZ libraries into a pack of recorded sounds that the band can play.

``python -m recipes.band.pack_sounds LIBRARY.sfz... OUT --stem bass --source NAME`` adds one source
to the pack in OUT. README.md describes the layout.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt
from tqdm import tqdm

from .score import STEMS
from .sfz import Region, read_sfz

COLUMNS = (
    *("stem", "source", "articulation", "file", "root_key", "low_key", "high_key"),
    *("low_velocity", "high_velocity", "round_robin", "seconds"),
)
SAMPLERATE = 22050
LONGEST = {"bass": 5.0, "drums": 3.0, "guitar": 6.0, "piano": 6.0}  # seconds
PEAK = 0.95


def thin_layers(regions: Sequence[Region], layers: int) -> list[Region]:
    """At most `layers` velocity layers a root; those kept take over their neighbours' range.

    A layer keeps its highest velocity, for a sample's loudness is that of the top of its layer.
    """
    by_root = defaultdict(list)
    for region in regions:
        by_root[region.root, region.low_key, region.high_key].append(region)
    kept = []
    for group in by_root.values():
        tops = sorted({region.high_velocity for region in group})
        if len(tops) > layers:
            chosen = np.linspace(0, len(tops) - 1, layers + 1)[1:].round().astype(int)
            tops = [tops[i] for i in chosen]
        below = dict(zip(tops, [0, *tops], strict=False))
        kept += [
            region._replace(low_velocity=below[region.high_velocity] + 1)
            for region in group
            if region.high_velocity in below
        ]
    return kept


def moved(region: Region, semitones: int) -> Region:
    """A region whose root and keys are that many semitones higher than its file says.

    The sample stays as it is: this mends a mapping that names another octave than the one heard.
    """
    root, low, high = (key + semitones for key in (region.root, region.low_key, region.high_key))
    return region._replace(root=root, low_key=max(low, 0), high_key=min(high, 127))


def read_sample(region: Region, longest: float) -> np.ndarray:
    """A sample as it goes into the pack, float32 mono at 22,050 Hz, not yet scaled.

    Tuning, volume and offset of its region are applied, silence before it is cut, and the tail from
    where it stays 60 dB below the loudest 20 ms.
    """
    with soundfile.SoundFile(region.sample) as file:
        rate = file.samplerate
        file.seek(min(region.offset, file.frames))
        audio = file.read(int((longest + 1) * rate), dtype="float32", always_2d=True)
    mono = audio.mean(1)
    strongest = audio[:, np.square(audio).sum(0).argmax()]
    if np.square(mono).sum() < 0.3 * np.square(strongest).sum():  # the channels cancel
        mono = strongest
    # Reading faster raises the pitch: the sample is taken to be of a higher rate than it is.
    mono = soxr.resample(mono, rate * 2 ** (region.cents / 1200), SAMPLERATE, "HQ")
    mono = sosfilt(butter(2, 14.0, "highpass", fs=SAMPLERATE, output="sos"), mono)
    mono = mono * 10 ** (region.gain / 20)
    return _trim(mono, longest).astype(np.float32)


def _trim(audio: np.ndarray, longest: float) -> np.ndarray:
    peak = np.abs(audio).max(initial=0.0)
    if peak == 0:
        return audio[:1]
    start = max(int(np.argmax(np.abs(audio) > 0.01 * peak)) - 22, 0)  # a millisecond before it
    audio = audio[start : start + int(longest * SAMPLERATE)]
    frame = SAMPLERATE // 50
    power = np.square(np.pad(audio, (0, -len(audio) % frame)).reshape(-1, frame)).mean(1)
    last = int(np.flatnonzero(power > 1e-6 * power.max())[-1]) + 1
    audio = audio[: last * frame].copy()
    fade = min(len(audio), SAMPLERATE // 10)
    audio[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fade) / fade)
    return audio


def pack_source(
    files: Sequence[Path],
    out: Path,
    stem: str,
    source: str,
    articulation: str,
    layers: int = 4,
    transpose: int = 0,
    progress: bool = True,
) -> int:
    """Add one articulation of one source to the pack in `out`; what it had of it is replaced.

    Args:
        layers: velocity layers to keep.
        transpose: semitones from the keys that the files name to those that sound, see `moved`.

    Returns:
        The number of samples written.

    Raises:
        ValueError: the files hold no regions, or one of them cannot be understood.
        FileNotFoundError: a file is missing.
    """
    regions = [moved(region, transpose) for file in files for region in read_sfz(file)]
    regions = thin_layers(regions, layers)
    if not regions:
        raise ValueError(f"no regions with samples in {', '.join(map(str, files))}")
    samples: dict[tuple, np.ndarray] = {}
    for region in tqdm(regions, desc=source, unit="sample", disable=not progress):
        name = (region.sample, region.cents, region.gain, region.offset)
        if name not in samples:
            samples[name] = read_sample(region, LONGEST[stem])
    scale = PEAK / max(max(float(np.abs(audio).max()) for audio in samples.values()), 1e-9)

    (out / source).mkdir(parents=True, exist_ok=True)
    rows, names = [], {}
    for region in sorted(regions, key=lambda r: (r.root, r.high_velocity, r.take)):
        name = (region.sample, region.cents, region.gain, region.offset)
        audio = samples[name]
        if name not in names:
            names[name] = f"{source}/{articulation}_{len(names):04d}.flac"
            soundfile.write(out / names[name], audio * scale, SAMPLERATE, subtype="PCM_16")
        # Drums are never transposed: one row for each key.
        keys = range(region.low_key, region.high_key + 1) if stem == "drums" else [None]
        for key in keys:
            span = (region.root, region.low_key, region.high_key) if key is None else (key,) * 3
            velocities = (region.low_velocity, region.high_velocity)
            seconds = round(len(audio) / SAMPLERATE, 2)
            row = (
                stem,
                source,
                articulation,
                names[name],
                *span,
                *velocities,
                region.take,
                seconds,
            )
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    _merge(out / "samples.csv", rows, source, articulation)
    return len(names)


def _merge(table: Path, rows: list[dict], source: str, articulation: str) -> None:
    """Replace the rows of this source and articulation in the table."""
    kept = []
    if table.exists():
        with open(table, newline="") as file:
            kept = list(csv.DictReader(file))
    kept = [r for r in kept if (r["source"], r["articulation"]) != (source, articulation)]
    temporary = table.with_suffix(".part")
    with open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept + rows)
    os.replace(temporary, table)


@click.command(context_settings={"show_default": True})
@click.argument("sfz", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--stem", type=click.Choice(STEMS), required=True)
@click.option("--source", help="Name of the source; by default the folder of the first file.")
@click.option("--articulation", default="open", help="Such as open, sustain, staccato, dead.")
@click.option("--layers", type=click.IntRange(1), default=4, help="Velocity layers to keep.")
@click.option(
    "--transpose",
    type=click.IntRange(-48, 48),
    default=0,
    help="Semitones from the keys that the files name to those that sound: -12 for a bass that is "
    "mapped as it is written, an octave above what is heard.",
)
def main(
    sfz: tuple[Path, ...],
    out: Path,
    stem: str,
    source: str | None,
    articulation: str,
    layers: int,
    transpose: int,
) -> None:
    """Add SFZ files (or all in a folder) to the pack of recorded sounds in OUT."""
    files = [f for path in sfz for f in (sorted(path.glob("*.sfz")) if path.is_dir() else [path])]
    first = sfz[0] if sfz[0].is_dir() else sfz[0].resolve().parent
    source = source or first.resolve().name.lower().replace(" ", "_")
    try:
        count = pack_source(files, out, stem, source, articulation, layers, transpose)
    except (ValueError, FileNotFoundError, soundfile.LibsndfileError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} samples of {source} ({articulation}) in {out}")


if __name__ == "__main__":
    main()
