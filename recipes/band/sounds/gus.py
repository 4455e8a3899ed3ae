"""Gravis Ultrasound patches (.pat), the format of the Freepats.

A patch is a header (129 bytes), an instrument (63), a layer (47), and per sample a header (96) with
its data; numbers are little-endian, frequencies in thousandths of a hertz.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from ..score import PROGRAMS, Note
from . import Player
from .pack import HAT_CLOSED, HAT_OPEN, HAT_PEDAL, STAND_INS
from .sampler import Sample, SamplePlayer, Sound

FREEPATS = Path("/usr/share/midi/freepats")
HEADERS = 129 + 63 + 47
SAMPLE = struct.Struct("<7sBIIIHIIIhB6B6B6BBhH36x")
SIXTEEN_BIT, UNSIGNED, LOOP, PING_PONG, REVERSE, SUSTAIN, ENVELOPE = (1 << i for i in range(7))


class PatchSample(NamedTuple):
    """A sample with the range of frequencies (Hz) it is for."""

    sample: Sample
    low: float
    high: float
    envelope: np.ndarray | None  # [points, 2]: seconds, gain until the note is released
    release: float  # seconds


def read_patch(path: Path, samplerate: int, drum: bool = False) -> list[PatchSample]:
    """The samples of a patch, brought to at most `samplerate` (band-limited) and to unit peak.

    Drums lose their loops and envelopes: a hit plays to its end.

    Raises:
        ValueError: the file is not a GF1 patch, or is cut short.
    """
    data = path.read_bytes()
    if data[:11] not in (b"GF1PATCH110", b"GF1PATCH100"):
        raise ValueError(f"{path} is not a Gravis Ultrasound patch")
    if len(data) < HEADERS:
        raise ValueError(f"{path} is cut short")
    samples, position = [], HEADERS
    for _ in range(data[HEADERS - 41]):
        end = position + SAMPLE.size
        if len(data) < end:
            raise ValueError(f"{path} is cut short")
        fields = SAMPLE.unpack(data[position:end])
        size = fields[2]
        if len(data) < end + size:
            raise ValueError(f"{path} is cut short")
        samples.append(_patch_sample(fields, data[end : end + size], samplerate, drum))
        position = end + size
    return samples


def _patch_sample(fields: tuple, raw: bytes, samplerate: int, drum: bool) -> PatchSample:
    _, fractions, _, first, end, rate, low, high, root, _, _ = fields[:11]
    rates, offsets, mode = fields[11:17], fields[17:23], fields[29]
    width = 2 if mode & SIXTEEN_BIT else 1
    kind = ("<u" if mode & UNSIGNED else "<i") + str(width)
    audio = np.frombuffer(raw[: len(raw) // width * width], kind).astype(np.float32)
    if mode & UNSIGNED:
        audio -= 128 if width == 1 else 32768
    loop = None
    if mode & LOOP and not drum:
        # The fraction's low half belongs to the start, the high one to the end, in 1/16 samples.
        loop = (first / width + (fractions & 15) / 16, end / width + (fractions >> 4) / 16)
        if loop[1] - loop[0] < 2 or loop[1] > len(audio):
            loop = None
    if mode & REVERSE:
        audio = audio[::-1].copy()
        loop = None if loop is None else (len(audio) - loop[1], len(audio) - loop[0])
    if loop is not None and mode & PING_PONG:
        a, b = round(loop[0]), round(loop[1])
        audio = np.concatenate([audio[:b], audio[a:b][::-1]])
        loop = (float(a), float(len(audio)))
    audio = audio / max(float(np.abs(audio).max()), 1.0)
    if rate > samplerate:  # before it is read in larger steps, which would alias
        if loop is not None:  # the filter looks ahead: give it what the loop goes on with
            first, last = int(loop[0]), int(loop[1])
            ahead = first + np.arange(512) % (last - first)
            audio = np.concatenate([audio[:last], audio[ahead]])
            loop = (loop[0] * samplerate / rate, loop[1] * samplerate / rate)
        audio = soxr.resample(audio, rate, samplerate, "HQ")
        rate = samplerate
    key = np.nan if drum else 69 + 12 * math.log2(max(root, 1) / 440e3)
    envelope, release = None, 0.06
    if mode & ENVELOPE and mode & SUSTAIN and not drum:
        envelope, release = _envelope(rates, offsets)
    return PatchSample(Sample(audio, rate, key, loop), low / 1e3, high / 1e3, envelope, release)


def _envelope(rates: tuple, offsets: tuple) -> tuple[np.ndarray, float]:
    """Points (seconds, gain) of the three stages up to the sustained level, and the release time.

    A rate has a mantissa (6 bits) and a range (2 bits) that slows it 8 times a step. The level is
    logarithmic; it spans 60 dB here, as players of these patches take it.
    """

    def seconds(step: int, rate: int) -> float:
        return abs(step) * 8192 / (max(rate & 63, 1) * 8 ** (3 - (rate >> 6)) * 44100)

    points, time, level = [(0.0, 0.0)], 0.0, 0
    for rate, offset in zip(rates[:3], offsets[:3], strict=True):
        steps = np.linspace(level, offset, 9)[1:]  # straight in decibels
        times = time + seconds(offset - level, rate) * np.arange(1, 9) / 8
        points += [(t, 2 ** (10 * (s / 255 - 1))) for t, s in zip(times, steps, strict=True)]
        time, level = times[-1], offset
    # It may be released at any time: what it takes from the loudest level down.
    release, level = 0.0, max(offsets[:3])
    for rate, offset in zip(rates[3:], offsets[3:], strict=True):
        release += seconds(offset - level, rate)
        level = offset
    return np.array(points), min(max(release, 0.03), 1.0)


class GusFamily:
    """The Freepats (or a folder like theirs): ``Tone_000/NNN_Name.pat``, ``Drum_000/NNN_Name.pat``.

    Raises:
        FileNotFoundError: the folder holds no patches. The message names Debian's package.
    """

    name = "freepats"

    def __init__(self, samplerate: int, folder: str | Path = FREEPATS):
        self.samplerate = samplerate
        self.tones, self.drums = (
            {
                int(re.match(r"\d+", path.name).group()): path
                for path in sorted(Path(folder).glob(f"{kind}_000/[0-9]*.pat"))
            }
            for kind in ("Tone", "Drum")
        )
        if not self.tones or not self.drums:
            raise FileNotFoundError(
                f"no Gravis patches in {folder}; "
                "they are in the Debian package freepats: apt install freepats"
            )
        self._patches: dict[Path, list[PatchSample]] = {}

    def patch(self, path: Path, drum: bool) -> list[PatchSample]:
        if path not in self._patches:
            self._patches[path] = read_patch(path, self.samplerate, drum)
        return self._patches[path]

    def player(self, stem: str, program: int, rng: np.random.Generator) -> Player | None:
        if stem == "drums":
            return SamplePlayer(KitVoice(self), self.samplerate)
        programs = [p for p in PROGRAMS[stem] if p in self.tones]
        if not programs:
            return None
        nearest = min(programs, key=lambda p: abs(p - program))
        return SamplePlayer(PatchVoice(self.patch(self.tones[nearest], False)), self.samplerate)


class PatchVoice:
    """A tonal patch."""

    def __init__(self, samples: list[PatchSample]):
        self.samples = samples

    def chokes(self, key: int) -> frozenset[int]:
        return frozenset((key,))

    def sound(self, note: Note, seconds: float) -> Sound:
        frequency = 440 * 2 ** ((note.key - 69) / 12)
        fitting = [s for s in self.samples if s.low <= frequency <= s.high] or self.samples
        chosen = min(fitting, key=lambda s: abs(s.sample.key - note.key))
        gain = (note.velocity / 127) ** 1.5
        return Sound(
            chosen.sample,
            gain,
            chosen.release,
            envelope=chosen.envelope,
            identity=chosen.sample.key,
        )


class KitVoice:
    """The drum kit, one patch a key, never transposed."""

    def __init__(self, family: GusFamily):
        self.family = family

    def chokes(self, key: int) -> frozenset[int]:
        return frozenset((HAT_OPEN,)) if key in (HAT_CLOSED, HAT_PEDAL) else frozenset()

    def sound(self, note: Note, seconds: float) -> Sound | None:
        keys = (note.key, *STAND_INS.get(note.key, ()))
        key = next((k for k in keys if k in self.family.drums), None)
        if key is None:
            return None
        sample = self.family.patch(self.family.drums[key], True)[0].sample
        return Sound(sample, (note.velocity / 127) ** 1.5, rings=True, identity=key)
