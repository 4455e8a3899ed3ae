"""How ``band.ogg`` was made: composed, rendered and mixed to stereo by this repository.

    PYTHONPATH=. python examples/make_band.py examples/band.ogg 1512

A later composer may write another song for the same seed. The sounds are FluidR3's (MIT licence,
Debian's fluidr3mono-gm-soundfont) and our own synthesis.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from recipes.band.compose import compose
from recipes.band.render import render_song
from recipes.band.score import STEMS
from recipes.band.sounds.bank import sound_bank

SAMPLERATE, SECONDS = 44100, 12.0

#: Constant-power positions, -1 left to 1 right.
PANS = {"bass": 0.0, "drums": 0.0, "guitar": -0.5, "piano": 0.5}


def pan(stem: np.ndarray, position: float) -> np.ndarray:
    """``[T]`` to ``[2, T]``."""
    angle = (position + 1) * np.pi / 4
    return np.stack([np.cos(angle) * stem, np.sin(angle) * stem])


def main(path: Path, seed: int) -> None:
    song = compose(seed, SECONDS)
    bank = sound_bank(SAMPLERATE, fonts=["FluidR3Mono_GM.sf3"])
    stems = render_song(song, bank, SAMPLERATE, np.random.default_rng(seed))
    mix = sum(pan(stem, PANS[name]) for name, stem in zip(STEMS, stems, strict=True))
    mix *= 0.7 / np.abs(mix).max()
    fade = np.minimum(1, (mix.shape[1] - np.arange(mix.shape[1])) / (0.5 * SAMPLERATE))
    soundfile.write(path, (mix * fade).T, SAMPLERATE, format="OGG", subtype="VORBIS")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1512)
