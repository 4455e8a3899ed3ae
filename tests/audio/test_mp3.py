"""MP3 files that do not tell their length: all of them is read, by the word of other programs."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from mgdm_audio.audio import audio_info, files, mp3, read_audio
from mgdm_audio.errors import AudioFileError

FFMPEG = shutil.which("ffmpeg")
with_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg")


def encoded(path, mode="VARIABLE", rate=44100, channels=2):
    """A file by LAME: its tag's frame, the music, and the number of frames that the tag tells.

    Two seconds of a tone, then noise, so that the first frame says little of the mean bitrate.
    """
    sound = 0.1 * np.random.default_rng(3).standard_normal((5 * rate, channels))
    sound[: 2 * rate] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)[:, None]
    soundfile.write(path, sound, rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    content = path.read_bytes()
    at = max(content.find(b"Xing"), content.find(b"Info"))
    frames = int.from_bytes(content[at + 8 : at + 12], "big")
    size = mp3.parse(int.from_bytes(content[:4], "big")).size
    return content[:size], content[size:], frames


def decoded(path, channels):
    """``[channels, frames]`` by ffmpeg."""
    command = [FFMPEG, "-v", "error", "-i", path, "-f", "f32le", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.float32).reshape(-1, channels).T


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT", "AVERAGE"])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2), (8000, 1)])
def test_the_tag_is_not_missed(tmp_path, mode, rate, channels):
    path = tmp_path / "a.mp3"
    _, music, frames = encoded(path, mode, rate, channels)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    path.write_bytes(music)
    read, _ = read_audio(path)
    assert read.shape == (channels, frames * (1152 if rate > 24000 else 576))
    assert audio_info(path).frames == read.shape[1]
    # With its tag LAME's encoder's delay of 576 samples and the decoder's of 529 are left out.
    np.testing.assert_allclose(read[:, 576 + 529 :][:, : len(expected)], expected.T, atol=1e-6)


@with_ffmpeg
@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_the_samples_are_ffmpeg_s(tmp_path, mode):
    path = tmp_path / "a.mp3"
    path.write_bytes(encoded(path, mode)[1])
    np.testing.assert_allclose(read_audio(path)[0], decoded(path, 2), atol=1e-4)


@with_ffmpeg
def test_layer_two(tmp_path):
    """Constant bitrate is read whole; of variable bitrate libsndfile would read a part only."""
    path, tone = tmp_path / "a.mp2", "sine=440:sample_rate=44100:duration=3"
    parts = {}
    for bitrate in ("64k", "384k"):
        command = [FFMPEG, "-v", "error", "-f", "lavfi", "-i", tone, "-b:a", bitrate, "-y", path]
        subprocess.run(command, check=True)
        parts[bitrate] = path.read_bytes()
        np.testing.assert_allclose(read_audio(path)[0], decoded(path, 1), atol=1e-4)
    path.write_bytes(parts["64k"] + parts["384k"])
    np.testing.assert_allclose(read_audio(path)[0], decoded(path, 1), atol=1e-4)
    path.write_bytes(parts["384k"] + parts["64k"])
    with pytest.raises(AudioFileError, match=r"a\.mp2: MPEG audio of variable.*ffmpeg -i"):
        read_audio(path)


@with_ffmpeg
@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_files_that_were_joined_are_read_whole(tmp_path, mode):
    path = tmp_path / "a.mp3"
    tag, music, _ = encoded(path, mode)
    one = read_audio(path)[0].shape[1]
    path.write_bytes(tag + music + tag + music)
    read, expected = read_audio(path)[0], decoded(path, 2)
    assert audio_info(path).frames == read.shape[1] > 2 * one
    assert abs(read.shape[1] - expected.shape[1]) < 2 * 1152  # the last one's silence at its end
    length = min(read.shape[1], expected.shape[1])
    np.testing.assert_allclose(read[:, :length], expected[:, :length], atol=1e-4)
    path.write_bytes(ID3V2 + tag + music + ID3V1 + ID3V2 + tag + music + ID3V1)
    np.testing.assert_array_equal(read_audio(path)[0], read)


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1)])
@pytest.mark.parametrize("tagged", [True, False])
def test_joined_files_that_differ_are_refused(tmp_path, rate, channels, tagged):
    path = tmp_path / "a.mp3"
    tag, music, _ = encoded(path)
    other = b"".join(encoded(path, rate=rate, channels=channels)[:2])
    path.write_bytes((tag if tagged else b"") + music + other + tag + music)
    with pytest.raises(AudioFileError, match=r"a\.mp3: MP3 files of different.*ffmpeg -i"):
        read_audio(path)


def test_short_files_that_were_joined(tmp_path):
    """A second one of less than a second is known by its tag."""
    path = tmp_path / "a.mp3"
    tag, music, _ = encoded(path)
    one = read_audio(path)[0].shape[1]
    soundfile.write(path, np.zeros((20000, 2)), 44100, format="MP3")
    path.write_bytes(tag + music + path.read_bytes())
    assert read_audio(path)[0].shape[1] > one + 20000


def test_a_part_of_it(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(encoded(path)[1])
    whole, _ = read_audio(path)
    np.testing.assert_allclose(read_audio(path, 4.0, 0.5)[0], whole[:, 176400:198450], atol=1e-6)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2)])
def test_blocks_join(tmp_path, monkeypatch, rate, channels):
    """The decoder lacks bits after a seek, and soundfile seeks after every block."""
    path = tmp_path / "a.mp3"
    encoded(path, rate=rate, channels=channels)
    monkeypatch.setattr(files, "BLOCK", 40000)
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_allclose(read_audio(path)[0], whole.T, atol=1e-6)
    start = round(1.3 * rate)
    np.testing.assert_allclose(read_audio(path, 1.3)[0], whole.T[:, start:], atol=1e-6)


ID3V2 = b"ID3\x04\x00\x00\x00\x00\x01\x01" + bytes(129)
ID3V1 = b"TAG" + bytes(125)
JUNK = np.random.default_rng(5).bytes(3000)


@pytest.mark.parametrize(
    ("before", "after"),
    [(ID3V2, ID3V1), (ID3V2 + ID3V2, b""), (b"", b"APETAGEX" + JUNK + ID3V1), (b"", JUNK[:40])],
)
def test_tags_are_no_music(tmp_path, before, after):
    path = tmp_path / "a.mp3"
    _, music, _ = encoded(path)
    path.write_bytes(music)
    expected, _ = read_audio(path)
    path.write_bytes(before + music + after)
    np.testing.assert_array_equal(read_audio(path)[0], expected)


def test_what_lies_between_frames_is_left_out(tmp_path):
    path = tmp_path / "a.mp3"
    tag, music, _ = encoded(path, "CONSTANT")
    path.write_bytes(music)
    expected, _ = read_audio(path)
    # 128 kbit/s and more: frames of a few hundred bytes, of which the tag's is one.
    at = music.index(tag[:2], len(music) // 2)
    while mp3.parse(int.from_bytes(music[at : at + 4], "big")) is None:
        at = music.index(tag[:2], at + 1)
    path.write_bytes(music[:at] + JUNK + music[at:])
    assert read_audio(path)[0].shape == expected.shape


def test_a_last_frame_that_is_cut_is_no_fault(tmp_path):
    """Without a length nothing was promised: a stream was recorded until somebody stopped."""
    path = tmp_path / "a.mp3"
    _, music, frames = encoded(path)
    path.write_bytes(music[:-1])
    assert read_audio(path)[0].shape == (2, (frames - 1) * 1152)


def test_a_tag_is_a_promise(tmp_path):
    path = tmp_path / "a.mp3"
    tag, music, _ = encoded(path)
    path.write_bytes(tag + music[: len(music) // 2])
    with pytest.raises(AudioFileError, match="cut short"):
        read_audio(path)


def test_fraunhofer_s_tag(tmp_path):
    path = tmp_path / "a.mp3"
    tag, music, frames = encoded(path)
    fields = b"VBRI" + bytes(10) + frames.to_bytes(4, "big")
    tag = (tag[:4] + bytes(32) + fields).ljust(len(tag), b"\0")
    path.write_bytes(tag + music)
    assert read_audio(path)[0].shape == (2, frames * 1152)
    path.write_bytes(tag + music[: len(music) // 2])
    with pytest.raises(AudioFileError, match="cut short"):
        read_audio(path)


def test_a_tag_without_a_count(tmp_path):
    path = tmp_path / "a.mp3"
    tag, music, frames = encoded(path)
    at = tag.index(b"Xing") + 4
    path.write_bytes(tag[:at] + bytes(8) + tag[at + 8 :] + music)
    assert read_audio(path)[0].shape == (2, frames * 1152)


def test_free_format_is_refused(tmp_path):
    path = tmp_path / "a.mp3"
    _, music, _ = encoded(path, "CONSTANT", 48000)
    size = mp3.parse(int.from_bytes(music[:4], "big")).size
    content = bytearray(music)
    content[2::size] = bytes(byte & 0x0F for byte in content[2::size])
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"a\.mp3: a free-format MP3.*ffmpeg -i"):
        read_audio(path)


@pytest.mark.parametrize(
    ("word", "size", "samples"),
    [
        (0xFFFB9000, 417, 1152),  # layer III, 128 kbit/s, 44.1 kHz
        (0xFFFB9200, 418, 1152),  # padded
        (0xFFFDA400, 576, 1152),  # layer II, 192 kbit/s, 48 kHz
        (0xFFFFC000, 416, 384),  # layer I, 384 kbit/s, 44.1 kHz
        (0xFFF38000, 208, 576),  # MPEG-2, layer III, 64 kbit/s, 22.05 kHz
        (0xFFE38800, 576, 576),  # MPEG-2.5, the same at 8 kHz
    ],
)
def test_sizes_of_frames(word, size, samples):
    header = mp3.parse(word)
    assert (header.size, header.samples) == (size, samples)


@pytest.mark.parametrize("word", [0x7FFB9000, 0xFFEB9000, 0xFFF99000, 0xFFFBF000, 0xFFFB9C00])
def test_what_is_no_header(word):
    """No sync; reserved version and layer; forbidden bitrate; reserved sample rate."""
    assert mp3.parse(word) is None


def test_a_file_that_was_read_right_without_its_length_is_read_the_same(tmp_path):
    """Constant bitrate, no tags: libsndfile's own guess is right, and it leaves nothing out."""
    path = tmp_path / "a.mp3"
    path.write_bytes(encoded(path, "CONSTANT", 48000, 1)[1])
    plain, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_allclose(read_audio(path)[0][:, : len(plain)], plain.T, atol=1e-6)


def test_padding_of_ones_is_passed_over(tmp_path):
    path = tmp_path / "a.mp3"
    _, music, frames = encoded(path)
    path.write_bytes(music + b"\xff" * 30_000 + music)
    assert read_audio(path)[0].shape == (2, 2 * frames * 1152)
