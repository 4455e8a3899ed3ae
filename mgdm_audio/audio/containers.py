"""What a file's container promises, beside what libsndfile makes of it without a word."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import soundfile

#: Where a size is not known (a WAV written to a pipe), it is the largest number or nearly so.
UNKNOWN = 2**31 - 4096

#: Bytes of an Ogg page before its lacing values.
PAGE = 27


def is_cut(path: Path, file: soundfile.SoundFile) -> bool:
    """Whether the container promises more data than the file has, and libsndfile reads the rest."""
    if file.format == "OGG":
        return _ogg_is_cut(path)
    with open(path, "rb") as content:
        kind = content.read(4)
        if kind in (b"RIFF", b"RF64", b"RIFX", b"FORM"):
            return _chunk_is_cut(content, ">" if kind in (b"RIFX", b"FORM") else "<")
    # Of other containers libsndfile's log says so, which is short: it forgets in long headers.
    promises = re.findall(r"data\s*: (\d+) \(should be (\d+)\)", file.extra_info)
    return any(int(present) < int(promised) < UNKNOWN for promised, present in promises)


def is_chained(path: Path) -> bool:
    """Whether an Ogg file is several ones in a row (RFC 3533, section 4), as radio streams are.

    libsndfile reads the first one alone.
    """
    music = False
    for flags in _pages(path):
        begins = bool(flags & 2)
        if begins and music:
            return True
        music = music or not begins
    return False


def _chunk_is_cut(content: BinaryIO, order: str) -> bool:
    """Whether the samples' chunk of a WAV or AIFF file, after its first four bytes, is too long."""
    size = content.seek(0, os.SEEK_END)
    at, long = 12, None
    while at + 8 <= size:
        content.seek(at)
        name, length = struct.unpack(f"{order}4sI", content.read(8))
        if name == b"ds64" and at + 24 <= size:  # RF64's sizes of 64 bits: the file's, the data's
            long = struct.unpack("<QQ", content.read(16))[1]
        if name in (b"data", b"SSND"):
            if length == 2**32 - 1 and long is not None:
                return at + 8 + long > size
            return size < at + 8 + length and length < UNKNOWN
        at += 8 + length + length % 2
    return False


def _ogg_is_cut(path: Path) -> bool:
    """Whether the last Ogg page (RFC 3533, section 6) extends beyond the end of the file."""
    tail = 2**17  # a page has at most 65,307 bytes
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - tail, 0))
        data = file.read()
    page = data.rfind(b"OggS")
    if page < 0 or page + PAGE > len(data):
        return True
    segments = data[page + 26]
    lacing = data[page + PAGE : page + PAGE + segments]
    return len(lacing) < segments or page + PAGE + segments + sum(lacing) > len(data)


def _pages(path: Path) -> Iterator[int]:
    """Flags of an Ogg file's pages, as far as one follows the other."""
    with open(path, "rb") as file:
        while (head := file.read(PAGE)).startswith(b"OggS") and len(head) == PAGE:
            yield head[5]
            file.seek(sum(file.read(head[26])), os.SEEK_CUR)
