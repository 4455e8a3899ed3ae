"""Figures for a prior's card: ``python -m recipes.band.card band FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import torch
from torch import Tensor

from mgdm_audio import Separator
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.pretrained import Prior, load_prior
from mgdm_audio.training.validate import one_step_si_sdri, scores_by_level

from .tracks import tracks_of

LEVELS = (0.002, 0.007, 0.02, 0.07, 0.2, 0.7, 2.0, 5.0)


def separated(prior: Prior, tracks: Sequence[Tensor], quality: str) -> Tensor:
    """SI-SDRi (dB, ``silent="skip"``) of what the command gives, ``[tracks, K]``."""
    separator = Separator(prior, quality=quality)
    rows = []
    for stems in tracks:
        result = separator.separate(stems.sum(0), prior.samplerate)
        estimate = torch.cat([result.stems[name] for name in prior.sources])
        rows.append(si_sdr_improvement(estimate, stems, prior.samplerate, silent="skip"))
    return torch.stack(rows)


def si_sdri_table(prior: Prior, sets: dict[str, list[Tensor]], qualities: Sequence[str]) -> str:
    """One row a set and method, one column a stem, as Markdown."""
    head = ["set", "method", *prior.sources, "mean"]
    rows = [head, ["---", "---"] + ["---:"] * (len(head) - 2)]
    for name, tracks in sets.items():
        net, top = prior.denoise.network, prior.sigmas[1]
        methods = {
            "static Wiener filter (floor)": one_step_si_sdri(
                net, tracks, prior.samplerate, top, floor=True
            ),
            "network alone, whole track": one_step_si_sdri(net, tracks, prior.samplerate, top),
            **{f"`{quality}`": separated(prior, tracks, quality) for quality in qualities},
        }
        for method, scores in methods.items():
            stems = scores.nanmean(0)
            rows.append([f"{name} ({len(tracks)})", method, *(f"{v:.2f}" for v in stems)])
            rows[-1].append(f"{stems.nanmean():.2f}")
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def level_table(prior: Prior, tracks: Sequence[Tensor]) -> str:
    """Squared error relative to the Wiener filter's, by noise level, as Markdown.

    The mean of each item's own ratio, in which quiet stems count as much as loud ones; the ratio of
    sums over all items, in which a posterior mean is the best; and by stem how far estimates are
    too quiet, see `LevelScore`.
    """
    length = round(6 * prior.samplerate)
    clean = torch.stack([track[:, :length] for track in tracks if track.shape[-1] >= length])
    rows = [["sigma", *(f"{level:g}" for level in LEVELS)], ["---"] + ["---:"] * len(LEVELS)]
    net = prior.denoise.network
    levels = [level for level in LEVELS if level <= prior.sigmas[1]]
    for name in ("conditional", "plain") if prior.conditional else ("plain",):
        found = scores_by_level(net, clean, levels, name == "conditional", prior.sigmas[1]).values()
        rows.append([name, *(f"{at.loss:.2f}" for at in found)])
        rows.append([f"{name}, sums", *(f"{at.error:.2f}" for at in found)])
        for k, source in enumerate(prior.sources):
            rows.append(
                [f"{name}, too quiet by, {source}", *(f"{at.slope[k]:.2f}" for at in found)]
            )
    for row in rows[2:]:
        row += [""] * (len(rows[0]) - len(row))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


@click.command()
@click.argument("name")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--quality", "qualities", multiple=True, default=("fast", "balanced"))
@click.option("--count", type=int, help="Use the first COUNT tracks of each folder only.")
@click.option("--levels/--no-levels", default=True, help="Whether to tell errors by noise level.")
def main(
    name: str,
    folders: tuple[Path, ...],
    qualities: tuple[str, ...],
    count: int | None,
    levels: bool,
):
    """Tables of the prior NAME on the rendered sets FOLDERS."""
    prior = load_prior(name, "cpu")
    sets = {
        folder.name: tracks_of(folder, prior.sources, prior.samplerate, count) for folder in folders
    }
    if prior.conditional:
        click.echo(si_sdri_table(prior, sets, qualities))
    for set_name, tracks in sets.items() if levels else ():
        click.echo(f"Squared error relative to the static Wiener filter's, `{set_name}`:\n")
        click.echo(level_table(prior, tracks))


if __name__ == "__main__":
    main()
