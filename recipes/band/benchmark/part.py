"""What one table of the page is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes.slakh.layout import read_track


@dataclass(frozen=True)
class Part:
    """A set, whole for what is cheap, or excerpts of it for samplers at equal cost."""

    name: str
    tracks: Sequence[Path]
    seconds: float | None
    bss_seconds: float
    systems: Sequence[str]

    def audio(self) -> float:
        """Seconds of audio of all tracks."""
        return sum(length_of(track, self.seconds) for track in self.tracks)

    def folder(self, work: Path) -> Path:
        """Where its scores are kept."""
        length = "whole" if self.seconds is None else f"{self.seconds:g}s"
        return work / f"{self.name}, {length}"

    def title(self) -> str:
        """Heading of its table."""
        count = f"{len(self.tracks)} track{'s' * (len(self.tracks) != 1)}"
        if self.seconds is None:
            return f"{self.name} ({count})"
        return f"{self.name} ({count}, {self.seconds:g} s from the middle of each)"


def length_of(track: Path, seconds: float | None) -> float:
    """Seconds of a track, or as many as are wanted of it."""
    found = read_track(track)
    whole = found.frames / found.samplerate
    return whole if seconds is None else min(whole, seconds)
