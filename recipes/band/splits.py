"""Which songs and which sounds belong to training, validation and test.

Songs are split by seed: a song's seed modulo 4 is the code of its split, so that no song can be in
two. Sounds are split by family, see `sounds/__init__.py`.
"""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "validation", "test")

#: Fonts by family, with licence. Those of a family share samples.
FONT_FAMILIES = {
    "fluid": ("FluidR3Mono_GM.sf3", "FluidR3_GM.sf2", "MuseScore_General.sf3"),  # MIT
    "timgm": ("sf_GMbank.sf2", "TimGM6mb.sf2"),  # public domain; GPL-2
}

#: What training uses unless told otherwise. Left to the user's choice: TimGM6mb, for its licence,
#: and MuseScore_General, which is FluidR3 but for a few programs; its pianos have velocity layers
#: that rely on modulators, without which (tinysoundfont has none) soft notes come 30 dB too low.
TRAIN_FONTS = ("FluidR3Mono_GM.sf3", "FluidR3_GM.sf2", "sf_GMbank.sf2")

#: Families of the recorded pack. Sources that are not named are a family of their own.
PACK_FAMILIES = {
    "pastabass_fetuccine": "pastabass",
    "pastabass_linguine": "pastabass",
    "pastabass_spaghetti": "pastabass",
    "pastabass_tagliatelle": "pastabass",
    "avl_black_pearl": "avl",
    "avl_red_zeppelin": "avl",
    "gogodze_close": "gogodze",
    "gogodze_room": "gogodze",
    "muldjord_close": "muldjord",
    "muldjord_room": "muldjord",
    "bng_gretsch": "bng",
    "bng_hofner": "bng",
    "shinyguitar_mic": "shinyguitar",
    "shinyguitar_pickup": "shinyguitar",
}

#: Recorded families that training never hears: one bass, one kit maker, an electric and an
#: acoustic guitar, a grand and an electric piano.
HELD_OUT = frozenset(
    {"swagbass", "avl", "nyanshell_strat", "allan764_acoustic", "salamander_grand"}
    | {"wurlitzer_ep200"}
)

#: CC BY-SA: training leaves them out unless asked, for whether weights are an adaptation is open.
SHARE_ALIKE = frozenset({"bja_pacific", "avl"})


def pack_family(source: str) -> str:
    """The family of a source of the recorded pack."""
    return PACK_FAMILIES.get(source, source)


def font_family(name: str) -> str:
    """The family of a font; a font that we do not know is a family of its own."""
    stem = name.rsplit("/", 1)[-1]
    return next((family for family, fonts in FONT_FAMILIES.items() if stem in fonts), stem)


def song_seed(split: str, *words: int) -> int:
    """The seed of the song that `words` (such as run, worker, number) name in `split`.

    Raises:
        ValueError: there is no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
    high = np.random.SeedSequence(words).generate_state(2, np.uint32)
    return (((int(high[0]) << 29) ^ int(high[1])) << 2) + SPLITS.index(split)


def split_of(seed: int) -> str:
    """The split that a song's seed belongs to."""
    return SPLITS[seed % 4]
