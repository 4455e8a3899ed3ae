"""Guitars of records beside those of training data: ``python -m recipes.band.guitars FOLDER``.

Per guitar: power in octaves and half octaves relative to all of it, how much its level changes from
frame to frame, accent (strongest over median frame) and spectral flatness in the middle, level
against all else, and how much of the time it sounds. The same of all else: drums, bass and what
there may be. Quantiles over the songs of each source, side by side, show what training does not
cover.
"""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import click
import numpy as np

from mgdm_audio.audio import resample

from .dataset import BandDataset
from .recordings import find_pairs, read_pair

EDGES = (60, 120, 250, 500, 1000, 2000, 3000, 4000, 5500, 8000)  # Hz
MIDDLE = (500, 4000)  # Hz, where flatness and accents are measured
COLUMNS = tuple(f"{low}-{high}" for low, high in pairwise(EDGES))
COLUMNS += ("change", "accent", "flatness", "level", "sounds")
PARTS = ("guitars", "all else")
QUANTILES = (10, 50, 90)
SILENT = 40.0  # dB below the loudest frame
SIZE, HOP = 2048, 512
Pair = tuple[list[float], list[float]]  # `COLUMNS` of a guitar, and of all else


def describe(part: np.ndarray, rest: np.ndarray, samplerate: int) -> list[float]:
    """Values of `COLUMNS` for a part ``[T]`` beside all else ``[T]``: dB, the last a share.

    Raises:
        ValueError: the part is silent, or shorter than a frame.
    """
    if len(part) < SIZE or not part.any():
        raise ValueError(f"must sound and last {SIZE} samples or more")
    frames = np.lib.stride_tricks.sliding_window_view(part, SIZE)[::HOP] * np.hanning(SIZE)
    power = np.abs(np.fft.rfft(frames)) ** 2
    frequency = np.fft.rfftfreq(SIZE, 1 / samplerate)
    level = 10 * np.log10(power.sum(1) + 1e-12)
    loud = level > level.max() - SILENT
    power, level = power[loud], level[loud]

    def band(low: float, high: float) -> np.ndarray:
        return power[:, (frequency >= low) & (frequency < high)]

    bands = [band(*edges).sum() / power.sum() for edges in pairwise(EDGES)]
    middle = band(*MIDDLE) + 1e-12
    accent = middle.sum(1).max() / np.median(middle.sum(1))
    flatness = (np.exp(np.log(middle).mean(1)) / middle.mean(1)).mean()
    against = np.square(part).mean() / max(float(np.square(rest).mean()), 1e-12)
    decibels = 10 * np.log10(np.array([*bands, accent, flatness, against]) + 1e-12)
    return [*decibels[:-3], level.std(), *decibels[-3:], loud.mean()]


def both(guitar: np.ndarray, rest: np.ndarray, samplerate: int) -> Pair:
    """`describe` of the guitar beside all else, and of all else beside the guitar.

    Raises:
        ValueError: one of them is silent, or shorter than a frame.
    """
    found = []
    for name, part, other in (("the guitar", guitar, rest), ("all else", rest, guitar)):
        try:
            found.append(describe(part, other, samplerate))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return found[0], found[1]


def of_recordings(folder: Path, samplerate: int, start: float, seconds: float) -> list[Pair]:
    """`both` of each recording below `folder`, left channel: networks hear one at a time."""
    rows = []
    for pair in find_pairs(folder):
        try:
            parts, rate = read_pair(pair, start, seconds)
            left = resample(parts[:, 0].numpy(), rate, samplerate)
            rows.append(both(left[0], left[1], samplerate))
        except ValueError as error:
            click.echo(f"{pair.name} is left out: {error}", err=True)
    return rows


def of_training(data: BandDataset, count: int) -> list[Pair]:
    """`both` of each of the first `count` items that have a guitar and something else."""
    pairs = ((stems[2].numpy(), stems[[0, 1, 3]].sum(0).numpy()) for stems in data)
    heard = islice((pair for pair in pairs if pair[0].any() and pair[1].any()), count)
    return [both(*pair, data.samplerate) for pair in heard]


def table(part: str, sources: dict[str, list[list[float]]]) -> str:
    """Quantiles of a part in every source, as Markdown."""
    lines = [[part, "quantile", *COLUMNS], ["---", *["---:"] * (len(COLUMNS) + 1)]]
    for name, rows in sources.items():
        for quantile in QUANTILES:
            values = np.percentile(rows, quantile, axis=0)
            lines.append([f"{name} ({len(rows)})", f"{quantile} %"])
            lines[-1] += [*(f"{value:.1f}" for value in values[:-1]), f"{values[-1]:.2f}"]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@click.command(context_settings={"show_default": True})
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--sounds", type=click.Path(path_type=Path, exists=True), help="Recorded pack.")
@click.option("--count", type=click.IntRange(1), default=100, help="Songs of training.")
@click.option("--start", type=click.FloatRange(0), default=45.0, help="Seconds into a recording.")
@click.option("--seconds", type=click.FloatRange(1), default=24.0, help="Of each song.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the songs of training.")
def main(
    folder: Path, sounds: Path | None, count: int, start: float, seconds: float, seed: int
) -> None:
    """Guitars of recordings (guitar.ogg beside song.ogg below FOLDER) and of training data, none
    and all of which are loud; then the same of all else."""
    sources = {"recordings": of_recordings(folder, 22050, start, seconds)}
    if not sources["recordings"]:
        raise click.ClickException(f"no guitar.ogg beside a song.ogg that can be used in {folder}")
    for name, loud in (("training", 0.0), ("training, loud", 1.0)):
        # Every song once and whole, as it was made.
        whole = {"seconds": seconds, "song_seconds": seconds, "crops": 1, "window": 1}
        as_made = {"remix": 0.0, "gain": 0.0, "effects": 0.75, "production": True, "loud": loud}
        try:
            data = BandDataset(seed=seed, sounds=sounds, **whole, **as_made)
        except FileNotFoundError as error:
            raise click.ClickException(str(error)) from error
        sources[name] = of_training(data, count)
    for number, part in enumerate(PARTS):
        rows = {name: [pair[number] for pair in pairs] for name, pairs in sources.items()}
        click.echo(("\n" if number else "") + table(part, rows))


if __name__ == "__main__":
    main()
