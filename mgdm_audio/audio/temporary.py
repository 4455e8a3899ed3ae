"""Names of temporary files that tell whose they are, so that abandoned ones can be known.

A process that is killed outright (SIGKILL, out of memory, power) cannot remove what it was writing.
The next one that writes into the same folder does.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

#: Seconds after which a file counts as abandoned if nobody here can know whether its writer lives:
#: one on another machine that shares the disk, or in another container.
ABANDONED_AFTER = 24 * 3600.0

#: Whether one can ask for a process; on Windows the same call ends it.
CAN_ASK = os.name == "posix"

_NAME = re.compile(r"\.mgdm-([0-9a-f]{8})-(\d{1,10})-\d+\.part")
_numbers = itertools.count()
_mine: set[str] = set()


def part_for(path: Path) -> Path:
    """A temporary path beside `path`, used by nobody else until `release`.

    Its name is short and its own: a track's name may be as long as the file system allows.
    """
    part = path.with_name(f".mgdm-{_here()}-{os.getpid()}-{next(_numbers)}.part")
    _mine.add(part.name)
    return part


def release(parts: Iterable[Path]) -> None:
    """Say that these temporary paths are done with."""
    _mine.difference_update(part.name for part in parts)


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files in a folder whose writers are gone; leave all others alone."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # somebody else was faster, or may and we may not
                if entry.is_file(follow_symlinks=False) and _abandoned(entry):
                    os.unlink(entry.path)


def _abandoned(entry: os.DirEntry) -> bool:
    match = _NAME.fullmatch(entry.name)
    if not match:
        return False
    if match[1] != _here() or not CAN_ASK:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_AFTER
    writer = int(match[2])
    if writer == os.getpid():  # numbers come again, in a container nearly always
        return entry.name not in _mine
    return not _alive(writer)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it exists, and is somebody else's
        return True
    return True


@cache
def _here() -> str:
    """Where process numbers mean the same as here: this machine, and this container on it."""
    words = [platform.node()]
    with suppress(OSError):
        words.append(Path("/etc/machine-id").read_text(encoding="utf-8", errors="replace"))
    with suppress(OSError):
        words.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
