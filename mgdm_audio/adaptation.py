"""Test-time adaptation: a prior learns the sounds of a track from what it makes of it itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from .audio.speed import played
from .devices import autocast
from .pretrained import NetworkDenoiser, Prior
from .training.loss import relative_loss
from .training.optimizer import make_optimizers
from .training.schedule import learning_rate

#: Remixes a step, and their length in seconds.
BATCH, CROP = 2, 3.0

#: Peak of the learning rate, steps until it is reached, and the last share in which it falls.
RATE, WARMUP, COOLDOWN = 5e-4, 5, 0.5

#: `misfit` of a track's stems (`audio.templates`) up to which all that is learnt is kept, and from
#: which nothing is: sounds that do not come back, as a guitarist's, have errors that do.
EXACT, INEXACT = 0.105, 0.135

#: Seconds of a track below which nothing is learnt: so little sounds all alike.
LEAST = 10.0

#: Largest norm of a gradient.
CLIP = 1.0

#: How often the stems of a remix are from one place, as they were played together.
TOGETHER = 0.5

#: Spread of a random gain a stem, in decibels.
GAIN = 3.0

#: Of a track longer than so many pieces, in seconds each, only these are learnt from.
PIECES, PIECE = 5, 60

#: Time of a step, in that of denoiser calls on as much audio.
STEP_COST = 3.0

#: Places that are tried before one is taken at which no two stems sound, and what sounds (RMS).
TRIES, SOUNDS = 4, 1e-3


def adapt(
    prior: Prior,
    tracks: Sequence[Tensor],
    steps: int,
    *,
    speeds: Sequence[tuple[int, int]] = ((1, 1),),
    share: float = 1.0,
    seed: int = 0,
    callback: Callable[[int], None] | None = None,
) -> Prior:
    """A copy of `prior` that has learnt to separate remixes of `tracks`.

    The tracks are a separation's stems, with all that is wrong with them. Put together anew, from
    other places and at other levels, they make mixtures of the track's very sounds whose stems are
    known. A network that has learnt to take these apart takes the track itself apart better, for
    errors differ from place to place, and sounds come back. This is self-training by remixing
    (RemixIT, Tzinis et al., IEEE JSTSP 2022) on a single track, with the prior as the teacher.

    What is learnt is the estimate at the highest noise level with the mixture known, and of a
    cascade by its second network only: the copy is for estimates of the mean, not for draws.

    Args:
        prior: with a network of this package that takes the mixture's noise level.
        tracks: stems ``[K, T]`` each, of the prior's sources in order, at its rate and at the level
            that it knows: the channels of a track, or several tracks with the same instruments.
        steps: of learning, `BATCH` remixes of `CROP` seconds each.
        speeds: at which remixes are heard, by chance, as ratios.
        share: of what is learnt that is kept, 0 to 1, see `worth`.
        seed: equal seeds give equal remixes.
        callback: called with the number of steps done, after each.

    Raises:
        ValueError: `prior` cannot be adapted, or there is no track.
    """
    if not tracks:
        raise ValueError("there is no track to adapt the prior to")
    check_adaptable(prior)
    with _learning(prior.denoise.device):
        denoise = _copied(prior.denoise)
        network, device = denoise.network, denoise.device
        learner = getattr(network, "second", network).requires_grad_(True)
        optimizers = make_optimizers(learner, RATE, 0.0, "muon")
        remixes = remixed(tracks, round(CROP * prior.samplerate), speeds, seed)
        sigma = torch.full((BATCH,), prior.sigmas[1], device=device)
        known = torch.zeros_like(sigma)
        for step in range(steps):
            clean = torch.stack([next(remixes) for _ in range(BATCH)]).to(device)
            start = clean.mean(1, keepdim=True).repeat(1, clean.shape[1], 1)
            with torch.no_grad():
                wiener = network.wiener(start, sigma, known)
                expected = network.expected_error(sigma, known)
            with autocast(device):
                estimate = network(start, sigma, known)
            loss = relative_loss(estimate.float(), wiener, clean, expected).mean()
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(learner.parameters(), CLIP)
            rate = learning_rate(RATE, step, step, steps, WARMUP, COOLDOWN)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
            torch.clear_autocast_cache()  # else weights in half precision stay those of this step
            if callback is not None:
                callback(step + 1)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        network.requires_grad_(False)
        for new, old in zip(network.parameters(), prior.denoise.network.parameters(), strict=True):
            new.copy_(torch.lerp(old, new, share))
    return replace(prior, denoise=denoise)


def is_adaptable(prior: Prior) -> bool:
    """Whether `adapt` can make something of `prior`: its network can learn, and is not compiled."""
    denoise = prior.denoise
    if not isinstance(denoise, NetworkDenoiser) or denoise.compiled:
        return False
    if denoise.device.type == "mps":  # gradients through spectra have not been tried there
        return False
    return denoise.conditional and hasattr(denoise.network, "expected_error")


def check_adaptable(prior: Prior) -> None:
    """Whether `adapt` can make something of `prior`.

    Raises:
        ValueError: it cannot.
    """
    if is_adaptable(prior):
        return
    if getattr(prior.denoise, "compiled", False):
        raise ValueError("a compiled prior cannot learn a track: adapt or compile, not both")
    raise ValueError(
        f"the prior {prior.name!r} cannot learn a track: that takes a network of this package "
        "which is told the mixture's noise level, on a CPU or a CUDA device"
    )


def worth(misfit: float) -> float:
    """How much of what is learnt is to be kept, 0 to 1, by the `misfit` of a track's stems."""
    return min(max((INEXACT - misfit) / (INEXACT - EXACT), 0.0), 1.0)


def learning_cost(steps: int) -> float:
    """About the time of `steps`, in that of denoiser calls on a second of one channel."""
    return STEP_COST * heard_seconds(steps)


def heard_seconds(steps: int) -> float:
    """Audio that the network hears in `steps`, in seconds."""
    return steps * BATCH * CROP


def excerpt(audio: np.ndarray, samplerate: int) -> np.ndarray:
    """What the prior learns a track from: ``[C, T]``, all of it, or pieces from all over it."""
    piece, length = PIECE * samplerate, audio.shape[-1]
    if length <= PIECES * piece:
        return audio
    starts = np.linspace(0, length - piece, PIECES).round().astype(int)
    return np.concatenate([audio[:, start : start + piece] for start in starts], 1)


@contextmanager
def _learning(device: torch.device) -> Iterator[None]:
    """Whatever mode the caller is in.

    Tensors made in inference mode can't be learnt from; under autocast optimisers would compute in
    half precision.
    """
    whole = torch.autocast(device.type, enabled=False)
    with torch.inference_mode(False), torch.enable_grad(), whole:
        yield


def _copied(denoise: NetworkDenoiser) -> NetworkDenoiser:
    denoise = copy.copy(denoise)
    denoise.network = copy.deepcopy(denoise.network).requires_grad_(False)
    return denoise


def remixed(
    tracks: Sequence[Tensor], length: int, speeds: Sequence[tuple[int, int]], seed: int
) -> Iterator[Tensor]:
    """Endless remixes ``[K, length]`` of stems ``[K, T]``, on the CPU; shorter if a track is.

    Tracks are drawn in proportion to their lengths. Half of the remixes keep what was played
    together, in the others each stem is from a place of its own; each has a gain and a polarity of
    its own in both.
    """
    rng = np.random.default_rng(seed)
    # Tensors made in inference mode can't be learnt from, copies can.
    tracks = [track.clone() if track.is_inference() else track.detach() for track in tracks]
    tracks = [track.to("cpu", torch.float32) for track in tracks]
    length = min(length, min(track.shape[-1] for track in tracks))
    lengths = np.array([track.shape[-1] for track in tracks], float)
    while True:
        faster, slower = speeds[rng.integers(len(speeds))]
        for _ in range(TRIES):
            track = tracks[rng.choice(len(tracks), p=lengths / lengths.sum())]
            heard = min(-(-length * faster // slower), track.shape[-1])
            places = rng.integers(track.shape[-1] - heard + 1, size=len(track))
            if rng.random() < TOGETHER:
                places[:] = places[0]
            remix = torch.stack(
                [stem[at : at + heard] for stem, at in zip(track, places, strict=True)]
            )
            if (remix.square().mean(-1).sqrt() > SOUNDS).sum() > 1:
                break
        gains = rng.choice((-1, 1), len(track)) * 10 ** (rng.normal(0, GAIN, len(track)) / 20)
        remix = played(remix, (faster, slower), length)
        yield remix * torch.from_numpy(gains).float()[:, None]
