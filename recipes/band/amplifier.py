"""A guitar amplifier turned up, and the loudspeaker in front of it.

What the fonts call a distorted guitar is one sample a note: chords do not intermodulate. Recorded
rock guitars are two or three saturating stages for all strings together, middle frequencies cut,
and a loudspeaker that lets hardly anything through above 6 kHz. Often two takes lie on top of each
other.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from .effects import cabinet, drive, modulated_delay, peaking, shelf

OVERSAMPLING = 2  # saturation makes overtones that would fold back


def amplify(audio: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """`audio` ``[T]`` through an amplifier and a loudspeaker, both drawn by chance."""
    setting = _draw(samplerate, rng)
    wet = _chain(audio, samplerate, *setting)
    if rng.random() < 0.4:  # the other take: later, not quite in tune, its own amplifier
        late = modulated_delay(
            audio,
            samplerate,
            delay=rng.uniform(0.012, 0.035),
            depth=rng.uniform(0.0005, 0.004),
            rate=rng.uniform(0.1, 0.7),
            phase=rng.uniform(0, 2 * np.pi),
        )
        other = setting if rng.random() < 0.5 else _draw(samplerate, rng)
        wet = wet + np.float32(rng.uniform(0.5, 1.0)) * _chain(late, samplerate, *other)
    return wet


def _draw(
    samplerate: int, rng: np.random.Generator
) -> tuple[np.ndarray, float, float, float, np.ndarray]:
    """Sections before saturation, gain and bias of both stages, sections behind."""
    nyquist = 0.45 * samplerate
    before = [butter(1, rng.uniform(50, 300), "highpass", fs=samplerate, output="sos")[0]]
    before.append(peaking(rng.uniform(500, 1800), rng.uniform(0, 9), 0.7, samplerate))
    behind = [
        shelf(rng.uniform(120, 350), rng.uniform(-2, 12), samplerate, high=False),
        peaking(10 ** rng.uniform(2.5, 3.05), rng.uniform(-14, 2), rng.uniform(0.5, 1), samplerate),
        shelf(min(rng.uniform(2000, 4000), nyquist), rng.uniform(-3, 6), samplerate, high=True),
    ]
    behind += list(
        cabinet(samplerate, rng.uniform(60, 120), rng.uniform(3800, 6500), rng.uniform(0, 8))
    )
    # A microphone near the cone: narrow humps and holes, and a steeper end.
    for _ in range(int(rng.integers(1, 5))):
        centre = min(10 ** rng.uniform(2.6, 3.7), nyquist)
        behind.append(peaking(centre, rng.normal(0, 4), rng.uniform(1.5, 5), samplerate))
    steep = min(rng.uniform(5500, 9000), nyquist)
    behind += list(butter(2, steep, "lowpass", fs=samplerate, output="sos"))
    gain = 10 ** rng.uniform(0.5, 2.0)
    return np.array(before), gain, rng.uniform(1.0, 6.0), rng.uniform(-0.3, 0.3), np.array(behind)


def _chain(
    audio: np.ndarray,
    samplerate: int,
    before: np.ndarray,
    gain: float,
    second: float,
    bias: float,
    behind: np.ndarray,
) -> np.ndarray:
    """One take: filter, saturate twice at a higher rate, filter; unit root mean square."""
    x = resample_poly(sosfilt(before, audio), OVERSAMPLING, 1).astype(np.float32)
    x = drive(x, gain, bias)
    # Between the stages a capacitor takes the offset out, and some of the bass.
    offset = butter(1, 40.0, "highpass", fs=samplerate * OVERSAMPLING, output="sos")
    x = drive(sosfilt(offset, x).astype(np.float32), second)
    x = sosfilt(behind, resample_poly(x, 1, OVERSAMPLING))[: len(audio)].astype(np.float32)
    return x / max(float(np.sqrt(np.square(x).mean())), 1e-9)
