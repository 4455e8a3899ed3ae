"""Puts a separation into the page's template."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from ..audio.formats import peak
from ..audio.postpone import postponed
from ..audio.resample import resample
from ..audio.spectra import log_spectrogram
from ..audio.writing import CHUNK, write_text
from .png import DOUBT, HEAT, png, squeeze

if TYPE_CHECKING:
    from ..separation import Separation

#: Columns of the pictures, and how much of a long track the player holds, in seconds.
COLUMNS = 1200
PLAYER_LIMIT = 600
#: Audio is in pieces of so many whole seconds, which begin and end LEAD seconds further out: the
#: browser decodes those that play only, and cross-fades them.
PIECE = 10
LEAD = 0.1
#: Channels that the player has.
CHANNELS = 2
#: Of Vorbis, 0 (large) to 1 (small): about 90 kbit/s for stereo, 10 minutes of 5 rows in 45 MB.
COMPRESSION = 0.8
#: Hz: the highest rate as it is, and that of the player's audio instead of a higher one. Vorbis
#: encoders end at 200 kHz, and browsers play at 48 kHz or so.
HIGHEST, PLAYED = 192_000, 48_000
DYNAMIC_RANGE = 75.0  # dB


def write_report(
    separation: Separation, path: str | os.PathLike, title: str = "", *, overwrite: bool = False
) -> Path:
    """Write the page.

    It needs no network and no other file: audio (Vorbis, resampled if beyond 192 kHz), pictures and
    player are inside. Pictures show the whole track; the player holds the first ten minutes
    (`PLAYER_LIMIT`) of longer ones, so that a page of four stems has at most about 50 MB. Memory
    here grows with that page, not with the track; the browser decodes what it plays (`PIECE`).

    Args:
        title: heading; by default the track's name.
        overwrite: replace a file that exists.

    Raises:
        AudioFileError: the file exists, or the page cannot be written.
    """
    path = Path(path)
    title = title or Path(str(separation.settings.get("track", "Separation"))).name
    seconds = separation.mixture.shape[-1] / separation.samplerate
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=html.escape(title),
        seconds=f"{seconds:.6f}",
        held=f"{min(seconds, PLAYER_LIMIT):.6f}",
        piece=PIECE,
        lead=LEAD,
        summary=html.escape(_summary(separation)),
        rows="\n".join(_rows(separation)),
        doubt=_doubt(separation),
        settings="\n".join(
            f"<dt>{html.escape(key)}</dt><dd>{html.escape(_shown(value))}</dd>"
            for key, value in separation.settings.items()
            if value not in ({}, [], None)
        ),
    )
    write_text(path, page, overwrite)
    return path


def _summary(separation: Separation) -> str:
    seconds = separation.mixture.shape[-1] / separation.samplerate
    channels = {1: "mono", 2: "stereo"}.get(len(separation.mixture), "multichannel")
    text = f"{_clock(seconds)}, {separation.samplerate} Hz, {channels}"
    if seconds > PLAYER_LIMIT:
        text += f"; the player holds the first {_clock(PLAYER_LIMIT)}"
    if len(separation.mixture) > CHANNELS:
        text += f"; the player has the first {CHANNELS} channels"
    return text


def _rows(separation: Separation) -> list[str]:
    """A row for the mixture and for each stem, on common scales."""
    rate = separation.samplerate
    signals = {"mixture": separation.mixture, **separation.stems}
    pictures = {name: log_spectrogram(x, rate, COLUMNS) for name, x in signals.items()}
    top = max(float(picture.max()) for picture in pictures.values())
    highest = max(peak(x.numpy()) for x in signals.values())
    # Louder than the player holds: all rows are turned down alike, so that they sum to the mixture.
    gain = 1 / max(highest, 1.0)
    row = Template(ROW)
    return [
        row.substitute(
            name=html.escape(name),
            muted="true" if name == "mixture" else "false",
            level=_level(x),
            wave=_outline(x, highest or 1.0),
            picture=_data_uri(png(pictures[name], top - DYNAMIC_RANGE, top, HEAT), "image/png"),
            audio="\n".join(
                f"{AUDIO}{_base64(piece)}</script>" for piece in _pieces(x, rate, gain)
            ),
        )
        for name, x in signals.items()
    ]


def _doubt(separation: Separation) -> str:
    """Where the posterior's draws differ, if there are several."""
    uncertainty = separation.uncertainty
    if uncertainty is None:
        return (
            "<p>These stems are an estimate of the posterior's mean, or a single draw; neither "
            "tells its spread. Several draws of a sampler that draws do: "
            "<code>--sampler conditional --draws 4</code>.</p>"
        )
    top = 10 * np.log10(uncertainty.power.max() + 1e-12)
    figures = []
    for name, spread, share in zip(
        separation.sources, uncertainty.spread, uncertainty.shares(), strict=True
    ):
        picture = png(
            10 * np.log10(squeeze(spread, COLUMNS) + 1e-12), top - DYNAMIC_RANGE, top, DOUBT
        )
        figures.append(
            f'<figure class="doubt"><figcaption><b>{html.escape(name)}</b>'
            f"<span>{share:.0%} of its energy differs between draws</span></figcaption>"
            f'<img alt="Spread of {html.escape(name)} over time and frequency" '
            f'src="{_data_uri(picture, "image/png")}"></figure>'
        )
    return (
        "<p>Variance of the posterior's draws over time (across) and frequency (upwards, "
        "logarithmic), on one scale with the stems' energy: the brighter, the less the model "
        "knows which stem the sound belongs to.</p>" + "\n".join(figures)
    )


def _level(x: Tensor) -> str:
    # In blocks: squares of a whole long track would be as large as the track.
    energy = sum(float(torch.linalg.vector_norm(part)) ** 2 for part in x.split(1 << 20, -1))
    rms = (energy / x.numel()) ** 0.5
    return f"{20 * np.log10(rms):.1f} dB" if rms > 1e-6 else "silent"


def _outline(x: Tensor, peak: float) -> str:
    """Points of a polygon around the waveform, in a box of `COLUMNS` by 100."""
    columns = min(COLUMNS, x.shape[-1])
    edges = np.arange(columns + 1) * x.shape[-1] // columns
    upper, lower = [], []
    for i, (start, stop) in enumerate(pairwise(edges.tolist())):
        mono = x[:, start:stop].mean(0)
        across = (i + 0.5) * COLUMNS / columns
        upper.append(f"{across:.0f},{50 - 49 * float(mono.max()) / peak:.1f}")
        lower.append(f"{across:.0f},{50.4 - 49 * float(mono.min()) / peak:.1f}")
    return " ".join(upper + lower[::-1])


def _pieces(x: Tensor, samplerate: int, gain: float = 1.0) -> Iterator[bytes]:
    """The player's part of ``[C, T]``, at most two channels, in Ogg files of `PIECE` seconds."""
    audio = x[:CHANNELS, : PLAYER_LIMIT * samplerate].numpy()
    size, lead = PIECE * samplerate, round(LEAD * samplerate)
    # Browsers find nothing in a file of a few samples.
    audio = np.pad(audio, ((0, 0), (0, max(lead - audio.shape[-1], 0))))
    for start in range(0, audio.shape[-1], size):
        yield _compressed(audio[:, max(start - lead, 0) : start + size + lead] * gain, samplerate)


def _compressed(audio: np.ndarray, samplerate: int) -> bytes:
    """``[C, T]`` for a browser."""
    if samplerate > HIGHEST:
        audio, samplerate = resample(audio, samplerate, PLAYED), PLAYED
    buffer = io.BytesIO()
    kind = {"subtype": "VORBIS", "format": "OGG", "compression_level": COMPRESSION}
    with postponed(), soundfile.SoundFile(buffer, "w", samplerate, len(audio), **kind) as file:
        for start in range(0, audio.shape[-1], CHUNK):
            file.write(audio[:, start : start + CHUNK].T.clip(-1, 1))
    return buffer.getvalue()


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{_base64(data)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {entry}" for key, entry in value.items())
    return str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)  # before it is split, or 59.97 s were 0:60.0
    return f"{minutes:.0f}:{rest:04.1f}" if rest % 1 else f"{minutes:.0f}:{rest:02.0f}"


AUDIO = '<script type="text/plain" class="audio">'
ROW = """<section class="track" data-name="$name">
<header><b>$name</b><span>$level</span>
<button class="solo" aria-pressed="false" title="Hear only this">Solo</button>
<button class="mute" aria-pressed="$muted" title="Silence this">Mute</button>
<input class="volume" type="range" min="0" max="1.5" step="0.01" value="1" aria-label="Volume of $name">
</header>
<div class="lane">
<svg viewBox="0 0 1200 100" preserveAspectRatio="none" role="img" aria-label="Waveform of $name"><polygon points="$wave"/></svg>
<img src="$picture" alt="Spectrogram of $name">
<i class="head"></i>
</div>
$audio
</section>"""  # noqa: E501
