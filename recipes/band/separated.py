"""Endless music and what a prior makes of it, for the network that corrects separations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from mgdm_audio import Separator, load_prior

from .dataset import BandDataset

#: Rounds of templates of a separation, drawn by chance: as ``fast`` has them, or one of
#: ``balanced``.
ROUNDS = (((4096,),), ((2048, 4096, 8192),))


class SeparatedDataset(IterableDataset):
    """Crops of generated songs and of their separations, ``[2, 4, T]`` float32.

    Songs are separated whole, because spectra that come back are looked for in all of a song
    (`mgdm_audio.audio.templates`), as `Separator(quality="fast")` does it or as the mean of two
    estimates, a semitone lower and higher. By one process, on the CPU. Resumable as `BandDataset`.

    Args:
        split: as `BandDataset` takes it.
        seconds: length of an item.
        samplerate: the prior's.
        seed: of the endless stream.
        prior: as `load_prior` takes it; a third network that it may have is not asked.
        averaged: share of the songs whose estimate is the mean of two.
        start: number of the first item.
        crops: crops a song, on average.
        window: songs that are held at a time.
        options: of `BandDataset`, of which an item here is a song.
    """

    def __init__(
        self,
        split: str = "train",
        seconds: float = 3.0,
        samplerate: int = 22050,
        seed: int = 0,
        *,
        prior: str | Path = "band",
        averaged: float = 0.25,
        start: int = 0,
        crops: int = 12,
        window: int = 8,
        song_seconds: float = 24.0,
        **options: Any,
    ):
        if not seconds <= song_seconds:
            raise ValueError(f"items of {seconds} s do not fit into songs of {song_seconds} s")
        self.split, self.seed, self.start = split, seed, start
        self.samplerate, self.length = samplerate, round(seconds * samplerate)
        self.prior, self.averaged = prior, averaged
        self.crops, self.window = crops, window
        self.song_seconds, self.options = song_seconds, options

    def __iter__(self) -> Iterator[Tensor]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        lane, number = (self.start + worker) % workers, (self.start + worker) // workers
        prior = load_prior(self.prior, "cpu")
        first = number // self.crops
        # Songs of this lane, from `first` on.
        stems = BandDataset(
            self.split,
            self.song_seconds,
            self.samplerate,
            self.seed,
            start=first * workers + lane - worker,
            song_seconds=self.song_seconds,
            crops=1,
            **self.options,
        )
        source, songs = iter(stems), {}
        while True:
            oldest = number // self.crops
            wanted = range(oldest, oldest + self.window)
            songs = {
                n: songs[n] if n in songs else self._separated(lane, n, next(source), prior)
                for n in wanted
            }
            yield self._crop(lane, number, list(songs.values()))
            number += 1

    def _separated(self, lane: int, number: int, stems: Tensor, prior) -> Tensor:
        """``[2, 4, T]``."""
        rng = np.random.default_rng([self.seed, lane, number, 5])
        speeds = ((17, 18), (18, 17)) if rng.random() < self.averaged else ((1, 1),)
        separator = Separator(
            prior,
            quality="fast",
            draws=len(speeds),
            speeds=speeds,
            templates=ROUNDS[rng.integers(len(ROUNDS))],
            correct=False,
            retune=False,
        )
        with torch.inference_mode():
            found = separator.separate_tensor(stems.sum(0), self.samplerate)
        return torch.stack([stems, torch.stack([found[name] for name in prior.sources])])

    def _crop(self, lane: int, number: int, songs: list[Tensor]) -> Tensor:
        rng = np.random.default_rng([self.seed, lane, number, 6])
        song = songs[rng.integers(len(songs))]
        first = rng.integers(song.shape[-1] - self.length + 1)
        return song[..., first : first + self.length]
