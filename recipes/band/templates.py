"""Other settings of template fits, on equal estimates: ``python -m recipes.band.templates``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import click
import torch
from torch import Tensor
from tqdm import tqdm

from mgdm_audio import Separator
from mgdm_audio.audio import resample
from mgdm_audio.audio.refine import refine
from mgdm_audio.audio.templates import ADAPTIVE, FitSettings, Refitter, template_masks
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import Prior, load_prior

from .recordings import find_pairs, read_pair
from .tracks import tracks_of

Rounds = tuple[tuple[int, ...], ...]


class Trial(NamedTuple):
    """What is tried: settings of the fits, and their windows."""

    name: str
    rounds: Rounds
    settings: FitSettings


class Excerpt(NamedTuple):
    """A track's stems and the estimates before any fit, ``[C, K, T]`` at the prior's rate.

    `known` has the stems named in `names`, and whatever else sounds last.
    """

    known: Tensor
    names: tuple[str, ...]
    estimate: Tensor


def parse_trial(text: str, rounds: Rounds) -> Trial:
    """``"share=0.5 updates=12/8 rounds=2048+4096/8192"``, in which every part may be left out.

    A round is its windows joined by "+", rounds and pairs of numbers are by "/". What is left out
    is as shipped; ``again=inf/inf`` counts all rounds in full.

    Raises:
        ValueError: an unknown setting, or no number where one is needed.
    """
    changes = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        if key == "rounds":
            rounds = tuple(tuple(map(int, each.split("+"))) for each in value.split("/"))
        elif key in ("updates", "again"):
            first, second = map(type(getattr(ADAPTIVE, key)[0]), value.split("/"))
            changes[key] = first, second
        elif equals and key in {field.name for field in fields(FitSettings)}:
            changes[key] = type(getattr(ADAPTIVE, key))(value)
        else:
            known = ", ".join([*(field.name for field in fields(FitSettings)), "rounds"])
            raise ValueError(f"unknown setting {part!r}, expected SETTING=VALUE with {known}")
    return Trial(text or "as shipped", rounds, replace(ADAPTIVE, **changes))


def from_tracks(folder: Path, separator: Separator, count: int | None) -> list[Excerpt]:
    """Tracks of a rendered set, mono."""
    prior = separator.prior
    excerpts = []
    for stems in tqdm(tracks_of(folder, prior.sources, prior.samplerate, count), desc=folder.name):
        estimate = _estimate(separator, stems.sum(0, keepdim=True))
        excerpts.append(Excerpt(stems[None], tuple(prior.sources), estimate))
    return excerpts


def from_recordings(
    folder: Path, separator: Separator, seconds: float, start: float = 45.0
) -> list[Excerpt]:
    """Recordings of which the guitar is known (`recipes.band.recordings`), all channels."""
    excerpts = []
    for pair in tqdm(find_pairs(folder), desc=folder.name):
        parts, rate = read_pair(pair, start, seconds)
        parts = resample(parts.flatten(0, 1).numpy(), rate, separator.prior.samplerate)
        parts = torch.from_numpy(parts).unflatten(0, (2, -1)).transpose(0, 1)
        excerpts.append(Excerpt(parts, ("guitar",), _estimate(separator, parts.sum(1))))
    return excerpts


def _estimate(separator: Separator, mixture: Tensor) -> Tensor:
    stems = separator.separate(mixture, separator.prior.samplerate).stems
    stems = torch.stack([stems[name] for name in separator.prior.sources], 1)
    return refine(stems, mixture, spatial=False)  # as where templates follow


def score(trial: Trial, excerpt: Excerpt, prior: Prior) -> float:
    """Mean SI-SDRi (dB, ``silent="skip"``) of the known stems in mono after the trial's fits."""
    mixture = excerpt.known.sum(1)
    stems = excerpt.estimate
    if trial.rounds:
        refitter = Refitter(stems.shape[-1], trial.rounds, settings=trial.settings)
        stems = torch.cat(list(refitter.push(stems, mixture.numpy())), -1)
    mono, truth = stems.mean(0), excerpt.known.mean(0)
    mono = torch.stack([mono[list(prior.sources).index(name)] for name in excerpt.names])
    if len(truth) > len(mono):
        mono = torch.cat([mono, (truth.sum(0) - mono.sum(0))[None]])
    improvement = si_sdr_improvement(mono, truth, prior.samplerate, silent="skip")
    return improvement[: len(excerpt.names)].nanmean().item()


def misfits(excerpts: Sequence[Excerpt], windows: Sequence[int]) -> list[float]:
    """Of each excerpt, the `misfit` of a first round, by which further ones count."""
    found = []
    for excerpt in excerpts:
        mixture = excerpt.known.sum(1)
        fits = (
            template_masks(excerpt.estimate, mixture, window, seed)[1]
            for seed, window in enumerate(windows)
        )
        found.append(sum(fits) / len(windows))
    return found


def table(trials: Sequence[Trial], sets: dict[str, list[Excerpt]], prior: Prior) -> str:
    """One row a trial, one column a set, as Markdown."""
    rows = [["fits", *(f"{name} ({len(excerpts)})" for name, excerpts in sets.items())]]
    rows.append(["---"] + ["---:"] * len(sets))
    for trial in tqdm(trials, unit="trial"):
        values = []
        for excerpts in sets.values():
            scores = torch.tensor([score(trial, excerpt, prior) for excerpt in excerpts])
            values.append(f"{scores.nanmean():.2f}")
        rows.append([trial.name, *values])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--recordings", type=click.Path(path_type=Path, exists=True), help="Of guitars.")
@click.option("--try", "texts", multiple=True, help='E.g. "share=0.5 density=16384"; repeatable.')
@click.option("--prior", "name", default="band", show_default=True)
@click.option("--quality", default="balanced", show_default=True, type=click.Choice([*QUALITIES]))
@click.option("--count", type=int, help="Use the first COUNT tracks of each folder only.")
@click.option("--seconds", default=40.0, show_default=True, help="Of each recording.")
def main(folders, recordings, texts, name, quality, count, seconds) -> None:
    """Fit the templates of FOLDERS' separated tracks with other settings, and score each.

    The denoiser runs once a track; settings are those of `audio.templates.FitSettings` and the
    windows of the rounds, the quality's by default.
    """
    if not folders and not recordings:
        raise click.UsageError("nothing to measure: give FOLDERS or --recordings")
    rounds = QUALITIES[quality].templates
    try:
        tried = [parse_trial(text, rounds) for text in ("", *texts)]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    prior = load_prior(name, "cpu")
    separator = Separator(prior, quality=quality, refine=False)
    sets = {folder.name: from_tracks(folder, separator, count) for folder in folders}
    if recordings:
        sets["recordings' guitar"] = from_recordings(recordings, separator, seconds=seconds)
    click.echo(table([Trial("none", (), ADAPTIVE), *tried], sets, prior))
    for set_name, excerpts in sets.items():
        values = " ".join(f"{value:.3f}" for value in sorted(misfits(excerpts, rounds[0])))
        click.echo(f"misfits, {set_name}: {values}")


if __name__ == "__main__":
    main()
