"""Where prior, engine and audio meet: from a mixture to its stems."""

from __future__ import annotations

import math
import operator
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .audio import Grid, overlap_add, read_audio, resample, resampled_length, share_out
from .audio.absent import Sharer, share_absent
from .audio.blocks import Block, Chunker, Joiner, plan_blocks
from .audio.files import LOUDEST
from .audio.refine import Refiner
from .audio.resample import REACH
from .audio.spectra import band_power
from .audio.speed import HOP, at_speed, cents, combined
from .audio.stereo import imbalance, mid_side
from .audio.templates import ADAPTIVE, DEFAULT, Refitter
from .audio.tuning import retuning
from .devices import explain_memory, free_memory, pick_device
from .engine import SAMPLERS, MixtureSum, Progress, karras_schedule, sample
from .errors import AudioFileError
from .noise import PlacedNoise
from .presets import Preset, preset
from .pretrained import Prior, load_prior
from .separation import Separation, Uncertainty

#: Samples that grids and blocks are multiples of, besides the network's stride: spectra's hop.
QUANTUM = 1024

#: More channels than that are frames that were taken for channels.
MAX_CHANNELS = 64

#: Peak under which a mixture is brought up before anything is computed: below -100 dB of full scale
#: the floors that keep silent frames from dividing by nothing begin to count.
QUIETEST = 1e-5

#: Windows a block, context not counted. A constant, so that results do not depend on the machine.
BLOCK_WINDOWS = 16

#: Time of a fit of templates, in denoiser calls for one channel; for the progress alone.
FIT = 0.2

#: Fractional part of the golden ratio.
GOLDEN = 0.618034

#: Noise of the mixture for samplers that need some; MGDM's value.
SIGMA_Y = 1e-4

#: Assumed activations of a denoiser call, in bytes a sample and stem, when batches are sized.
BYTES_PER_SAMPLE = 1000


class Separator:
    """Separates mixtures with a prior and a posterior sampler.

    Args:
        prior: a shipped prior's name, a folder, or a `Prior`.
        quality: ``"fast"``, ``"balanced"`` or ``"best"``, see `mgdm_audio.presets`.
        sampler: a sampler's name instead of a quality.
        steps: noise levels.
        draws: posterior draws to average. The mean of many is the estimate of least squared error;
            a single one sounds like one plausible set of stems.
        samples: sets of stems to return side by side, each the mean of `draws`.
        seed: equal seeds give equal stems, whatever the batch size.
        device: ``"cuda"``, ``"mps"``, ``"cpu"``, or None for the fastest there is; a loaded prior
            is used where it is.
        segment: window of the denoiser in seconds, by default the length it was trained on. It is
            rounded to a whole number of steps of the prior's `stride`, of which it has two or more
            if windows are cross-faded; a shipped prior's are 0.37 s.
        overlap: fraction of a window that is cross-faded into the next, 0 to 0.5: rounded down to
            such steps, but never to none. 0 puts windows side by side, with a step at every joint.
        batch_size: windows a denoiser call; by default what fits in memory.
        without: a stem or stems that the music is known not to have. They are left out of the
            result, and what the prior took for them is shared among the others
            (`mgdm_audio.audio.absent`).
        residual: keep what the stems leave of the mixture as a stem ``"residual"`` of its own,
            instead of distributing it.
        refine: sharpen each set of stems by soft masks of longer windows, which helps a posterior
            mean and alters a draw; by default as the preset has it. False leaves out a preset's
            `templates` as well.
        templates: rounds in which each set of stems is then fitted by spectra that come back
            (`mgdm_audio.audio.templates`): how many, or the windows of each, in samples at the
            prior's rate; by default as the preset has it, 0 for none.
        adaptive: whether rounds after the first count only as far as sounds come back exactly; by
            default for a preset's rounds, and not for those that are asked for.
        speeds: of estimates of the mean, at which the network hears the mixture, one a draw in
            turn, as ratios such as ``(18, 17)``, a semitone higher; by default as the preset has
            them. An estimate that differs with the pitch is averaged over it.
        mid_side: of estimates of the mean, whether the network hears one draw in three of a stereo
            track, the second first, as mid and side in place of left and right; or up to which
            `imbalance` of the sides it does (`mgdm_audio.audio.stereo`), 0 to 1. By default as the
            preset has it: where they are alike, if there are several draws.
        retune: of estimates of the mean, whether the network hears music that lies 15 to 50 cents
            off the keys of A = 440 Hz in the nearest key; stems are moved back. One tuning for a
            track. By default as the preset has it: yes, with a quality.
        normalize: bring the track to the level of the prior's training data first (and back).
        compiled: compile the network first, see `load_prior`; for hours of audio.
        **options: hyper-parameters of the sampler.

    Raises:
        PriorError, DeviceError: see `load_prior`.
        ValueError, TypeError: a setting that makes no sense.
    """

    def __init__(
        self,
        prior: str | os.PathLike | Prior = "band",
        *,
        quality: str | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        draws: int | None = None,
        samples: int = 1,
        seed: int = 0,
        device: str | torch.device | None = None,
        segment: float | None = None,
        overlap: float = 0.125,
        batch_size: int | None = None,
        without: str | Sequence[str] = (),
        residual: bool = False,
        refine: bool | None = None,
        templates: int | Sequence[Sequence[int]] | None = None,
        adaptive: bool | None = None,
        speeds: Sequence[tuple[int, int]] | None = None,
        mid_side: bool | float | None = None,
        retune: bool | None = None,
        normalize: bool = True,
        compiled: bool = False,
        **options: Any,
    ):
        self.compiled = compiled
        if isinstance(prior, Prior):
            if compiled:
                raise ValueError("a loaded prior is used as it is: load_prior(name, compiled=True)")
            self.device = _device_of(prior, device)
            self.prior = prior
        else:
            self.device = pick_device(device)
            self.prior = load_prior(prior, self.device, compiled=compiled)
        self.settings: Preset = preset(quality, sampler, steps=steps, draws=draws, refine=refine)
        self.settings = self.settings.with_(
            options={**self.settings.options, **options} or None,
            templates=None if templates is None else _rounds(templates, preset(quality, sampler)),
            adaptive=False if adaptive is None and templates is not None else adaptive,
            speeds=None if speeds is None else _ratios(speeds),
            mid_side=None if mid_side is None else float(mid_side),
            retune=retune,
        )
        if not self.settings.is_mean:
            if speeds is not None or mid_side or retune:
                raise ValueError(
                    "speeds, mid_side and retune are for estimates of the mean, the qualities: "
                    "draws begin with noise"
                )
            self.settings = replace(self.settings, speeds=((1, 1),), mid_side=0.0, retune=False)
        for name, value, lowest in (
            ("steps", self.settings.steps, 1),
            ("draws", self.settings.draws, 1),
            ("samples", samples, 1),
            ("batch_size", 1 if batch_size is None else batch_size, 1),
            ("seed", seed, 0),
        ):
            if not isinstance(value, Integral) or value < lowest:
                raise ValueError(f"{name} must be a whole number from {lowest} on, not {value}")
        if not 0 <= self.settings.mid_side <= 1:
            raise ValueError(f"mid_side must be between 0 and 1, not {mid_side:g}")
        if mid_side and self.settings.draws * samples < 2:
            raise ValueError("mid_side is for the mean of several draws, of which there is one")
        if self.settings.sampler == "conditional" and not self.prior.conditional:
            raise ValueError(
                f"the prior {self.prior.name!r} takes no mixture noise level, so the sampler "
                "'conditional' cannot use it; choose another, for instance mgdm"
            )
        self._absent = _indices(self.prior.sources, without)
        self.samples, self.seed = int(samples), int(seed)
        self.residual, self.normalize = residual, normalize
        self.grid = _grid(self.prior, segment, overlap)
        self.batch_size = batch_size or self._default_batch()
        # Fails now, not after the first file was read, when an option is unknown or makes no sense.
        self._sampler(torch.zeros(1, 1, 1)).init(torch.zeros(1, len(self.prior.sources), 1))

    def separate_file(
        self,
        path: str | os.PathLike,
        start: float = 0.0,
        duration: float | None = None,
        progress: Callable[[float, float], None] | None = None,
        stems: Sequence[str] | None = None,
    ) -> Separation:
        """Separate an audio file, or a part of it (in seconds).

        Args:
            progress: called with seconds of audio done, and their total.
            stems: keep only these, which saves memory; by default all `stem_names`.

        Raises:
            AudioFileError: see `read_audio`.
            DeviceError: out of memory.
            ValueError: there is no such stem.
        """
        with explain_memory(self._memory_advice()):
            audio, samplerate = read_audio(path, start, duration)
        result = self.separate(audio, samplerate, progress, stems)
        result.settings |= {"track": os.fspath(path), "start": start}
        return result

    def separate_tensor(self, mixture: Tensor | np.ndarray, samplerate: int) -> dict[str, Tensor]:
        """Stems of a mixture ``[C, T]`` (or ``[T]``), each of its shape, by name."""
        shape = mixture.shape
        stems = self.separate(mixture, samplerate).stems
        return {name: stem.reshape(shape) for name, stem in stems.items()}

    def separate(
        self,
        mixture: Tensor | np.ndarray,
        samplerate: int,
        progress: Callable[[float, float], None] | None = None,
        stems: Sequence[str] | None = None,
    ) -> Separation:
        """Separate a mixture in memory.

        Args:
            mixture: ``[C, T]``, or ``[T]`` for one channel; finite, of any level up to 1e10 times
                full scale.
            samplerate: samples a second, any whole number.
            progress: called with seconds of audio done, and their total.
            stems: keep only these, which saves memory; by default all `stem_names`.

        Raises:
            AudioFileError: the mixture is empty, not finite or absurdly loud.
            DeviceError: out of memory.
            ValueError: there is no such stem, or the sample rate is no positive whole number.
        """
        samplerate = _rate(samplerate)
        kept = self.stem_names if stems is None else list(stems)
        for name in kept:
            if name not in self.stem_names:
                raise ValueError(f"no stem {name!r}, there are {', '.join(self.stem_names)}")
        with explain_memory(self._memory_advice()):
            return self._separate(_as_array(mixture), samplerate, progress, kept)

    def _separate(
        self, mixture: np.ndarray, samplerate: int, progress, kept: Sequence[str]
    ) -> Separation:
        began = time.perf_counter()
        channels, length = mixture.shape
        distinct, copies = _distinct(mixture)
        places = {name: self.stem_names.index(name) for name in kept}
        sets = [
            {name: np.empty((channels, length), np.float32) for name in kept}
            for _ in range(self.samples)
        ]
        # Where the level is not matched the network hears the mixture as it is.
        lift = _lift(distinct) if self.normalize and self.prior.level is not None else 0
        run = _Run(self, np.ldexp(distinct, lift) if lift else distinct, samplerate, progress)
        for index, first, chunk in run.chunks():
            chunk = np.ldexp(chunk, -lift) if lift else chunk
            for name, k in places.items():
                target = sets[index][name][:, first : first + chunk.shape[-1]]
                np.take(chunk[:, k], copies, axis=0, out=target, mode="clip")
        seconds = time.perf_counter() - began
        return Separation(
            samples=[{n: torch.from_numpy(stem) for n, stem in stems.items()} for stems in sets],
            mixture=torch.from_numpy(mixture),
            samplerate=samplerate,
            sources=self.sources,
            uncertainty=run.uncertainty(0.25**lift),
            settings=self.describe()
            | {
                "retuned": round(cents(run.tuning), 1),
                "imbalance": None if run.imbalance is None else round(run.imbalance, 3),
                "seconds": round(seconds, 3),
            },
        )

    @property
    def stem_names(self) -> list[str]:
        """Names of the stems that a separation holds, in order."""
        return list(self.sources) + ["residual"] * self.residual

    @property
    def sources(self) -> tuple[str, ...]:
        """The prior's stems that the music may have, in order."""
        return tuple(n for k, n in enumerate(self.prior.sources) if k not in self._absent)

    def describe(self) -> dict[str, Any]:
        """The settings, as plain values."""
        rate = self.prior.samplerate
        return {
            "prior": self.prior.name,
            "sampler": self.settings.sampler,
            "steps": self.settings.steps,
            "draws": self.settings.draws,
            "samples": self.samples,
            "options": dict(self.settings.options),
            "refine": self.settings.refine,
            "templates": [list(windows) for windows in self.settings.templates],
            "adaptive": self.settings.adaptive,
            "speeds": [list(speed) for speed in self.settings.speeds],
            "mid_side": self.settings.mid_side,
            "retune": self.settings.retune,
            "without": [self.prior.sources[k] for k in self._absent],
            "seed": self.seed,
            "device": str(self.device),
            "compiled": self.compiled,
            "segment": round(self.grid.window / rate, 3),
            "overlap": round(1 - self.grid.hop / self.grid.window, 3),
        }

    def _memory_advice(self) -> str:
        return (
            f"use a smaller --batch-size (now {self.batch_size}) or --segment, "
            "separate the track in parts with --start and --duration, or use --device cpu."
        )

    def _sampler(
        self,
        mixture: Tensor,
        windows: Callable[[int], None] | None = None,
        shift: int = 0,
        speed: tuple[int, int] = (1, 1),
    ):
        """The engine's sampler for ``mixture [C, 1, T]``, its denoiser running in windows.

        `shift` moves the network's frames, in samples, against the signal; at another `speed` it
        hears the signal faster and higher, or slower and lower.
        """

        def denoise(x: Tensor, sigma: Tensor, *sigma_mix: Tensor) -> Tensor:
            levels = [torch.as_tensor(level).flatten()[0] for level in (sigma, *sigma_mix)]

            def shifted(part: Tensor) -> Tensor:
                part = F.pad(part, (shift, 0))
                return self.prior.denoise(part, *(s.expand(len(part)) for s in levels))[..., shift:]

            def call(part: Tensor) -> Tensor:
                output = at_speed(shifted, part, speed)
                if windows is not None:
                    windows(len(part))
                return output

            return overlap_add(call, x, self.grid, self.batch_size)

        name = self.settings.sampler
        sigma_y = 0.0 if name == "conditional" else SIGMA_Y
        options = self.settings.options
        return SAMPLERS[name](denoise, MixtureSum(mixture, sigma_y), **options)

    def _sigmas(self) -> Tensor:
        low, high = self.prior.sigmas
        return karras_schedule(self.settings.steps, low, high, self.settings.rho)

    def _default_batch(self) -> int:
        one = self.grid.window * len(self.prior.sources) * BYTES_PER_SAMPLE
        largest = 64 if self.device.type == "cuda" else 2
        return int(min(max(free_memory(self.device) // (2 * one), 1), largest))


class _Run:
    """One mixture on its way through a separator."""

    def __init__(self, separator: Separator, mixture: np.ndarray, samplerate: int, progress):
        self.separator, self.mixture, self.rate = separator, mixture, samplerate
        self.prior_rate = separator.prior.samplerate
        self.length = resampled_length(mixture.shape[-1], samplerate, self.prior_rate)
        self.low = resample(mixture, samplerate, self.prior_rate, self.length)
        self.gain = self._gain()
        self.tuning = (1, 1)
        if separator.settings.retune:
            self.tuning = retuning(torch.from_numpy(self.low), self.prior_rate)
        self.imbalance = None
        if separator.settings.mid_side and len(self.low) == 2:
            self.imbalance = imbalance(torch.from_numpy(self.low))
        self.progress = progress
        fits = FIT * sum(map(len, separator.settings.templates))
        calls = separator.settings.steps * separator.settings.draws * len(self.low)
        self.fit_share = fits / (fits + calls)
        self.drawn = self.fitted = 0.0  # how far both stages are, 0 to 1
        self.powers: list[tuple[Tensor, Tensor]] = []
        context = 0 if separator.settings.steps == 1 else 1
        self.blocks = plan_blocks(self.length, separator.grid, BLOCK_WINDOWS, context)

    def chunks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Finished stems at the file's rate: sample's index, position, ``[C, K, n]``."""
        separator = self.separator
        align = self.prior_rate // math.gcd(self.prior_rate, self.rate)
        hop = align * max(round(HOP / align), 1)
        halo = -(-max(REACH, 3 * hop) // hop) * hop
        joiners = [Joiner(separator.grid) for _ in range(separator.samples)]
        # MPS has no complex numbers in all the operators that spectra need.
        device = separator.device if separator.device.type == "cuda" else "cpu"
        channels = len(self.low)
        sharers = [Sharer(self.length, separator._absent, device) for _ in range(separator.samples)]
        rounds = separator.settings.templates
        # Fits of templates weigh the stems' places; twice would be too much of it.
        refiners = [
            Refiner(self.length, channels, device=device, spatial=not rounds)
            for _ in range(separator.samples)
        ]
        settings = ADAPTIVE if separator.settings.adaptive else DEFAULT
        refitters = [
            Refitter(self.length, rounds, device, settings) for _ in range(separator.samples)
        ]
        chunkers = [Chunker(self.length, hop, halo) for _ in range(separator.samples)]
        self._report(0.0)
        for block in self.blocks:
            for index, stems in enumerate(self._block(block)):
                parts = sharers[index].push(joiners[index].push(block, stems))
                if separator.settings.refine:
                    parts = self._refine(refiners[index], parts)
                if rounds:
                    parts = self._refit(refitters[index], parts)
                for part in parts:
                    for first, last, begin, piece in chunkers[index].push(part):
                        yield index, *self._finish(first, last, begin, piece, hop)
            self._report(min(block.last, self.length) / self.length)

    def _refine(self, refiner: Refiner, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        for part in parts:
            yield from refiner.push(part, self.low)

    def _refit(self, refitter: Refitter, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        for part in parts:
            for fitted in refitter.push(part, self.low):
                self.fitted += fitted.shape[-1] / self.length / self.separator.samples
                self._report(self.drawn)
                yield fitted

    def uncertainty(self, scale: float) -> Uncertainty | None:
        """Spread of the draws over time and frequency, times `scale`, if it was kept."""
        if not self.powers:
            return None
        spread, mean = (
            torch.cat(parts, -1).numpy() * np.float32(scale)
            for parts in zip(*self.powers, strict=True)
        )
        return Uncertainty(spread, mean, self.prior_rate)

    def _gain(self) -> float:
        level = self.separator.prior.level
        rms = float(np.sqrt(np.mean(np.square(self.low, dtype=np.float64))))
        if not self.separator.normalize or level is None or rms == 0.0:
            return 1.0
        return level / rms

    def _block(self, block: Block) -> list[Tensor]:
        """Stems of a block, ``[C, K, end - begin]`` on the CPU, one set a sample."""
        separator = self.separator
        # Short files are filled up with silence to a whole number of the network's frames.
        length = block.end - block.begin
        if len(self.blocks) == 1:
            length = -(-length // QUANTUM) * QUANTUM if length <= separator.grid.window else length
        y = self.low[:, block.begin : block.begin + length]
        y = np.pad(y, ((0, 0), (0, length - y.shape[-1])))
        sources, draws = len(separator.prior.sources), separator.settings.draws
        if not y.any():
            zeros = torch.zeros(len(y), sources, length)
            self._remember(block, [zeros] * (separator.samples * draws))
            return [zeros.clone() for _ in range(separator.samples)]
        mixture = torch.from_numpy(y).to(separator.device)[:, None] * self.gain
        remembers = separator.samples * draws > 1 and separator.settings.steps > 1
        sets, drawn = [], []
        for index in range(separator.samples):
            total = torch.zeros((), device=separator.device)
            for draw in range(draws):
                x = self._draw(mixture, block, index * draws + draw)
                drawn += [x.cpu()] if remembers else []
                total = total + x
            mean = total / draws
            if not separator.residual:
                mean += (mixture - mean.sum(1, keepdim=True)) / sources
            sets.append(mean.div_(self.gain).cpu())
        self._remember(block, drawn)
        return sets

    def _draw(self, mixture: Tensor, block: Block, draw: int) -> Tensor:
        separator = self.separator
        channels, _, length = mixture.shape
        shape = (channels, len(separator.prior.sources), length)
        noise = PlacedNoise((separator.seed, draw), channels, block.begin, length, separator.device)
        sigmas = separator._sigmas()
        draws = separator.samples * separator.settings.draws
        span = min(block.last, self.length) - block.first
        windows = separator.grid.count(length) * channels
        state = {"step": 0, "windows": 0}

        def advance() -> None:
            part = (state["step"] + min(state["windows"] / windows, 0.99)) / len(sigmas)
            self._report((block.first + span * (draw + part) / draws) / self.length)

        def on_windows(count: int) -> None:
            state["windows"] += count
            advance()

        def on_step(progress: Progress) -> None:
            state.update(step=progress.step + 1, windows=0)
            advance()

        # Music has no polarity, the network's error has: turning every other draw averages most of
        # it out. Nor does it matter where frames begin: means, which have no noise to differ by,
        # average over that as well. Multiples of the golden ratio spread any number of shifts
        # evenly. And a tone a little higher, of an instrument a little smaller, is as likely as the
        # one given. What mid and side tell apart left and right may not, where both sides are
        # alike.
        polarity = -1 if draw % 2 else 1
        turns = draw // 2 * GOLDEN if separator.settings.is_mean else 0.0
        shift = round(turns % 1 * separator.prior.stride)
        speed = separator.settings.speeds[draw % len(separator.settings.speeds)]
        speed = combined(speed, self.tuning)
        alike = self.imbalance is not None and self.imbalance < separator.settings.mid_side
        as_mid_side = alike and draw % 3 == 1
        heard = polarity * (mid_side(mixture) if as_mid_side else mixture)
        sampler = separator._sampler(heard, on_windows, shift, speed)
        x0 = polarity * sample(sampler, sigmas, shape, noise=noise, callback=on_step)
        return mid_side(x0) if as_mid_side else x0

    def _finish(
        self, first: int, last: int, begin: int, piece: Tensor, hop: int
    ) -> tuple[int, np.ndarray]:
        """Bring a chunk to the file's rate and add what the stems leave of the mixture."""
        total = self.mixture.shape[-1]

        def scaled(position: int) -> int:
            """From the prior's rate to the file's: exact, but at the end of the file."""
            exact = position * self.rate // self.prior_rate
            return total if position == self.length else exact

        at, end = scaled(begin), scaled(begin + piece.shape[-1])
        start, stop = scaled(first), scaled(last)
        channels, sources, _ = piece.shape
        up = resample(piece.flatten(0, 1).numpy(), self.prior_rate, self.rate, end - at)
        up = torch.from_numpy(up).unflatten(0, (channels, sources))
        rest = torch.from_numpy(self.mixture[:, at:end]) - up.sum(1)
        if self.separator.residual:
            up = torch.cat([up, rest[:, None]], 1)
        else:
            up += share_out(rest, piece * self.gain, hop)
        return start, up[..., start - at : stop - at].numpy()

    def _remember(self, block: Block, drawn: list[Tensor]) -> None:
        """Keep how much the draws differ, as power over time and frequency, ``[K, bands, n]``.

        One-step estimates are all posterior means: what they differ by is no uncertainty.
        """
        separator = self.separator
        if len(drawn) < 2 or separator.settings.steps == 1:
            return
        stop = min(block.last, self.length)
        core = slice(block.first - block.begin, max(stop - block.begin, 0))
        stems = [share_absent(x[..., core], separator._absent) / self.gain for x in drawn]
        each = sum(band_power(x, self.prior_rate) for x in stems) / len(stems)
        mean = band_power(sum(stems) / len(stems), self.prior_rate)
        spread = (each - mean).clamp_min(0) * (len(stems) / (len(stems) - 1))
        frames = spread.shape[-1] if block.is_last else spread.shape[-1] - 1
        self.powers.append((spread.mean(0)[..., :frames], each.mean(0)[..., :frames]))

    def _report(self, drawn: float) -> None:
        """Tell how much is done, the denoiser being at `drawn`, 0 to 1."""
        self.drawn = min(drawn, 1.0)
        if self.progress is not None:
            total = self.mixture.shape[-1] / self.rate
            done = self.drawn + self.fit_share * (min(self.fitted, 1.0) - self.drawn)
            self.progress(total * done, total)


def _device_of(prior: Prior, asked: str | torch.device | None) -> torch.device:
    """Where a loaded prior is, which must be where it is asked to be."""
    device = getattr(prior.denoise, "device", None)
    if device is None:  # a function, which has no place of its own
        return pick_device(asked)
    if asked is None or asked == "auto":
        return device
    picked = pick_device(asked)
    # "cuda" is one of "cuda:0", "cuda:1" and so on: PyTorch's current one.
    if picked.type != device.type or _index(picked) != _index(device):
        raise ValueError(
            f"the prior was loaded on {device}, so it cannot be used on {picked}: "
            f"load_prior(name, {str(picked)!r}), or leave device out"
        )
    return device


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device == torch.device("cuda") else device.index or 0


def _grid(prior: Prior, segment: float | None, overlap: float) -> Grid:
    if not 0 <= overlap <= 0.5:
        raise ValueError(f"overlap must be between 0 and 0.5, not {overlap:g}")
    segment = prior.segment if segment is None else segment
    if not 0 < segment < math.inf:
        raise ValueError(f"segment must be positive and finite, not {segment:g}")
    quantum = math.lcm(prior.stride, QUANTUM)
    # Of one quantum there is no part to fade; a fade of none would leave a step at every joint.
    window = max(round(segment * prior.samplerate / quantum), 2 if overlap else 1)
    fade = max(math.floor(window * overlap), 1) if overlap else 0
    return Grid(window * quantum, (window - fade) * quantum)


def _indices(sources: Sequence[str], names: str | Iterable[str]) -> tuple[int, ...]:
    """Where in `sources` the stems are that are to be left out."""
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in sources:
            raise ValueError(f"no stem {name!r} to leave out, there are {', '.join(sources)}")
    absent = tuple(k for k, name in enumerate(sources) if name in names)
    if len(absent) == len(sources):
        raise ValueError("music without any of the stems has nothing to separate")
    return absent


def _rounds(
    templates: int | Sequence[Sequence[int]], chosen: Preset
) -> tuple[tuple[int, ...], ...]:
    """Rounds of windows, if that is what they are, or so many rounds of those of `chosen`."""
    if isinstance(templates, int) and templates >= 0:
        return chosen.rounds(templates)
    try:
        rounds = tuple(tuple(int(window) for window in windows) for windows in templates)
    except (TypeError, ValueError):
        rounds = ((),)
    if not all(rounds) or any(w < 16 or w & (w - 1) for windows in rounds for w in windows):
        raise ValueError(
            "templates must be a number of rounds, or rounds of windows that are powers of two "
            f"from 16 on, such as ((2048, 4096), (4096,)), not {templates!r}"
        )
    return rounds


def _ratios(speeds: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Speeds, if that is what they are."""
    try:
        ratios = tuple(
            (operator.index(faster), operator.index(slower)) for faster, slower in speeds
        )
    except (TypeError, ValueError):
        ratios = ()
    if not ratios or not all(0 < b <= 2 * a <= 4 * b for a, b in ratios):
        raise ValueError(
            "speeds are pairs of whole numbers whose ratio is between 1/2 and 2, such as "
            f"((1, 1), (18, 17)), not {speeds!r}"
        )
    return ratios


def _rate(samplerate: float) -> int:
    """The sample rate as an integer, which other libraries may hold in another type."""
    try:
        rate = int(samplerate)
    except (TypeError, ValueError, OverflowError):  # no number, not a finite one
        rate = 0
    if rate < 1 or rate != samplerate:
        raise ValueError(
            f"samplerate must be a whole number of samples a second, such as 44100, "
            f"not {samplerate!r}"
        )
    return rate


def _as_array(mixture: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(mixture, Tensor):
        mixture = mixture.detach().cpu().float().numpy()  # NumPy has no bfloat16
    with np.errstate(over="ignore"):  # what is too large for float32 is refused below
        mixture = np.ascontiguousarray(np.atleast_2d(mixture), np.float32)
    if mixture.ndim != 2 or 0 in mixture.shape or len(mixture) > MAX_CHANNELS:
        raise AudioFileError(
            f"a mixture has shape [channels, frames] with at most {MAX_CHANNELS} channels, "
            f"not {list(mixture.shape)}; arrays from soundfile want a transpose (.T)."
        )
    if not _peak(mixture) < LOUDEST:  # not so for NaN
        raise AudioFileError(
            f"the mixture holds NaN or infinite samples, or samples beyond {LOUDEST:g} times full "
            "scale, which is 1.0; leave that part out, or scale the mixture."
        )
    return mixture


def _peak(mixture: np.ndarray) -> float:
    """Largest magnitude, without an array of magnitudes."""
    return max(float(mixture.max()), -float(mixture.min()))


def _lift(mixture: np.ndarray) -> int:
    """The power of two, which costs no precision, that brings a very quiet mixture up; or 0."""
    peak = _peak(mixture)
    return -math.frexp(peak)[1] if 0 < peak < QUIETEST else 0


def _distinct(mixture: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The channels that differ, and which of them each channel is: dual mono costs one."""
    kept: list[int] = []
    copies = []
    for i, channel in enumerate(mixture):
        same = [j for j, k in enumerate(kept) if np.array_equal(mixture[k], channel)]
        if not same:
            kept.append(i)
        copies.append(same[0] if same else len(kept) - 1)
    # A view where it can be, and it nearly always can: a long track is large.
    leading = kept == list(range(len(kept)))
    return mixture[: len(kept)] if leading else mixture[kept], copies


def separate(
    mixture: str | os.PathLike | Tensor | np.ndarray,
    samplerate: int | None = None,
    **options: Any,
) -> Separation:
    """Separate a file, or a mixture in memory with its sample rate, in one call.

    Args:
        mixture: path, or ``[C, T]``.
        samplerate: of an array or tensor; a file knows its own.
        **options: see `Separator`. To separate several tracks, make one `Separator`.

    Raises:
        TypeError: an array without a sample rate.
    """
    if isinstance(mixture, (str, os.PathLike)):
        return Separator(**options).separate_file(mixture)
    if samplerate is None:
        raise TypeError("a mixture in memory needs its samplerate")
    return Separator(**options).separate(mixture, samplerate)
