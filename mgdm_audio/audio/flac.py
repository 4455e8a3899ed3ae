"""FLAC whose start does not tell its length, as streams and pipes leave it.

libsndfile takes it for endless. Every frame tells which one it is (RFC 9639, 9.1), so the last one
tells the length, which is put where it belongs.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from .id3 import after_id3


def with_length(path: Path) -> mmap.mmap | None:
    """A FLAC file as one whose start tells its length; None if no frames are found.

    The last frame counts with what is missing of it, so that a file that is cut is known as one.
    What is changed is in memory only.
    """
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    info = after_id3(data) + 8  # behind "fLaC" and the header of this block
    samples = _samples(data, int.from_bytes(data[info : info + 2], "big"))
    if not 0 < samples < 1 << 36:
        return None
    data[info + 13] = data[info + 13] & 0xF0 | samples >> 32
    data[info + 14 : info + 18] = (samples & 0xFFFFFFFF).to_bytes(4, "big")
    return data


def _samples(data: mmap.mmap, block: int) -> int:
    """Samples per channel up to the end of the last frame, 0 if there is none.

    From the end, until a frame follows on one before it: what looks like a header may be music.
    """
    ends: dict[int, int] = {}
    at = len(data)
    while (at := data.rfind(b"\xff", 0, at)) >= 0:
        span = frame_span(data[at : at + 16], block)
        if span is None:
            continue
        start, end = span
        if end in ends:
            return ends[end]
        if start == 0:
            return end
        ends[start] = end
    return 0


def frame_span(header: bytes, block: int) -> tuple[int, int] | None:
    """First sample of a frame and the first one behind it; None if it is no frame's header.

    Args:
        header: the 16 bytes, or less at the end of a file, that it may have.
        block: samples of every frame but the last, where frames are counted.
    """
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xFE != 0xF8:
        return None
    size, rate, channels = header[2] >> 4, header[2] & 15, header[3] >> 4
    if size == 0 or rate == 15 or channels > 10 or header[3] & 1:
        return None
    ones = 8 - (header[4] ^ 0xFF).bit_length()  # the number is coded as UTF-8 codes characters
    at = 4 + max(ones, 1)
    number = header[4] & 0x7F >> ones
    for byte in header[5:at]:
        number = number << 6 | byte & 0x3F
    more = (size == 6) + 2 * (size == 7)
    told = int.from_bytes(header[at : at + more], "big") + 1
    at += more + (rate == 12) + 2 * (rate in (13, 14))
    if ones in (1, 8) or header[at : at + 1] != bytes([_crc8(header[:at])]):
        return None
    if size in (6, 7):
        samples = told
    else:
        samples = 256 << size - 8 if size > 7 else 576 << size - 2 if size > 1 else 192
    start = number if header[1] & 1 else number * block
    return start, start + samples


def _crc8(data: bytes) -> int:
    """The headers' checksum, of the polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc
