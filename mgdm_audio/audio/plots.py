"""Figures with Matplotlib, which is only needed here."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .spectra import log_spectrogram


def spectrogram_figure(signals: Mapping[str, Tensor], samplerate: int):
    """Log-frequency spectrograms of ``[C, T]`` signals, one below the other, on one scale (dB)."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need Matplotlib: pip install 'mgdm-audio[plots]'") from error

    images = {name: log_spectrogram(x, samplerate) for name, x in signals.items()}
    top = max(image.max() for image in images.values())
    figure = Figure(figsize=(10, 1.6 * len(images)), layout="constrained")
    axes = figure.subplots(len(images), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, image) in zip(axes, images.items(), strict=True):
        seconds = signals[name].shape[-1] / samplerate
        shown = axis.imshow(
            image, origin="lower", aspect="auto", cmap="magma", vmin=top - 80, vmax=top,
            extent=(0, seconds, 0, len(image)), interpolation="nearest",
        )  # fmt: skip
        axis.set_ylabel(name)
        axis.set_yticks([])
    axes[-1].set_xlabel("seconds")
    figure.colorbar(shown, ax=list(axes), label="dB", shrink=0.5)
    return figure
