"""How often stems rest: ``python -m recipes.band.rests FOLDER... --config TOML --sounds pack/``.

In pieces of the rendered sets, and in items of training as a configuration asks for them: the share
in which each stem rests, and in which all, three or fewer sound. A network that expects a stem to
rest gives its notes to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
import numpy as np

from mgdm_audio.training.config import read_config
from mgdm_audio.training.data import sounding

from .dataset import BandDataset
from .score import STEMS
from .tracks import tracks_of

COLUMNS = (*(f"{stem} rests" for stem in STEMS), "all four", "three", "fewer")


def pieces(tracks: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Tracks ``[K, T]`` in whole pieces ``[K, length]``, one after the other."""
    for track in tracks:
        for start in range(0, track.shape[-1] - length + 1, length):
            yield track[:, start : start + length]


def shares(items: Iterable[np.ndarray]) -> list[float]:
    """`COLUMNS` of items ``[4, T]``.

    Raises:
        ValueError: there is no item.
    """
    heard = np.array([sounding(item) for item in items])
    if not len(heard):
        raise ValueError("there is no piece of that length")
    count = heard.sum(1)
    return [*(1 - heard.mean(0)), *((count == n).mean() for n in (4, 3)), (count < 3).mean()]


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--config",
    "configs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Of a training run, whose items are counted.",
)
@click.option("--sounds", type=click.Path(path_type=Path, exists=True), help="Recorded pack.")
@click.option("--count", type=click.IntRange(1), default=240, help="Items of each configuration.")
@click.option("--seconds", type=click.FloatRange(0.1), default=3.29, help="Of a piece or item.")
def main(folders, configs, sounds, count, seconds) -> None:
    """Sets in FOLDERS, and the items of training that configurations ask for."""
    rate = 22050
    click.echo(f"| music | {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * len(COLUMNS)}")
    sources = {}
    for folder in folders:
        tracks = (track.numpy() for track in tracks_of(folder, STEMS, rate))
        sources[folder.name] = pieces(tracks, round(seconds * rate))
    for path in configs:
        try:
            training = read_config(path)["training"]
            options = {"seed": training.seed, "sounds": sounds, **training.data_options}
            data = BandDataset(seconds=seconds, samplerate=rate, **options)
        except (ValueError, FileNotFoundError) as error:
            raise click.ClickException(str(error)) from error
        sources[path.stem] = (item.numpy() for item in islice(data, count))
    for name, items in sources.items():
        try:
            values = shares(items)
        except ValueError as error:
            raise click.ClickException(f"{name}: {error}") from error
        click.echo(f"| {name} | " + " | ".join(f"{100 * value:.0f} %" for value in values) + " |")


if __name__ == "__main__":
    main()
