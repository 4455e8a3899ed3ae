"""Where chord tones and scale notes lie on the keyboard or the neck."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from recipes.band.compose.harmony import Chord


def voice(
    chord: Chord,
    centre: float,
    size: int,
    previous: Sequence[int] | None = None,
    rootless: bool = False,
) -> list[int]:
    """A close voicing of `size` keys around `centre`, moving little from `previous`."""
    tones = chord.tones
    if rootless and len(tones) > 3:
        tones = tones[1:]
    while len(tones) > size:  # the fifth goes first, then the highest colour
        tones.pop(2 if len(tones) > 3 else -1)
    aim = centre
    if previous:
        aim = 0.7 * sum(previous) / len(previous) + 0.3 * centre
    ordered = sorted(tones)
    best, distance = ordered, float("inf")
    for inversion in range(len(ordered)):
        turn = [*ordered[inversion:], *(t + 12 for t in ordered[:inversion])]
        shift = 12 * round((aim - sum(turn) / len(turn)) / 12)
        off = abs(sum(turn) / len(turn) + shift - aim)
        if off < distance:
            best, distance = [t + shift for t in turn], off
    tones = len(best)
    return [best[i % tones] + 12 * (i // tones) for i in range(size)]


def spread(keys: list[int]) -> list[int]:
    """Open a close voicing: the second key from the top goes down an octave."""
    if len(keys) < 3:
        return keys
    return sorted([*keys[:-2], keys[-2] - 12, keys[-1]])


def strum_shape(rng: Random, chord: Chord, low: int, size: int) -> list[int]:
    """A fretboard-like voicing: the bass note from `low` up, then chord tones a string apart."""
    keys = [fold(chord.bass, low)]
    while len(keys) < size:
        key = nearest(
            chord.tones, keys[-1] + rng.choice((4, 5, 5, 7) if len(keys) < 2 else (3, 4, 5))
        )
        if key <= keys[-1]:
            key = keys[-1] + 1
            while key % 12 not in chord.tones:
                key += 1
        if key > keys[0] + 29:
            break
        keys.append(key)
    return keys


def nearest(pitch_classes: Sequence[int], key: float) -> int:
    """The key closest to `key` whose pitch class is one of `pitch_classes`."""
    centre = round(key)
    for distance in range(7):
        if (centre - distance) % 12 in pitch_classes:
            return centre - distance
        if (centre + distance) % 12 in pitch_classes:
            return centre + distance
    raise ValueError("no pitch classes given")


def scale_step(scale: Sequence[int], key: int, steps: int) -> int:
    """`key` moved by `steps` notes of `scale`, onto the scale if it was off it."""
    direction = 1 if steps > 0 else -1
    for _ in range(abs(steps)):
        key += direction
        while key % 12 not in scale:
            key += direction
    return key


def fold(key: int, low: int) -> int:
    """The key of the same pitch class in the octave from `low` up."""
    return low + (key - low) % 12
