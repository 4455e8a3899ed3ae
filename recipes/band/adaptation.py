"""What learning tracks is worth, one by one: ``python -m recipes.band.adaptation FOLDER...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import torch
from torch import Tensor

from mgdm_audio import Separator
from mgdm_audio.adaptation import worth
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior, load_prior

from .recordings import find_pairs, read_pair
from .recordings import score as score_guitar
from .tracks import tracks_of


class Worth(NamedTuple):
    """The `misfit` of a track's stems, and SI-SDRi (dB) as it is and with all that was learnt."""

    misfit: float
    before: float
    after: float


def of_stems(separators: Sequence[Separator], stems: Tensor) -> Worth:
    """Of a track ``[K, T]``, at the prior's rate, by separators of which the last one learns."""
    prior = separators[0].prior
    scores = []
    for separator in separators:
        result = separator.separate(stems.sum(0), prior.samplerate)
        estimate = torch.cat([result.stems[name] for name in prior.sources])
        improvement = si_sdr_improvement(estimate, stems, prior.samplerate, silent="skip")
        scores.append(improvement.nanmean().item())
    return Worth(result.settings["misfit"], *scores)


def of_guitar(separators: Sequence[Separator], parts: Tensor, samplerate: int) -> Worth:
    """Of a recording's guitar, in mono, as `recipes.band.recordings` has it."""
    mono = parts.mean(1, keepdim=True)
    scores = [score_guitar(separator, mono, samplerate) for separator in separators]
    return Worth(scores[-1].misfit, *(found.mono for found in scores))


def table(rows: Sequence[tuple[str, Worth]]) -> str:
    """One row a track, by growing misfit, as Markdown."""
    lines = [["track", "misfit", "kept by default", "as it is", "all learnt", "gain"]]
    lines.append(["---"] + ["---:"] * 5)
    for name, found in sorted(rows, key=lambda row: row[1].misfit):
        gain = found.after - found.before
        values = (found.before, found.after, gain)
        lines.append([name, f"{found.misfit:.3f}", f"{worth(found.misfit):.2f}"])
        lines[-1] += [f"{value:.2f}" for value in values]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--recordings", type=click.Path(path_type=Path, exists=True), help="Of guitars.")
@click.option("--prior", "name", default="band")
@click.option("--quality", type=click.Choice(list(QUALITIES)), default="balanced")
@click.option("--steps", type=click.IntRange(1), default=QUALITIES["best"].adapt)
@click.option(
    "--count", type=click.IntRange(1), help="Use the first COUNT tracks of each folder only."
)
def main(
    folders: tuple[Path, ...],
    recordings: Path | None,
    name: str,
    quality: str,
    steps: int,
    count: int | None,
):
    """SI-SDRi of tracks in FOLDERS, before and after a copy of the prior has learnt them.

    Learnt whether their sounds come back or not, so that the limits within which `best` learns can
    be judged; the mean of a track's stems, and of a recording's guitar.
    """
    prior = load_prior(name, "cpu")
    separators = separators_of(prior, quality, steps)
    rows = []
    for folder in folders:
        for number, stems in enumerate(tracks_of(folder, prior.sources, count)):
            rows.append((f"{folder.name} {number}", of_stems(separators, stems)))
            click.echo(f"{rows[-1][0]}: {rows[-1][1]}", err=True)
    for pair in find_pairs(recordings)[:count] if recordings else ():
        rows.append((pair.name, of_guitar(separators, *read_pair(pair, 45.0, 40.0))))
        click.echo(f"{rows[-1][0]}: {rows[-1][1]}", err=True)
    if not rows:
        raise click.UsageError("give a folder of rendered tracks, or --recordings")
    click.echo(table(rows))


def separators_of(prior: Prior, quality: str, steps: int) -> tuple[Separator, Separator]:
    """One that does not learn, and one that keeps all that it has learnt."""
    plain = Separator(prior, quality=quality, adapt=0)
    return plain, Separator(prior, quality=quality, adapt=steps, adapt_always=True)


if __name__ == "__main__":
    main()
