"""Impulse responses of imagined rooms."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

SPEED_OF_SOUND = 343.0  # m/s


def room_response(samplerate: int, rng: np.random.Generator, size: float, t60: float) -> np.ndarray:
    """Early reflections and a decaying tail, ``[T]``, of unit energy and without the direct sound.

    Args:
        size: distance in metres to the nearest walls; sets the first arrivals.
        t60: seconds in which the tail falls by 60 dB at low frequencies. It is shorter above, as
            air and walls swallow the treble.
    """
    length = int(min(1.1 * t60, 2.0) * samplerate)
    t = np.arange(length) / samplerate
    noise = rng.standard_normal(length)
    low = lfilter([1 - 0.75], [1, -0.75], noise)  # about 1 kHz at 22 kHz
    high_decay = rng.uniform(1.5, 4.0)
    tail = low * np.exp(-6.91 * t / t60) + (noise - low) * np.exp(-6.91 * high_decay * t / t60)
    first = int(2 * size / SPEED_OF_SOUND * samplerate)
    # The tail builds up over the time in which echoes become dense.
    tail *= 1 - np.exp(-np.maximum(np.arange(length) - first, 0) / max(1.5 * first, 1))
    response = tail / max(np.sqrt(np.square(tail).sum()), 1e-9)

    echoes = int(rng.integers(4, 10))
    times = 2 * size / SPEED_OF_SOUND * (1 + rng.exponential(1.0, echoes))
    places = (times * samplerate).astype(int)
    heard = places < length
    strengths = rng.choice((-1, 1), echoes) * (times[0] / times) * rng.uniform(0.1, 0.5)
    np.add.at(response, places[heard], strengths[heard])
    return (response / np.sqrt(np.square(response).sum())).astype(np.float32)
