"""Reading and writing: what comes back, and one sentence for every bad file."""

import errno
import os
import resource
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mgdm_audio.audio import (
    CLIP_MODES,
    FORMATS,
    audio_info,
    files,
    find_tracks,
    fit_range,
    read_audio,
    temporary,
    write_files,
    writing,
)
from mgdm_audio.audio.containers import is_chained
from mgdm_audio.audio.writing import CHUNK
from mgdm_audio.errors import AudioFileError

ID3V1 = b"TAG" + bytes(125)


def noise(seconds=0.5, channels=2, rate=44100):
    rng = np.random.default_rng(1)
    return (0.2 * rng.standard_normal((channels, round(seconds * rate)))).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "format", "subtype", "tolerance"),
    [
        ("a.wav", "WAV", "PCM_16", 4e-5),
        ("a.wav", "WAV", "FLOAT", 0),
        ("a.flac", "FLAC", "PCM_24", 2e-7),
        ("a.aiff", "AIFF", "PCM_24", 2e-7),
        ("a.ogg", "OGG", "VORBIS", 1.0),
        ("a.mp3", "MP3", "MPEG_LAYER_III", 1.0),
    ],
)
def test_reads_what_libsndfile_writes(tmp_path, name, format, subtype, tolerance):
    audio, path = noise(), tmp_path / name
    soundfile.write(path, audio.T, 44100, format=format, subtype=subtype)
    read, rate = read_audio(path)
    assert rate == 44100
    assert read.dtype == np.float32
    assert read.shape == audio.shape
    np.testing.assert_allclose(read, audio, atol=tolerance)
    assert audio_info(path).seconds == pytest.approx(0.5)


def test_reads_a_part(tmp_path):
    audio, path = noise(1.0), tmp_path / "a.wav"
    soundfile.write(path, audio.T, 44100, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path, 0.25, 0.5)[0], audio[:, 11025:33075])
    np.testing.assert_array_equal(read_audio(path, 0.25, 9.0)[0], audio[:, 11025:])
    with pytest.raises(AudioFileError, match="cannot start at 2 s"):
        read_audio(path, 2.0)


def wav_bytes(tmp_path, name="whole.wav", **options):
    path = tmp_path / name
    soundfile.write(path, noise(1.0).T, 44100, **options)
    return path.read_bytes()


def bad_files(tmp_path):
    """Name, content, and what the message must say."""
    whole = wav_bytes(tmp_path)
    ogg = wav_bytes(tmp_path, "whole.ogg")
    flac = wav_bytes(tmp_path, "whole.flac")
    nan = noise(0.1)
    nan[1, 2000] = np.nan
    soundfile.write(tmp_path / "n.wav", nan.T, 44100, subtype="FLOAT")
    nan[1, 2000] = 1e30
    soundfile.write(tmp_path / "h.wav", nan.T, 44100, subtype="FLOAT")
    return {
        "empty": (b"", "empty"),
        "text": (b"this is no audio\n" * 50, "damaged, no audio, or of a format this cannot read"),
        "no_samples": (whole[:40] + struct.pack("<I", 0), "no samples"),
        "cut_wav": (whole[: len(whole) // 2], "cut short"),
        "cut_ogg": (ogg[: len(ogg) * 2 // 3], "cut short"),
        "cut_flac": (flac[: len(flac) // 2], "cut short|broken"),
        "nan": ((tmp_path / "n.wav").read_bytes(), "NaN or infinite samples at 0.045 s"),
        "huge": ((tmp_path / "h.wav").read_bytes(), r"beyond 1e\+10 times full scale at 0.045 s"),
    }


@pytest.mark.parametrize(
    "case", ["empty", "text", "no_samples", "cut_wav", "cut_ogg", "cut_flac", "nan", "huge"]
)
def test_bad_files_have_one_clear_sentence(tmp_path, case):
    content, message = bad_files(tmp_path)[case]
    path = tmp_path / f"{case}.bin"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=message) as caught:
        read_audio(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_file_can_be_read_up_to_the_cut(tmp_path):
    content = wav_bytes(tmp_path)
    path = tmp_path / "cut.wav"
    path.write_bytes(content[: len(content) // 2])
    assert read_audio(path, duration=0.4)[0].shape[1] == round(0.4 * 44100)


def test_a_wav_of_unknown_length_is_not_cut(tmp_path):
    """What programs write to a pipe: sizes of all ones."""
    content = bytearray(wav_bytes(tmp_path))
    at = content.index(b"data") + 4
    content[4:8] = content[at : at + 4] = b"\xff\xff\xff\xff"
    path = tmp_path / "pipe.wav"
    path.write_bytes(content)
    assert read_audio(path)[0].shape == (2, 44100)


@pytest.mark.parametrize(("kind", "count"), [("wav", 100), ("aiff", 100), ("rf64", 0)])
def test_a_cut_file_with_long_texts_before_the_music(tmp_path, kind, count):
    """Of such a header libsndfile's log, which would tell of the cut, has no room for the end."""
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, noise(1.0).T, 44100, format=kind.upper())
    content = path.read_bytes()
    texts = b"".join(b"ANNO" + struct.pack(">I", 41) + b"x" * 42 for _ in range(count))
    if kind != "aiff":
        texts = b"".join(b"JUNK" + struct.pack("<I", 41) + b"x" * 42 for _ in range(count))
    at = content.index(b"SSND" if kind == "aiff" else b"data")
    path.write_bytes(content[:at] + texts + content[at:])
    assert read_audio(path)[0].shape == (2, 44100)
    path.write_bytes((content[:at] + texts + content[at:])[: -len(content) // 2])
    with pytest.raises(AudioFileError, match="cut short"):
        read_audio(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_streams_in_a_row_are_refused(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(1.0, rate=48000).T, 48000, subtype=subtype)
    one = path.read_bytes()
    assert read_audio(path)[0].shape[0] == 2
    for between in (b"", ID3V1, one[-300:]):
        path.write_bytes(one + between + one)
        assert is_chained(path)
    for read in (read_audio, audio_info):
        with pytest.raises(AudioFileError, match=r"a\.ogg: several Ogg streams.*ffmpeg -i"):
            read(path)


def test_streams_side_by_side_are_one_file(tmp_path):
    """Pages that begin streams come first then (a skeleton, a second language)."""
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(1.0).T, 44100)
    content = path.read_bytes()
    second = content.index(b"OggS", 4)
    path.write_bytes(content[:second] + content[:second] + content[second:] + content[second:])
    assert not is_chained(path)


@pytest.mark.parametrize("kind", ["AU", "W64"])
@pytest.mark.parametrize("order", ["BIG", "LITTLE"])
def test_other_containers_that_are_cut(tmp_path, kind, order):
    path = tmp_path / "a.bin"
    endian = order if kind == "AU" else None
    soundfile.write(path, noise(1.0).T, 44100, format=kind, subtype="PCM_16", endian=endian)
    assert read_audio(path)[0].shape == (2, 44100)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(AudioFileError, match="cut short"):
        read_audio(path)


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "GSM610"), ("AU", "G721_32")])
def test_files_without_a_way_back_are_read_forwards(tmp_path, monkeypatch, kind, subtype):
    path = tmp_path / "a.bin"
    soundfile.write(path, noise(1.0, 1, 8000).T, 8000, format=kind, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    monkeypatch.setattr(files, "BLOCK", 1000)
    np.testing.assert_array_equal(read_audio(path)[0][0], expected)
    np.testing.assert_array_equal(read_audio(path, 0.5)[0][0], expected[4000:])


def test_raw_samples_want_a_description(tmp_path):
    (tmp_path / "take.raw").write_bytes(bytes(4000))
    with pytest.raises(AudioFileError, match=r"take\.raw: raw samples.*ffmpeg -f s16le -ar 44100"):
        audio_info(tmp_path / "take.raw")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(AudioFileError, match="no such file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(AudioFileError, match="folder"):
        read_audio(tmp_path)


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioFileError, match="not a regular file"):
        read_audio(tmp_path / "pipe.wav")


def test_the_mp3_decoder_keeps_its_notes_to_itself(tmp_path, capfd, monkeypatch):
    # Threads of the test runner's, and of other tests' progress bars, have nothing to say.
    monkeypatch.setattr(files.threading, "active_count", lambda: 1)
    path = tmp_path / "text.mp3"
    path.write_text("this is no audio\n" * 50)
    with pytest.raises(AudioFileError, match="Format not recognised"):
        read_audio(path)
    content = wav_bytes(tmp_path, "whole.mp3")
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioFileError, match="cut short"):
        read_audio(path)
    print("still there", file=sys.stderr)
    assert capfd.readouterr().err == "still there\n"


def test_threads_may_go_on_talking(tmp_path, capfd):
    path, go, said = tmp_path / "a.wav", threading.Event(), threading.Event()
    soundfile.write(path, noise().T, 44100)

    def talk():
        go.wait()
        os.write(2, b"hear me")
        said.set()

    talker = threading.Thread(target=talk)
    talker.start()
    with files._without_notes():
        go.set()
        said.wait()
    talker.join()
    assert capfd.readouterr().err == "hear me"


def test_finds_tracks_in_folders_in_order(tmp_path):
    (tmp_path / "cover.wav").mkdir()
    (tmp_path / "._b.wav").touch()
    for name in ("b.wav", "a.FLAC", "notes.txt"):
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"
    assert find_tracks([tmp_path, single, tmp_path / "b.wav"]) == [
        tmp_path / "a.FLAC",
        tmp_path / "b.wav",
        single,
    ]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_writes_every_format(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22050) / 44100)
    audio, format = np.stack([tone, 0.5 * tone]).astype(np.float32), FORMATS[name]
    path = tmp_path / "new" / f"stem.{format.extension}"
    assert write_files({path: audio}, 44100, format) == [path]
    read = soundfile.read(path, always_2d=True)[0].T
    error = np.sqrt(np.mean((read - audio) ** 2)) / np.sqrt(np.mean(audio**2))
    limits = {"wav16": 1e-4, "wav24": 1e-6, "float32": 1e-9, "flac": 1e-6, "ogg": 0.05}
    assert read.shape == audio.shape
    assert error <= limits[name]
    assert soundfile.info(path).subtype == format.subtype


def test_all_files_or_none(tmp_path):
    good, bad = tmp_path / "good.flac", tmp_path / "bad.flac"
    many = np.zeros((9, 100), np.float32)  # FLAC has at most eight channels
    with pytest.raises(AudioFileError, match=r"bad\.flac.*FLAC"):
        write_files({good: noise(), bad: many}, 44100, FORMATS["flac"])
    assert list(tmp_path.iterdir()) == []


def test_never_replaces_unasked(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("mine")
    with pytest.raises(AudioFileError, match="--overwrite"):
        write_files({path: noise()}, 44100, FORMATS["wav16"])
    assert path.read_text() == "mine"
    write_files({path: noise()}, 44100, FORMATS["wav16"], overwrite=True)
    assert soundfile.info(path).frames == 22050


def test_a_drive_that_is_not_there(tmp_path, monkeypatch):
    """On Windows the root of a path may be missing as well."""

    def missing(self, *_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such drive")

    monkeypatch.setattr(Path, "exists", lambda self: False)
    monkeypatch.setattr(Path, "mkdir", missing)
    with pytest.raises(AudioFileError, match="No such drive"):
        write_files({Path("/z/a.wav"): noise(0.1)}, 44100, FORMATS["wav24"])


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_files({tmp_path / "file" / "a.wav": noise()}, 44100, FORMATS["wav16"])


def test_clip_modes():
    stems = {"a": np.array([0.5, -2.0], np.float32), "b": np.array([0.25, 1.0], np.float32)}
    rescale = fit_range(stems.values(), "rescale")
    assert rescale.scale == pytest.approx(0.4995)
    for stem in stems.values():
        np.testing.assert_allclose(rescale(stem), 0.4995 * stem, rtol=1e-6)
    np.testing.assert_array_equal(fit_range(stems.values(), "clamp")(stems["a"]), [0.5, -1.0])
    for as_it_is in (
        fit_range(stems.values(), "none"),
        fit_range(stems.values(), "rescale", limit=False),
        fit_range([stems["b"]], "rescale"),
    ):
        assert as_it_is.scale == 1.0
        assert as_it_is(stems["a"]) is stems["a"]
    with pytest.raises(ValueError, match="louder"):
        fit_range(stems.values(), "louder")


@pytest.mark.parametrize("mode", CLIP_MODES)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_fitting_block_by_block_is_fitting_the_whole(tmp_path, name, mode):
    """Same samples as from a copy brought into full scale beforehand, over several blocks."""
    audio, format = 10 * noise(2.0), FORMATS[name]
    assert audio.shape[-1] > CHUNK
    whole, blocks = (tmp_path / f"{kind}.{format.extension}" for kind in ("whole", "blocks"))
    fitted = audio
    if format.limit and mode == "rescale":
        fitted = audio * np.float32(0.999 / np.abs(audio).max())
    if format.limit and mode == "clamp":
        fitted = audio.clip(-1, 1)
    fit = fit_range([audio], mode, format.limit)
    write_files({whole: fitted}, 44100, format)
    write_files({blocks: audio}, 44100, format, fit=fit)
    # Samples, not bytes: float WAV holds the time of day, Ogg a random serial number.
    np.testing.assert_array_equal(soundfile.read(whole)[0], soundfile.read(blocks)[0])


def test_writing_copies_no_whole_track(tmp_path):
    """NumPy tells its allocations to tracemalloc."""
    audio = np.full((2, 20 * CHUNK), 2.0, np.float32)
    tracemalloc.start()
    try:
        fit = fit_range([audio], "rescale")
        write_files({tmp_path / "a.wav": audio}, 44100, FORMATS["wav16"], fit=fit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < audio.nbytes / 2


@pytest.mark.parametrize("name", ["wav24", "flac", "ogg"])
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, name):
    """libsndfile swallows the system's error, or dies by an assertion."""
    path = tmp_path / "new" / "deep" / "a.x"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(AudioFileError, match=r"a\.x: cannot be written \(File too large"):
            write_files({tmp_path / "b.x": noise(0.01), path: noise(20)}, 44100, FORMATS[name])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_another_process_is_not_overwritten(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"

    def race():
        with writing.new_files([one, two], overwrite=False) as parts:
            for part in parts:
                part.write_text("mine")
            two.write_text("theirs")

    with pytest.raises(AudioFileError, match="two: exists already"):
        race()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("two", "theirs")]


KILLED = """
import os, pathlib, signal, sys
from mgdm_audio.audio.writing import new_files
with new_files([pathlib.Path(sys.argv[1])], overwrite=True) as (part,):
    part.write_text("half")
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print(part, flush=True)
    input()
"""


def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path):
    path = tmp_path / "bass.wav"
    subprocess.run([sys.executable, "-c", KILLED, path, "killed"], check=False)
    assert len(list(tmp_path.glob(".*.part"))) == 1
    write_files({path: noise()}, 44100, FORMATS["wav16"])
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_living_process_writes_stays_however_old(tmp_path):
    path, other = tmp_path / "bass.wav", tmp_path / "drums.wav"
    command = [sys.executable, "-c", KILLED, other, "alive"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        part = process.stdout.readline().strip()
        os.utime(part, (0, 0))
        write_files({path: noise()}, 44100, FORMATS["wav16"])
        process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    assert other.read_text() == "half"


def test_files_of_the_same_process_in_the_same_folder(tmp_path):
    """Two threads may write at once; a process before this one may have had its number."""
    earlier = tmp_path / f".mgdm-{temporary._here()}-{os.getpid()}-987654.part"
    earlier.touch()
    with writing.new_files([tmp_path / "one"], overwrite=False) as (one,):
        one.write_text("1")
        with writing.new_files([tmp_path / "two"], overwrite=False) as (two,):
            two.write_text("2")
    assert sorted((p.name, p.read_text()) for p in tmp_path.iterdir()) == [
        ("one", "1"),
        ("two", "2"),
    ]


def test_strangers_files_stay_until_they_are_old(tmp_path, monkeypatch):
    now = time.time()
    elsewhere = "0" * 8 if temporary._here() != "0" * 8 else "1" * 8
    old, new = (tmp_path / f".mgdm-{elsewhere}-{2**22 + i}-0.part" for i in range(2))
    others = [tmp_path / name for name in (".12-0.part", ".mgdm-x.part", "mgdm.part", ".song.part")]
    link = tmp_path / f".mgdm-{elsewhere}-1-0.part"
    link.symlink_to(others[0])
    for path in (old, new, *others):
        path.touch()
        os.utime(path, (0, 0))
    os.utime(new, (now - 3600, now - 3600))
    os.utime(link, (0, 0), follow_symlinks=False)
    temporary.remove_abandoned(tmp_path)
    assert set(tmp_path.iterdir()) == {new, link, *others}
    # Where processes cannot be asked for, age alone decides.
    here = tmp_path / f".mgdm-{temporary._here()}-{2**22 + 5}-0.part"
    here.touch()
    monkeypatch.setattr(temporary, "CAN_ASK", False)
    temporary.remove_abandoned(tmp_path)
    assert here.exists()


def test_formats_that_cannot_hold_so_many_channels(tmp_path):
    writing.check_format(tmp_path, 192000, 8, FORMATS["flac"])
    writing.check_format(tmp_path, 8000, 9, FORMATS["wav24"])
    with pytest.raises(AudioFileError, match="FLAC"):
        writing.check_format(tmp_path, 44100, 9, FORMATS["flac"])


@pytest.mark.parametrize("rate", [200_001, 352_800, 768_000])
def test_rates_that_vorbis_cannot_take(tmp_path, rate):
    """libsndfile would end the process by a segmentation fault."""
    path = tmp_path / "a.ogg"
    for write in (
        lambda: writing.check_format(path, rate, 2, FORMATS["ogg"]),
        lambda: write_files({path: noise(rate=rate)}, rate, FORMATS["ogg"]),
    ):
        with pytest.raises(AudioFileError, match=rf"a\.ogg: .* OGG \(.*{rate}\); .*--float32"):
            write()
    writing.check_format(path, 200_000, 2, FORMATS["ogg"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(100), 8000)

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # the tests may run as one who may read all
    with pytest.raises(AudioFileError, match=r"a.wav: cannot be read \(Permission denied\)"):
        audio_info(path)


def test_a_recording_that_was_cut_off_is_not_called_empty(tmp_path):
    """Its header was to be completed at the end."""
    path = tmp_path / "take.wav"
    soundfile.write(path, np.zeros(100_000), 8000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(AudioFileError, match=r"header tells of no samples.*ffmpeg"):
        audio_info(path)
