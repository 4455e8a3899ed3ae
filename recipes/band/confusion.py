"""Which stem is taken for which: ``python -m recipes.band.confusion FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import torch
from torch import Tensor

from mgdm_audio import Separator
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES
from mgdm_audio.training.validate import one_step

from .tracks import tracks_of


def shares(stems: Tensor, estimates: Tensor) -> Tensor:
    """Part of each stem that each estimate holds, ``[K, K]``; NaN where the stem is silent.

    The estimate's projection on the stem, in units of the stem: rows sum to 1 if estimates sum to
    the mixture and stems have nothing in common.

    Shape: two of ``[K, T]``.
    """
    stems, estimates = stems.double(), estimates.double()
    return (stems @ estimates.mT / stems.square().sum(-1, keepdim=True)).float()


def table(
    name: str, sources: Sequence[str], parts: Sequence[Tensor], improvements: Sequence[Tensor]
) -> str:
    """One row a stem, the mean over the tracks in which it sounds, as Markdown.

    Args:
        parts: `shares` of each track.
        improvements: SI-SDRi (dB) of each, ``[K]``, NaN where a stem is silent.
    """
    found, scores = torch.stack(list(parts)), torch.stack(list(improvements))
    lines = [[name, *(f"in {source}" for source in sources), "SI-SDRi", "below 0 dB", "others"]]
    lines.append(["---"] + ["---:"] * (len(sources) + 3))
    for k, source in enumerate(sources):
        known = ~scores[:, k].isnan()
        score, rows = scores[known, k], found[known, k]
        values = [f"{value:.2f}" for value in rows.mean(0)] if known.any() else [""] * len(sources)
        mean, good = (f"{s.mean():.2f}" if len(s) else "" for s in (score, score[score >= 0]))
        lines.append([source, *values, mean, f"{int((score < 0).sum())} of {len(score)}", good])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--prior", default="band")
@click.option("--quality", type=click.Choice(list(QUALITIES)), default="fast")
@click.option("--alone", is_flag=True, help="The network alone, in one step on the whole track.")
@click.option(
    "--count", type=click.IntRange(1), help="Use the first COUNT tracks of each folder only."
)
def main(folders: tuple[Path, ...], prior: str, quality: str, alone: bool, count: int | None):
    """Where the stems of the rendered sets FOLDERS go.

    Of each stem the part that each estimate holds, its SI-SDRi, how many tracks are worse than the
    mixture itself, and the mean of the others.
    """
    separator = Separator(prior, quality=quality)
    sources, rate = separator.sources, separator.prior.samplerate
    for folder in folders:
        parts, improvements = [], []
        for stems in tracks_of(folder, sources, rate, count):
            if alone:
                loaded = separator.prior
                estimates = one_step(loaded.denoise.network, stems, loaded.sigmas[1])
            else:
                found = separator.separate(stems.sum(0), rate).stems
                estimates = torch.cat([found[source] for source in sources])
            parts.append(shares(stems, estimates))
            improvements.append(si_sdr_improvement(estimates, stems, rate, silent="skip"))
        click.echo(table(f"{folder.name} ({len(parts)})", sources, parts, improvements))


if __name__ == "__main__":
    main()
