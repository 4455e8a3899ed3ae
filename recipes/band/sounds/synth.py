"""Our own instruments as a family of sounds: a band that needs no files."""

from __future__ import annotations

import numpy as np

from ..score import Note
from . import Player
from .electric import AnalogueBass, FMKeys
from .percussion import DrumMachine
from .sampler import Sample, SamplePlayer, Sound
from .strings import PluckedString, StruckString

#: Generators of one note by stem and by what General MIDI programs ask for.
GENERATORS = {
    "bass": ((PluckedString, range(32, 38)), (AnalogueBass, range(38, 40))),
    "guitar": ((PluckedString, range(24, 32)),),
    "piano": ((StruckString, range(0, 4)), (FMKeys, range(4, 8))),
}
LONGEST = 6.0  # seconds; longer notes have died away, or fade
STEP = 0.5  # seconds to which lengths are rounded up, so that samples are reused


class SynthFamily:
    """Synthesised instruments whose parameters are drawn once a song."""

    name = "synth"

    def __init__(self, samplerate: int):
        self.samplerate = samplerate

    def player(self, stem: str, program: int, rng: np.random.Generator) -> Player:
        if stem == "drums":
            return SamplePlayer(MachineVoice(self.samplerate, rng), self.samplerate)
        choices = [generator for generator, _ in GENERATORS[stem]]
        fitting = [generator for generator, programs in GENERATORS[stem] if program in programs]
        if fitting and rng.random() < 0.7:
            choices = fitting
        generator = choices[rng.integers(len(choices))](stem, self.samplerate, rng)
        return SamplePlayer(TonalVoice(generator, stem, self.samplerate, rng), self.samplerate)


class TonalVoice:
    """Notes of one generator, at four loudnesses."""

    def __init__(self, generator, stem: str, samplerate: int, rng: np.random.Generator):
        self.generator, self.samplerate = generator, samplerate
        self.release = rng.uniform(0.04, 0.15)
        self.dynamics = rng.uniform(0.8, 2.0)
        self._samples: dict[tuple[int, int], tuple[float, Sample]] = {}

    def chokes(self, key: int) -> frozenset[int]:
        return frozenset((key,))

    def sound(self, note: Note, seconds: float) -> Sound:
        layer = min(note.velocity // 32, 3)
        seconds = float(min(np.ceil((seconds + self.release) / STEP) * STEP, LONGEST))
        name = (note.key, layer)
        if name not in self._samples or self._samples[name][0] < seconds:
            audio = self.generator(note.key, (layer + 1) / 4, seconds)
            fade = min(len(audio), int(0.05 * self.samplerate))
            audio[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
            audio /= max(float(np.abs(audio).max()), 1e-6)
            self._samples[name] = seconds, Sample(audio, self.samplerate, note.key)
        gain = (note.velocity / 127) ** self.dynamics
        return Sound(self._samples[name][1], gain, self.release)


class MachineVoice:
    """A drum machine with a few takes of each piece."""

    TAKES = 2

    def __init__(self, samplerate: int, rng: np.random.Generator):
        self.machine, self.samplerate, self.rng = DrumMachine(samplerate, rng), samplerate, rng
        self.balance = {key: 10 ** (rng.normal(0, 3) / 20) for key in range(128)}
        self._takes: dict[tuple[int, int], Sample | None] = {}

    def chokes(self, key: int) -> frozenset[int]:
        return frozenset((46,)) if key in (42, 44) else frozenset()

    def sound(self, note: Note, seconds: float) -> Sound | None:
        name = (note.key, int(self.rng.integers(self.TAKES)))
        if name not in self._takes:
            hit = self.machine(note.key, note.velocity / 127)
            hit = None if hit is None else hit.astype(np.float32)
            self._takes[name] = None if hit is None else Sample(hit, self.samplerate, np.nan)
        sample = self._takes[name]
        if sample is None:
            return None
        quiet = 0.5 if note.key in (42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59) else 1.0
        gain = quiet * self.balance[note.key] * (note.velocity / 127) ** 1.5
        return Sound(sample, gain, rings=True, identity=name)
