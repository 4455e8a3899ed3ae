"""A drum machine: swept sines, noise bands and clusters of partials, drawn anew for each song."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from .modal import modes


class DrumMachine:
    """Pieces by General MIDI key. Calling it gives one hit ``[T]`` of about unit peak."""

    def __init__(self, samplerate: int, rng: np.random.Generator):
        self.samplerate, self.rng = samplerate, rng
        draw = rng.uniform
        self.kick = (draw(38, 65), draw(1.5, 5.0), draw(15, 60), draw(4, 18), draw(0, 0.4))
        self.snare = (draw(150, 240), draw(10, 30), draw(12, 35), draw(0.3, 0.8), draw(700, 2500))
        self.hat = (draw(4500, 7500), draw(40, 120), draw(5, 14), draw(0, 0.8))
        self.hat_partials = draw(250, 500) * np.array([1, 1.34, 1.66, 1.80, 2.25, 2.53])
        self.tom = (draw(70, 100), draw(4, 14), draw(0.1, 0.9), draw(0, 0.25))
        self.crash = (draw(1800, 4500), draw(1.5, 4.0))
        self.ride = (draw(3000, 5500), draw(2.0, 5.0), draw(0.1, 0.5))
        self.plate = np.sort(draw(300, 9500, 60))

    def __call__(self, key: int, loudness: float) -> np.ndarray | None:
        """A hit of `key`, about as long as it sounds; None for a piece that it lacks."""
        if key in (35, 36):
            return self._kick(1.0 if key == 36 else 0.92, loudness)
        if key in (38, 40):
            return self._snare(loudness, 1.0 if key == 38 else 1.12)
        if key == 37:
            return self._wood(1700, 90, loudness)
        if key == 39:
            return self._clap()
        if key in (42, 44, 46):
            return self._hat(self.hat[1] * (1.3 if key == 44 else 1) if key != 46 else self.hat[2])
        if key in (41, 43, 45, 47, 48, 50):
            return self._tom((41, 43, 45, 47, 48, 50).index(key), loudness)
        if key in (49, 52, 55, 57):
            return self._plate(*self.crash, pitch=1 + 0.08 * (key - 52) / 5)
        if key in (51, 53, 59):
            return self._ride(bell=key == 53)
        if key in (54, 69, 70, 82):
            return self._noise(5000, 10500, 35 if key == 54 else 60, 0.12)
        if key == 56:
            return self._bell()
        if 60 <= key <= 68:
            return self._wood(180 * 2 ** ((68 - key) / 8), 14, loudness)
        if 75 <= key <= 77:
            return self._wood(2400 - 400 * (key - 75), 70, loudness)
        return None

    def _time(self, seconds: float) -> np.ndarray:
        return np.arange(int(seconds * self.samplerate)) / self.samplerate

    def _swept(self, frequency: float, octaves: float, sweep: float, decay: float) -> np.ndarray:
        """Sine that falls by `octaves` to `frequency` at the rate `sweep`."""
        t = self._time(min(6.91 / decay, 1.5))
        pitch = frequency * 2 ** (octaves * np.exp(-sweep * t))
        return np.sin(2 * np.pi * np.cumsum(pitch) / self.samplerate) * np.exp(-decay * t)

    def _noise(self, low: float, high: float, decay: float, seconds: float) -> np.ndarray:
        t = self._time(max(seconds, 0.02))
        high = min(high, 0.49 * self.samplerate)
        low = min(low, 0.8 * high)
        band = butter(2, (low, high), "bandpass", fs=self.samplerate, output="sos")
        noise = sosfilt(band, self.rng.standard_normal(len(t)))
        return _unit(noise * np.exp(-decay * t))

    def _kick(self, scale: float, loudness: float) -> np.ndarray:
        frequency, octaves, sweep, decay, click = self.kick
        audio = self._swept(frequency * scale, octaves, sweep, decay)
        return _add(audio, click * loudness * self._noise(1500, 6000, 200, 0.03))

    def _snare(self, loudness: float, scale: float) -> np.ndarray:
        frequency, decay, rattle, share, low = self.snare
        skin = self._swept(frequency * scale, 0.6, 60, decay)
        skin = _add(skin, 0.5 * self._swept(1.59 * frequency * scale, 0.3, 60, 1.3 * decay))
        noise = self._noise(low, 9500, rattle, 6.91 / rattle)
        return _add((1 - share) * skin, share * (0.6 + 0.6 * loudness) * noise)

    def _hat(self, decay: float) -> np.ndarray:
        low, _, _, metal = self.hat
        seconds = min(6.91 / decay, 1.2)
        audio = self._noise(low, 10800, decay, seconds)
        if metal > 0.2:
            t = self._time(seconds)
            squares = np.sign(np.sin(2 * np.pi * self.hat_partials[:, None] * t)).sum(0)
            high = (
                butter(4, low, "highpass", fs=self.samplerate, output="sos")
                if (low < 0.45 * self.samplerate)
                else None
            )
            if high is not None:
                ring = _unit(sosfilt(high, squares) * np.exp(-decay * t))
                audio = (1 - metal) * audio + metal * ring
        return audio

    def _tom(self, step: int, loudness: float) -> np.ndarray:
        frequency, decay, octaves, noise = self.tom
        audio = self._swept(frequency * 2 ** (step / 5), octaves * loudness, 18, decay)
        return _add(audio, noise * self._noise(300, 3000, 40, 0.15))

    def _plate(self, low: float, decay: float, pitch: float) -> np.ndarray:
        length = int(min(6.91 / decay, 2.5) * self.samplerate)
        phases = np.exp(2j * np.pi * self.rng.random(len(self.plate)))
        ring = modes(self.plate * pitch, decay * (0.6 + self.plate / 4000), phases, length,
                     self.samplerate)  # fmt: skip
        return _add(
            0.5 * _unit(ring), self._noise(low, 10500, decay * 1.5, length / self.samplerate)
        )

    def _ride(self, bell: bool) -> np.ndarray:
        low, decay, wash = self.ride
        length = int(min(6.91 / decay, 2.0) * self.samplerate)
        partials = self.plate[::5] if bell else self.plate[::2]
        phases = np.exp(2j * np.pi * self.rng.random(len(partials)))
        ring = _unit(
            modes(partials, decay * (1 + partials / 5000), phases, length, self.samplerate)
        )
        ping = self._noise(low, 10500, 60, 0.1)
        hiss = wash * self._noise(low, 10500, decay, length / self.samplerate)
        return _add(_add(0.6 * ring, ping), hiss)

    def _clap(self) -> np.ndarray:
        burst = self._noise(900, 5000, 120, 0.03)
        audio = self._noise(800, 5000, 22, 0.35)
        for repeat in range(3):
            first = int(0.011 * repeat * self.samplerate)
            audio[first : first + len(burst)] += 0.7 * burst[: len(audio) - first]
        return _unit(audio)

    def _wood(self, frequency: float, decay: float, loudness: float) -> np.ndarray:
        audio = self._swept(frequency, 0.1, 80, decay)
        return _add(audio, 0.3 * loudness * self._noise(1500, 8000, 180, 0.04))

    def _bell(self) -> np.ndarray:
        length = int(0.5 * self.samplerate)
        partials = np.array([562.0, 845.0, 1690.0, 2530.0])
        return _unit(modes(partials, np.full(4, 14.0), np.array([1, 0.9, 0.4, 0.3]), length,
                           self.samplerate))  # fmt: skip


def _unit(audio: np.ndarray) -> np.ndarray:
    return audio / max(np.abs(audio).max(), 1e-9)


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of two hits of different lengths."""
    if len(a) < len(b):
        a, b = b, a
    a = a.copy()
    a[: len(b)] += b
    return a
