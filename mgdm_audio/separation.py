"""The result of a separation: stems, how sure the model is of them, and how to keep them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
from torch import Tensor

from .audio import FORMATS, fit_range, write_files
from .audio.formats import Format


@dataclass(frozen=True)
class Uncertainty:
    """How much posterior draws differ, over time and frequency.

    Attributes:
        spread: variance of the draws, as power in bands, ``[K, bands, frames]``.
        power: mean power of the draws, of the same shape.
        samplerate: of the signals they come from; bands end at half of it.
    """

    spread: np.ndarray
    power: np.ndarray
    samplerate: int

    def shares(self) -> np.ndarray:
        """Part of each stem's energy on which the draws disagree, ``[K]``, 0 to 1.

        The estimate of the variance is unbiased, so that few draws that share nothing may exceed 1.
        """
        spread, power = self.spread.sum((1, 2)), self.power.sum((1, 2))
        return np.divide(spread, power, out=np.zeros_like(power), where=power > 0).clip(max=1.0)


@dataclass
class Separation:
    """Stems of one track.

    Attributes:
        samples: sets of stems, name to ``[C, T]``; more than one if side-by-side samples were
            asked for.
        mixture: ``[C, T]``.
        samplerate: of the mixture and the stems.
        sources: the prior's stems (but those the music was said to be without), in the order of
            `uncertainty`.
        uncertainty: of `sources`, if several draws of more than one step were made.
        settings: what was done, as plain values.
    """

    samples: list[dict[str, Tensor]]
    mixture: Tensor
    samplerate: int
    sources: tuple[str, ...] = ()
    uncertainty: Uncertainty | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def stems(self) -> dict[str, Tensor]:
        """The first set of stems."""
        return self.samples[0]

    def select(self, stems: str | Sequence[str]) -> Separation:
        """Only some of the stems, or one.

        Raises:
            ValueError: there is no such stem.
        """
        stems = (stems,) if isinstance(stems, str) else stems
        self._check(*stems)
        return replace(self, samples=[{name: s[name] for name in stems} for s in self.samples])

    def two_stems(self, stem: str) -> Separation:
        """One stem, and all else of the mixture, called ``no_STEM``.

        A stem ``"residual"`` stays one of its own: all of them together are the mixture.

        Raises:
            ValueError: there is no such stem.
        """
        self._check(stem)
        samples = []
        for stems in self.samples:
            parts = {stem: stems[stem], f"no_{stem}": self.mixture - stems[stem]}
            if "residual" in stems and stem != "residual":
                parts[f"no_{stem}"] -= stems["residual"]  # in place: tracks are large
                parts["residual"] = stems["residual"]
            samples.append(parts)
        return replace(self, samples=samples)

    def save(
        self,
        folder: str | os.PathLike,
        format: str = "wav24",
        *,
        filename: str = "{stem}.{ext}",
        track: str = "",
        clip: str = "rescale",
        overwrite: bool = False,
    ) -> list[Path]:
        """Write every stem: all complete, or none.

        Args:
            format: a name in `mgdm_audio.audio.FORMATS`.
            filename: template below `folder`, with ``{track}``, ``{stem}``, ``{sample}`` and
                ``{ext}``. If several samples are written and it lacks ``{sample}``, the sample's
                number is put behind the stem's name.
            track: what ``{track}`` stands for.
            clip: what to do with samples beyond full scale, see `fit_range`.
            overwrite: replace files that exist.

        Returns:
            the paths, in the order of samples and stems.

        Raises:
            AudioFileError: a file exists or cannot be written.
            ValueError: an unknown format or clip mode, or see `stem_paths`.

        How stems were fitted into full scale is in `settings`: "scale", by which all are turned
        down, and "cut", whether peaks were cut off.
        """
        spec = _format(format)
        paths = self.paths(folder, format, filename=filename, track=track)
        stems = (stem.numpy() for sample in self.samples for stem in sample.values())
        files = dict(zip(paths, stems, strict=True))
        fit = fit_range(files.values(), clip, spec.limit)
        self.settings["scale"] = float(f"{fit.scale:.6g}")
        # Integers hold nothing beyond full scale, whatever the mode.
        self.settings["cut"] = fit.beyond and (fit.clamp or spec.bits is not None)
        return write_files(files, self.samplerate, spec, overwrite, fit)

    def paths(
        self,
        folder: str | os.PathLike,
        format: str = "wav24",
        *,
        filename: str = "{stem}.{ext}",
        track: str = "",
    ) -> list[Path]:
        """Where `save` writes, with the same arguments.

        Raises:
            ValueError: see `stem_paths`.
        """
        return stem_paths(
            folder, list(self.stems), len(self.samples), format, filename=filename, track=track
        )

    def report(self, path: str | os.PathLike, title: str = "", *, overwrite: bool = False) -> Path:
        """Write one self-contained HTML page: player, waveforms, spectrograms, uncertainty.

        Raises:
            AudioFileError: the file exists, unless `overwrite`, or cannot be written.
        """
        from .report import write_report

        return write_report(self, path, title, overwrite=overwrite)

    def figure(self):
        """Spectrograms of the mixture and the stems, as a Matplotlib figure.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        from .audio.plots import spectrogram_figure

        return spectrogram_figure({"mixture": self.mixture, **self.stems}, self.samplerate)

    def _check(self, *names: str) -> None:
        for name in names:
            if name not in self.stems:
                raise ValueError(f"no stem {name!r}, there are {', '.join(self.stems)}")


def stem_paths(
    folder: str | os.PathLike,
    stems: Sequence[str],
    samples: int,
    format: str,
    *,
    filename: str,
    track: str,
) -> list[Path]:
    """Paths of every sample's stems, see `Separation.save`.

    Raises:
        ValueError: an unknown format, or the template has a field that is not known, gives two
            stems one name, or leads out of the folder.
    """
    extension = _format(format).extension
    fields = _fields(filename)
    paths = []
    for sample in range(1, samples + 1):
        for stem in stems:
            shown = f"{stem}_{sample}" if samples > 1 and "sample" not in fields else stem
            try:
                name = filename.format(track=track, stem=shown, sample=sample, ext=extension)
            except (ValueError, KeyError, IndexError) as error:  # {stem:5d}, {stem:{other}}
                raise _no_template(filename, error) from error
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise ValueError(f"the file name {filename!r} leads out of the output folder")
            paths.append(Path(folder) / name)
    if len(set(paths)) < len(paths):
        raise ValueError(f"the file name {filename!r} is the same for several stems; use {{stem}}")
    return paths


def _fields(filename: str) -> set[str]:
    """What a template asks for."""
    try:
        fields = {name for _, name, _, _ in Formatter().parse(filename) if name is not None}
    except (ValueError, TypeError) as error:
        raise _no_template(filename, error) from error
    if unknown := sorted(fields - {"track", "stem", "sample", "ext"}):
        raise ValueError(
            f"unknown field {{{unknown[0]}}} in the file name {filename!r}; "
            "there are {track}, {stem}, {sample} and {ext}"
        )
    return fields


def _no_template(filename: str, error: Exception) -> ValueError:
    return ValueError(
        f"the file name {filename!r} is no template ({error}); "
        "write for instance {track}-{stem}.{ext}"
    )


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}, expected one of {', '.join(FORMATS)}")
    return FORMATS[name]
