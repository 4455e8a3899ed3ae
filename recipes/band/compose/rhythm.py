"""Metres, metrical weight and ways to draw a rhythm for one bar.

Positions and lengths are in quarter notes, counted from the start of the bar.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Metre(NamedTuple):
    """A bar: its length, where the foot taps, and the smallest common subdivision."""

    name: str
    length: float
    pulses: tuple[float, ...]
    step: float

    @property
    def steps(self) -> int:
        return round(self.length / self.step)

    @property
    def compound(self) -> bool:
        """Whether a pulse is a dotted quarter."""
        return self.name in ("6/8", "9/8", "12/8")


METRES = {
    "4/4": Metre("4/4", 4.0, (0.0, 1.0, 2.0, 3.0), 0.25),
    "2/4": Metre("2/4", 2.0, (0.0, 1.0), 0.25),
    "3/4": Metre("3/4", 3.0, (0.0, 1.0, 2.0), 0.25),
    "5/4": Metre("5/4", 5.0, (0.0, 1.0, 2.0, 3.0, 4.0), 0.25),
    "6/8": Metre("6/8", 3.0, (0.0, 1.5), 0.5),
    "9/8": Metre("9/8", 4.5, (0.0, 1.5, 3.0), 0.5),
    "12/8": Metre("12/8", 6.0, (0.0, 1.5, 3.0, 4.5), 0.5),
    "7/8": Metre("7/8", 3.5, (0.0, 1.0, 2.0), 0.25),
    "7/4": Metre("7/4", 7.0, (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0), 0.25),
}


def weight(metre: Metre, position: float) -> float:
    """Metrical weight of a position in (0, 1]: downbeat 1, pulses, eighths, the rest."""
    if position == 0.0:
        return 1.0
    if position in metre.pulses:
        half = len(metre.pulses) % 2 == 0 and position == metre.pulses[len(metre.pulses) // 2]
        return 0.85 if half else 0.65
    return 0.4 if (position * 2) % 1 == 0 else 0.2


def euclid(hits: int, steps: int, rotation: int = 0) -> list[int]:
    """Steps of `hits` onsets spread as evenly as possible over `steps`."""
    return sorted({((i * steps) // hits + rotation) % steps for i in range(min(hits, steps))})


def draw_onsets(rng: Random, metre: Metre, density: float, syncopation: float) -> list[float]:
    """Onsets of one bar.

    `density` is the expected share of the bar's steps that sound; `syncopation` in 0..1 moves
    the preference from strong to weak positions. At least one onset is returned.
    """
    if rng.random() < 0.2:
        hits = max(1, round(density * metre.steps))
        rotation = rng.randrange(metre.steps) if rng.random() < syncopation else 0
        return [s * metre.step for s in euclid(hits, metre.steps, rotation)]
    step = metre.step
    if step < 0.5 and rng.random() < 0.4:  # people mostly think in eighths
        step, density = 0.5, min(1.0, density * 1.6)
    positions = [i * step for i in range(int(metre.length / step + 1e-6))]
    liking = [
        (1 - syncopation) * weight(metre, p) + syncopation * (1.05 - weight(metre, p))
        for p in positions
    ]
    scale = density * len(positions) / sum(liking)
    onsets = [p for p, w in zip(positions, liking, strict=True) if rng.random() < w * scale]
    return onsets or [0.0]


def with_lengths(
    onsets: list[float], length: float, gate: float, longest: float = 8.0
) -> list[tuple[float, float]]:
    """Pair each onset with a duration: `gate` times the way to the next onset (or bar end)."""
    ends = [*onsets[1:], length]
    return [(a, max(0.06, min(longest, (b - a) * gate))) for a, b in zip(onsets, ends, strict=True)]
