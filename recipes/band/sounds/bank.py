"""All the sounds of a data set: families by stem, with the weights they are drawn by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from ..score import STEMS
from ..splits import HELD_OUT, SHARE_ALIKE, TRAIN_FONTS, font_family
from . import Family
from .fonts import FontFamily, find_font
from .pack import Pack
from .synth import SynthFamily

Bank = dict[str, list[tuple[Family, float]]]

#: How often each kind of sound is drawn relative to the others that are there.
WEIGHTS = {"fluid": 3.0, "timgm": 1.0, "pack": 3.0, "synth": 1.5}


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


def training_pack(folder: str | Path, samplerate: int, share_alike: bool = False) -> Pack:
    """The families of a pack that training may hear."""
    out = HELD_OUT if share_alike else HELD_OUT | SHARE_ALIKE
    return Pack(folder, samplerate, lambda family: family not in out)


def held_out_pack(folder: str | Path, samplerate: int) -> Pack:
    """The families of a pack that training never hears."""
    return Pack(folder, samplerate, lambda family: family in HELD_OUT)


def sound_bank(
    samplerate: int,
    fonts: Sequence[str | Path] | None = None,
    pack: Pack | None = None,
    synth: bool = True,
    weights: dict[str, float] | None = None,
) -> Bank:
    """Families by stem.

    Args:
        fonts: names or paths of SoundFonts; None takes the default ones that are installed.
        pack: recorded instruments.
        synth: include our own synthesised instruments.
        weights: by family name, in place of the default ones.

    Raises:
        FileNotFoundError: a font that was named is missing.
        ValueError: there is no sound at all for a stem.
    """
    weights = WEIGHTS | (weights or {})
    by_family = defaultdict(list)
    for font in installed_fonts() if fonts is None else fonts:
        by_family[font_family(str(font))].append(font)
    families: list[Family] = [FontFamily(*item, samplerate) for item in by_family.items()]
    families += [pack] if pack is not None else []
    families += [SynthFamily(samplerate)] if synth else []

    def serves(stem: str) -> Callable[[Family], bool]:
        return lambda family: not isinstance(family, Pack) or bool(family.sources.get(stem))

    bank = {
        stem: [(f, weights.get(f.name, 1.0)) for f in filter(serves(stem), families)]
        for stem in STEMS
    }
    if silent := [stem for stem in STEMS if not bank[stem]]:
        raise ValueError(f"no sound for {', '.join(silent)}: give fonts, a pack or synth=True")
    return bank
