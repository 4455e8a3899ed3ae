"""Loud bands: walls of guitars, as rock and metal records have them.

Made to look like the guitars of the records of `recipes.band.recordings` but for "Feelings": in the
middle of their spectrum nearly as flat as noise, hardly ever pausing, and as strong at 4 kHz as at
1 kHz. Few of the composer's guitars are like that when all styles and sounds are as likely;
`recipes.band.guitars` sets all three side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import butter, sosfilt

from .amplifier import Amplifier, Loudspeaker, Takes, draw_loudspeaker, layer
from .effects import drive, peaking, random_effects, shelf
from .score import Song

#: Styles of the composer that are played loud.
LOUD_STYLES = ("rock", "punk", "metal", "metal", "prog", "game")
#: General MIDI guitars before the amplifier: what pickups give, and what fonts call distorted.
PICKUPS = (25, 26, 27, 27, 27, 28, 29, 30)
REST = 0.6  # chance that nobody plays the piano
TAKES = Takes((1, 2, 3, 4), (0.3, 0.4, 0.15, 0.15), (0.008, 0.04), (0.0005, 0.005), (0.6, 1.0))
LOUDSPEAKER = Loudspeaker((45, 90), (4800, 7500), (0, 6), 3.0, (6000, 10000))


def loud_song(song: Song, rng: np.random.Generator) -> Song:
    """`song` with guitars as pickups give them, and mostly without a piano."""
    silent = rng.random() < REST and any(part.stem != "piano" for part in song.parts)
    parts = []
    for part in song.parts:
        if part.stem == "guitar":
            # A volume pedal before an amplifier that is turned all the way up changes little.
            part = part._replace(program=int(rng.choice(PICKUPS)), controls=[])
        elif part.stem == "piano" and silent:
            continue
        parts.append(part)
    return song._replace(parts=parts)


def loud_effects(
    audio: np.ndarray,
    stem: str,
    programs: Sequence[int],
    samplerate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """`random_effects` ``[T]`` for a loud band: every guitar a wall, most basses driven."""
    if stem == "guitar" and audio.any():
        audio, programs = wall(audio, samplerate, rng), ()
        if rng.random() < 0.5:
            return audio
    elif stem == "bass" and rng.random() < 0.6 and audio.any():
        audio = growl(audio, samplerate, rng)
    return random_effects(audio, stem, programs, samplerate, rng)


def wall(audio: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """Up to four takes of `audio` ``[T]`` through amplifiers turned all the way up."""
    return layer(audio, samplerate, rng, _draw, TAKES)


def _draw(samplerate: int, rng: np.random.Generator) -> Amplifier:
    """More gain than `amplify` draws, more around 100 Hz and above 2 kHz, less between."""
    nyquist = 0.45 * samplerate
    before = [butter(1, rng.uniform(60, 400), "highpass", fs=samplerate, output="sos")[0]]
    before.append(peaking(rng.uniform(700, 2500), rng.uniform(0, 12), 0.7, samplerate))
    behind = [
        peaking(rng.uniform(75, 150), rng.uniform(0, 12), rng.uniform(0.7, 1.5), samplerate),
        shelf(rng.uniform(150, 350), rng.uniform(2, 12), samplerate, high=False),
        peaking(
            10 ** rng.uniform(2.6, 2.95), rng.uniform(-14, -1), rng.uniform(0.5, 1), samplerate
        ),
        shelf(min(rng.uniform(1500, 3000), nyquist), rng.uniform(0, 9), samplerate, high=True),
    ]
    behind += draw_loudspeaker(samplerate, rng, LOUDSPEAKER)
    gain, second = 10 ** rng.uniform(1.2, 2.7), 10 ** rng.uniform(0.3, 1.3)
    return Amplifier(np.array(before), gain, second, rng.uniform(-0.3, 0.3), np.array(behind))


def growl(audio: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """A bass ``[T]`` through an amplifier of its own, beside what the pickup gives."""
    peak = max(float(np.abs(audio).max()), 1e-9)
    wet = drive(audio, 10 ** rng.uniform(0.3, 1.7), rng.uniform(-0.3, 0.3))
    band = (rng.uniform(30, 300), min(rng.uniform(1500, 5000), 0.45 * samplerate))
    wet = sosfilt(butter(2, band, "bandpass", fs=samplerate, output="sos"), wet).astype(np.float32)
    wet *= np.float32(peak / max(float(np.abs(wet).max()), 1e-9))
    return audio * np.float32(rng.uniform(0, 1)) + wet
