"""What training needs of sounds and validation songs, small enough to carry to another machine.

``python -m recipes.band.carry .carry --sounds pack/ --sets runs/band``, as `train_offline.sh` does.
"""

from __future__ import annotations

import csv
from pathlib import Path

import click
import numpy as np
import soundfile

from .score import STEMS
from .splits import HELD_OUT, SHARE_ALIKE, pack_family


def carry_pack(pack: Path, out: Path, quality: float) -> int:
    """Copy the sources that training hears, as Ogg Vorbis: a third of the size of FLAC.

    Args:
        pack: folder with ``samples.csv``.
        out: folder to write such a pack to.
        quality: of Vorbis, 0 to 1.

    Returns:
        The number of samples.
    """
    with open(pack / "samples.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if pack_family(row["source"]) not in HELD_OUT | SHARE_ALIKE]
    noted = out / "quality.txt"
    kept = noted.is_file() and noted.read_text(encoding="utf-8") == f"{quality}"
    for row in rows:
        name = Path(row["file"]).with_suffix(".ogg")
        target = out / name
        if not kept or not target.exists():
            audio, rate = soundfile.read(pack / row["file"], dtype="float32")
            target.parent.mkdir(parents=True, exist_ok=True)
            level = {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - quality}
            part = target.with_suffix(".part")  # a copy that was cut short would count as done
            soundfile.write(part, audio, rate, **level)
            part.replace(target)
        row["file"] = name.as_posix()
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "samples.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    noted.write_text(f"{quality}", encoding="utf-8")
    return len(rows)


def carry_set(folder: Path, out: Path, tracks: int, seconds: float) -> None:
    """Copy `seconds` from the middle of the first `tracks` tracks of a rendered set.

    Raises:
        FileNotFoundError: `folder` is not there.
    """
    for track in sorted(path for path in folder.iterdir() if path.is_dir())[:tracks]:
        for stem in STEMS:
            audio, rate = soundfile.read(track / f"{stem}.flac", dtype="int16")
            start = max(len(audio) - round(seconds * rate), 0) // 2
            part = np.ascontiguousarray(audio[start : start + round(seconds * rate)])
            (out / track.name).mkdir(parents=True, exist_ok=True)
            soundfile.write(out / track.name / f"{stem}.flac", part, rate, subtype="PCM_16")


@click.command(context_settings={"show_default": True})
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--sounds", type=click.Path(path_type=Path, exists=True), help="Recorded pack.")
@click.option("--quality", default=0.1, help="Of Vorbis for the sounds, 0 to 1.")
@click.option("--sets", type=click.Path(path_type=Path, exists=True), help="Rendered sets.")
@click.option("--tracks", default=5, help="Of each set.")
@click.option("--seconds", default=12.0, help="Of each track.")
def main(out, sounds, quality, sets, tracks, seconds) -> None:
    """Fill OUT/sounds and OUT/sets."""
    if sounds:
        click.echo(f"{carry_pack(sounds, out / 'sounds', quality)} recorded samples")
    for name in ("validation", "songs") if sets else ():
        carry_set(sets / name, out / "sets" / name, tracks, seconds)


if __name__ == "__main__":
    main()
