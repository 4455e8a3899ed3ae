"""Players who follow one another: unisons, octaves and harmony lines between stems.

Arrangers, and people who write MIDI by copying tracks, double lines all the time; two stems with
the same notes are also the hardest case for a separator.
"""

from __future__ import annotations

from random import Random

from recipes.band.compose.form import Event

#: (who follows, whom, which notes, in which range of octaves).
FOLLOWING = (
    ("piano", "guitar", "all", (0, 0, 12, -12)),
    ("guitar", "piano", "all", (0, 0, 0, -12)),
    ("guitar", "piano", "top", (0, 0, -12)),
    ("piano", "guitar", "top", (0, 12)),
    ("bass", "guitar", "bottom", (0, -12)),
    ("bass", "piano", "bottom", (0, 0, -12)),
    ("guitar", "bass", "all", (0, 12, 12)),
    ("piano", "bass", "all", (0, 12)),
)
RANGES = {"bass": (23, 67), "guitar": (28, 92), "piano": (21, 108)}


def select(events: list[Event], voice: str) -> list[Event]:
    """All events, or the top or bottom one of those that start together."""
    if voice == "all":
        return events
    sign = 1 if voice == "top" else -1
    chosen: dict[float, Event] = {}
    for event in events:
        other = chosen.get(event.start)
        if other is None or sign * event.key > sign * other.key:
            chosen[event.start] = event
    return list(chosen.values())


def transpose(events: list[Event], semitones: int, stem: str) -> list[Event]:
    """`events` moved, and by octaves into the range of `stem` where they leave it."""
    low, high = RANGES[stem]
    moved = []
    for event in events:
        key = event.key + semitones
        while key < low:
            key += 12
        while key > high:
            key -= 12
        moved.append(event._replace(key=key, shift=0.0))
    return moved


def follow(rng: Random, lines: dict[str, list[Event]]) -> None:
    """Let one or two players follow others, in place; `lines` holds the events of each stem.

    A follower plays the leader's notes instead of, or on top of, their own.
    """
    for follower, leader, voice, shifts in rng.sample(FOLLOWING, rng.choice((1, 1, 2))):
        if not lines[leader] or (not lines[follower] and rng.random() < 0.7):
            continue
        copied = transpose(select(lines[leader], voice), rng.choice(shifts), follower)
        if follower != "bass" and rng.random() < 0.4:
            copied = copied + lines[follower]
        lines[follower] = copied
