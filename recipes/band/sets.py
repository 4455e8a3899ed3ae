"""Validation and test sets with fixed seeds, as folders of FLAC files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from tqdm import tqdm

from .compose import compose
from .effects import random_effects
from .excerpt import cut, fullest
from .midi import read_midi
from .render import render_song
from .score import STEMS, Song
from .sounds.bank import Bank, held_out_pack, sound_bank, training_pack
from .sounds.gus import GusFamily
from .splits import TRAIN_FONTS, song_seed

SECONDS = 24.0
OWN_SONGS = 24
PREROLL = 4.0  # seconds rendered before an excerpt, so that what rings into it is heard
SAMPLERATE = 22050
SEED = 2026


class Settings(NamedTuple):
    """What a set is made from: folders of the user's."""

    sounds: Path | None = None
    songs: Path | None = None
    samplerate: int = SAMPLERATE
    seconds: float = SECONDS  # of a song


class RenderedSet(NamedTuple):
    """Which songs with which sounds; `code` keeps the seeds of the sets apart."""

    code: int
    songs: Callable[[Settings], Iterator[Song]]
    bank: Callable[[Settings], Bank]
    effects: bool = False


def own_songs(split: str) -> Callable[[Settings], Iterator[Song]]:
    """Songs of our composer that belong to `split`."""

    def songs(settings: Settings) -> Iterator[Song]:
        for number in range(OWN_SONGS):
            song = compose(song_seed(split, SEED, number), settings.seconds + PREROLL)
            yield song._replace(name=f"{split}-{number:02d}")

    return songs


def songs_by_others(settings: Settings) -> Iterator[Song]:
    """The fullest part of each MIDI file that has all four stems.

    Raises:
        FileNotFoundError: no folder was given, or it holds no MIDI files.
    """
    paths = sorted(settings.songs.glob("*.mid")) if settings.songs else []
    if not paths:
        raise FileNotFoundError(
            f"no .mid files in {settings.songs}" if settings.songs else "this set needs --songs DIR"
        )
    for path in paths:
        song = read_midi(path)
        if {part.stem for part in song.parts if part.notes} == set(STEMS):
            start = max(fullest(song, settings.seconds) - PREROLL, 0.0)
            yield cut(song, start, settings.seconds + PREROLL)._replace(name=path.stem)


def _seen(settings: Settings) -> Bank:
    pack = settings.sounds and training_pack(settings.sounds, settings.samplerate)
    return sound_bank(settings.samplerate, TRAIN_FONTS, pack)


def _seen_fonts(settings: Settings) -> Bank:
    return sound_bank(settings.samplerate, TRAIN_FONTS, synth=False)


def _freepats(settings: Settings) -> Bank:
    family = GusFamily(settings.samplerate)
    return {stem: [(family, 1.0)] for stem in STEMS}


def _recorded(settings: Settings) -> Bank:
    if settings.sounds is None:
        raise FileNotFoundError("this set needs --sounds DIR, a pack of recorded instruments")
    pack = held_out_pack(settings.sounds, settings.samplerate)
    return sound_bank(settings.samplerate, (), pack, synth=False)


SETS = {
    "validation": RenderedSet(1, own_songs("validation"), _seen, effects=True),
    "songs": RenderedSet(2, songs_by_others, _seen_fonts),
    "songs-freepats": RenderedSet(3, songs_by_others, _freepats),
    "recorded": RenderedSet(4, songs_by_others, _recorded),
    "test": RenderedSet(5, own_songs("test"), _freepats),
}


def render_set(name: str, folder: Path, settings: Settings, progress: bool = True) -> int:
    """Write ``TRACK/{bass,drums,guitar,piano,mix}.flac`` for each song of a set.

    Tracks that are there stay as they are. Returns the number of tracks in all.

    Raises:
        FileNotFoundError: a font, the pack or the songs are missing; the message says how to get
            them.
    """
    chosen = SETS[name]
    bank = chosen.bank(settings)
    songs = list(chosen.songs(settings))
    for number, song in enumerate(tqdm(songs, desc=name, unit="song", disable=not progress)):
        track = folder / song.name
        if (track / "mix.flac").exists():
            continue
        rng = np.random.default_rng([SEED, chosen.code, number])
        effects = random_effects if chosen.effects else None
        stems = render_song(song, bank, settings.samplerate, rng, effects)
        stems = stems[:, round(PREROLL * settings.samplerate) :]
        write_track(track, stems, settings.samplerate)
    return len(songs)


def write_track(track: Path, stems: np.ndarray, samplerate: int) -> None:
    """Write stems ``[4, T]`` and their sum. The mixture comes last, so that it marks completion."""
    track.mkdir(parents=True, exist_ok=True)
    for name, audio in [*zip(STEMS, stems, strict=True), ("mix", stems.sum(0))]:
        temporary = track / f".{name}.flac"
        soundfile.write(temporary, audio, samplerate, subtype="PCM_16", format="FLAC")
        os.replace(temporary, track / f"{name}.flac")
