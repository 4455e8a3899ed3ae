"""Chord loops that songs are built on, by family. Data only."""

from __future__ import annotations

_TABLE = {
    "pop": """
        0: 7: 9:m 5: | 9:m 5: 0: 7: | 0: 9:m 5: 7: | 5: 7: 0: 9:m | 0: 5: 7: 5: | 5: 0: 7: 9:m |
        0: 4:m 5: 7: | 0: 7: 5: 5: | 5: 7: 4:m 9:m | 0: 5: | 2:m 5: 0: 7: | 0: 0:sus4 7: 7:sus4 |
        0:add9 5:maj7 9:m7 7:sus4 | 0: 7: 9:m 4:m 5: 0: 5: 7: | 0: 10: 5: 0: | 0: 2: 5: 0: |
        0: 5: 5:m 0: | 0: 4: 5: 5:m | 0: 8: 10: 0:
    """,
    "minor": """
        0:m 8: 3: 10: | 0:m 10: 8: 10: | 0:m 10: 8: 7: | 0:m 5:m 7: 0:m | 0:m 5:m 10: 3: |
        0:m 3: 10: 5:m | 8: 10: 0:m 0:m | 0:m 8: 5:m 7:7 | 0:m 7:m | 0:m 5: | 0:m 1: 0:m 10: |
        0:m 5:m 8: 7: | 0:m 2:m7b5 7:7 0:m | 0:m 3:aug 3: 0:m6 | 0:m 11:aug 10:6 9:m7b5
    """,
    "rock": """
        0:5 10:5 5:5 0:5 | 0:5 3:5 5:5 3:5 | 0:5 8:5 10:5 0:5 | 0:5 1:5 0:5 10:5 |
        0:5 5:5 10:5 3:5 | 0:5 0:5 3:5 5:5 | 0:5 6:5 5:5 3:5 | 0:5 7:5 8:5 10:5 | 0: 10: 5: 5: |
        0: 3: 5: 0: | 0:5 5:5 7:5 5:5 | 0:5
    """,
    "blues": """
        0:7 0:7 0:7 0:7 5:7 5:7 0:7 0:7 7:7 5:7 0:7 7:7 |
        0:7 5:7 0:7 0:7 5:7 5:7 0:7 9:7 2:7 7:7 0:7 7:7 |
        0:m7 0:m7 0:m7 0:m7 5:m7 5:m7 0:m7 0:m7 8:7 7:7 0:m7 7:7#9 |
        0:7 0:7 5:7 0:7 7:7 5:7 0:7 7:7 | 0:9 0:9 5:9 0:9
    """,
    "jazz": """
        2:m7 7:7 0:maj7 0:6 | 0:maj7 9:7 2:m7 7:7 | 4:m7 9:7 2:m7 7:13 | 2:m9 7:13 0:maj9 9:7b9 |
        0:maj7 5:maj7 11:m7b5 4:7b9 9:m7 2:7 2:m7 7:7 | 2:m7b5 7:7b9 0:mM7 0:m6 |
        0:6 1:dim7 2:m7 3:dim7 | 0:maj7 3:maj7 8:maj7 1:maj7 | 2:m7 1:7 0:maj7 6:m7b5 |
        0:m9 5:13 10:maj9 3:maj7#11 | 0:m7 0:m7 1:m7 1:m7 | 0:maj7 2:7 2:m7 1:maj7#11 |
        0:6 0:6 4:7 4:7 9:7 9:7 2:m7 7:7 | 5:m7 10:7 3:maj7 8:maj7 2:m7b5 7:7 0:m6 0:m6
    """,
    "funk": """
        0:9 | 0:m7 | 0:m9 5:13 | 0:7#9 | 0:m7 5:7 | 0:9 0:9 5:9 0:9 | 0:m7 3:maj7 5:7 10:7 |
        0:11 0:m7 1:9 0:m7 | 0:7 10:7 5:7 0:7#9
    """,
    "modal": """
        0:m7 | 0:sus2 | 0: 10: | 0: 2: | 0:maj7 2: | 0:m 1: | 0:m7 2:m7 | 0:11 10:11 |
        0:sus4 10:sus2 5:sus2 0:sus2 | 0:7sus4 3:7sus4 1:7sus4 0:7sus4 | 0:m 0:m 5: 5:
    """,
    "chromatic": """
        0: 11: 10: 9: | 0:m 3:m 6:m 9:m | 0: 4: 8: 0: | 0:maj7 1:maj7 0:maj7 11:maj7 |
        0:aug 1:aug 2:aug 3:aug | 0:dim7 1:dim7 2:dim7 7:7 | 0:m 6:m | 0:m 8:m | 0: 1: 0: 1: |
        0:7 11:7 10:7 9:7 8:7 7:7
    """,
}


def _parse(text: str) -> tuple[tuple[int, str], ...]:
    tokens = (token.split(":") for token in text.split())
    return tuple((int(offset), quality) for offset, quality in tokens)


#: Each loop is a tuple of (semitones above the tonic, quality as in `harmony.QUALITIES`).
LOOPS = {name: tuple(map(_parse, text.split("|"))) for name, text in _TABLE.items()}
