"""Unconditional samples of a prior, heard, seen, and compared with real stems.

``python -m recipes.band.samples band runs/band/validation --out docs/band``
"""

from __future__ import annotations

import itertools
from pathlib import Path

import click
import numpy as np
import soundfile
import torch
from torch import Tensor

from mgdm_audio.audio.plots import spectrogram_figure
from mgdm_audio.audio.spectra import band_power
from mgdm_audio.engine import karras_schedule
from mgdm_audio.pretrained import Prior, load_prior
from mgdm_audio.training.validate import load_tracks


@torch.inference_mode()
def generate(prior: Prior, seconds: float, count: int, levels: int, seed: int) -> Tensor:
    """Draw ``[count, K, T]`` from the prior: DDIM with half of the noise renewed at each level."""
    sigmas = [*karras_schedule(levels, *prior.sigmas, 3.0).tolist(), 0.0]
    generator = torch.Generator().manual_seed(seed)
    shape = (count, len(prior.sources), round(seconds * prior.samplerate))
    x = sigmas[0] * torch.randn(shape, generator=generator)
    for sigma, below in itertools.pairwise(sigmas):
        x0 = prior.denoise(x, sigma)
        renewed = 0.5 * below * (1 - (below / sigma) ** 2) ** 0.5
        kept = (below**2 - renewed**2) ** 0.5 / sigma
        x = x0 + kept * (x - x0) + renewed * torch.randn(shape, generator=generator)
    return x


def envelope(stems: Tensor, samplerate: int) -> np.ndarray:
    """Mean spectrum of each stem in dB over 24 log-spaced bands, level removed: ``[K, 24]``."""
    power = torch.cat([band_power(x[None], samplerate, bands=24) for x in stems], 0)
    decibels = 10 * np.log10(power.mean((0, -1)).numpy() + 1e-12)
    return decibels - decibels.max(-1, keepdims=True)


@click.command()
@click.argument("name")
@click.argument("real", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seconds", default=6.0)
@click.option("--count", default=4)
@click.option("--levels", default=50)
@click.option("--seed", default=0)
def main(name, real, out, seconds, count, levels, seed) -> None:
    """Draw from the prior NAME into OUT; compare with the stems of the rendered set REAL."""
    prior = load_prior(name, "cpu")
    samples = generate(prior, seconds, count, levels, seed)
    out.mkdir(parents=True, exist_ok=True)
    for i, stems in enumerate(samples):
        mixture = stems.sum(0).numpy()
        soundfile.write(out / f"sample-{i}.flac", np.clip(mixture, -1, 1), prior.samplerate)
    first = dict(zip(prior.sources, samples[0][:, None], strict=True))
    spectrogram_figure(first, prior.samplerate).savefig(out / "sample-0.png", dpi=110)

    tracks = load_tracks(real, prior.sources, 4 * seconds)
    length = min(track.shape[-1] for track in tracks)
    stack = torch.stack([track[:, :length] for track in tracks])
    halves = envelope(stack[::2], prior.samplerate), envelope(stack[1::2], prior.samplerate)
    drawn = envelope(samples, prior.samplerate)
    whole = envelope(stack, prior.samplerate)
    click.echo("| stem | envelope distance, samples to real (dB) | real to real (dB) |")
    click.echo("| --- | ---: | ---: |")
    for k, source in enumerate(prior.sources):
        far = np.abs(drawn[k] - whole[k]).mean()
        near = np.abs(halves[0][k] - halves[1][k]).mean()
        click.echo(f"| {source} | {far:.1f} | {near:.1f} |")


if __name__ == "__main__":
    main()
