"""Separation in stereo: ``python -m recipes.band.stereo FOLDER...``.

Rendered sets are mono. Here guitar and piano stand left and right, near or far, bass and drums in
the middle, and each stem has a room of its own, which is heard differently on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mgdm_audio.audio.stereo import imbalance
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.presets import QUALITIES
from mgdm_audio.pretrained import load_prior
from mgdm_audio.separator import Separator

from .effects import convolve
from .room import room_response
from .tracks import tracks_of

DISTANCE = (0.2, 0.9)  # of the guitar from the middle; 1 is all the way to one side
OPPOSITE = (0.3, 1.2)  # distance of the piano, on the other side, in those of the guitar
#: Qualities that average several estimates, some of which may be of mid and side.
SEVERAL = [name for name, quality in QUALITIES.items() if quality.mid_side]
WET = {"bass": (-20, -16), "drums": (-20, -8), "guitar": (-20, -8), "piano": (-20, -8)}  # dB


def panned(stems: Tensor, names: Sequence[str], samplerate: int, seed: int) -> Tensor:
    """Stems ``[K, T]`` in stereo ``[K, 2, T]``, panned by constant power, each in a room."""
    rng = np.random.default_rng(seed)
    guitar = rng.choice([-1, 1]) * rng.uniform(*DISTANCE)
    pans = {"guitar": guitar, "piano": np.clip(-guitar * rng.uniform(*OPPOSITE), -1, 1)}
    out = []
    for name, stem in zip(names, stems.numpy(), strict=True):
        angle = np.pi / 4 * (1 + pans.get(name, 0.0))
        size, t60 = rng.uniform(1, 5), 10 ** rng.uniform(-0.6, 0.1)
        wet = 10 ** (rng.uniform(*WET[name]) / 20) / np.sqrt(2)  # in both channels together
        rooms = [convolve(stem, room_response(samplerate, rng, size, t60)) for _ in range(2)]
        dry = np.array([np.cos(angle), np.sin(angle)])[:, None] * stem
        out.append(dry + wet * np.stack(rooms))
    return torch.from_numpy(np.stack(out).astype(np.float32))


def score(separator: Separator, stems: Tensor) -> Tensor:
    """SI-SDRi ``[K]`` of stems ``[K, 2, T]`` in dB, silence skipped.

    Both channels are one signal, sample after sample, so that windows and scale are common to them.
    """
    rate = separator.prior.samplerate
    found = separator.separate_tensor(stems.sum(0), rate)
    estimate = torch.stack([found[name] for name in separator.sources])
    signals = (x.mT.flatten(1) for x in (estimate, stems))
    return si_sdr_improvement(*signals, 2 * rate, silent="skip")


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--prior", "name", default="band")
@click.option("--count", type=click.IntRange(1), help="Use the first COUNT tracks of each folder.")
@click.option("--quality", type=click.Choice(SEVERAL), default="balanced")
def main(folders: tuple[Path, ...], name: str, count: int | None, quality: str):
    """SI-SDRi on the rendered sets FOLDERS, panned: with all estimates of left and right, with one
    in three of mid and side, and with these where the sides are alike, as the command has it."""
    prior = load_prior(name, "cpu")
    if unknown := [stem for stem in prior.sources if stem not in WET]:
        raise click.UsageError(f"where {unknown[0]} stands is not known, only {', '.join(WET)}")
    ways = {
        heard: Separator(prior, device="cpu", quality=quality, mid_side=mid_side)
        for heard, mid_side in (("left, right", False), ("mid, side too", True), ("default", None))
    }
    lines = [["set", "heard", *prior.sources, "mean"], ["---"] * 2]
    lines[1] += ["---:"] * (len(prior.sources) + 1)
    click.echo("\n".join(map(_row, lines)))
    notes = []
    for folder in folders:
        tracks = tracks_of(folder, prior.sources, prior.samplerate, count)
        tracks = [panned(t, prior.sources, prior.samplerate, n) for n, t in enumerate(tracks)]
        for heard, separator in ways.items():
            found = [
                score(separator, track) for track in tqdm(tracks, heard, leave=False, disable=None)
            ]
            means = torch.stack(found).nanmean(0)
            values = [*means.tolist(), means.nanmean().item()]
            cells = [f"{folder.name} ({len(tracks)})", heard, *(f"{v:.2f}" for v in values)]
            click.echo(_row(cells))
        notes.append((folder.name, sorted(imbalance(track.sum(0)) for track in tracks)))
    for set_name, values in notes:
        click.echo(f"imbalances, {set_name}: {' '.join(f'{value:.3f}' for value in values)}")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
