"""FLAC that does not tell its length: all of it is read."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from mgdm_audio.audio import audio_info, files, flac, read_audio
from mgdm_audio.errors import AudioFileError

FFMPEG = shutil.which("ffmpeg")


def streamed(path, samples, channels=2, rate=44100, subtype="PCM_16"):
    """What was written, and the file's content with a length of 0, as of a stream."""
    audio = 0.1 * np.random.default_rng(samples).standard_normal((samples, channels))
    soundfile.write(path, audio, rate, subtype=subtype, format="FLAC")
    whole = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # RFC 9639, 8.2: the low 36 bits of these are the length
    content[22:26] = bytes(4)
    return whole, bytes(content)


@pytest.mark.parametrize(
    ("samples", "channels", "rate", "subtype"),
    [
        (20_000, 2, 44100, "PCM_16"),
        (20_480, 1, 48000, "PCM_24"),
        (100, 1, 8000, "PCM_16"),
        (4097, 8, 96000, "PCM_24"),
        (9000, 1, 12_345, "PCM_16"),
        (9000, 1, 352_800, "PCM_S8"),
        (700_000, 1, 8000, "PCM_16"),  # numbers of frames that take two bytes
    ],
)
def test_the_length_is_found(tmp_path, samples, channels, rate, subtype):
    path = tmp_path / "a.flac"
    whole, content = streamed(path, samples, channels, rate, subtype)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path)[0], whole)
    assert audio_info(path) == (channels, samples, rate)
    part = read_audio(path, samples / rate / 2, 50 / rate)[0]
    np.testing.assert_array_equal(part, whole[:, samples // 2 :][:, :50])
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"ID3\x04\x00\x00\x00\x00\x01\x01" + bytes(129), b""), (b"", b"TAG" + bytes(125))],
)
def test_tags_are_no_music(tmp_path, before, after):
    path = tmp_path / "a.flac"
    whole, content = streamed(path, 20_000)
    path.write_bytes(before + content + after)
    np.testing.assert_array_equal(read_audio(path)[0], whole)


def test_a_stream_that_is_cut_is_told(tmp_path):
    path = tmp_path / "a.flac"
    _, content = streamed(path, 200_000)
    path.write_bytes(content[:-1000])
    with pytest.raises(AudioFileError, match=r"a\.flac: (broken|the file is cut)"):
        read_audio(path)
    assert read_audio(path, duration=4.0)[0].shape == (2, 176_400)


@pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg")
def test_what_ffmpeg_streams(tmp_path):
    source, path = tmp_path / "a.wav", tmp_path / "a.flac"
    audio = 0.1 * np.random.default_rng(1).standard_normal((30_000, 2))
    soundfile.write(source, audio, 44100, subtype="PCM_16")
    command = [FFMPEG, "-v", "error", "-i", source, "-f", "flac", "-"]
    path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    with soundfile.SoundFile(path) as file:
        assert file.frames > files.ENDLESS
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(source)[0])


def test_what_no_length_is_found_of(tmp_path, monkeypatch):
    path = tmp_path / "a file.wav"
    soundfile.write(path, np.zeros(1000), 44100)
    monkeypatch.setattr(files, "ENDLESS", 1000)
    with pytest.raises(
        AudioFileError, match=r"does not tell its length; .*ffmpeg -i '.*a file.wav'"
    ):
        read_audio(path)


def test_headers_of_frames():
    assert flac._crc8(b"123456789") == 0xF4  # the check value of CRC-8/SMBUS
    example = bytes.fromhex("fff869180000bf0358fd0312")  # RFC 9639, D.1.3
    assert flac.frame_span(example, 4096) == (0, 1)
    assert flac.frame_span(example[:6] + b"\xbe" + example[7:], 4096) is None
    # Counted in samples: number 0x200000 takes five bytes.
    header = bytes.fromhex("fff9c918") + b"\xf8\x88\x80\x80\x80"
    header += bytes([flac._crc8(header)])
    assert flac.frame_span(header, 4096) == (0x200000, 0x200000 + 4096)
