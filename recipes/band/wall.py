"""Loud bands: walls of guitars and washes of cymbals, as rock and metal records have them.

Made to look like the records of `recipes.band.recordings` but for "Feelings". Their guitars are in
the middle of the spectrum nearly as flat as noise, hardly ever pausing, and as strong at 4 kHz as
at 1 kHz; what plays beside them is as flat, and little stronger on the beat than between two. Few
of the composer's songs are like that when all styles and sounds are as likely;
`recipes.band.guitars` sets all three side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import butter, sosfilt

from .amplifier import Amplifier, Loudspeaker, Takes, draw_loudspeaker, layer
from .effects import compression, convolve, drive, peaking, random_effects, shelf
from .render import limit
from .room import room_response
from .score import STEMS, Note, Song

#: Styles of the composer that are played loud.
LOUD_STYLES = ("rock", "punk", "metal", "metal", "prog", "game")
#: General MIDI guitars before the amplifier: what pickups give, and what fonts call distorted.
PICKUPS = (25, 26, 27, 27, 27, 28, 29, 30)
REST = 0.6  # chance that nobody plays the piano
WASH = 0.75  # chance that the drummer keeps time on what rings
#: What keeps time as General MIDI counts it: hi-hats but for the open one, rides, what shakes; and
#: what may do so instead: open hi-hat, crashes, rides, china.
TIMEKEEPERS = (42, 44, 51, 53, 54, 59, 69, 70, 82)
RINGING = (46, 46, 49, 49, 57, 51, 52)
SMASHED = 0.8  # chance that drums are compressed together with their room
TAKES = Takes((1, 2, 3, 4), (0.3, 0.4, 0.15, 0.15), (0.008, 0.04), (0.0005, 0.005), (0.6, 1.0))
LOUDSPEAKER = Loudspeaker((45, 90), (4800, 7500), (0, 6), 3.0, (6000, 10000))


def loud_song(song: Song, rng: np.random.Generator) -> Song:
    """`song` with guitars as pickups give them, mostly without a piano, cymbals left to ring."""
    silent = rng.random() < REST and any(part.stem != "piano" for part in song.parts)
    ringing = {key: int(rng.choice(RINGING)) for key in TIMEKEEPERS}
    washed = rng.random() < WASH
    parts = []
    for part in song.parts:
        if part.stem == "guitar":
            # A volume pedal before an amplifier that is turned all the way up changes little.
            part = part._replace(program=int(rng.choice(PICKUPS)), controls=[])
        elif part.stem == "piano" and silent:
            continue
        elif part.stem == "drums" and washed:
            part = part._replace(notes=[_ring(note, ringing) for note in part.notes])
        parts.append(part)
    return song._replace(parts=parts)


def _ring(note: Note, ringing: dict[int, int]) -> Note:
    return note._replace(key=ringing.get(note.key, note.key))


def loud_effects(
    audio: np.ndarray,
    stem: str,
    programs: Sequence[int],
    samplerate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """`random_effects` ``[T]`` for a loud band: every guitar a wall, most basses driven, most drums
    smashed."""
    if stem == "guitar" and audio.any():
        audio, programs = wall(audio, samplerate, rng), ()
        if rng.random() < 0.5:
            return audio
    elif stem == "bass" and audio.any():
        audio = growl(audio, samplerate, rng) if rng.random() < 0.6 else audio
        cut = shelf(rng.uniform(200, 600), rng.uniform(-15, 0), samplerate, high=True)
        audio = sosfilt(cut[None], audio).astype(np.float32)
    elif stem == "drums" and rng.random() < SMASHED and audio.any():
        audio = smash(audio, samplerate, rng)
    return random_effects(audio, stem, programs, samplerate, rng)


def loud_levels(stems: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`stems` ``[K, T]`` with the drums up to 8 dB louder than elsewhere."""
    gain = np.ones((len(stems), 1), np.float32)
    gain[STEMS.index("drums")] = 10 ** (rng.uniform(0, 8) / 20)
    return limit(stems * gain)


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


def smash(audio: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """Drums ``[T]`` beside themselves in a small room, compressed until what rings is nearly as
    loud as what is struck."""
    response = room_response(samplerate, rng, rng.uniform(0.5, 4), 10 ** rng.uniform(-0.6, 0.1))
    wet = audio + np.float32(10 ** (rng.uniform(-10, 6) / 20)) * convolve(audio, response)
    wet *= compression(
        wet,
        samplerate,
        threshold=rng.uniform(-50, -25),
        ratio=10 ** rng.uniform(0.6, 1.3),
        attack=10 ** rng.uniform(-3.5, -2.3),
        release=10 ** rng.uniform(-1.6, -0.7),
    )
    if rng.random() < 0.7:
        wet = drive(wet, 10 ** rng.uniform(0, 1.2))
    sections = [
        peaking(10 ** rng.uniform(2.3, 2.8), rng.uniform(-10, 0), 0.7, samplerate),
        shelf(
            min(rng.uniform(1200, 3000), 0.45 * samplerate), rng.uniform(0, 12), samplerate, True
        ),
    ]
    wet = sosfilt(np.array(sections), wet).astype(np.float32)
    # Both as loud before they are blended.
    wet *= np.float32(np.sqrt(np.square(audio).mean() / max(float(np.square(wet).mean()), 1e-12)))
    return audio + np.float32(10 ** (rng.uniform(3, 24) / 20)) * wet
