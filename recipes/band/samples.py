"""Unconditional samples of a prior, heard, seen, and compared with real stems.

``python -m recipes.band.samples band runs/band/validation --out runs/samples --picture docs/x.png``
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import soundfile
import torch
from torch import Tensor

from mgdm_audio.audio.spectra import band_power, log_spectrogram
from mgdm_audio.engine import karras_schedule
from mgdm_audio.engine.noise import Noise
from mgdm_audio.pretrained import Prior, load_prior

from .tracks import tracks_of

BANDS = 24
DEPTH = 60.0  # dB below a stem's loudest band, under which all counts as silence


@torch.inference_mode()
def generate(
    denoise: Callable[[Tensor, Tensor], Tensor],
    shape: Sequence[int],
    sigmas: tuple[float, float],
    *,
    levels: int = 50,
    churn: float = 0.0,
    rho: float = 5.0,
    seed: int = 0,
) -> Tensor:
    """Draw from a prior by DDIM with a share of the noise renewed (Song et al., 2021).

    Args:
        denoise: ``(x [B, K, T], sigma [B]) -> [B, K, T]``.
        shape: ``(B, K, T)``.
        sigmas: lowest and highest noise level.
        levels: denoiser calls.
        churn: DDIM's eta: 0 is the deterministic flow, 1 ancestral sampling.
        rho: spacing of the levels, see `karras_schedule`.

    Returns:
        ``[B, K, T]``; item `i` depends on `seed` and `i`, not on `B`.
    """
    steps = [*karras_schedule(levels, *sigmas, rho).tolist(), 0.0]
    noise = Noise(seed, shape[0], "cpu")
    x = steps[0] * noise.normal(shape)
    for sigma, below in itertools.pairwise(steps):
        x0 = denoise(x, torch.full(shape[:1], sigma))
        renewed = churn * below * (1 - (below / sigma) ** 2) ** 0.5
        kept = (below**2 - renewed**2) ** 0.5 / sigma
        x = x0 + kept * (x - x0)
        if renewed:
            x = x + renewed * noise.normal(shape)
    return x


def envelope(stems: Tensor, samplerate: int) -> np.ndarray:
    """Mean spectrum of each stem over the batch in dB, level removed: ``[B, K, T]`` to ``[K, 24]``.

    Bands more than 60 dB below the loudest count as 60 below.
    """
    power = band_power(stems, samplerate, BANDS).mean((0, -1)).numpy()
    decibels = 10 * np.log10(power + 1e-12)
    return np.maximum(decibels - decibels.max(-1, keepdims=True), -DEPTH)


def contrast(stems: Tensor, samplerate: int) -> np.ndarray:
    """How far bands of a stem vary in time, in dB (mean over bands): ``[B, K, T]`` to ``[K]``.

    Notes come and go; noise and hum of the same spectrum have a low contrast.
    """
    decibels = 10 * np.log10(band_power(stems, samplerate, BANDS).numpy() + 1e-12)
    top = decibels.max((0, 2, 3), keepdims=True)
    return np.maximum(decibels, top - DEPTH).std(-1).mean((0, 2))


def loudness(stems: Tensor) -> np.ndarray:
    """Root mean square of each stem in dB: ``[B, K, T]`` to ``[K]``."""
    return 10 * np.log10(stems.square().mean((0, 2)).numpy() + 1e-12)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference of envelopes in dB, ``[K]``."""
    return np.abs(a - b).mean(-1)


def excerpts(tracks: Sequence[Tensor], length: int) -> Tensor:
    """The middle of each track that is long enough, ``[N, K, length]``."""
    starts = [(track, (track.shape[-1] - length) // 2) for track in tracks]
    return torch.stack([track[:, s : s + length] for track, s in starts if s >= 0])


def compare(drawn: Tensor, real: Tensor, sources: Sequence[str], samplerate: int) -> str:
    """Features of drawn and real stems (``[B, K, T]`` and ``[N, K, T]``) as Markdown.

    Two floors: one half of the real excerpts against the other, and as many real excerpts as were
    drawn against the remaining ones (mean over disjoint choices), which is the fair one.
    """
    size = len(drawn)
    whole = envelope(real, samplerate)
    far = distance(envelope(drawn, samplerate), whole)
    halves = distance(envelope(real[::2], samplerate), envelope(real[1::2], samplerate))
    parts = []
    for i in range(len(real) // size):
        chosen = torch.arange(len(real)) // size == i
        few, rest = (envelope(part, samplerate) for part in (real[chosen], real[~chosen]))
        parts.append(distance(few, rest))
    few = np.mean(parts, 0)
    sharp = contrast(drawn, samplerate), contrast(real, samplerate)
    loud = loudness(drawn), loudness(real)
    head = ["stem", "samples to real", f"{size} real to the rest", "half to half"]
    head += ["contrast", "of real", "RMS", "of real"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for k, source in enumerate(sources):
        values = (far, few, halves, *sharp, *loud)
        lines.append([source, *(f"{value[k]:.1f}" for value in values)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def picture(drawn: Tensor, real: Tensor, sources: Sequence[str], samplerate: int):
    """Spectrograms of stems, a column for each drawn ``[B, K, T]`` and each real item.

    Each stem has one scale of 80 dB, that of the loudest of its row.
    """
    from matplotlib.figure import Figure

    items = [(f"drawn {i + 1}", x) for i, x in enumerate(drawn)]
    items += [(f"real {i + 1}", x) for i, x in enumerate(real)]
    size = (2.6 * len(items), 1.5 * len(sources))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(sources), len(items), sharex=True, squeeze=False)
    for k, source in enumerate(sources):
        images = [log_spectrogram(stems[k : k + 1], samplerate) for _, stems in items]
        top = max(image.max() for image in images)
        for axis, image, (name, stems) in zip(axes[k], images, items, strict=True):
            axis.imshow(
                image, origin="lower", aspect="auto", cmap="magma", vmin=top - 80, vmax=top,
                extent=(0, stems.shape[-1] / samplerate, 0, 1), interpolation="nearest",
            )  # fmt: skip
            axis.set_yticks([])
            if k == 0:
                axis.set_title(name, fontsize=9)
        axes[k][0].set_ylabel(source)
    for axis in axes[-1]:
        axis.set_xlabel("seconds", fontsize=8)
    return figure


def write_audio(drawn: Tensor, prior: Prior, folder: Path) -> None:
    """``sample-N.flac`` (the sum) and ``sample-N-STEM.flac``."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, stems in enumerate(drawn):
        parts = {f"-{name}": x for name, x in zip(prior.sources, stems, strict=True)}
        for ending, audio in {"": stems.sum(0), **parts}.items():
            path = folder / f"sample-{i}{ending}.flac"
            soundfile.write(path, np.clip(audio.numpy(), -1, 1), prior.samplerate)


@click.command(context_settings={"show_default": True})
@click.argument("name")
@click.argument("real", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the samples as audio.")
@click.option("--picture", "image", type=click.Path(path_type=Path), help="PNG: 2 drawn, 2 real.")
@click.option("--seconds", default=6.0, help="Length of a sample.")
@click.option("--count", default=4, help="Samples.")
@click.option("--levels", default=50, help="Denoiser calls.")
@click.option("--churn", default=0.0, help="0: deterministic flow, 1: ancestral.")
@click.option("--rho", default=5.0, help="Spacing of the noise levels.")
@click.option("--seed", default=0)
@click.option("--device")
def main(name, real, out, image, seconds, count, levels, churn, rho, seed, device) -> None:
    """Draw from the prior NAME; compare with the stems of the rendered set REAL."""
    prior = load_prior(name, device or "cpu")
    length = round(seconds * prior.samplerate)
    options = {"levels": levels, "churn": churn, "rho": rho, "seed": seed}

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return prior.denoise(x.to(device or "cpu"), sigma.to(device or "cpu")).float().cpu()

    drawn = generate(denoise, (count, len(prior.sources), length), prior.sigmas, **options)
    truth = excerpts(tracks_of(real, prior.sources, prior.samplerate), length)
    click.echo(f"{count} samples of {seconds:g} s: {levels} levels, churn {churn:g}, rho {rho:g}")
    click.echo(f"against {len(truth)} excerpts; envelope distances, contrast and RMS in dB\n")
    click.echo(compare(drawn, truth, prior.sources, prior.samplerate))
    if out:
        write_audio(drawn, prior, out)
    if image:
        figure = picture(drawn[:2], truth[:2], prior.sources, prior.samplerate)
        figure.savefig(image, dpi=100)


if __name__ == "__main__":
    main()
