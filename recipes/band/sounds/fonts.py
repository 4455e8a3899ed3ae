"""SoundFonts, played by tinysoundfont."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..score import PROGRAMS, Part
from . import Player

#: Debian's folders; a font may also be given by its full path.
FOLDERS = (Path("/usr/share/sounds/sf3"), Path("/usr/share/sounds/sf2"))

#: Debian package of each font we know of.
PACKAGES = {
    "FluidR3Mono_GM.sf3": "fluidr3mono-gm-soundfont",
    "FluidR3_GM.sf2": "fluid-soundfont-gm",
    "MuseScore_General.sf3": "musescore-general-soundfont",
    "MuseScore_General_Full.sf3": "musescore-general-soundfont-lossless",
    "TimGM6mb.sf2": "timgm6mb-soundfont",
    "sf_GMbank.sf2": "csound-soundfont",
}

MAX_VOICES = 64
#: A second over the time in which the synthesiser fades voices that were ended: twice its 10 ms.
FADE = 50
DRUM_CHANNEL = 9


def find_font(name: str | Path) -> Path:
    """The file of a font, given by path or by its name in Debian.

    Raises:
        FileNotFoundError: it is not there. The message names the package that has it.
    """
    candidates = [Path(name), *(folder / name for folder in FOLDERS)]
    for path in candidates:
        if path.is_file():
            return path
    package = PACKAGES.get(Path(name).name)
    hint = f"; it is in the Debian package {package}: apt install {package}" if package else ""
    raise FileNotFoundError(f"the SoundFont {name} is not installed{hint}")


class Font:
    """One SoundFont at one sampling rate. It is read when the first note is played.

    Programs that the font lacks fall back to another one of the same stem.

    Raises:
        FileNotFoundError: the font is not there, or tinysoundfont, which plays it, is not.
    """

    def __init__(self, path: str | Path, samplerate: int):
        self.path = find_font(path)
        if find_spec("tinysoundfont") is None:
            raise FileNotFoundError(
                f"{self.path.name} is played by tinysoundfont, which is not installed: "
                "pip install --no-deps tinysoundfont"
            )
        self.samplerate = samplerate
        self._font = None

    def _load(self):
        if self._font is None:
            # The synthesiser below tinysoundfont's own scheduler: it renders exactly the samples
            # between two events, where the scheduler counts in seconds.
            from tinysoundfont import _tinysoundfont as tsf

            self._font = tsf.SoundFont(str(self.path))
            self._font.set_output(tsf.OutputMode.Mono, self.samplerate, 0.0)
            self._font.set_max_voices(MAX_VOICES)
        return self._font

    def programs(self, stem: str) -> list[int]:
        """General MIDI programs of `stem` (kits for drums) that the font has."""
        font, bank = self._load(), 128 if stem == "drums" else 0
        return [p for p in PROGRAMS[stem] if font.get_preset_index(bank, p) >= 0]

    def play(self, part: Part, length: int, program: int | None = None) -> np.ndarray:
        """Audio ``[length]`` of the notes and bends of `part`."""
        font = self._load()
        drums = part.stem == "drums"
        channel = DRUM_CHANNEL if drums else 0
        font.reset()
        font.channel_set_bank(channel, 128 if drums else 0)
        font.channel_set_preset_number(channel, part.program if program is None else program, drums)
        reach = max([2.0, *(math.ceil(abs(bend.semitones)) for bend in part.bends)])
        font.channel_set_pitch_range(channel, reach)

        audio = np.zeros(length, np.float32)
        raw = audio.data.cast("B")
        now = 0
        for time, order, value, velocity in _events(part, self.samplerate):
            time = min(time, length)
            if time > now:
                font.render(raw[4 * now : 4 * time])
                now = time
            if now == length:
                break
            if order == 0:
                font.channel_note_off(channel, value)
            elif order == 1:
                wheel = round(8192 * (1 + value / reach))
                font.channel_set_pitch_wheel(channel, min(max(wheel, 0), 16383))
            else:
                font.channel_note_on(channel, value, velocity / 127)
        if now < length:
            font.render(raw[4 * now :])
        font.channel_sounds_off(channel)
        font.render(bytearray(4 * (self.samplerate // FADE)))  # or the next part begins with it
        return audio


def _events(part: Part, samplerate: int) -> list[tuple[int, int, float, int]]:
    """Sorted (sample, order, value, velocity): note-offs, then bends, then note-ons."""
    events = [(round(b.time * samplerate), 1, b.semitones, 0) for b in part.bends]
    for note in part.notes:
        start = round(note.start * samplerate)
        end = max(start + 1, round((note.start + note.duration) * samplerate))
        events.append((start, 2, note.key, note.velocity))
        events.append((end, 0, note.key, 0))
    return sorted((max(time, 0), order, value, v) for time, order, value, v in events)


class FontFamily:
    """Fonts that share samples; each stem of a song takes one of them by chance."""

    def __init__(self, name: str, paths: Sequence[str | Path], samplerate: int):
        self.name = name
        self.fonts = [Font(path, samplerate) for path in paths]

    def player(self, stem: str, program: int, rng: np.random.Generator) -> Player:
        font = self.fonts[rng.integers(len(self.fonts))]
        programs = font.programs(stem)
        if program not in programs:
            program = programs[rng.integers(len(programs))]
        return lambda part, length: font.play(part, length, program)
