"""The MIDI files of the sets by others, out of Debian's packages: ``python -m recipes.band.songs``.

They are for validation and test only: training never sees them.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import NamedTuple

import click

#: Where the packages have them, below the folder that they are unpacked to.
GAMES = Path("usr/share/games")


class Group(NamedTuple):
    """Songs of one package: its folder below `GAMES`, and the SHA-256 of each file, shortened.

    A name ``W.wad_L.mid`` is lump ``L`` of the archive ``W.wad``; any other is a file.
    """

    package: str
    folder: str
    songs: dict[str, str]


GROUPS = (
    Group(
        "simutrans-data",
        "simutrans/music",
        {
            "06-A-busy-day-at-the-depot.mid": "4a0429a276537a8b",
            "21-Dusty-Eyes.mid": "c901cb125f23cb07",
            "22-Variable-Journeys.mid": "14640ab06c18d480",
            "24-needlessly-striking.mid": "b397b2a5c41090cb",
            "27-March-Winds.mid": "6007b981e40dfd85",
            "37-inevitably-engrossed.mid": "cecd9ac0b8647b4c",
            "49-Last-Sunday.mid": "e50aeb5c20f62860",
        },
    ),
    Group(
        "freedoom",
        "doom",
        {
            "freedoom1.wad_D_E1M1.mid": "7c3f0d5036b848e7",
            "freedoom1.wad_D_E2M3.mid": "5b431b1046603e81",
            "freedoom1.wad_D_E2M7.mid": "61767ecd51b850ef",
            "freedoom1.wad_D_E3M7.mid": "a2a916d65badfb30",
            "freedoom2.wad_D_MESSG2.mid": "d39e02dfd85ab886",
        },
    ),
    Group(
        "openttd-openmsx",
        "openttd/baseset/openmsx",
        {
            "be_sharp_bw_redfarn.mid": "cc6b04dcac510645",
            "modern_motion.mid": "3e71692481f90cdb",
            "no_work_song_redfarn.mid": "b10c6205e3d47c45",
            "the_hobo_redfarn.mid": "dac97430710472bb",
            "tttheme2.mid": "0641a227115d374c",
        },
    ),
)


def read_lump(path: Path, name: str) -> bytes:
    """The lump called `name` of a WAD archive, as Doom and its like keep their data.

    Raises:
        ValueError: the file is no such archive, or has no such lump.
    """
    data = path.read_bytes()
    try:
        kind, count, directory = struct.unpack_from("<4sii", data)
        entries = [struct.unpack_from("<ii8s", data, directory + 16 * i) for i in range(count)]
    except struct.error as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if kind not in (b"IWAD", b"PWAD"):
        raise ValueError(f"{path} is not a WAD archive")
    for start, size, label in entries:
        if label.rstrip(b"\0") == name.encode():
            return data[start : start + size]
    raise ValueError(f"{path} has no lump {name}")


def read_song(group: Group, name: str, root: Path) -> bytes:
    """One song from packages unpacked to `root`.

    Raises:
        FileNotFoundError: its file is missing; the message names the package.
        ValueError: it is not the song that the sets were made from.
    """
    archive, _, lump = name.partition("_") if ".wad_" in name else (name, "", "")
    path = root / GAMES / group.folder / archive
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: unpack Debian's {group.package} to {root}")
    data = read_lump(path, lump.removesuffix(".mid")) if lump else path.read_bytes()
    if not hashlib.sha256(data).hexdigest().startswith(group.songs[name]):
        raise ValueError(
            f"{path}: {name} is another than the sets were made from; take {group.package} of "
            "Debian 12 (bookworm)"
        )
    return data


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
def main(root: Path, out: Path) -> None:
    """Copy the songs by others from Debian's packages, unpacked to ROOT, into the folder OUT.

    ROOT is / where the packages are installed.
    """
    try:
        songs = {n: read_song(group, n, root) for group in GROUPS for n in group.songs}
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    for name, data in songs.items():
        (out / name).write_bytes(data)
    click.echo(f"{len(songs)} songs in {out}")


if __name__ == "__main__":
    main()
