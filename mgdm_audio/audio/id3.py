"""ID3v2 tags, which may stand before anything."""

from __future__ import annotations

import mmap


def after_id3(data: mmap.mmap) -> int:
    """Where the tags at the start end, in bytes (ID3v2.4, 3.1: sizes have seven bits a byte)."""
    at = 0
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        footer = 10 * (data[at + 5] >> 4 & 1)
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 127
        at += 10 + size + footer
    return at
