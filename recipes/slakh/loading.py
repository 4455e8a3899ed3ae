"""Stems of a track as arrays, and back to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from scipy.io import wavfile

from mgdm_audio.audio import resample

from .layout import LayoutError, Track

SAMPLERATE = 22050


def load_stems(track: Track, samplerate: int = SAMPLERATE) -> np.ndarray:
    """All stems ``[K, T]`` at `samplerate`, mono, float32, absent ones silent.

    Sources of one class are summed at their own rate; stereo files are averaged.

    Raises:
        LayoutError: a file whose audio data ends early or is damaged.
    """
    stems = np.zeros((len(track.files), track.frames), np.float32)
    for row, paths in zip(stems, track.files.values(), strict=True):
        for path in paths:
            row += read_mono(path)[: track.frames]
    return resample(stems, track.samplerate, samplerate)


def read_mono(path: Path) -> np.ndarray:
    """``[T]`` float32.

    Raises:
        LayoutError: fewer samples than the header promises, or damaged data.
    """
    try:
        with soundfile.SoundFile(path) as file:
            audio = file.read(dtype="float32", always_2d=True)
            frames = file.frames
    except soundfile.LibsndfileError as error:
        raise LayoutError(
            f"{path}: damaged audio data ({error.error_string.strip()}); fetch it again."
        ) from error
    if len(audio) < frames:
        raise LayoutError(f"{path}: ends after {len(audio)} of {frames} samples; fetch it again.")
    return audio.mean(1)


def write_float(path: Path, audio: np.ndarray, samplerate: int) -> None:
    """``[T]`` float32 as WAV, equal samples to equal bytes.

    libsndfile stamps float files with the time of day; this writer does not.
    """
    wavfile.write(path, samplerate, audio.astype(np.float32))
