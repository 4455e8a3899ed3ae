"""Recorded instruments: folders of FLAC samples and one table, ``samples.csv``.

`pack_sounds.py` makes such a pack from SFZ libraries and says what the columns mean.
"""

from __future__ import annotations

import csv
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from ..score import Note
from ..splits import pack_family
from . import Player
from .sampler import Sample, SamplePlayer, Sound

#: Hi-hat keys: closed and pedal silence the open one.
HAT_CLOSED, HAT_PEDAL, HAT_OPEN = 42, 44, 46
CYMBALS = (49, 51, 52, 53, 55, 57, 59)

#: Keys that may stand in for one that a kit lacks, best first.
STAND_INS = {
    35: (36,), 36: (35,), 37: (38, 40), 38: (40,), 39: (38, 40), 40: (38,), 41: (43, 45),
    43: (41, 45), 44: (42,), 45: (47, 43), 47: (45, 48), 48: (50, 47), 49: (57, 55), 50: (48,),
    51: (59, 53), 52: (57, 49), 53: (51, 59), 54: (42,), 55: (49, 57), 56: (53,), 57: (49, 55),
    59: (51, 53), 69: (42,), 70: (42,), 82: (42,),
}  # fmt: skip

#: General MIDI programs that sources come near to; a source that is not named suits any.
SUITS = {
    "rubner_double_bass": {32, 35},
    "martin_hd28": {24, 25},
    "allan764_acoustic": {24, 25},
    "shinyguitar_mic": {24, 25, 26},
    "shinyguitar_pickup": {26, 27, 28},
    "bng_gretsch": {26, 27, 28, 29, 30, 31},
    "bng_hofner": {26, 27, 28, 29, 30, 31},
    "nyanshell_strat": {27, 28, 29, 30, 31},
    "pastabass_linguine": {34},
    "pastabass_tagliatelle": {34, 36, 37},
    "cp80": {0, 1, 2, 3},
    "salamander_grand": {0, 1, 2, 3},
    "splendid_grand": {0, 1, 2, 3},
    "vcsl_upright": {0, 1, 2, 3},
    "pianet_t": {4, 5, 6, 7},
    "wurlitzer_ep200": {4, 5, 6, 7},
}
UNPITCHED = ("dead", "slap")


class Row(NamedTuple):
    file: str
    root: int
    low_key: int
    high_key: int
    low_velocity: int
    high_velocity: int


class Pack:
    """A family (in fact several, see `keep`) of recorded sounds.

    Args:
        folder: holds ``samples.csv`` and the files that it names.
        keep: whether a family of sources may be used.
        memory: bytes of decoded samples that are kept; those unused for longest go first.

    Raises:
        FileNotFoundError: there is no ``samples.csv``.
    """

    def __init__(
        self,
        folder: str | Path,
        samplerate: int,
        keep: Callable[[str], bool] = lambda family: True,
        name: str = "pack",
        memory: int = 400 << 20,
    ):
        self.folder, self.samplerate, self.name = Path(folder), samplerate, name
        self.memory = memory
        table = self.folder / "samples.csv"
        if not table.is_file():
            raise FileNotFoundError(f"{table} is missing: is {folder} a pack of recorded sounds?")
        #: stem -> source -> articulation -> rows
        self.sources: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        with open(table, newline="") as file:
            for row in csv.DictReader(file):
                if not keep(pack_family(row["source"])):
                    continue
                columns = ("root_key", "low_key", "high_key", "low_velocity", "high_velocity")
                numbers = [int(row[column]) for column in columns]
                articulations = self.sources[row["stem"]][row["source"]]
                articulations[row["articulation"]].append(Row(row["file"], *numbers))
        self._cache: OrderedDict[str, tuple[np.ndarray, int]] = OrderedDict()
        self._cached = 0

    def audio(self, file: str) -> tuple[np.ndarray, int]:
        """A sample as int16 and its sampling rate.

        Raises:
            ValueError: the file is missing or broken.
        """
        if file in self._cache:
            self._cache.move_to_end(file)
            return self._cache[file]
        try:
            audio, rate = soundfile.read(self.folder / file, dtype="int16", always_2d=True)
        except soundfile.LibsndfileError as error:
            # One of Python's own, which comes out of a worker in one piece.
            raise ValueError(
                f"{self.folder / file}: {error.error_string} Is the pack whole?"
            ) from None
        entry = audio[:, 0].copy(), rate
        self._cache[file] = entry
        self._cached += entry[0].nbytes
        while self._cached > self.memory and len(self._cache) > 1:
            self._cached -= self._cache.popitem(last=False)[1][0].nbytes
        return entry

    def sources_of(self, source: str) -> dict[str, list[Row]]:
        """Rows of a source by articulation."""
        return next(sources[source] for sources in self.sources.values() if source in sources)

    def families(self, stem: str) -> list[str]:
        return sorted({pack_family(source) for source in self.sources.get(stem, ())})

    def player(self, stem: str, program: int, rng: np.random.Generator) -> Player | None:
        sources = self.sources.get(stem)
        if not sources:
            return None
        # By family first: four string sets of one bass should not count four times.
        by_family = defaultdict(list)
        for source in sources:
            by_family[pack_family(source)].append(source)
        names = sorted(by_family)
        fits = [
            3.0 if any(program in SUITS.get(s, {program}) for s in by_family[name]) else 1.0
            for name in names
        ]
        family = names[rng.choice(len(names), p=np.array(fits) / sum(fits))]
        source = by_family[family][rng.integers(len(by_family[family]))]
        if stem == "drums":
            return SamplePlayer(KitVoice(self, source, rng), self.samplerate)
        return SamplePlayer(TonalVoice(self, source, program, rng), self.samplerate)


class _Recorded:
    """What kits and tonal instruments share: samples as float32, taken in turn."""

    def __init__(self, pack: Pack, rng: np.random.Generator):
        self.pack, self.rng = pack, rng
        self._samples: dict[str, Sample] = {}

    def _sample(self, row: Row, untuned: bool) -> Sample:
        if row.file not in self._samples:
            audio, rate = self.pack.audio(row.file)
            key = np.nan if untuned else row.root
            scaled = audio.astype(np.float32) / np.float32(32768)
            self._samples[row.file] = Sample(scaled, rate, key)
        return self._samples[row.file]

    def _choose(self, rows: list[Row], velocity: int) -> Row:
        """A take of the layer that holds `velocity`, or of the nearest one."""
        miss = [max(r.low_velocity - velocity, velocity - r.high_velocity, 0) for r in rows]
        takes = [row for row, m in zip(rows, miss, strict=True) if m == min(miss)]
        return takes[self.rng.integers(len(takes))]


class TonalVoice(_Recorded):
    """A bass, guitar or piano of the pack with one articulation for the song."""

    def __init__(self, pack: Pack, source: str, program: int, rng: np.random.Generator):
        super().__init__(pack, rng)
        articulations = pack.sources_of(source)
        tonal = [a for a in sorted(articulations) if a not in UNPITCHED and a != "hammer"]
        main = "open" if "open" in tonal else tonal[0]
        if "staccato" in tonal and (program == 28 or rng.random() < 0.15):
            main = "staccato"
        self.rows = articulations[main]
        self.dead = articulations.get("dead", []) if rng.random() < 0.5 else []
        self.release = rng.uniform(0.05, 0.1)
        self._nearest: dict[int, list[Row]] = {}

    def chokes(self, key: int) -> frozenset[int]:
        return frozenset((key,))

    def sound(self, note: Note, seconds: float) -> Sound:
        untuned = bool(self.dead) and note.velocity < 28
        rows = self._near(note.key, self.dead if untuned else self.rows)
        row = self._choose(rows, note.velocity)
        gain = min(note.velocity / row.high_velocity, 1.0)
        sample = self._sample(row, untuned)
        return Sound(sample, gain, self.release, identity=row.file)

    def _near(self, key: int, rows: list[Row]) -> list[Row]:
        """Rows whose range holds `key` (or all, where none does), of these the nearest root."""
        name = (key, id(rows))
        if name not in self._nearest:
            inside = [row for row in rows if row.low_key <= key <= row.high_key] or rows
            distance = min(abs(row.root - key) for row in inside)
            self._nearest[name] = [row for row in inside if abs(row.root - key) == distance]
        return self._nearest[name]


class KitVoice(_Recorded):
    """A kit of the pack. Cymbals that it lacks come from another kit of the pack."""

    def __init__(self, pack: Pack, source: str, rng: np.random.Generator):
        super().__init__(pack, rng)
        self.pieces = self._pieces(source)
        if not any(key in self.pieces for key in CYMBALS):
            others = [
                s
                for s in sorted(pack.sources["drums"])
                if any(k in self._pieces(s) for k in CYMBALS)
            ]
            if others:
                other = self._pieces(others[rng.integers(len(others))])
                self.pieces |= {key: rows for key, rows in other.items() if key in CYMBALS}

    def _pieces(self, source: str) -> dict[int, list[Row]]:
        """Rows by key, of one articulation each."""
        by_key = defaultdict(list)
        articulations = self.pack.sources["drums"][source]
        for articulation in sorted(articulations):
            for key in {row.root for row in articulations[articulation]}:
                by_key[key].append([r for r in articulations[articulation] if r.root == key])
        return {key: options[self.rng.integers(len(options))] for key, options in by_key.items()}

    def chokes(self, key: int) -> frozenset[int]:
        return frozenset((HAT_OPEN,)) if key in (HAT_CLOSED, HAT_PEDAL) else frozenset()

    def sound(self, note: Note, seconds: float) -> Sound | None:
        keys = (note.key, *STAND_INS.get(note.key, ()))
        key = next((key for key in keys if key in self.pieces), None)
        if key is None:
            return None
        row = self._choose(self.pieces[key], note.velocity)
        gain = min(note.velocity / row.high_velocity, 1.0)
        return Sound(self._sample(row, True), gain, rings=True, identity=row.file)
