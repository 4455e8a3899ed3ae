"""How a network sounds and looks, for TensorBoard: a separated song, and a band of its own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from ..audio.plots import spectrogram_figure
from ..engine.denoising import Calls, flow
from ..engine.noise import Noise
from .validate import load_tracks, one_step

SECONDS = 6.0
DRAW_STEPS = 32


class Gallery(NamedTuple):
    """Stems ``[K, T]`` each, on the CPU: of a song, as estimated from its mixture, and drawn."""

    truth: Tensor
    estimate: Tensor
    drawn: Tensor


@torch.inference_mode()
def make_gallery(net: nn.Module, truth: Tensor, sigmas: tuple[float, float]) -> Gallery:
    """One conditional step from the mixture of `truth`, and one draw of its length, by the flow.

    Args:
        net: separation-aware denoiser, on the device to run on.
        truth: stems ``[K, T]``.
        sigmas: lowest and highest noise level.
    """
    device = next(net.parameters()).device
    low, high = sigmas
    start = high * Noise(0, 1, device).normal((1, *truth.shape))
    drawn = flow(Calls(net), start, high, DRAW_STEPS, sigma_min=low)
    return Gallery(truth, one_step(net, truth, high), drawn[0].cpu())


def first_song(config: dict) -> Tensor | None:
    """Six seconds ``[K, T]`` from the middle of the first validation track; None without a set."""
    prior, options = config["prior"], config["training"]
    for folder in options.validation.values():
        (track,) = load_tracks(Path(folder), prior["sources"], prior["samplerate"], count=1)
        length = min(round(SECONDS * prior["samplerate"]), track.shape[-1])
        start = (track.shape[-1] - length) // 2
        return track[:, start : start + length]
    return None


def show(gallery: Gallery, config: dict, writer: SummaryWriter, step: int) -> None:
    """Write audio (mixture, estimates, the drawn band) and spectrograms to TensorBoard."""
    sources, rate = config["prior"]["sources"], config["prior"]["samplerate"]
    heard = {"song/mixture": gallery.truth.sum(0), "drawn/mixture": gallery.drawn.sum(0)}
    heard |= {f"song/{name}": x for name, x in zip(sources, gallery.estimate, strict=True)}
    for name, audio in heard.items():
        writer.add_audio(name, audio.clamp(-1, 1), step, rate)
    pairs = zip(sources, gallery.estimate, gallery.truth, strict=True)
    song = {}
    for name, estimate, truth in pairs:
        song |= {name: estimate[None], f"{name}, true": truth[None]}
    drawn = {name: x[None] for name, x in zip(sources, gallery.drawn, strict=True)}
    writer.add_figure("song", spectrogram_figure(song, rate), step)
    writer.add_figure("drawn", spectrogram_figure(drawn, rate), step)
