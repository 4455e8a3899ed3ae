"""All the sounds of one split: families by stem, with the weights they are drawn by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..score import STEMS
from ..splits import TRAIN_FONTS, font_family
from . import Family
from .fonts import FontFamily, find_font

Bank = dict[str, list[tuple[Family, float]]]

#: How often each kind of sound is drawn, where it is there.
WEIGHTS = {"fluid": 3.0, "timgm": 1.5}


def installed_fonts() -> list[str]:
    """Those of the default training fonts that are installed."""
    found = []
    for name in TRAIN_FONTS:
        try:
            find_font(name)
        except FileNotFoundError:
            continue
        found.append(name)
    return found


def sound_bank(samplerate: int, fonts: Sequence[str | Path] | None = None) -> Bank:
    """Families by stem.

    Args:
        fonts: names or paths of SoundFonts; None takes the default ones that are installed.

    Raises:
        FileNotFoundError: a font that was named is missing.
    """
    by_family = defaultdict(list)
    for font in installed_fonts() if fonts is None else fonts:
        by_family[font_family(str(font))].append(font)
    families = [FontFamily(name, paths, samplerate) for name, paths in by_family.items()]
    return {
        stem: [(family, WEIGHTS.get(family.name, 1.0)) for family in families] for stem in STEMS
    }
