"""Whether a prior minds how music is tuned: ``python -m recipes.band.tuning band FOLDER...``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from tqdm import tqdm

from mgdm_audio.audio.speed import played, ratio
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior, load_prior
from mgdm_audio.separator import Separator
from mgdm_audio.training.validate import one_step_si_sdri

from .tracks import tracks_of


def detuned(
    score: Callable[[Sequence[Tensor]], Tensor], tracks: Sequence[Tensor], cents: Sequence[float]
) -> list[float]:
    """Mean over tracks, then stems, of what `score` finds, by how far tracks are moved.

    Args:
        score: from tracks ``[K, T]`` to ``[tracks, K]``, NaN where there is nothing to score.
    """
    found = []
    for moved in tqdm(cents, leave=False):
        tapes = [played(stems, ratio(moved)) for stems in tracks]
        found.append(score(tapes).nanmean(0).nanmean().item())
    return found


def network_alone(prior: Prior) -> Callable[[Sequence[Tensor]], Tensor]:
    """SI-SDRi (dB, ``silent="skip"``) of one step of the network."""
    top = prior.sigmas[1]
    return lambda tapes: one_step_si_sdri(prior.denoise.network, tapes, prior.samplerate, top)


def separated(prior: Prior, **settings: Any) -> Callable[[Sequence[Tensor]], Tensor]:
    """The same of stems that `Separator` makes, with its settings; what it leaves out is silent."""
    separator = Separator(prior, device="cpu", **settings)

    def score(stems: Tensor) -> Tensor:
        found = separator.separate_tensor(stems.sum(0), prior.samplerate)
        silence = torch.zeros_like(stems[0])
        estimate = torch.stack([found.get(name, silence) for name in prior.sources])
        return si_sdr_improvement(estimate, stems, prior.samplerate, silent="skip")

    return lambda tapes: torch.stack([score(stems) for stems in tapes])


@click.command()
@click.argument("name")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--cents", multiple=True, type=float, default=(-200, -100, -50, -25, 0, 25, 50, 100))
@click.option("--count", type=int, help="Use the first COUNT tracks of each folder only.")
@click.option(
    "--quality",
    type=click.Choice(list(QUALITIES)),
    help="Separate as the command does, in place of one step of the network.",
)
@click.option(
    "--retune/--no-retune",
    default=True,
    help="Whether a quality brings music into tune first, as `mgdm-separate` does.",
)
def main(
    name: str,
    folders: tuple[Path, ...],
    cents: tuple[float, ...],
    count: int | None,
    quality: str | None,
    retune: bool,
):
    """SI-SDRi of the prior NAME on the rendered sets FOLDERS, played faster and slower.

    All stems of a track alike, as if it had been recorded in another tuning: 100 cents are a
    semitone, in between lies what an orchestra, an old tape or a retuned guitar may have.
    """
    prior = load_prior(name, "cpu")
    if quality is None:
        score = network_alone(prior)
    else:
        score = separated(prior, quality=quality, retune=retune)
    rows = [["set, cents", *(f"{moved:g}" for moved in cents)], ["---"] + ["---:"] * len(cents)]
    for folder in folders:
        tracks = tracks_of(folder, prior.sources, prior.samplerate, count)
        values = detuned(score, tracks, cents)
        rows.append([f"{folder.name} ({len(tracks)})", *(f"{value:.2f}" for value in values)])
    click.echo("\n".join("| " + " | ".join(row) + " |" for row in rows))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
