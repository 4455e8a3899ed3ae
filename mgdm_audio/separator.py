"""Where prior, engine and audio meet: from a mixture to its stems."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .audio import read_audio
from .audio.speed import cents
from .devices import explain_memory, free_memory, pick_device, undisturbed
from .errors import AudioFileError
from .hyperparameters import check_options
from .mixture import MAX_CHANNELS, as_array, as_rate, distinct_channels, lift_exponent
from .pipeline import Pipeline
from .presets import Preset, preset
from .pretrained import Prior, load_prior
from .separation import Separation
from .settings import device_of, make_grid, speed_ratios, stem_indices, template_rounds
from .windowed import windowed_sampler

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
            a single one sounds like one plausible set of stems. Of a quality, which makes no draws:
            estimates of the mean, which differ in polarity, speed and where frames lie.
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
        chosen = preset(quality, sampler, options, steps=steps, draws=draws, refine=refine)
        check_options(options, chosen.sampler)
        self.compiled = compiled
        if isinstance(prior, Prior):
            if compiled:
                raise ValueError("a loaded prior is used as it is: load_prior(name, compiled=True)")
            self.device = device_of(prior, device)
            self.prior = prior
        else:
            self.device = pick_device(device)
            with explain_memory("free some of the device's, or use --device cpu."):
                self.prior = load_prior(prior, self.device, compiled=compiled)
        rounds = None if templates is None else template_rounds(templates, preset(quality, sampler))
        self.settings: Preset = chosen.with_(
            templates=rounds,
            adaptive=False if adaptive is None and templates is not None else adaptive,
            speeds=None if speeds is None else speed_ratios(speeds),
            mid_side=None if mid_side is None else float(mid_side),
            retune=retune,
        )
        if not self.settings.is_mean and (speeds is not None or mid_side or retune):
            raise ValueError(
                "retune, speeds and mid_side go with a quality, not with a sampler's draws"
            )
        for name, value, lowest in (
            ("steps", self.settings.steps, 1),
            ("draws", self.settings.draws, 1),
            ("samples", samples, 1),
            ("batch_size", 1 if batch_size is None else batch_size, 1),
            ("seed", seed, 0),
        ):
            if not isinstance(value, Integral) or value < lowest:
                raise ValueError(f"{name} must be a whole number from {lowest} on, not {value}")
        if samples > 1 and self.settings.is_mean:
            raise ValueError(
                "several samples are draws, and a quality makes none: choose a sampler, for "
                "instance --sampler conditional (sampler='conditional' in Python)"
            )
        if not 0 <= self.settings.mid_side <= 1:
            raise ValueError(f"mid_side must be between 0 and 1, not {mid_side:g}")
        if mid_side and self.settings.draws * samples < 2:
            raise ValueError("mid_side is for the mean of several draws, of which there is one")
        if self.settings.sampler == "conditional" and not self.prior.conditional:
            raise ValueError(
                f"the prior {self.prior.name!r} takes no mixture noise level, so the sampler "
                "'conditional', which qualities use, cannot use it; choose another sampler, for "
                "instance --sampler mgdm (sampler='mgdm' in Python)"
            )
        self.absent = stem_indices(self.prior.sources, without)
        self.samples, self.seed = int(samples), int(seed)
        self.residual, self.normalize = residual, normalize
        self.grid = make_grid(self.prior, segment, overlap)
        self.batch_size = batch_size or self._default_batch()
        # Fails now, not after the first file was read, when an option is unknown or makes no sense.
        with undisturbed(self.device):
            probe = windowed_sampler(self, torch.zeros(1, 1, 1))
            probe.init(torch.zeros(1, len(self.prior.sources), 1))

    def separate_file(
        self,
        path: str | os.PathLike,
        start: float = 0.0,
        duration: float | None = None,
        progress: Callable[[float, float], None] | None = None,
        stems: str | Sequence[str] | None = None,
    ) -> Separation:
        """Separate an audio file, or a part of it (in seconds).

        Args:
            progress: called with seconds of audio done, and their total.
            stems: keep only these, which saves memory; by default all `stem_names`.

        Raises:
            AudioFileError: see `read_audio`.
            DeviceError: out of memory.
            SamplingError: the sampler diverged, or the prior made no numbers.
            ValueError: there is no such stem, or can be no such part of a file.
        """
        kept = self._kept(stems)  # before a long file is read
        with explain_memory(self._memory_advice()):
            audio, samplerate = read_audio(path, start, duration)
        if len(audio) > MAX_CHANNELS:
            raise AudioFileError(
                f"{os.fspath(path)}: {len(audio)} channels are more than {MAX_CHANNELS}; "
                "separate some of them at a time."
            )
        result = self._separate(audio, samplerate, progress, kept)
        result.settings |= {"track": os.fspath(path), "start": start, "duration": duration}
        return result

    def separate_tensor(self, mixture: Tensor | np.ndarray, samplerate: int) -> dict[str, Tensor]:
        """Stems of a mixture ``[C, T]`` (or ``[T]``), each of its shape, by name.

        Raises:
            AudioFileError, DeviceError, TypeError, ValueError: see `separate`.
        """
        stems = self.separate(mixture, samplerate).stems
        shape = np.shape(mixture)
        return {name: stem.reshape(shape) for name, stem in stems.items()}

    def separate(
        self,
        mixture: Tensor | np.ndarray,
        samplerate: int,
        progress: Callable[[float, float], None] | None = None,
        stems: str | Sequence[str] | None = None,
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
            SamplingError: the sampler diverged, or the prior made no numbers.
            TypeError: the mixture is no array of real numbers.
            ValueError: there is no such stem, or the sample rate is no positive whole number.
        """
        # The result keeps the mixture, and the caller may reuse its buffer.
        return self._separate(mixture, samplerate, progress, self._kept(stems), copy=True)

    def _kept(self, stems: str | Sequence[str] | None) -> list[str]:
        if stems is None:
            return self.stem_names
        kept = [stems] if isinstance(stems, str) else list(stems)
        for name in kept:
            if name not in self.stem_names:
                raise ValueError(f"no stem {name!r}, there are {', '.join(self.stem_names)}")
        return kept

    def _separate(self, mixture, samplerate, progress, kept, copy: bool = False) -> Separation:
        samplerate = as_rate(samplerate)
        with explain_memory(self._memory_advice()), undisturbed(self.device):
            return self._compute(as_array(mixture, copy), samplerate, progress, kept)

    def _compute(
        self, mixture: np.ndarray, samplerate: int, progress, kept: Sequence[str]
    ) -> Separation:
        began = time.perf_counter()
        channels, length = mixture.shape
        distinct, copies = distinct_channels(mixture)
        places = {name: self.stem_names.index(name) for name in kept}
        sets = [
            {name: np.empty((channels, length), np.float32) for name in kept}
            for _ in range(self.samples)
        ]
        # Where the level is not matched the network hears the mixture as it is.
        matched = self.normalize and self.prior.level is not None
        lift = lift_exponent(distinct) if matched else 0
        lifted = np.ldexp(distinct, lift) if lift else distinct
        pipeline = Pipeline(self, lifted, samplerate, progress)
        for index, first, chunk in pipeline.chunks():
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
            uncertainty=pipeline.uncertainty(0.25**lift),
            settings=self.describe()
            | {
                "retuned": round(cents(pipeline.tuning), 1),
                "imbalance": None if pipeline.imbalance is None else round(pipeline.imbalance, 3),
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
        return tuple(n for k, n in enumerate(self.prior.sources) if k not in self.absent)

    def describe(self) -> dict[str, Any]:
        """The settings, as plain values."""
        rate = self.prior.samplerate
        return {
            "prior": self.prior.name,
            "sampler": self.settings.sampler,
            "steps": self.settings.steps,
            "rho": self.settings.rho,
            "draws": self.settings.draws,
            "samples": self.samples,
            "options": dict(self.settings.options),
            "refine": self.settings.refine,
            "templates": [list(windows) for windows in self.settings.templates],
            "adaptive": self.settings.adaptive,
            "speeds": [list(speed) for speed in self.settings.speeds],
            "mid_side": self.settings.mid_side,
            "retune": self.settings.retune,
            "residual": self.residual,
            "normalize": self.normalize,
            "without": [self.prior.sources[k] for k in self.absent],
            "seed": self.seed,
            "device": str(self.device),
            "compiled": self.compiled,
            "segment": round(self.grid.window / rate, 3),
            "overlap": round(1 - self.grid.hop / self.grid.window, 3),
            "batch_size": self.batch_size,
        }

    def _memory_advice(self) -> str:
        batch = f"--batch-size (now {self.batch_size}) or " if self.batch_size > 1 else ""
        return (
            f"use a smaller {batch}--segment, "
            "separate the track in parts with --start and --duration, or use --device cpu."
        )

    def _default_batch(self) -> int:
        one = self.grid.window * len(self.prior.sources) * BYTES_PER_SAMPLE
        largest = 64 if self.device.type == "cuda" else 2
        return int(min(max(free_memory(self.device) // (2 * one), 1), largest))


def separate(
    mixture: str | os.PathLike | Tensor | np.ndarray,
    samplerate: int | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    progress: Callable[[float, float], None] | None = None,
    stems: str | Sequence[str] | None = None,
    **options: Any,
) -> Separation:
    """Separate a file, or a mixture in memory with its sample rate, in one call.

    Args:
        mixture: path, or ``[C, T]``.
        samplerate: of an array or tensor; a file knows its own.
        start, duration: the part of a file, in seconds.
        progress, stems: see `Separator.separate`.
        **options: see `Separator`. To separate several tracks, make one `Separator`.

    Raises:
        AudioFileError, DeviceError, PriorError, SamplingError, ValueError: see `Separator` and its
            methods.
        TypeError: an array without a sample rate or with a part to separate, a file with a sample
            rate, or an option that there is not.
    """
    if isinstance(mixture, (str, os.PathLike)):
        if samplerate is not None:
            raise TypeError("a file knows its own samplerate; leave it out")
        return Separator(**options).separate_file(mixture, start, duration, progress, stems)
    if samplerate is None:
        raise TypeError("a mixture in memory needs its samplerate")
    if start or duration is not None:
        raise TypeError("start and duration are of a file; give that part of the array")
    return Separator(**options).separate(mixture, samplerate, progress, stems)
