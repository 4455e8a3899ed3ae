"""Signals that come while libsndfile calls back: not lost, and they cost no samples."""

import io
import os
import signal
import threading
import types

import numpy as np
import pytest
import soundfile

from mgdm_audio.audio import FORMATS, files, mp3, read_audio, write_files, writing
from mgdm_audio.audio.postpone import postponed
from mgdm_audio.report import page

NOISE = (0.1 * np.random.default_rng(1).standard_normal((2, 200_000))).astype(np.float32)


@pytest.fixture(autouse=True)
def _ctrl_c():
    """Not ignored, as it is in background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupting(kind, method):
    """A class of files that are interrupted in the middle of a call from C."""
    usual = getattr(kind, method)

    def call(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return usual(self, *arguments)

    return type("Interrupting", (kind,), {method: call})


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_while_stems_are_written(tmp_path, monkeypatch, name):
    monkeypatch.setattr(writing, "_File", interrupting(writing._File, "write"))
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "a": NOISE}, 44100, FORMATS[name])
    assert list(tmp_path.iterdir()) == []


def test_while_a_file_in_memory_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.mp3"
    soundfile.write(path, NOISE.T, 44100, format="MP3")
    content = interrupting(io.BytesIO, "readinto")(path.read_bytes())
    monkeypatch.setattr(mp3, "with_length", lambda _: (content, 200_000))
    with pytest.raises(KeyboardInterrupt):
        read_audio(path)


def test_while_a_report_is_made(monkeypatch):
    fake = types.SimpleNamespace(BytesIO=interrupting(io.BytesIO, "write"))
    monkeypatch.setattr(page, "io", fake)
    with pytest.raises(KeyboardInterrupt):
        page._compressed(NOISE, 44100)


def test_they_come_between_blocks(tmp_path, monkeypatch):
    """One does not wait for the end of a long file."""
    path, blocks = tmp_path / "a.wav", []
    soundfile.write(path, NOISE.T, 44100)
    monkeypatch.setattr(files, "BLOCK", 1000)
    usual = soundfile.SoundFile.read

    def read(*arguments, **options):
        blocks.append(os.kill(os.getpid(), signal.SIGINT))
        return usual(*arguments, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    with pytest.raises(KeyboardInterrupt):
        read_audio(path)
    assert len(blocks) == 1


def test_handlers_are_as_before():
    came, usual = [], signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: came.append("handled"))
    try:
        with postponed() as deliver:
            os.kill(os.getpid(), signal.SIGTERM)
            came.append("before")
            deliver()
            os.kill(os.getpid(), signal.SIGTERM)
            came.append("after")
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert came == ["before", "handled", "after", "handled", "handled"]


def test_other_threads_have_no_handlers():
    found = []

    def work():
        with postponed() as deliver:
            deliver()
            found.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["done"]
