"""Plucked strings and struck ones, by their modes.

Ideal-string theory (Fletcher & Rossing, The Physics of Musical Instruments, chapter 2):
a string plucked at the fraction p of its length has partials of amplitude sin(k pi p) / k^2, a
pickup at q hears them through sin(k pi q), stiffness stretches them to k f sqrt(1 + B k^2), and
losses grow with frequency.
"""

from __future__ import annotations

import numpy as np

from .modal import modes


def hertz(key: float) -> float:
    return 440.0 * 2 ** ((key - 69) / 12)


class PluckedString:
    """Guitars and basses. All parameters are drawn once a song."""

    def __init__(self, stem: str, samplerate: int, rng: np.random.Generator):
        bass = stem == "bass"
        self.samplerate = samplerate
        self.pluck = rng.uniform(0.08, 0.4)
        self.pickup = rng.uniform(0.06, 0.3) if rng.random() < 0.7 else None
        self.stiffness = 10 ** rng.uniform(-5, -3.7)
        # Time of a 60 dB decay at 110 Hz; a muted or dead string is short.
        t60 = rng.uniform(1.5, 6.0) if rng.random() < 0.75 else rng.uniform(0.15, 0.8)
        self.loss = 6.91 / t60
        self.damping = 10 ** rng.uniform(-2.6, -1.4)  # extra loss of higher partials
        self.slope = rng.uniform(0.6, 1.6) + (0.3 if bass else 0.0)
        self.touch = rng.uniform(0.3, 1.0)  # how much softer notes are duller
        self.partials = 60 if bass else 40
        self.click = rng.uniform(0, 0.08)
        # Two polarisations that decay differently and beat a little.
        self.second, self.beating = rng.uniform(0, 0.6), rng.uniform(0, 0.6)
        self.rng = rng

    def __call__(self, key: int, loudness: float, seconds: float) -> np.ndarray:
        f, k = hertz(key), np.arange(1, self.partials + 1)
        frequencies = f * k * np.sqrt(1 + self.stiffness * k**2)
        frequencies *= f / frequencies[0]
        slope = self.slope + self.touch * (1 - loudness)
        amplitudes = np.sin(np.pi * k * self.pluck) / k**slope
        if self.pickup is not None:
            amplitudes = amplitudes * np.sin(np.pi * k * self.pickup)
        decays = self.loss * (f / 110) ** 0.4 * (1 + self.damping * k**2)
        decays = np.minimum(decays, 200.0)
        phases = np.exp(-0.5j * np.pi) * np.ones(len(k))
        both = [(frequencies, decays, amplitudes * phases)]
        if self.second > 0.2:
            both.append(
                (frequencies + self.beating, decays * 0.4, amplitudes * phases * self.second * 0.5)
            )
        f_all, d_all, a_all = (np.concatenate(part) for part in zip(*both, strict=True))
        length = round(seconds * self.samplerate)
        audio = modes(f_all, d_all, a_all, length, self.samplerate)
        click = min(length, int(0.006 * self.samplerate))
        noise = self.rng.standard_normal(click) * np.hanning(click) * self.click * loudness
        audio[:click] += noise.astype(np.float32) * np.abs(audio).max()
        return audio


class StruckString:
    """Pianos: two or three strings a key, hammer position 1/8, inharmonic, duller when soft."""

    def __init__(self, stem: str, samplerate: int, rng: np.random.Generator):
        self.samplerate = samplerate
        self.hammer = rng.uniform(0.08, 0.16)
        self.stiffness = 10 ** rng.uniform(-3.9, -3.2)  # at middle C
        self.loss = rng.uniform(0.35, 1.2)
        self.damping = 10 ** rng.uniform(-2.4, -1.6)
        self.slope, self.touch = rng.uniform(0.9, 1.6), rng.uniform(0.6, 1.8)
        self.detune = rng.uniform(0, 1.5)  # cents between the strings of a key
        self.thump = rng.uniform(0, 0.12)
        self.rng = rng

    def __call__(self, key: int, loudness: float, seconds: float) -> np.ndarray:
        f = hertz(key)
        k = np.arange(1, min(40, int(0.49 * self.samplerate / f)) + 1)
        stiffness = self.stiffness * 2 ** ((key - 60) / 8)
        frequencies = f * k * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))
        slope = self.slope + self.touch * (1 - loudness) + max(0.0, (key - 60) / 60)
        amplitudes = -1j * np.sin(np.pi * k * self.hammer) / k**slope
        decays = self.loss * 2 ** ((key - 48) / 16) * (1 + self.damping * k**2)
        decays = np.minimum(decays, 120.0)
        fast = (frequencies * 2 ** (self.detune / 1200), 3 * decays, amplitudes)
        slow = (frequencies * 2 ** (-self.detune / 1200), decays, 0.6 * amplitudes)
        f_all, d_all, a_all = (np.concatenate(part) for part in zip(fast, slow, strict=True))
        length = round(seconds * self.samplerate)
        audio = modes(f_all, d_all, a_all, length, self.samplerate)
        knock = min(length, int(0.03 * self.samplerate))
        noise = np.convolve(self.rng.standard_normal(knock), np.ones(12) / 12, "same")
        noise *= np.exp(-np.arange(knock) / (0.006 * self.samplerate)) * self.thump * loudness
        audio[:knock] += noise.astype(np.float32) * np.abs(audio).max()
        return audio
