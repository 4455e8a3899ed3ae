"""Real recordings of which one stem is known: ``python -m recipes.band.recordings FOLDER...``.

Games for guitarists hold songs in two files, ``guitar.ogg`` and ``song.ogg`` (all else). Debian's
packages ``fretsonfire-songs-sectoid`` and ``fretsonfire-songs-muldjord`` have eight, free to share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import soundfile
import torch
from torch import Tensor

from mgdm_audio import Separator
from mgdm_audio.cli.options import split_names
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES


def find_pairs(folder: Path) -> list[Path]:
    """Folders below `folder` that hold ``guitar.ogg`` and ``song.ogg``, by path."""
    return sorted(p.parent for p in folder.rglob("guitar.ogg") if (p.parent / "song.ogg").exists())


def read_pair(folder: Path, start: float, seconds: float) -> tuple[Tensor, int]:
    """Guitar and the rest ``[2, channels, T]``, from `start` on, and the sample rate.

    Raises:
        ValueError: the two files differ in sample rate or channels, or end before `start`.
    """
    parts, rates = [], []
    for name in ("guitar.ogg", "song.ogg"):
        with soundfile.SoundFile(folder / name) as file:
            file.seek(min(int(start * file.samplerate), file.frames))
            audio = file.read(int(seconds * file.samplerate), dtype="float32", always_2d=True)
            rates.append((file.samplerate, file.channels))
        parts.append(torch.from_numpy(audio.T))
    length = min(part.shape[-1] for part in parts)
    if rates[0] != rates[1] or not length:
        raise ValueError(f"{folder}: guitar.ogg and song.ogg differ in format, or are too short")
    return torch.stack([part[:, :length] for part in parts]), rates[0][0]


class Score(NamedTuple):
    """SI-SDRi of a guitar in dB, of its channels' mean and of all channels as one signal; the
    `imbalance` of the mixture's sides, if it counted; and each stem's share of the energy."""

    mono: float
    stereo: float
    imbalance: float | None
    shares: dict[str, float]


def score(separator: Separator, parts: Tensor, samplerate: int) -> Score:
    """Separate guitar and the rest ``[2, channels, T]``, and see what became of the guitar."""
    result = separator.separate(parts.sum(0), samplerate)
    stems = result.stems

    def improvement(truth: Tensor, guitar: Tensor, channels: int = 1) -> float:
        estimate, rate = torch.stack([guitar, truth.sum(0) - guitar]), channels * samplerate
        return si_sdr_improvement(estimate, truth, rate, silent="skip")[0].item()

    mono = improvement(parts.mean(1), stems["guitar"].mean(0))
    # Sample after sample of all channels, so that windows and scale are common to them.
    stereo = improvement(parts.mT.flatten(1), stems["guitar"].mT.flatten(), parts.shape[1])
    energy = {name: float(stem.square().sum()) for name, stem in stems.items()}
    shares = {name: value / (sum(energy.values()) or 1.0) for name, value in energy.items()}
    return Score(mono, stereo, result.settings["imbalance"], shares)


def table(rows: Sequence[tuple[str, Score]]) -> str:
    """One row a song, and their mean, as Markdown."""
    stems = list(rows[0][1].shares)
    lines = [["song", "guitar SI-SDRi", "in stereo", "imbalance"]]
    lines[0] += [f"energy in {stem}" for stem in stems]
    lines.append(["---"] + ["---:"] * (len(stems) + 3))
    for name, found in rows:
        unlike = "" if found.imbalance is None else f"{found.imbalance:.3f}"
        lines.append([name, f"{found.mono:.2f}", f"{found.stereo:.2f}", unlike])
        lines[-1] += [f"{found.shares[stem]:.2f}" for stem in stems]
    means = (_mean([getattr(found, key) for _, found in rows]) for key in ("mono", "stereo"))
    lines.append(["mean", *(f"{mean:.2f}" for mean in means), *[""] * (len(stems) + 1)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / max(len(known), 1)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--prior", default="band")
@click.option("--quality", type=click.Choice(list(QUALITIES)), default="balanced")
@click.option(
    "--retune/--no-retune",
    default=True,
    help="Whether music is brought into tune first, as `mgdm-separate` does.",
)
@click.option(
    "--mid-side/--no-mid-side",
    default=None,
    help="Whether one estimate in three hears mid and side; by default as the quality has it.",
)
@click.option("--without", metavar="NAME,...", help="Stems that none of the songs has.")
@click.option("--start", default=45.0, help="Seconds into each song.")
@click.option("--seconds", default=40.0, help="Of each song.")
def main(folders, prior, quality, retune, mid_side, without, start, seconds) -> None:
    """How well the guitar of real recordings is told apart."""
    try:
        without = split_names("--without", without) or ()
        settings = {"retune": retune, "mid_side": mid_side, "without": without}
        separator = Separator(prior, quality=quality, **settings)
        if "guitar" not in separator.sources:
            raise ValueError("the guitar is what is scored")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    rows = []
    for pair in (pair for folder in folders for pair in find_pairs(folder)):
        rows.append((pair.name, score(separator, *read_pair(pair, start, seconds))))
        click.echo(f"{pair.name}: {rows[-1][1].mono:.2f} dB", err=True)
    if not rows:
        raise click.ClickException(f"no guitar.ogg beside a song.ogg below {folders[0]}")
    click.echo(table(rows))


if __name__ == "__main__":
    main()
