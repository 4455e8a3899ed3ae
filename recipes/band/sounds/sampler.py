"""Play notes from samples: transposition, pitch bend, velocity, release and choking.

What a sample is, and which one a note gets, is the business of a *voice* (recorded pack, Gravis
patches, our own synthesis).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..score import Bend, Note, Part

CHUNK = 8192  # samples to which transposed samples are rounded up


class Sample(NamedTuple):
    """One recording: float32 `audio`, its pitch `key` as a (fractional) MIDI number or NaN.

    `loop` = (first, end) samples that repeat for as long as the note lasts.
    """

    audio: np.ndarray
    rate: float
    key: float
    loop: tuple[float, float] | None = None


class Sound(NamedTuple):
    """What a voice answers to a note."""

    sample: Sample
    gain: float
    release: float = 0.07  # seconds in which it fades from note-off on
    rings: bool = False  # plays to its end whatever the note's duration
    envelope: np.ndarray | None = (
        None  # [points, 2]: seconds, gain; the last one holds until note-off
    )
    identity: object = None  # equal for equal samples, so that a transposed one is reused


class Voice(Protocol):
    def sound(self, note: Note, seconds: float) -> Sound | None:
        """The sound of `note`, held for `seconds`; None for no sound."""
        ...

    def chokes(self, key: int) -> frozenset[int]:
        """Keys that striking `key` cuts off."""
        ...


def read(sample: Sample, positions: np.ndarray) -> np.ndarray:
    """The sample at fractional `positions`, by cubic (Catmull-Rom) interpolation.

    Beyond its end a sample is zero, unless it loops.
    """
    audio, loop = sample.audio, sample.loop
    if loop is not None:
        first, end = loop
        positions = np.where(
            positions < end, positions, first + (positions - first) % (end - first)
        )
    elif len(positions):
        audio = audio[: int(positions.max()) + 3]  # the rest is not heard
    whole = positions.astype(np.int64)
    t = (positions - whole).astype(np.float32)
    # Index 1 is the first sample; four neighbours are needed of each.
    padded = np.zeros(len(audio) + 4, np.float32)
    padded[1:-3] = audio
    if loop is not None:  # what follows the end of the loop is what follows its start
        last = min(int(np.ceil(end)), len(audio))
        after_end = np.arange(last, last + 3)
        padded[1 + after_end] = audio[
            (first + (after_end - first) % (end - first)).astype(np.int64)
        ]
    np.minimum(whole, len(audio), out=whole)
    before, here, after, later = (padded[k : len(padded) - 3 + k][whole] for k in range(4))
    a = 0.5 * (after - before)
    b = before - 2.5 * here + 2 * after - 0.5 * later
    c = 0.5 * (later - before) + 1.5 * (here - after)
    return ((c * t + b) * t + a) * t + here


def bend_curve(
    bends: Sequence[Bend], start: int, length: int, samplerate: int
) -> np.ndarray | None:
    """Semitones ``[length]`` from sample `start` on; None where there is no bend at all."""
    if not bends:
        return None
    times = np.array([bend.time for bend in bends]) * samplerate - start
    values = np.array([0.0] + [bend.semitones for bend in bends])
    order = np.argsort(times, kind="stable")
    values[1:] = values[1:][order]
    inside = values[np.searchsorted(times[order], [0, length - 1], side="right")]
    steps = (times > 0) & (times < length)
    if not steps.any() and inside[0] == 0:
        return None
    return values[np.searchsorted(times[order], np.arange(length), side="right")]


class SamplePlayer:
    """Plays parts with one voice. Transposed samples are kept for the life of the player."""

    def __init__(self, voice: Voice, samplerate: int):
        self.voice, self.samplerate = voice, samplerate
        self._transposed: dict = {}

    def __call__(self, part: Part, length: int) -> np.ndarray:
        """Audio ``[length]`` of the notes and bends of `part`."""
        out = np.zeros(length + 1, np.float32)
        notes = sorted(part.notes)
        starts = np.array([note.start for note in notes])
        ends = self._ends(notes)
        for note, start, end in zip(notes, starts, ends, strict=True):
            first = max(round(start * self.samplerate), 0)
            if first >= length:
                continue
            sound = self.voice.sound(note, min(end, start + note.duration) - start)
            if sound is None:
                continue
            choked = end < start + note.duration or (sound.rings and np.isfinite(end))
            if not choked:
                end = np.inf if sound.rings else start + note.duration
            release = 0.03 if choked else sound.release
            room = length - first
            hold = room if np.isinf(end) else min(round((end - start) * self.samplerate), room)
            size = min(hold + round(release * self.samplerate), room)
            audio = self._pitched(sound, note.key, part.bends, first, size)
            audio = _shaped(audio, sound, hold, size, release, self.samplerate)
            out[first : first + len(audio)] += audio * np.float32(sound.gain)
        return out[:length]

    def _ends(self, notes: Sequence[Note]) -> list[float]:
        """When each note is cut off by a later one; infinity if it is not."""
        ends, cut = [], {}
        for note in reversed(notes):
            ends.append(cut.get(note.key, np.inf))
            for key in self.voice.chokes(note.key):
                cut[key] = note.start
        return ends[::-1]

    def _pitched(
        self, sound: Sound, key: int, bends: Sequence[Bend], first: int, size: int
    ) -> np.ndarray:
        sample = sound.sample
        untuned = np.isnan(sample.key)
        semitones = 0.0 if untuned else key - sample.key
        bend = None if untuned else bend_curve(bends, first, size, self.samplerate)
        speed = sample.rate / self.samplerate * 2 ** (semitones / 12)
        if bend is not None:
            positions = np.zeros(size)
            positions[1:] = np.cumsum(speed * 2 ** (bend / 12))[:-1]
            return read(sample, positions)
        if sample.loop is None:
            size = min(size, int((len(sample.audio) - 1) / speed) + 1)
            if speed == 1:
                return sample.audio[:size]
        name = (sound.identity, speed)
        known = self._transposed.get(name) if sound.identity is not None else None
        if known is None or len(known) < size:
            # A little more than is heard now, for the next note may be longer.
            wanted = -(-size // CHUNK) * CHUNK
            if sample.loop is None:
                wanted = min(wanted, int((len(sample.audio) - 1) / speed) + 1)
            known = self._transposed[name] = read(sample, np.arange(wanted) * speed)
        return known[:size]


def _shaped(
    audio: np.ndarray, sound: Sound, hold: int, size: int, release: float, samplerate: int
) -> np.ndarray:
    """Envelope, and the fade from note-off on."""
    if sound.envelope is not None:
        points, gains = sound.envelope[:, 0] * samplerate, sound.envelope[:, 1]
        audio = audio * np.interp(np.arange(len(audio)), points, gains).astype(np.float32)
    if len(audio) > hold:
        audio = audio.copy()
        fade = np.arange(len(audio) - hold, dtype=np.float32) / max(release * samplerate, 1)
        audio[hold:] *= 0.5 + 0.5 * np.cos(np.pi * np.minimum(fade, 1))
    return audio
