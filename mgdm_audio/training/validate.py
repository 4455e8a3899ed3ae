"""Validation: loss by noise level, and SI-SDRi of a one-step conditional estimate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from ..evaluation import si_sdr_improvement
from .loss import relative_loss
from .noise import two_level_noise


def load_tracks(folder: Path, sources: Sequence[str], seconds: float | None = None) -> list[Tensor]:
    """Stacked stems ``[K, T]`` of every ``TRACK/{stem}.flac`` or ``.wav`` below `folder`.

    Raises:
        FileNotFoundError: there is no such track.
    """
    tracks = []
    for track in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []:
        stems = []
        for stem in sources:
            path = next(p for p in (track / f"{stem}.flac", track / f"{stem}.wav") if p.exists())
            audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
            stems.append(audio.mean(1)[: None if seconds is None else int(seconds * rate)])
        tracks.append(torch.from_numpy(np.stack(stems)))
    if not tracks:
        raise FileNotFoundError(f"{folder}: no TRACK/{{{','.join(sources)}}}.flac found")
    return tracks


@torch.inference_mode()
def one_step_si_sdri(
    net: nn.Module,
    tracks: Sequence[Tensor],
    samplerate: int,
    sigma_max: float,
    seconds: float | None = None,
    floor: bool = False,
) -> Tensor:
    """SI-SDRi (dB, ``silent="skip"``) of one conditional denoiser call a track, ``[tracks, K]``.

    `seconds` cuts the track into segments of that length first; `floor` measures the static Wiener
    filter instead. Stems that are silent throughout give NaN.
    """
    denoise = net.wiener if floor else net
    rows = []
    for i, stems in enumerate(tracks):
        generator = torch.Generator().manual_seed(i)
        segment = stems.shape[-1] if seconds is None else int(seconds * samplerate)
        parts = []
        for part in stems.split(segment, -1):
            k = part.shape[0]
            noise = two_level_noise(
                part[None].shape, torch.tensor([sigma_max]), torch.zeros(1), generator
            )
            state = part.sum(0, keepdim=True) / k + noise
            device = next(net.parameters()).device
            parts.append(denoise(state.to(device), sigma_max, 0.0)[0].cpu())
        estimate = torch.cat(parts, -1)
        rows.append(si_sdr_improvement(estimate, stems, samplerate, silent="skip"))
    return torch.stack(rows)


@torch.inference_mode()
def loss_by_level(
    net: nn.Module, clean: Tensor, sigmas: Sequence[float], conditional: bool
) -> dict[float, float]:
    """Mean squared error over the Wiener filter's for each `sigma`, on ``clean [B, K, T]``."""
    result = {}
    for sigma in sigmas:
        generator = torch.Generator(clean.device).manual_seed(0)
        level = torch.full(clean.shape[:1], sigma, device=clean.device)
        mix = torch.zeros_like(level) if conditional else level
        noisy = clean + two_level_noise(clean.shape, level, mix, generator)
        loss = relative_loss(net(noisy, level, mix), net.wiener(noisy, level, mix), clean)
        result[sigma] = loss.mean().item()
    return result
