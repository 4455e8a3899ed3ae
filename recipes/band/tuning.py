"""Whether a prior minds how music is tuned: ``python -m recipes.band.tuning band FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import click
import torch
from torch import Tensor
from tqdm import tqdm

from mgdm_audio.audio.speed import played
from mgdm_audio.pretrained import Prior, load_prior
from mgdm_audio.training.validate import load_tracks, one_step_si_sdri


def speed_of(cents: float) -> tuple[int, int]:
    """The speed that raises pitch by `cents`, as a ratio, right to half a cent."""
    return Fraction(2 ** (cents / 1200)).limit_denominator(2000).as_integer_ratio()


def detuned(prior: Prior, tracks: Sequence[Tensor], cents: Sequence[float]) -> list[float]:
    """SI-SDRi (dB, one step, ``silent="skip"``, mean over stems) by how far stems are moved."""
    net, top = prior.denoise.network, prior.sigmas[1]
    found = []
    for moved in tqdm(cents, leave=False):
        tapes = [played(stems, speed_of(moved)) for stems in tracks]
        scores = one_step_si_sdri(net, tapes, prior.samplerate, top)
        found.append(scores.nanmean(0).nanmean().item())
    return found


@click.command()
@click.argument("name")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--cents", multiple=True, type=float, default=(-200, -100, -50, -25, 0, 25, 50, 100))
@click.option("--count", type=int, help="Use the first COUNT tracks of each folder only.")
def main(name: str, folders: tuple[Path, ...], cents: tuple[float, ...], count: int | None):
    """SI-SDRi of the prior NAME on the rendered sets FOLDERS, played faster and slower.

    All stems of a track alike, as if it had been recorded in another tuning: 100 cents are a
    semitone, in between lies what an orchestra, an old tape or a retuned guitar may have.
    """
    prior = load_prior(name, "cpu")
    rows = [["set, cents", *(f"{moved:g}" for moved in cents)], ["---"] + ["---:"] * len(cents)]
    for folder in folders:
        tracks = load_tracks(folder, prior.sources, count=count)
        values = detuned(prior, tracks, cents)
        rows.append([f"{folder.name} ({len(tracks)})", *(f"{value:.2f}" for value in values)])
    click.echo("\n".join("| " + " | ".join(row) + " |" for row in rows))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
