"""What it helps to know that a stem is missing: ``python -m recipes.band.missing FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import torch
from torch import Tensor
from tqdm import tqdm

from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior, load_prior
from mgdm_audio.separator import Separator
from mgdm_audio.training.validate import load_tracks


def told_or_not(
    prior: Prior, tracks: Sequence[Tensor], missing: str, quality: str
) -> list[tuple[Tensor, Tensor]]:
    """SI-SDRi (dB, ``silent="skip"``) of tracks ``[K, T]`` from which one stem was taken.

    Returns:
        for each track ``[K]`` as the separator finds it, and as it does with ``without=missing``.
    """
    separators = [
        Separator(prior, quality=quality, device="cpu", without=names) for names in ((), missing)
    ]
    rows = []
    for stems in tqdm(tracks, desc=f"without {missing}", leave=False):
        truth = stems.clone()
        truth[prior.sources.index(missing)] = 0
        rows.append(tuple(_score(separator, truth) for separator in separators))
    return rows


def _score(separator: Separator, truth: Tensor) -> Tensor:
    prior = separator.prior
    found = separator.separate_tensor(truth.sum(0), prior.samplerate)
    silence = torch.zeros_like(truth[0])
    estimate = torch.stack([found.get(name, silence) for name in prior.sources])
    return si_sdr_improvement(estimate, truth, prior.samplerate, silent="skip")


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
        try:
            tracks = load_tracks(folder, prior.sources, count=count)
        except FileNotFoundError as error:
            raise click.ClickException(str(error)) from error
        for stem in missing:
            pairs = told_or_not(prior, tracks, stem, quality)
            for told, rows in zip(("no", "yes"), zip(*pairs, strict=True), strict=True):
                means = torch.stack(rows).nanmean(0)
                values = ["" if v.isnan() else f"{v:.2f}" for v in (*means, means.nanmean())]
                click.echo(_row([f"{folder.name} ({len(tracks)})", stem, told, *values]))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    with torch.inference_mode():
        main()
