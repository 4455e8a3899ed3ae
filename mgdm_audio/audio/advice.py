"""What to do about a file that is not read as it is."""

from __future__ import annotations

import shlex
from pathlib import Path


def convert_first(path: Path, options: str = "") -> str:
    """The end of a sentence: a command that writes the file anew, beside it."""
    files = (shlex.quote(str(name)) for name in (path, path.with_suffix(".converted.wav")))
    return f"convert it first, e.g. ffmpeg {options and options + ' '}-i {' '.join(files)}"
