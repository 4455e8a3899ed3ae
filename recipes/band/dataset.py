"""Endless four-stem music for training, composed and rendered on the fly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from mgdm_audio.audio import resample
from mgdm_audio.training.data import STEMS, sounding

from .effects import random_effects
from .production import master, produced_effects
from .render import limit, render_song
from .score import Song
from .sounds.bank import Bank, sound_bank, training_pack
from .splits import song_seed
from .wall import LOUD_STYLES, loud_effects, loud_song

#: Draws of an item until enough stems sound in it.
TRIES = 12


class BandDataset(IterableDataset):
    """Crops of generated songs, ``[4, T]`` float32: bass, drums, guitar, piano.

    Each worker keeps a window of `window` rendered songs and takes `crops` crops for each song that
    enters it, from songs of the window by chance. Item `n` of a worker depends on the arguments,
    the number of workers and `n` alone. So a run that was cut short goes on with the same data by
    ``start`` = the number of items consumed, exactly so where it is a multiple of the batch size
    times the number of workers.

    Args:
        split: "train", "validation" or "test"; chooses songs. Sounds are chosen by the rest.
        seconds: length of an item; at most that of a song.
        samplerate: in Hz.
        seed: of the endless stream.
        fonts: names or paths of SoundFonts; None takes the default ones that are installed.
        sounds: folder of the recorded pack; held-out families are left out.
        synth: include our own synthesised instruments.
        share_alike: include recorded sounds under CC BY-SA.
        weights: how often each family of sounds is drawn, see `sounds.bank.WEIGHTS`.
        start: number of the first item.
        song_seconds: length of a song.
        crops: crops a song, on average.
        window: songs that are held at a time.
        remix: probability that the four stems come from different songs.
        gain: spread in decibels of a random gain a stem and crop.
        effects: share of the songs, 0 to 1, whose stems go through random effects; loud songs, all
            of which do, not counted.
        production: songs mastered, and with effects guitars through amplifiers, see `production`.
        speed: half of the songs are played back faster or slower, and so higher or lower, by up to
            this many semitones: sounds in between those that the instruments have.
        loud: share of the songs, 0 to 1, that are by loud bands, see `wall`; only by our composer.
        full: share of the items, 0 to 1, that are drawn again until all four stems sound in them,
            and the others until two do, if some of `TRIES` find that; 0 takes what comes, which is
            silence at times.
        compose: called as ``compose(seed, seconds) -> Song``; None takes our composer.

    Raises:
        FileNotFoundError: a font that was named is missing, or the pack, or the fonts' player.
        ValueError: an argument is out of its range, or there is no sound for a stem.
    """

    sources = STEMS

    def __init__(
        self,
        split: str = "train",
        seconds: float = 6.0,
        samplerate: int = 22050,
        seed: int = 0,
        fonts: Sequence[str | Path] | None = None,
        sounds: str | Path | None = None,
        *,
        synth: bool = True,
        share_alike: bool = False,
        weights: dict[str, float] | None = None,
        start: int = 0,
        song_seconds: float = 24.0,
        crops: int = 8,
        window: int = 4,
        remix: float = 0.2,
        gain: float = 2.0,
        effects: float = 1.0,
        production: bool = False,
        speed: float = 0.0,
        loud: float = 0.0,
        full: float = 0.0,
        compose: Callable[[int, float], Song] | None = None,
    ):
        if seconds > song_seconds:
            raise ValueError(f"items of {seconds} s do not fit into songs of {song_seconds} s")
        if not 0 <= effects <= 1:
            raise ValueError(f"effects must be a share between 0 and 1, not {effects:g}")
        if not 0 <= speed <= 12:
            raise ValueError(f"speed must be 0 to 12 semitones, not {speed:g}")
        if not 0 <= loud <= 1:
            raise ValueError(f"loud must be a share between 0 and 1, not {loud:g}")
        if not 0 <= full <= 1:
            raise ValueError(f"full must be a share between 0 and 1, not {full:g}")
        if loud and compose is not None:
            raise ValueError("loud songs are by our composer: loud and compose exclude each other")
        if compose is None:
            from .compose import compose
        self.split, self.seed, self.start = split, seed, start
        self.samplerate, self.length = samplerate, round(seconds * samplerate)
        self.fonts, self.sounds, self.synth = fonts, sounds, synth
        self.share_alike, self.weights = share_alike, weights
        self.song_seconds, self.crops, self.window = song_seconds, crops, window
        self.remix, self.gain, self.effects = remix, gain, effects
        self.production, self.speed, self.loud, self.full = production, speed, loud, full
        self.compose = compose
        self.bank()  # what is missing is said here, not by a worker

    def __iter__(self) -> Iterator[Tensor]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        # A loader always asks worker 0 first: after `start` single items that is another lane's
        # turn. Batches come whole from a lane, hence the multiple above.
        lane, number = (self.start + worker) % workers, (self.start + worker) // workers
        bank = self.bank()
        songs: dict[int, np.ndarray] = {}
        while True:
            oldest = number // self.crops
            songs = {
                n: songs[n] if n in songs else self._song(lane, n, bank)
                for n in range(oldest, oldest + self.window)
            }
            yield torch.from_numpy(self._crop(lane, number, list(songs.values())))
            number += 1

    def bank(self) -> Bank:
        """The sounds, read afresh: each worker has its own."""
        pack = None
        if self.sounds is not None:
            pack = training_pack(self.sounds, self.samplerate, self.share_alike)
        return sound_bank(self.samplerate, self.fonts, pack, self.synth, self.weights)

    def _song(self, lane: int, number: int, bank: Bank) -> np.ndarray:
        """Song `number` of `lane`, ``[4, T]``."""
        seed = song_seed(self.split, self.seed, lane, number)
        speed = self._speed(seed)
        seconds = self.song_seconds * speed
        rng = np.random.default_rng([seed, 1])
        chance = np.random.default_rng([seed, 5])
        effects = None
        if chance.random() < self.loud:
            song = loud_song(self.compose(seed, seconds, LOUD_STYLES), chance)
            effects = loud_effects
        else:
            song = self.compose(seed, seconds)
            if np.random.default_rng([seed, 3]).random() < self.effects:
                effects = produced_effects if self.production else random_effects
        stems = render_song(song, bank, self.samplerate, rng, effects)
        stems = master(stems, self.samplerate, rng) if self.production else stems
        if speed == 1:
            return stems
        length = round(self.song_seconds * self.samplerate)
        return resample(stems, round(self.samplerate * speed), self.samplerate, length)

    def _speed(self, seed: int) -> float:
        """At which the song of `seed` is played back; 1 as it was made."""
        rng = np.random.default_rng([seed, 4])
        if self.speed == 0 or rng.random() < 0.5:
            return 1.0
        return 2 ** (rng.uniform(-self.speed, self.speed) / 12)

    def _crop(self, lane: int, number: int, songs: list[np.ndarray]) -> np.ndarray:
        rng = np.random.default_rng([self.seed, lane, number, 2])
        chance = np.random.default_rng([self.seed, lane, number, 6])
        wanted = 0 if not self.full else 4 if chance.random() < self.full else 2
        for _ in range(TRIES):
            crop = self._draw(rng, songs)
            if sounding(crop).sum() >= wanted:
                break
        return limit(crop)

    def _draw(self, rng: np.random.Generator, songs: list[np.ndarray]) -> np.ndarray:
        mixed = rng.random() < self.remix
        picks = rng.integers(len(songs), size=4) if mixed else [rng.integers(len(songs))] * 4
        crop = np.empty((4, self.length), np.float32)
        offset = rng.random()
        for i, pick in enumerate(picks):
            if mixed:
                offset = rng.random()
            stem = songs[pick][i]
            first = int(offset * (len(stem) - self.length + 1))
            gain = rng.choice((-1, 1)) * 10 ** (rng.normal(0, self.gain) / 20)
            crop[i] = stem[first : first + self.length] * np.float32(gain)
        return crop
