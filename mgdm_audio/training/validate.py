"""Validation: loss by noise level, and SI-SDRi of a one-step conditional estimate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..evaluation import si_sdr_improvement
from .data import Track, read_crop, read_header
from .loss import relative_loss
from .noise import two_level_noise

#: Noise levels below the top one at which validation takes the loss.
LEVELS = (0.02, 0.2)


def find_stems(folder: Path, sources: Sequence[str], count: int | None = None) -> list[Track]:
    """The first `count` of ``TRACK/{stem}.flac`` or ``.wav`` below `folder`, by name, headers read.

    Other than for training, every stem must be there: a stem that was forgotten is not silence.

    Raises:
        FileNotFoundError: there is no such track, or one lacks a stem.
        ValueError: files of a track cannot be read, or differ in sampling rate or in length.
    """
    tracks = []
    names = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    for track in names[:count]:
        files = []
        for stem in sources:
            choices = (track / f"{stem}.flac", track / f"{stem}.wav")
            path = next((file for file in choices if file.exists()), None)
            if path is None:
                raise FileNotFoundError(f"{track}: no {stem}.flac or {stem}.wav")
            files.append(path)
        tracks.append(_track(track.name, files))
    if not tracks:
        raise FileNotFoundError(f"{folder}: no TRACK/{{{','.join(sources)}}}.flac found")
    return tracks


def _track(name: str, files: Sequence[Path]) -> Track:
    headers = [read_header(file) for file in files]
    first = headers[0]
    for file, header in zip(files, headers, strict=True):
        if header.samplerate != first.samplerate:
            raise ValueError(
                f"{file} has {header.samplerate} Hz and {files[0].name} {first.samplerate}: stems "
                "of a track must have one sampling rate"
            )
        if header.frames != first.frames:
            raise ValueError(
                f"{file} has {header.frames} samples and {files[0].name} {first.frames}: stems of "
                "a track must be of one length"
            )
    return Track(name, tuple((file,) for file in files), first.samplerate, first.frames)


def load_tracks(
    folder: Path,
    sources: Sequence[str],
    samplerate: int,
    seconds: float | None = None,
    count: int | None = None,
) -> list[Tensor]:
    """Stacked stems ``[K, T]`` of the tracks that `find_stems` finds, mono, at `samplerate` in Hz.

    Files of another sampling rate are resampled, as for training. `seconds` and `count` take the
    first of each track, and of the tracks.

    Raises:
        FileNotFoundError: there is no such track, or one lacks a stem.
        ValueError: files of a track cannot be read, or differ in sampling rate or in length.
    """
    tracks = []
    for track in find_stems(folder, sources, count):
        length = track.frames / track.samplerate
        length = length if seconds is None else min(seconds, length)
        tracks.append(torch.from_numpy(read_crop(track, 0.0, length, samplerate)))
    return tracks


def check_sets(config: dict) -> None:
    """Make sure that every validation set of a configuration can be read, before hours of training.

    Reads the headers of all files, and the first track of each set.

    Raises:
        ValueError: naming the set and what is wrong with it.
    """
    prior = config["prior"]
    for name, folder in config["training"].validation.items():
        try:
            find_stems(Path(folder), prior["sources"])
            load_tracks(Path(folder), prior["sources"], prior["samplerate"], count=1)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"the validation set {name!r} cannot be used ({error}): render it, or take it out "
                "of [training.validation]"
            ) from error


@torch.inference_mode()
def one_step(net: nn.Module, stems: Tensor, sigma: float, floor: bool = False) -> Tensor:
    """Stems ``[K, T]`` as one conditional denoiser call finds them in their sum, where they are.

    The call is at noise level `sigma`, from the mean of the noisy stems: no noise is drawn. `floor`
    takes the static Wiener filter instead.
    """
    k = stems.shape[0]
    state = (stems.sum(0, keepdim=True) / k).expand(1, k, -1)
    denoise = net.wiener if floor else net
    return denoise(state.to(next(net.parameters()).device), sigma, 0.0)[0].to(stems.device)


def one_step_si_sdri(
    net: nn.Module,
    tracks: Sequence[Tensor],
    samplerate: int,
    sigma: float,
    seconds: float | None = None,
    floor: bool = False,
) -> Tensor:
    """SI-SDRi (dB, ``silent="skip"``) of `one_step` for each track, ``[tracks, K]``.

    `seconds` cuts the track into segments of that length first. Stems that are silent throughout
    give NaN.
    """
    rows = []
    for stems in tracks:
        segment = stems.shape[-1] if seconds is None else int(seconds * samplerate)
        parts = [one_step(net, part, sigma, floor) for part in stems.split(segment, -1)]
        estimate = torch.cat(parts, -1)
        rows.append(si_sdr_improvement(estimate, stems, samplerate, silent="skip"))
    return torch.stack(rows)


class LevelScore(NamedTuple):
    """How good a denoiser is at one noise level, over a set of clean stems.

    Attributes:
        loss: mean `relative_loss`, in which quiet items count as much as loud ones.
        error: squared error over that of the static Wiener filter, both summed over the set, mean
            over stems; no denoiser has less than the posterior mean.
        slope: of each stem, the factor ``E[D x] / E[D^2]`` that would bring its estimates ``D``
            nearest to the truth ``x``. A posterior mean has 1, for its error is orthogonal to it
            whatever the prior; above 1, estimates are too quiet, and so are the samples drawn.
    """

    loss: float
    error: float
    slope: tuple[float, ...]


@torch.inference_mode()
def scores_by_level(
    net: nn.Module,
    clean: Tensor,
    sigmas: Sequence[float],
    conditional: bool,
    top: float | None = None,
) -> dict[float, LevelScore]:
    """`LevelScore` of `net` at each `sigma` on ``clean [B, K, T]``, with the same noise always.

    Args:
        conditional: with the mixture known.
        top: the level at which such a state is the mixture shared out equally, without noise: the
            highest one, where a separation starts so.
    """
    result = {}
    for sigma in sigmas:
        generator = torch.Generator(clean.device).manual_seed(0)
        level = torch.full(clean.shape[:1], sigma, device=clean.device)
        mix = torch.zeros_like(level) if conditional else level
        if conditional and sigma == top:
            noisy = clean.mean(1, keepdim=True).expand(clean.shape)
        else:
            noisy = clean + two_level_noise(clean.shape, level, mix, generator)
        estimate, wiener = net(noisy, level, mix), net.wiener(noisy, level, mix)
        error = (estimate - clean).square().sum((0, 2))
        unit = (wiener - clean).square().sum((0, 2))
        slope = (estimate * clean).sum((0, 2)) / (estimate.square().sum((0, 2)) + 1e-14)
        result[sigma] = LevelScore(
            relative_loss(estimate, wiener, clean).mean().item(),
            (error / unit).mean().item(),
            tuple(slope.tolist()),
        )
    return result


def scores(net: nn.Module, config: dict, count: int | None = None) -> dict[str, float]:
    """Figures on the validation sets: SI-SDRi (mean over stems) and loss by noise level.

    Of a prior that is never told the mixture (``conditional = false``): `LevelScore`, its slope
    as the mean over stems.

    Args:
        net: on the device to run on.
        config: as `config.read_config` returns it.
        count: use the first `count` tracks of each set only.

    Raises:
        FileNotFoundError, ValueError: a set's tracks cannot be read, see `load_tracks`.
    """
    prior = config["prior"]
    device = next(net.parameters()).device
    kinds = ("plain", "conditional") if prior.get("conditional", True) else ("plain",)
    levels = (*LEVELS, prior["sigma_max"])
    report = {}
    for name, folder in config["training"].validation.items():
        tracks = load_tracks(Path(folder), prior["sources"], prior["samplerate"], count=count)
        if "conditional" in kinds:
            values = one_step_si_sdri(net, tracks, prior["samplerate"], prior["sigma_max"])
            report[f"{name}_si_sdri"] = values.nanmean(0).nanmean().item()
        length = min(6 * prior["samplerate"], *(track.shape[-1] for track in tracks))
        clean = torch.stack([track[:, :length] for track in tracks[:4]]).to(device)
        for kind in kinds:
            found = scores_by_level(net, clean, levels, kind == "conditional", levels[-1])
            for sigma, at in found.items():
                report[f"{name}_{kind}_{sigma:g}"] = at.loss
                if "conditional" not in kinds:
                    report[f"{name}_sums_{sigma:g}"] = at.error
                    report[f"{name}_slope_{sigma:g}"] = sum(at.slope) / len(at.slope)
    return report
