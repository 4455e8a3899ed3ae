"""A guitar amplifier turned up, and the loudspeaker in front of it.

What the fonts call a distorted guitar is one sample a note: chords do not intermodulate. Recorded
rock guitars are two or three saturating stages for all strings together, middle frequencies cut,
and a loudspeaker that lets hardly anything through above 6 kHz. Often several takes lie on top of
each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from .effects import cabinet, drive, modulated_delay, peaking, shelf

OVERSAMPLING = 2  # saturation makes overtones that would fold back

Range = tuple[float, float]


class Amplifier(NamedTuple):
    """Settings of one amplifier: sections ``[n, 6]`` before and behind two saturating stages."""

    before: np.ndarray
    gain: float
    second: float
    bias: float
    behind: np.ndarray


class Takes(NamedTuple):
    """How often the same is played, and by how much the later takes differ from the first."""

    counts: tuple[int, ...]
    chances: tuple[float, ...]
    delay: Range  # seconds
    depth: Range  # of the delay's slow change, seconds
    level: Range  # relative to the first


class Loudspeaker(NamedTuple):
    """Ranges of `cabinet`, of narrow humps and holes (spread in dB), and of a steeper end."""

    low: Range
    high: Range
    presence: Range
    humps: float
    end: Range


TAKES = Takes((2, 1), (0.4, 0.6), (0.012, 0.035), (0.0005, 0.004), (0.5, 1.0))
LOUDSPEAKER = Loudspeaker((60, 120), (3800, 6500), (0, 8), 4.0, (5500, 9000))


def amplify(audio: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """`audio` ``[T]`` through an amplifier and a loudspeaker, both drawn by chance."""
    return layer(audio, samplerate, rng, _draw, TAKES)


def layer(
    audio: np.ndarray,
    samplerate: int,
    rng: np.random.Generator,
    draw: Callable[[int, np.random.Generator], Amplifier],
    takes: Takes,
) -> np.ndarray:
    """Takes of `audio` ``[T]`` on top of each other: later, not quite in tune.

    Half of the later ones go through the first one's amplifier, the others through their own.
    """
    first = draw(samplerate, rng)
    wet = play(audio, samplerate, first)
    for _ in range(int(rng.choice(takes.counts, p=takes.chances)) - 1):
        late = modulated_delay(
            audio,
            samplerate,
            delay=rng.uniform(*takes.delay),
            depth=rng.uniform(*takes.depth),
            rate=rng.uniform(0.1, 0.7),
            phase=rng.uniform(0, 2 * np.pi),
        )
        other = first if rng.random() < 0.5 else draw(samplerate, rng)
        wet = wet + np.float32(rng.uniform(*takes.level)) * play(late, samplerate, other)
    return wet


def _draw(samplerate: int, rng: np.random.Generator) -> Amplifier:
    nyquist = 0.45 * samplerate
    before = [butter(1, rng.uniform(50, 300), "highpass", fs=samplerate, output="sos")[0]]
    before.append(peaking(rng.uniform(500, 1800), rng.uniform(0, 9), 0.7, samplerate))
    behind = [
        shelf(rng.uniform(120, 350), rng.uniform(-2, 12), samplerate, high=False),
        peaking(10 ** rng.uniform(2.5, 3.05), rng.uniform(-14, 2), rng.uniform(0.5, 1), samplerate),
        shelf(min(rng.uniform(2000, 4000), nyquist), rng.uniform(-3, 6), samplerate, high=True),
    ]
    behind += draw_loudspeaker(samplerate, rng, LOUDSPEAKER)
    gain, second = 10 ** rng.uniform(0.5, 2.0), rng.uniform(1.0, 6.0)
    return Amplifier(np.array(before), gain, second, rng.uniform(-0.3, 0.3), np.array(behind))


def draw_loudspeaker(
    samplerate: int, rng: np.random.Generator, ranges: Loudspeaker
) -> list[np.ndarray]:
    """Second-order sections of a loudspeaker with a microphone near its cone."""
    low, high = rng.uniform(*ranges.low), rng.uniform(*ranges.high)
    sections = list(cabinet(samplerate, low, high, rng.uniform(*ranges.presence)))
    nyquist = 0.45 * samplerate
    for _ in range(int(rng.integers(1, 5))):
        centre = min(10 ** rng.uniform(2.6, 3.7), nyquist)
        gain = rng.normal(0, ranges.humps)
        sections.append(peaking(centre, gain, rng.uniform(1.5, 5), samplerate))
    end = min(rng.uniform(*ranges.end), nyquist)
    return sections + list(butter(2, end, "lowpass", fs=samplerate, output="sos"))


def play(audio: np.ndarray, samplerate: int, amplifier: Amplifier) -> np.ndarray:
    """One take: filter, saturate twice at a higher rate, filter; unit root mean square."""
    x = resample_poly(sosfilt(amplifier.before, audio), OVERSAMPLING, 1).astype(np.float32)
    x = drive(x, amplifier.gain, amplifier.bias)
    # Between the stages a capacitor takes the offset out, and some of the bass.
    offset = butter(1, 40.0, "highpass", fs=samplerate * OVERSAMPLING, output="sos")
    x = drive(sosfilt(offset, x).astype(np.float32), amplifier.second)
    x = resample_poly(x, 1, OVERSAMPLING)
    x = sosfilt(amplifier.behind, x)[: len(audio)].astype(np.float32)
    return x / max(float(np.sqrt(np.square(x).mean())), 1e-9)
