"""Figures for a prior's card: ``python -m recipes.band.card band FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import torch
from torch import Tensor

from mgdm_audio.engine import SAMPLERS, MixtureSum, karras_schedule, sample
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.pretrained import Prior, load_prior
from mgdm_audio.training.validate import load_tracks, loss_by_level, one_step_si_sdri

LEVELS = (0.002, 0.007, 0.02, 0.07, 0.2, 0.7, 2.0)


@torch.inference_mode()
def few_step_si_sdri(prior: Prior, tracks: Sequence[Tensor], levels: int, draws: int) -> Tensor:
    """SI-SDRi (dB, ``silent="skip"``) of the mean of `draws` ancestral draws, ``[tracks, K]``.

    Every other draw sees the mixture with its polarity turned, as in `Separator`.
    """
    sigmas = karras_schedule(levels, *prior.sigmas, 7.0)
    rows = []
    for index, stems in enumerate(tracks):
        polarity = 1.0 - 2.0 * (torch.arange(draws) % 2)[:, None, None]
        mixture = MixtureSum(polarity * stems.sum(0), 0.0)
        sampler = SAMPLERS["conditional"](prior.denoise, mixture, churn=1.0)
        estimate = (polarity * sample(sampler, sigmas, (draws, *stems.shape), seed=index)).mean(0)
        rows.append(si_sdr_improvement(estimate, stems, prior.samplerate, silent="skip"))
    return torch.stack(rows)


def si_sdri_table(prior: Prior, sets: dict[str, list[Tensor]], few: tuple[int, int]) -> str:
    """One row a set and method, one column a stem, as Markdown."""
    levels, draws = few
    head = ["set", "method", *prior.sources, "mean"]
    rows = [head, ["---", "---"] + ["---:"] * (len(head) - 2)]
    for name, tracks in sets.items():
        net, top = prior.denoise.network, prior.sigmas[1]
        methods = {
            "static Wiener filter (floor)": one_step_si_sdri(
                net, tracks, prior.samplerate, top, floor=True
            ),
            "one conditional step": one_step_si_sdri(net, tracks, prior.samplerate, top),
            "the same in 3 s segments": one_step_si_sdri(net, tracks, prior.samplerate, top, 3.0),
            f"{levels} step{'s' * (levels > 1)}, mean of {draws}": few_step_si_sdri(
                prior, tracks, levels, draws
            ),
        }
        for method, scores in methods.items():
            stems = scores.nanmean(0)
            rows.append([f"{name} ({len(tracks)})", method, *(f"{v:.2f}" for v in stems)])
            rows[-1].append(f"{stems.nanmean():.2f}")
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def level_table(prior: Prior, tracks: Sequence[Tensor]) -> str:
    """Squared error relative to the Wiener filter's, by noise level, as Markdown."""
    length = round(6 * prior.samplerate)
    clean = torch.stack([track[:, :length] for track in tracks if track.shape[-1] >= length])
    rows = [["sigma", *(f"{level:g}" for level in LEVELS)], ["---"] + ["---:"] * len(LEVELS)]
    for name, conditional in (("plain", False), ("conditional", True)):
        losses = loss_by_level(prior.denoise.network, clean, LEVELS, conditional)
        rows.append([name, *(f"{losses[level]:.2f}" for level in LEVELS)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


@click.command()
@click.argument("name")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--few", nargs=2, type=int, default=(1, 4), help="Steps and draws.")
@click.option("--count", type=int, help="Use the first COUNT tracks of each folder only.")
def main(name: str, folders: tuple[Path, ...], few: tuple[int, int], count: int | None) -> None:
    """Tables of the prior NAME on the rendered sets FOLDERS."""
    prior = load_prior(name, "cpu")
    sets = {folder.name: load_tracks(folder, prior.sources)[:count] for folder in folders}
    click.echo(si_sdri_table(prior, sets, few))
    for set_name, tracks in sets.items():
        click.echo(f"Squared error relative to the static Wiener filter, `{set_name}`:\n")
        click.echo(level_table(prior, tracks))


if __name__ == "__main__":
    main()
