"""MPEG audio (MP3, MP2) whose start does not tell its length, as streams and pipes leave it.

libsndfile takes the length from a Xing frame before the music. Where there is none it guesses from
the sizes of the file and of its first frame, which cuts files of variable bitrate off somewhere and
promises too much of others. Here the frames are counted, and a Xing frame is put before them.
"""

from __future__ import annotations

import io
import mmap
import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..errors import AudioFileError
from .advice import convert_first
from .id3 import after_id3

#: kbit/s by (MPEG-1, layer) and by index from 1 on; MPEG-2 and 2.5 share theirs.
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
BITRATES = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LOW,
    (False, 3): _LOW,
}
#: Hz of MPEG-1 by index; MPEG-2 (version bits 2) has half of it, MPEG-2.5 (0) a quarter.
SAMPLERATES = (44100, 48000, 32000)
PARTS = {3: 1, 2: 2, 0: 4}
#: Samples of the decoder's own delay, which libsndfile leaves out after a Xing frame, and not
#: without one. No other program does without one, so that stems would come too early.
DELAY = 529
#: What may begin a frame: eleven bits, no reserved version or layer, no forbidden bitrate.
SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x00-\xef]", re.DOTALL)

#: Frames beyond those that a tag tells, about a second, that are another file's.
JOINED = 40


class Header(NamedTuple):
    """What a frame's header says (ISO 11172-3, 2.4.2.3). `size` in bytes, 0 if free-format."""

    kind: tuple[int, bool]  # what all frames have in common: version, layer, rate; whether mono
    mpeg1: bool
    layer: int
    size: int

    @property
    def samples(self) -> int:
        """Samples per channel of the frame."""
        if self.layer == 1:
            return 384
        return 1152 if self.mpeg1 or self.layer == 2 else 576

    @property
    def side(self) -> int:
        """Bytes of a layer III frame before its music, or before a Xing tag in its place."""
        mono = self.kind[1]
        return 4 + ((17 if mono else 32) if self.mpeg1 else (9 if mono else 17))


def with_length(path: Path) -> tuple[io.BytesIO, int | None] | None:
    """A file of MPEG audio as one whose start tells its length; None if it does already.

    A start that tells much less than there is was the first of several files that were joined.

    What is no frame like the first one (tags, garbage, a last frame that is cut) is left out.

    Returns:
        the file, and its samples per channel, those that other decoders give; None for those that
        libsndfile finds by the tag.

    Raises:
        AudioFileError: the file is "free-format": frames do not tell their sizes either; or files
            of different rates or channels were joined.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        begin = after_id3(data)
        start = data[begin : begin + 64]
        free = (header := _header(start)) is not None and not header.size
        others: list[int] = []
        frames = _frames(data, begin, others)
        first = start if free else next(frames, b"")
        header = _header(first)
        if header is None:  # nothing that is understood here; libsndfile may
            return None
        xing, vbri = _xing_count(first, header), _vbri_count(first, header)
        if xing:
            if free:
                return None
            there = again = 0
            for frame in frames:
                there += 1
                again += _xing_count(frame, header) is not None
            _refuse_mixed(path, others)
            if there <= xing + JOINED and not again:
                return None
            at = header.side + 8  # of the count
            told = first[:at] + there.to_bytes(4, "big") + first[at + 4 :]
            return io.BytesIO(b"".join([told, *islice(_frames(data, begin), 1, None)])), None
        if free:
            raise AudioFileError(
                f"{path}: a free-format MP3 that does not tell its length; {convert_first(path)}"
            )
        music = [*([first] if xing is vbri is None else []), *frames]
        _refuse_mixed(path, others)
    # Some count the tag's frame as well; what lacks more than that is cut.
    count = vbri if vbri and vbri > len(music) + 1 else len(music)
    told = _told(first, header, count) if header.layer == 3 else b""  # looked for nowhere else
    return io.BytesIO(b"".join([told, *music])), count * header.samples


@lru_cache(maxsize=4096)
def parse(word: int) -> Header | None:
    """A header from its 32 bits; None if they are none."""
    version, layer, mono = word >> 19 & 3, 4 - (word >> 17 & 3), word >> 6 & 3 == 3
    bitrate, rate, padding = word >> 12 & 15, word >> 10 & 3, word >> 9 & 1
    if word >> 21 != 0x7FF or version == 1 or layer == 4 or bitrate == 15 or rate == 3:
        return None
    header = Header((word & 0xFFFE0C00, mono), version == 3, layer, 0)
    if bitrate == 0:
        return header
    bits = 1000 * BITRATES[header.mpeg1, layer][bitrate - 1]
    slot = 4 if layer == 1 else 1  # bytes: the unit in which sizes are whole, and of padding
    slots = header.samples // 8 // slot * bits // (SAMPLERATES[rate] // PARTS[version])
    return header._replace(size=slot * (slots + padding))


def _header(data: bytes | mmap.mmap, at: int = 0) -> Header | None:
    return parse(int.from_bytes(data[at : at + 4], "big"))


def _refuse_mixed(path: Path, others: list[int]) -> None:
    if len(others) > JOINED:
        raise AudioFileError(
            f"{path}: MP3 files of different rates or channels in a row; {convert_first(path)}"
        )


def _frames(data: mmap.mmap, at: int, others: list[int] | None = None) -> Iterator[bytes]:
    """Whole frames like the first. After anything else two in a row are asked for.

    The places of such frames that are not like the first are added to `others`.
    """
    kind, synchronous = None, False
    while at < len(data):
        header = _header(data, at)
        end = at + header.size if header is not None and header.size else len(data) + 1
        if end <= len(data):
            known = kind in (None, header.kind)
            if (known and synchronous) or _goes_on(data, end, header):
                if known:
                    yield data[at:end]
                    kind = header.kind
                elif others is not None:
                    others.append(at)
                at, synchronous = end, known
                continue
        found, synchronous = SYNC.search(data, at + 1), False
        at = len(data) if found is None else found.start()


def _goes_on(data: mmap.mmap, at: int, header: Header) -> bool:
    following = _header(data, at)
    return at == len(data) or (following is not None and following.kind == header.kind)


def _xing_count(frame: bytes, header: Header) -> int | None:
    """Frames that a Xing tag tells, 0 if it tells none; None if there is no such tag."""
    tag = frame[header.side : header.side + 12]
    if header.layer != 3 or tag[:4] not in (b"Xing", b"Info") or len(tag) < 12:
        return None
    flags, count = struct.unpack(">II", tag[4:])
    return count if flags & 1 else 0


def _vbri_count(frame: bytes, header: Header) -> int | None:
    """The same of Fraunhofer's tag, which libsndfile does not know."""
    tag = frame[36:54]
    if header.layer != 3 or tag[:4] != b"VBRI" or len(tag) < 18:
        return None
    return int.from_bytes(tag[14:18], "big")


def _told(first: bytes, header: Header, count: int) -> bytes:
    """A Xing frame that tells `count`, and a silent frame, which libsndfile leaves out for it."""
    tag = b"Xing" + struct.pack(">II", 1, count + 1)
    # LAME's part of the tag: the encoder's delay, which is left out with the decoder's.
    tag += b"LAME3.100".ljust(21, b"\0") + (header.samples - DELAY << 12).to_bytes(3, "big")
    return _silent(first, header, tag) + _silent(first, header)


def _silent(first: bytes, header: Header, tag: bytes = b"") -> bytes:
    """A frame like the first, without sound."""
    word = int.from_bytes(first[:4], "big")
    bitrate = 5 if header.mpeg1 else 8  # 64 kbit/s: room enough
    word = word & ~0xF200 | bitrate << 12 | 1 << 16  # without padding and checksum
    body = bytes(header.side - 4) + tag
    return (word.to_bytes(4, "big") + body).ljust(parse(word).size, b"\0")
