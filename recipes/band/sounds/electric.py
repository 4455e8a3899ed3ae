"""Electric keys by frequency modulation (Chowning, 1973), and an analogue bass."""

from __future__ import annotations

import numpy as np

from .modal import modes
from .strings import hertz


class FMKeys:
    """Two pairs of operators: a body, and a bright tine that dies away quickly."""

    def __init__(self, stem: str, samplerate: int, rng: np.random.Generator):
        self.samplerate = samplerate
        self.ratio = rng.choice((1.0, 1.0, 2.0, 3.0))
        self.index = rng.uniform(0.3, 1.8)
        self.tine_ratio = float(rng.choice((7.0, 11.0, 14.0, 4.0)))
        self.tine = rng.uniform(0, 0.3)
        self.t60 = rng.uniform(2.0, 7.0)
        self.touch = rng.uniform(0.5, 1.5)
        self.detune = rng.uniform(0, 2.0)  # cents between the pairs

    def __call__(self, key: int, loudness: float, seconds: float) -> np.ndarray:
        f, nyquist = hertz(key), 0.5 * self.samplerate
        t = (np.arange(round(seconds * self.samplerate)) / self.samplerate).astype(np.float32)
        body = np.exp(-6.91 / self.t60 * 2 ** ((key - 60) / 24) * t)
        index = self.index * loudness**self.touch
        # Carson's rule: keep the sidebands below the Nyquist frequency.
        index = min(index, max(0.0, (nyquist / f - 1) / self.ratio - 1))
        w = 2 * np.pi * f
        audio = body * np.sin(w * t + index * np.sqrt(body) * np.sin(w * self.ratio * t))
        high = f * 2 ** (self.detune / 1200)
        if high * self.tine_ratio < 0.9 * nyquist:
            ring = np.exp(-18.0 * t) * self.tine * loudness
            audio += ring * np.sin(2 * np.pi * high * self.tine_ratio * t)
        attack = min(len(audio), int(0.002 * self.samplerate))
        audio[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
        return audio


class AnalogueBass:
    """One or two oscillators through a low-pass that closes while the note lasts.

    The spectrum of saw or pulse is known, so each harmonic is a steady mode plus a decaying one.
    """

    def __init__(self, stem: str, samplerate: int, rng: np.random.Generator):
        self.samplerate = samplerate
        self.pulse = rng.uniform(0.1, 0.5) if rng.random() < 0.5 else None
        self.cutoff = 10 ** rng.uniform(2.3, 3.4)
        self.opening = rng.uniform(0, 3.0)  # octaves that the filter opens at the attack
        self.order = rng.choice((1, 2, 2, 4))
        self.closing = 10 ** rng.uniform(0.3, 1.3)
        self.fading = rng.uniform(0, 2.0) if rng.random() < 0.7 else 6.0
        self.detune = rng.uniform(0, 8.0) if rng.random() < 0.4 else 0.0
        self.sub = rng.uniform(0, 0.6) if rng.random() < 0.3 else 0.0

    def __call__(self, key: int, loudness: float, seconds: float) -> np.ndarray:
        f = hertz(key)
        k = np.arange(1, min(64, int(0.49 * self.samplerate / f)) + 1)
        shape = np.ones(len(k)) if self.pulse is None else np.sin(np.pi * k * self.pulse)
        spectrum = -1j * shape / k

        def through(cutoff: float) -> np.ndarray:
            return spectrum / np.sqrt(1 + (k * f / cutoff) ** (2 * self.order))

        closed = through(self.cutoff)
        opened = through(self.cutoff * 2 ** (self.opening * loudness)) - closed
        fading = np.full(len(k), self.fading)
        parts = [(f * k, fading, closed), (f * k, fading + self.closing, opened)]
        if self.detune:
            high = f * 2 ** (self.detune / 1200)
            parts.append((high * k, fading, 0.7 * closed))
        if self.sub:
            parts.append((np.array([f / 2]), np.array([self.fading]), np.array([-1j * self.sub])))
        f_all, d_all, a_all = (np.concatenate(part) for part in zip(*parts, strict=True))
        length = round(seconds * self.samplerate)
        audio = modes(f_all, d_all, a_all, length, self.samplerate)
        attack = min(length, int(0.004 * self.samplerate))
        audio[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
        return audio
