"""What it helps to know that a stem is missing: ``python -m recipes.band.missing FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import torch
from torch import Tensor

from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior, load_prior

from .tracks import tracks_of
from .tuning import separated


def told_or_not(
    prior: Prior, tracks: Sequence[Tensor], missing: str, quality: str
) -> tuple[Tensor, Tensor]:
    """SI-SDRi (dB, ``silent="skip"``) of tracks ``[K, T]`` from which one stem was taken.

    Returns:
        ``[tracks, K]`` as the separator finds them, and as it does with ``without=missing``.
    """
    left = [stems.clone() for stems in tracks]
    for stems in left:
        stems[prior.sources.index(missing)] = 0
    not_told, told = (separated(prior, quality=quality, without=names) for names in ((), missing))
    return not_told(left), told(left)


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--prior", "name", default="band")
@click.option("--missing", multiple=True, default=("bass", "drums", "guitar", "piano"))
@click.option(
    "--count", type=click.IntRange(1), help="Use the first COUNT tracks of each folder only."
)
@click.option("--quality", type=click.Choice(list(QUALITIES)), default="balanced")
def main(
    folders: tuple[Path, ...],
    name: str,
    missing: tuple[str, ...],
    count: int | None,
    quality: str,
):
    """SI-SDRi on the rendered sets FOLDERS of which one stem was taken, not told and told so."""
    prior = load_prior(name, "cpu")
    if unknown := [stem for stem in missing if stem not in prior.sources]:
        raise click.UsageError(f"no stem {unknown[0]!r}, there are {', '.join(prior.sources)}")
    lines = [["set", "missing", "told", *prior.sources, "mean"]]
    lines.append(["---"] * 3 + ["---:"] * (len(prior.sources) + 1))
    click.echo("\n".join(map(_row, lines)))
    for folder in folders:
        tracks = tracks_of(folder, prior.sources, prior.samplerate, count)
        for stem in missing:
            found = told_or_not(prior, tracks, stem, quality)
            for told, rows in zip(("no", "yes"), found, strict=True):
                means = rows.nanmean(0)
                values = ["" if v.isnan() else f"{v:.2f}" for v in (*means, means.nanmean())]
                click.echo(_row([f"{folder.name} ({len(tracks)})", stem, told, *values]))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    with torch.inference_mode():
        main()
