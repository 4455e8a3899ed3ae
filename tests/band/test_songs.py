"""Songs by others out of stand-ins for Debian's packages."""

import hashlib
import struct

import pytest
from click.testing import CliRunner

from recipes.band import songs


def wad(lumps: dict[str, bytes]) -> bytes:
    """As id Software's format has it: header, data, and a directory of name, place and size."""
    data, directory = b"", b""
    for name, content in lumps.items():
        directory += struct.pack("<ii8s", 12 + len(data), len(content), name.encode())
        data += content
    return struct.pack("<4sii", b"IWAD", len(lumps), 12 + len(data)) + data + directory


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two packages, a file in one and a lump in the other."""
    root = tmp_path / "debian"
    music = {"a_song.mid": b"MThd one", "x.wad_D_E1.mid": b"MThd two"}
    digests = {name: hashlib.sha256(data).hexdigest()[:16] for name, data in music.items()}
    groups = (
        songs.Group("tunes", "tunes/music", {"a_song.mid": digests["a_song.mid"]}),
        songs.Group("doom", "doom", {"x.wad_D_E1.mid": digests["x.wad_D_E1.mid"]}),
    )
    monkeypatch.setattr(songs, "GROUPS", groups)
    for group in groups:
        (root / songs.GAMES / group.folder).mkdir(parents=True)
    (root / songs.GAMES / "tunes/music/a_song.mid").write_bytes(music["a_song.mid"])
    content = {"D_E10": b"another", "D_E1": music["x.wad_D_E1.mid"], "E1M1": b""}
    (root / songs.GAMES / "doom/x.wad").write_bytes(wad(content))
    return root, music


def test_songs_come_out_of_files_and_archives(packages, tmp_path):
    root, music = packages
    result = CliRunner().invoke(songs.main, [str(root), str(tmp_path / "midi")])
    assert result.exit_code == 0, result.output
    assert {p.name: p.read_bytes() for p in (tmp_path / "midi").iterdir()} == music


def test_what_is_missing_or_another_is_named(packages, tmp_path):
    root, _ = packages
    out = tmp_path / "midi"
    path = root / songs.GAMES / "tunes/music/a_song.mid"
    path.write_bytes(b"MThd of a later release")
    result = CliRunner().invoke(songs.main, [str(root), str(out)])
    assert "a_song.mid is another than the sets were made from; take tunes of" in result.output
    path.unlink()
    result = CliRunner().invoke(songs.main, [str(root), str(out)])
    assert "a_song.mid is missing: unpack Debian's tunes to" in result.output
    assert not out.exists()
    for content, message in ((b"RIFF" + bytes(40), "not a WAD"), (b"IWAD", "damaged")):
        (tmp_path / "bad.wad").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            songs.read_lump(tmp_path / "bad.wad", "D_E1")
    (tmp_path / "good.wad").write_bytes(wad({"E1M1": b""}))
    with pytest.raises(ValueError, match="no lump D_E1"):
        songs.read_lump(tmp_path / "good.wad", "D_E1")
