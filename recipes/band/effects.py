"""What an engineer does to a stem: amplifier, equaliser, compressor, modulation, room.

Every effect is a function of audio ``[T]`` and its settings; `random_effects` draws settings,
mostly mild. All are written for speed on a CPU (a few milliseconds for 24 s), which is why they
are not torchaudio's: its phaser takes seconds where it has no compiled loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, sosfilt, sosfilt_zi

from .room import room_response

BLOCK = 64  # samples between two gains of the compressor


def peaking(frequency: float, gain: float, q: float, samplerate: int) -> np.ndarray:
    """Second-order section ``[6]`` that raises a band by `gain` decibels.

    The formulas of R. Bristow-Johnson's Audio EQ Cookbook, as those of the shelves.
    """
    a, w = 10 ** (gain / 40), 2 * np.pi * frequency / samplerate
    alpha, cosine = np.sin(w) / (2 * q), np.cos(w)
    section = [1 + alpha * a, -2 * cosine, 1 - alpha * a, 1 + alpha / a, -2 * cosine, 1 - alpha / a]
    return np.array(section) / section[3]


def shelf(frequency: float, gain: float, samplerate: int, high: bool) -> np.ndarray:
    """Second-order section ``[6]`` that raises all above (`high`) or below by `gain` decibels."""
    a, w = 10 ** (gain / 40), 2 * np.pi * frequency / samplerate
    cosine = -np.cos(w) if high else np.cos(w)
    root = np.sqrt(2 * a) * np.sin(w)
    up, down, sign = a + 1, a - 1, -1 if high else 1
    section = [
        a * (up - down * cosine + root),
        2 * a * sign * (down - up * cosine),
        a * (up - down * cosine - root),
        up + down * cosine + root,
        -2 * sign * (down + up * cosine),
        up + down * cosine - root,
    ]
    return np.array(section) / section[3]


def compression(
    audio: np.ndarray,
    samplerate: int,
    threshold: float,
    ratio: float,
    attack: float,
    release: float,
) -> np.ndarray:
    """The gain ``[T]`` of a feed-forward compressor on the peak level of short blocks.

    Args:
        threshold: in decibels relative to the highest peak.
        ratio: decibels in over decibels out above the threshold.
        attack, release: time constants in seconds.
    """
    blocks = np.abs(np.pad(audio, (0, -len(audio) % BLOCK))).reshape(-1, BLOCK).max(1)
    level = 20 * np.log10(np.maximum(blocks / max(blocks.max(), 1e-9), 1e-5))
    wanted = np.maximum(level - threshold, 0) * (1 - 1 / ratio)
    fast, slow = (float(np.exp(-BLOCK / samplerate / t)) for t in (attack, release))
    smooth, now = [], 0.0
    for decibels in wanted.tolist():
        keep = fast if decibels > now else slow
        now = keep * now + (1 - keep) * decibels
        smooth.append(now)
    gain = 10 ** (-np.array(smooth) / 20)
    centres = (np.arange(len(gain)) + 0.5) * BLOCK
    return np.interp(np.arange(len(audio)), centres, gain).astype(np.float32)


def drive(audio: np.ndarray, gain: float, bias: float = 0.0) -> np.ndarray:
    """Soft clipping: ``tanh``, driven to `gain` times its knee by the loudest peak.

    `bias` makes it asymmetric (even harmonics); silence stays silence.
    """
    peak = max(float(np.abs(audio).max()), 1e-9)
    silence = np.full(1, bias, np.float32)  # an array, so that tanh rounds alike
    return np.tanh(audio * np.float32(gain / peak) + silence) - np.tanh(silence)


def cabinet(samplerate: int, low: float, high: float, presence: float) -> np.ndarray:
    """Sections of a loudspeaker in a box: a band from `low` to `high` Hz and a hump at 2.5 kHz."""
    high = min(high, 0.45 * samplerate)
    return np.concatenate(
        [
            butter(2, low, "highpass", fs=samplerate, output="sos"),
            butter(4, high, "lowpass", fs=samplerate, output="sos"),
            peaking(min(2500.0, 0.4 * samplerate), presence, 0.9, samplerate)[None],
        ]
    )


def modulated_delay(
    audio: np.ndarray, samplerate: int, delay: float, depth: float, rate: float, phase: float
) -> np.ndarray:
    """`audio` late by ``delay + depth sin(2 pi rate t + phase)`` seconds, linear interpolation."""
    n = np.arange(len(audio))
    late = delay + depth * np.sin(2 * np.pi * rate / samplerate * n + phase)
    position = np.maximum(n - late * samplerate, 0)
    whole = position.astype(np.int64)
    part = (position - whole).astype(np.float32)
    following = np.minimum(whole + 1, len(audio) - 1)
    return audio[whole] * (1 - part) + audio[following] * part


def phase(audio: np.ndarray, samplerate: int, rate: float, low: float, high: float) -> np.ndarray:
    """Four first-order all-passes whose corner sweeps from `low` to `high` Hz; the wet part."""
    step = 512
    out = np.empty_like(audio)
    state = None
    for first in range(0, len(audio), step):
        sweep = 0.5 + 0.5 * np.sin(2 * np.pi * rate * first / samplerate)
        corner = np.tan(np.pi * low * (high / low) ** sweep / samplerate)
        c = (corner - 1) / (corner + 1)
        # Two equal first-order sections in one second-order section.
        section = np.array([[c * c, 2 * c, 1, 1, 2 * c, c * c]] * 2)
        state = np.zeros_like(sosfilt_zi(section)) if state is None else state
        out[first : first + step], state = sosfilt(section, audio[first : first + step], zi=state)
    return out


def convolve(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Causal convolution, cut to the length of `audio`."""
    size = next_fast_len(len(audio) + len(response), real=True)
    return irfft(rfft(audio, size) * rfft(response, size), size)[: len(audio)]


#: Probability of each effect by stem.
CHANCES = {
    "bass": {"drive": 0.25, "cabinet": 0.3, "eq": 0.7, "compress": 0.5, "chorus": 0.05,
             "phase": 0.01, "room": 0.2},
    "drums": {"drive": 0.1, "cabinet": 0.0, "eq": 0.7, "compress": 0.4, "chorus": 0.0,
              "phase": 0.0, "room": 0.5},
    "guitar": {"drive": 0.25, "cabinet": 0.35, "eq": 0.7, "compress": 0.3, "chorus": 0.2,
               "phase": 0.06, "room": 0.5},
    "piano": {"drive": 0.05, "cabinet": 0.05, "eq": 0.7, "compress": 0.3, "chorus": 0.12,
              "phase": 0.03, "room": 0.5},
}  # fmt: skip
DISTORTED = (29, 30)  # General MIDI's overdriven and distorted guitars


def random_effects(
    audio: np.ndarray,
    stem: str,
    programs: Sequence[int],
    samplerate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """`audio` ``[T]`` through effects drawn by chance, in the order of a signal chain.

    Its level may change; the renderer sets it afterwards. A third of the stems stay as they are.
    """
    if rng.random() < 1 / 3 or not audio.any():
        return audio
    on = {name: rng.random() < chance for name, chance in CHANCES[stem].items()}
    distorted = stem == "guitar" and any(program in DISTORTED for program in programs)
    if distorted and rng.random() < 0.5:
        on["drive"] = on["cabinet"] = True
    if on["drive"]:
        strongest = 30.0 if distorted else 8.0 if stem == "guitar" else 4.0
        clean, wet = audio, drive(audio, rng.uniform(1.0, strongest), rng.uniform(-0.3, 0.3))
        blend = 1.0 if distorted else rng.uniform(0.3, 1.0)
        peaks = (max(float(np.abs(x).max()), 1e-9) for x in (clean, wet))
        clean_peak, wet_peak = peaks
        audio = wet * np.float32(blend) + clean * np.float32((1 - blend) * wet_peak / clean_peak)
    sections = _tone(stem, on, samplerate, rng)
    if len(sections):
        audio = sosfilt(sections, audio).astype(np.float32)
    if on["compress"]:
        audio = audio * compression(
            audio,
            samplerate,
            threshold=rng.uniform(-24, -8),
            ratio=rng.uniform(1.5, 5.0),
            attack=10 ** rng.uniform(-2.7, -1.5),
            release=10 ** rng.uniform(-1.3, -0.5),
        )
    if on["chorus"]:
        audio = _thicken(audio, samplerate, rng)
    if on["phase"]:
        wet = phase(audio, samplerate, rng.uniform(0.1, 1.0), 300.0, rng.uniform(1200, 3500))
        audio = audio + np.float32(rng.uniform(0.4, 0.9)) * wet
    if on["room"]:
        size, t60 = rng.uniform(1, 6), 10 ** rng.uniform(-0.7, 0.2)
        response = room_response(samplerate, rng, size, t60)
        wet = 10 ** (rng.uniform(-22, -4 if stem == "drums" else -7) / 20)
        audio = audio + np.float32(wet) * convolve(audio, response)
    return audio


def _tone(stem: str, on: dict[str, bool], samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """Sections ``[n, 6]`` of amplifier, loudspeaker and equaliser."""
    sections = []
    if on["drive"]:  # asymmetric clipping leaves an offset
        sections += list(butter(1, 15.0, "highpass", fs=samplerate, output="sos"))
    if on["cabinet"]:
        top = rng.uniform(1500, 4500) if stem == "bass" else rng.uniform(3000, 6500)
        low = rng.uniform(25, 50) if stem == "bass" else rng.uniform(60, 120)
        sections += list(cabinet(samplerate, low, top, rng.uniform(0, 6)))
    if on["eq"]:
        low = rng.uniform(60, 300)
        high = min(rng.uniform(2500, 7000), 0.45 * samplerate)
        sections.append(shelf(low, rng.normal(0, 3), samplerate, high=False))
        sections.append(shelf(high, rng.normal(0, 4), samplerate, high=True))
        for _ in range(int(rng.integers(0, 3))):
            centre = min(10 ** rng.uniform(2.0, 3.8), 0.45 * samplerate)
            sections.append(peaking(centre, rng.normal(0, 4), rng.uniform(0.5, 2.0), samplerate))
    return np.array(sections)


def _thicken(audio: np.ndarray, samplerate: int, rng: np.random.Generator) -> np.ndarray:
    """A chorus, a flanger or a short echo."""
    kind = rng.integers(3)
    if kind == 0:
        setting = (rng.uniform(0.012, 0.03), rng.uniform(0.0005, 0.002), rng.uniform(0.3, 2.0))
    elif kind == 1:
        setting = (rng.uniform(0.002, 0.005), rng.uniform(0.0005, 0.0018), rng.uniform(0.1, 0.8))
    else:
        setting = (rng.uniform(0.08, 0.45), 0.0, 0.0)
    wet = modulated_delay(audio, samplerate, *setting, phase=rng.uniform(0, 2 * np.pi))
    return audio + np.float32(rng.uniform(0.2, 0.7)) * wet
