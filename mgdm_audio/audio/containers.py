"""What a file's container promises, beside what libsndfile makes of it without a word."""

from __future__ import annotations

import mmap
import os
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
        if kind in (b".snd", b"dns."):
            return _au_is_cut(content, ">" if kind == b".snd" else "<")
        if kind == b"riff":
            return _w64_is_cut(content)
    return False  # of containers that are rarer still what is there is read


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
    """Whether the chunk with the samples of a WAV or AIFF file ends beyond the file."""
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


def _au_is_cut(content: BinaryIO, order: str) -> bool:
    """The same of an AU file; `content` is at byte 4, where it says where samples begin."""
    begin, length = struct.unpack(f"{order}II", content.read(8).ljust(8, b"\0"))
    return begin + length > content.seek(0, os.SEEK_END) and length < UNKNOWN


def _w64_is_cut(content: BinaryIO) -> bool:
    """The same of a Wave64 file, whose chunks have names of 16 bytes, and sizes with their head."""
    size = content.seek(0, os.SEEK_END)
    at = 40
    while at + 24 <= size:
        content.seek(at)
        name, length = struct.unpack("<16sQ", content.read(24))
        if name[:4] == b"data":
            return size < at + length < 2**62  # more is a pipe's unknown length
        at += max(-(-length // 8) * 8, 24)
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
    """Flags of an Ogg file's pages."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"OggS")
        while 0 <= at <= len(data) - PAGE:
            yield data[at + 5]
            segments = data[at + PAGE - 1]
            at += PAGE + segments + sum(data[at + PAGE : at + PAGE + segments])
            at = data.find(b"OggS", at)  # there, unless tags or a radio's gaps lie between
