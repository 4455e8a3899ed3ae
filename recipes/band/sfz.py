"""Read the regions of an SFZ instrument (a text file that maps samples to keys and velocities)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: From the outermost level in: an opcode holds for all regions below it.
LEVELS = ("control", "global", "master", "group", "region")
NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
#: A header, or an opcode with its value, which may hold blanks.
TOKEN = re.compile(r"<(\w+)>|(\w+)=(.*?)(?=\s+\w+=|\s*<\w+>|\s*$)")


class Region(NamedTuple):
    """A sample, the keys and velocities it answers, and the `cents` and `gain` (dB) to apply."""

    sample: Path
    root: int
    low_key: int
    high_key: int
    low_velocity: int
    high_velocity: int
    take: int  # round robin, from 1
    cents: float
    gain: float
    offset: int  # samples to skip


def read_sfz(path: Path) -> list[Region]:
    """All regions that a struck key plays.

    Left out: release samples, regions behind a keyswitch other than the default, generated waves
    (``*sine``), and notes that a controller other than the default would choose.

    Raises:
        FileNotFoundError: the file, one that it includes, or a sample is missing.
        ValueError: an opcode has a value that cannot be understood; the message names the file.
    """
    levels: dict[str, dict[str, str]] = {level: {} for level in (*LEVELS, "other")}
    regions = []
    current = "global"
    # The last one closes the file.
    for name, value in [*_tokens(path, {}, path.parent), ("<region>", "")]:
        if not name.startswith("<"):
            levels[current][name] = value
            continue
        if current == "region" and levels["region"]:
            opcodes = {k: v for level in LEVELS for k, v in levels[level].items()}
            try:
                region = _region(opcodes, path.parent)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
            if region is not None:
                regions.append(region)
        current = name[1:-1]
        if current not in levels:  # such as <curve> or <effect>
            current = "other"
        elif current != "control":  # a new group ends the regions before it, and so on
            for level in LEVELS[LEVELS.index(current) :]:
                levels[level] = {}
    return regions


def _tokens(path: Path, defines: dict[str, str], root: Path) -> Iterator[tuple[str, str]]:
    """(opcode, value) and (``<header>``, "") in the order of the file.

    What an included file includes lies below `root` as well, the folder of the main file.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for line in text.splitlines():
        line = re.sub(r"(^|\s)//.*", "", line).strip()
        if include := re.match(r'#include\s+"(.+?)"', line):
            yield from _tokens(root / include[1].replace("\\", "/"), defines, root)
            continue
        if define := re.match(r"#define\s+(\$\w+)\s+(\S+)", line):
            defines[define[1]] = define[2]
            continue
        for name in sorted(defines, key=len, reverse=True):
            line = line.replace(name, defines[name])
        for match in TOKEN.finditer(line):
            yield (f"<{match[1]}>", "") if match[1] else (match[2].lower(), match[3].strip())


def key_number(text: str) -> int:
    """MIDI number of ``60`` or ``c4`` (middle C), ``f#3``, ``eb2``.

    Raises:
        ValueError: it is neither.
    """
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    match = re.fullmatch(r"([a-g])([#b]?)(-?\d)", text.lower())
    if match is None:
        raise ValueError(f"{text!r} is not a key")
    return NOTES[match[1]] + {"": 0, "#": 1, "b": -1}[match[2]] + 12 * (int(match[3]) + 1)


def _region(opcodes: dict[str, str], folder: Path) -> Region | None:
    name = opcodes.get("sample", "")
    if (
        not name
        or name.startswith("*")
        or opcodes.get("trigger", "attack") not in ("attack", "first")
    ):
        return None
    switch, usual = opcodes.get("sw_last"), opcodes.get("sw_default")
    if switch and usual and key_number(switch) != key_number(usual):
        return None
    key = opcodes.get("key")
    low, high = opcodes.get("lokey", key or "0"), opcodes.get("hikey", key or "127")
    if low == "-1" or high == "-1":  # only a controller plays it
        return None
    path = folder / (opcodes.get("default_path", "") + name).replace("\\", "/")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    take = int(opcodes.get("seq_position", 1))
    if "seq_position" not in opcodes and float(opcodes.get("lorand", 0)) > 0:
        take = 1 + round(float(opcodes["lorand"]) * 100)
    shift = int(opcodes.get("transpose", 0))
    return Region(
        path,
        key_number(opcodes.get("pitch_keycenter", key or "60")) - shift,
        key_number(low),
        key_number(high),
        int(opcodes.get("lovel", 1)) or 1,
        int(opcodes.get("hivel", 127)),
        take,
        float(opcodes.get("tune", 0)),
        float(opcodes.get("volume", 0)),
        int(opcodes.get("offset", 0)),
    )
