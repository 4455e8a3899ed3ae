"""Audio files and arrays: reading, writing, resampling, windows, the band above the prior's."""

from __future__ import annotations

from .bands import share_out
from .files import AudioInfo, audio_info, check_part, find_tracks, part_frames, read_audio
from .formats import CLIP_MODES, FORMATS, Fit, fit_range
from .resample import resample, resampled_length
from .spectra import log_spectrogram
from .windows import Grid, overlap_add
from .writing import check_format, write_files

__all__ = [
    "CLIP_MODES",
    "FORMATS",
    "AudioInfo",
    "Fit",
    "Grid",
    "audio_info",
    "check_format",
    "check_part",
    "find_tracks",
    "fit_range",
    "log_spectrogram",
    "overlap_add",
    "part_frames",
    "read_audio",
    "resample",
    "resampled_length",
    "share_out",
    "write_files",
]
