"""Where sounds come from. Each module is one way to turn a `Part` into audio.

A *player* plays one part with one sound; a *family* is a group of sounds that share recordings (or
code), the unit that a split by sound keeps on one side.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..score import Part


class Player(Protocol):
    def __call__(self, part: Part, length: int) -> np.ndarray:
        """Audio ``[length]``, float32, mono, of the notes and bends of `part`.

        Controllers are not the player's business: `render.py` has applied the sustain pedal to the
        notes and applies volume and expression to the audio.
        """
        ...


class Family(Protocol):
    name: str

    def player(self, stem: str, program: int, rng: np.random.Generator) -> Player | None:
        """A sound for `stem`, near General MIDI `program`; None if the family has no such stem."""
        ...
