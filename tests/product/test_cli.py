"""The command as a shell sees it: exit status, stdout, stderr, files."""

import errno
import gc
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

import mgdm_audio
from mgdm_audio import pretrained, separator
from mgdm_audio.cli import command, main, output
from mgdm_audio.cli.ends import ENDS
from mgdm_audio.engine import SAMPLERS
from mgdm_audio.hyperparameters import parse_options
from mgdm_audio.presets import QUALITIES, SAMPLER_PRESETS, preset
from mgdm_audio.separation import Separation

from .conftest import music

SOURCES = ["bass", "drums", "guitar", "piano"]

#: A device of Linux, which no installation gives to other systems.
with_full_disk = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="there is no disk that is always full"
)


@pytest.fixture
def separate(prior_folder, tmp_path, capsys):
    """Run the command with the tiny prior; gives exit status, stdout and stderr."""

    def run(*arguments, fast=True):
        base = ["--name", prior_folder, "--out", tmp_path / "out", "--device", "cpu"]
        base += ["--quality", "fast"] if fast else []
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in [*base, *arguments]])
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


def test_separates_a_file(separate, track, tmp_path):
    status, out, err = separate(track)
    expected = [tmp_path / "out" / "song" / f"{name}.wav" for name in SOURCES]
    assert status == 0
    assert out.splitlines() == [str(path) for path in expected]
    assert "1.0/1.0 s of audio" in err
    mixture = soundfile.read(track)[0]
    stems = [soundfile.read(path)[0] for path in expected]
    np.testing.assert_allclose(sum(stems), mixture, atol=1e-4)
    assert all(soundfile.info(path).subtype == "PCM_24" for path in expected)


def test_sixteen_bit_stems_sum_too(separate, track, tmp_path):
    assert separate(track, "--wav16")[0] == 0
    stems = [soundfile.read(path)[0] for path in (tmp_path / "out" / "song").iterdir()]
    np.testing.assert_allclose(sum(stems), soundfile.read(track)[0], atol=1e-4)


def test_other_tracks_are_done_when_one_fails(separate, track, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_text("no audio")
    status, out, err = separate(broken, tmp_path / "none.wav", track, "-q")
    assert status == 1
    assert len(out.splitlines()) == 4
    errors = err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("error: ") for line in errors)
    assert not (tmp_path / "out" / "broken").exists()


def test_json(separate, track, tmp_path):
    status, out, _ = separate(track, tmp_path / "none.wav", "--json", "-q", "--seed", 3)
    document = json.loads(out)
    good, bad = document["tracks"]
    assert status == 1
    assert document["failed"] == 1
    assert good["ok"]
    assert good["settings"]["seed"] == 3
    assert good["duration"] == 1.0
    assert all(os.path.exists(path) for path in good["files"])
    assert not bad["ok"]
    assert "no such file" in bad["error"]


def test_music_is_retuned_unless_told_otherwise(separate, track):
    for options, expected in (((), True), (("--no-retune",), False)):
        out = separate(track, *options, "--overwrite", "--json", "-q")[1]
        assert json.loads(out)["tracks"][0]["settings"]["retune"] is expected
    assert separate(track, "--sampler", "dps", "--retune", "--overwrite")[0] == 2


def test_rounds_of_templates(separate, track):
    for given, rounds in (("0", 0), ("2", 2)):
        options = ("--templates", given, "--overwrite", "--json", "-q")
        _, out, _ = separate(track, *options)
        assert json.loads(out)["tracks"][0]["settings"]["templates"] == rounds * [[4096]]
    assert separate(track, "--templates", "-1")[0] == 2


def test_folders_and_equal_names(separate, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "song.wav", music(0.2, 22050).T, 22050)
    assert separate(tmp_path / "one", tmp_path / "two")[0] == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["song", "song_2"]


def test_equal_names_are_told(separate, tmp_path):
    tracks = [tmp_path / name for name in ("a.aiff", "a.wav", "...wav", "b.wav")]
    for path in tracks:
        kind = "AIFF" if path.suffix == ".aiff" else "WAV"
        soundfile.write(path, music(0.2, 22050).T, 22050, format=kind)
    _, _, err = separate(*tracks, "--stems", "bass")
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert notes == [
        f"note: {tracks[1]}: its stems are called a_2, for another track has the name a.",
        f"note: {tracks[2]}: its stems are called track, for its own name is none.",
    ]
    assert "note" not in separate(*tracks, "--stems", "bass", "--overwrite", "-q")[2]


def test_parts_of_names_that_differ_are_enough(separate, tmp_path):
    for name in ("a1.wav", "b1.wav"):
        soundfile.write(tmp_path / name, music(0.2, 22050).T, 22050)
    options = ("--stems", "bass", "--filename", "{track:.1}-{stem}.{ext}", "--report", "-q")
    assert separate(tmp_path / "a1.wav", tmp_path / "b1.wav", *options)[0] == 0
    written = {"a-bass.wav", "b-bass.wav", "a-report.html", "b-report.html"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == written


def test_names_with_a_fixed_ending_and_a_number(separate, track, tmp_path):
    for template in ("{track}-{stem}.WAV", "{sample:03d} {stem}.{ext}"):
        assert separate(track, "-q", "--stems", "bass", "--filename", template)[0] == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"song-bass.WAV", "001 bass.wav"}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--stems", "drums,bass", "--flac"], ["bass.flac", "drums.flac"]),
        (["--two-stems", "drums"], ["drums.wav", "no_drums.wav"]),
        (["--residual"], ["bass.wav", "drums.wav", "guitar.wav", "piano.wav", "residual.wav"]),
        (["--ogg", "--stems", "bass"], ["bass.ogg"]),
        (["--stems", "bass", "--residual"], ["bass.wav", "residual.wav"]),
        (["--stems", " bass ,bass"], ["bass.wav"]),
        (["--two-stems", "bass", "--residual"], ["bass.wav", "no_bass.wav", "residual.wav"]),
        (["--report", "--stems", "bass"], ["bass.wav", "report.html"]),
        (["--without", "piano, guitar"], ["bass.wav", "drums.wav"]),
        (["--without", "piano", "--two-stems", "bass"], ["bass.wav", "no_bass.wav"]),
    ],
)  # fmt: skip
def test_what_is_written(separate, track, tmp_path, arguments, names):
    status, out, _ = separate(track, "-q", *arguments)
    assert status == 0
    assert sorted(p.name for p in (tmp_path / "out" / "song").iterdir()) == names
    assert sorted(os.path.basename(line) for line in out.splitlines()) == names


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["bass_1.wav", "bass_2.wav"]),
        (["--filename", "{track}/{sample}-{stem}.{ext}"], ["1-bass.wav", "2-bass.wav"]),
    ],
)
def test_sets_of_draws(separate, track, tmp_path, arguments, names):
    draws = ["--sampler", "conditional", "--samples", "2", "--stems", "bass"]
    status, out, _ = separate(track, "-q", *draws, *arguments, fast=False)
    assert status == 0
    assert [os.path.basename(line) for line in out.splitlines()] == names
    first, second = (soundfile.read(tmp_path / "out" / "song" / name)[0] for name in names)
    assert np.abs(first - second).max() > 1e-6


@pytest.mark.parametrize("more", [[], ["--residual"]])
def test_two_stems_sum_to_the_mixture(separate, track, tmp_path, more):
    separate(track, "--two-stems", "bass", "--float32", *more)
    stems = [soundfile.read(p)[0] for p in (tmp_path / "out" / "song").iterdir()]
    np.testing.assert_allclose(sum(stems), soundfile.read(track)[0], atol=1e-6)


def test_start_and_duration(separate, track, tmp_path):
    separate(track, "--start", 0.25, "--duration", 0.5, "--stems", "bass")
    assert soundfile.info(tmp_path / "out" / "song" / "bass.wav").frames == 22050


def test_overwriting_must_be_asked_for(separate, track, tmp_path):
    separate(track)
    before = (tmp_path / "out" / "song" / "bass.wav").stat().st_mtime_ns
    status, _, err = separate(track, "-q")
    assert status == 1
    assert "--overwrite" in err
    assert (tmp_path / "out" / "song" / "bass.wav").stat().st_mtime_ns == before
    assert separate(track, "--overwrite")[0] == 0


def test_stems_of_an_earlier_separation_are_told(separate, track, tmp_path):
    assert "earlier" not in separate(track)[2]
    _, out, err = separate(track, "--without", "piano", "--overwrite", "--json")
    old = tmp_path / "out" / "song" / "piano.wav"
    assert json.loads(out)["tracks"][0]["stale"] == [str(old)]
    assert f"note: {old}: is of an earlier separation" in err
    assert old.exists()
    assert "earlier" not in separate(track, "--overwrite")[2]


def test_a_report_of_an_earlier_separation_is_told(separate, track, tmp_path):
    separate(track, "--report")
    _, out, _ = separate(track, "--overwrite", "--json")
    old = tmp_path / "out" / "song" / "report.html"
    assert json.loads(out)["tracks"][0]["stale"] == [str(old)]


def test_tracks_that_are_done_are_skipped(separate, track, tmp_path):
    """Nothing of them is written again; those of which a file is missing fail as before."""
    other = tmp_path / "other.wav"
    other.write_bytes(track.read_bytes())
    separate(track)
    folder = tmp_path / "out" / "song"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    status, out, err = separate(track, other, "--skip-existing", "--json")
    done, new = json.loads(out)["tracks"]
    assert status == 0
    assert done["skipped"]
    assert done["files"] == [str(folder / f"{name}.wav") for name in SOURCES]
    assert "skipped" not in new
    assert "song.wav: is skipped" in err
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert separate(track, "--skip-existing", "-q")[1].splitlines() == done["files"]
    (folder / "bass.wav").unlink()
    assert separate(track, "--skip-existing")[0] == 1
    assert separate(track, "--skip-existing", "--overwrite")[0] == 2


@pytest.mark.parametrize("kind", ["length", "rate", "channels", "part"])
def test_stems_of_another_track_are_not_taken_for_this_one_s(separate, track, tmp_path, kind):
    """Files of two albums may have one name."""
    separate(track)
    other = tmp_path / "album" / track.name
    other.parent.mkdir()
    audio, rate = soundfile.read(track)
    changed = {"length": (audio[:-5000], rate), "rate": (audio, rate + 1)}
    changed |= {"channels": (audio[:, :1], rate), "part": (audio, rate)}
    soundfile.write(other, *changed[kind])
    part = ["--start", "0.2"] if kind == "part" else []
    status, out, _ = separate(other, *part, "--skip-existing", "--json")
    assert status == 1
    (told,) = json.loads(out)["tracks"]
    assert "bass.wav: is of another track or part" in told["error"]
    assert "files" not in told


def test_options_that_are_listed_are_those_of_the_steps(separate):
    listed = [
        separate("--steps", steps, "-O", "help=1", "x.wav", fast=False)[2] for steps in ("1", "3")
    ]
    assert ["initial=0.0" in text for text in listed] == [True, False]


def test_originals_are_not_taken_for_what_is_done(separate, track):
    """A stem that would replace its track is refused as before."""
    place = ["--out", track.parent, "--filename", "{track}.{ext}", "--stems", "drums"]
    status, _, err = separate(track, *place, "--skip-existing")
    assert status == 1
    assert "is one of the tracks" in err


def test_what_is_not_written_need_not_have_a_name_of_its_own(separate, track, tmp_path):
    """Nor is a track the stem of an earlier separation, whatever it is called."""
    own = tmp_path / "bass.wav"
    own.write_bytes(track.read_bytes())
    for more in ([], ["--overwrite"]):
        for template in ("{track}.{ext}", "{stem:.1}.{ext}", "{track}-drums.wav"):
            stem = ["--stems", "drums", "--filename", template, "--json", *more]
            status, out, _ = separate(own, *stem)
            assert status == 0
            assert "stale" not in json.loads(out)["tracks"][0]
    status, out, _ = separate(
        own,
        "--out",
        tmp_path,
        "--filename",
        "{stem}.{ext}",
        "--stems",
        "drums",
        "--overwrite",
        "--json",
    )
    assert status == 0
    assert "stale" not in json.loads(out)["tracks"][0]


def test_what_may_not_be_read_is_for_its_own_track_to_say(separate, track, tmp_path, monkeypatch):
    """click would end the command before the other tracks are done."""
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda p, mode: os.fspath(p) != str(track) and access(p, mode)
    )
    secret = tmp_path / "none.wav"
    status, out, err = separate(track, secret, "-q")
    assert status == 1
    assert len(out.splitlines()) == 4
    assert err == f"error: {secret}: no such file.\n"


def test_seed_and_sampler_options_reach_the_engine(separate, track, tmp_path):
    stems = []
    for arguments in (["--seed", 1], ["--seed", 1], ["--seed", 1, "-O", "churn=1"]):
        separate(track, "--sampler", "conditional", "--overwrite", *arguments, fast=False)
        stems.append(soundfile.read(tmp_path / "out" / "song" / "drums.wav")[0])
    np.testing.assert_array_equal(stems[0], stems[1])
    assert np.abs(stems[0] - stems[2]).max() > 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "at least one audio file"),
        (["--quality", "superb", "x.wav"], "superb"),
        (["--stems", "vocals", "x.wav"], "no stem 'vocals'; this prior makes bass, drums"),
        (["--stems", "vocals", "--without", "bass", "x.wav"], "this prior makes bass, drums"),
        (["--two-stems", "vocals", "x.wav"], "no stem 'vocals'"),
        (["--stems", "bass", "--two-stems", "bass", "x.wav"], "exclude each other"),
        (["--overlap", "0.9", "x.wav"], "0.9"),
        (["-O", "churn", "x.wav"], "-O churn: not NAME=VALUE, as in -O churn=0.0."),
        (["-O", "=1", "x.wav"], "not NAME=VALUE"),
        (["-O", "seed=1", "x.wav"], "'conditional' has no option 'seed'"),
        (["-O", "churn=2", "x.wav"], "churn is between 0 and 1, not 2"),
        (["--filename", "{artist}.wav", "x.wav"], "artist"),
        (["--filename", "{stem", "x.wav"], "'{stem' is no template"),
        (["--filename", "{stem:d}.{ext}", "x.wav"], "is no template"),
        (["--filename", "{stem.x}.{ext}", "x.wav"], "unknown field {stem.x}"),
        (["--filename", "{}.{ext}", "x.wav"], "unknown field {}"),
        (["--filename", "{track}/{stem}", "x.wav"], "end it in .{ext}"),
        (["--filename", "{stem}/", "x.wav"], "end it in .{ext}"),
        (["--filename", "{stem}.wav", "--flac", "x.wav"], "end it in .{ext}"),
        (["--filename", "{stem}.wav", "--report", "x.wav"], "end it in .{ext}"),
        (["--filename", "{track}/{stem}", "--report", "x.wav"], "end it in .{ext}"),
        (["--filename", "fixed.wav", "x.wav"], "same for several stems"),
        (["--no-such-option"], "no-such-option"),
        (["--sampler", "tds", "x.wav"], "SAMPLERS['tds']"),
        (["--start", "nan", "x.wav"], "finite"),
        (["--duration", "inf", "x.wav"], "finite"),
        (["--duration", "0", "x.wav"], "0"),
        (["--segment", "0", "x.wav"], "0"),
        (["--seed", "-1", "x.wav"], "-1"),
        (["--stems", ",", "x.wav"], "--stems names no stem"),
        (["--without", ",", "x.wav"], "--without names no stem"),
        (["--without", "vocals", "x.wav"], "no stem 'vocals' to leave out, there are bass, drums"),
        (["--without", "bass,drums,guitar,piano", "x.wav"], "nothing to separate"),
        (["--without", "bass", "--two-stems", "bass", "x.wav"], "'bass' cannot be written"),
        (["--filename", "{stem}.{ext}", "x.wav", "y.wav"], "several tracks"),
        (["--filename", "{track:.1}-{stem}.{ext}", "a1.wav", "b1.wav", "a2.wav"], "a1 and a2"),
        (["--filename", "{track:.2}-{stem}.{ext}", "a1x.wav", "b.wav", "A1y.wav"], "a1x and A1y"),
        (["--filename", "{track}/../{stem}.{ext}", "a.wav"], "leads out of the output folder"),
        (["--filename", "../../{track}-{stem}.{ext}", "a.wav"], "leads out of the output folder"),
        (["--filename", "/{track}-{stem}.{ext}", "a.wav"], "leads out of the output folder"),
        ([""], "is empty; name a file or folder"),
        (["--out", "", "x.wav"], "is empty; name a file or folder"),
        (["--name", "", "x.wav"], "is empty"),
        (["--flac", "--ogg", "x.wav"], "--flac and --ogg exclude each other"),
        (["--samples", "2", "x.wav"], "a quality makes none: choose a sampler"),
    ],
)
def test_wrong_usage(separate, arguments, message):
    status, out, err = separate(*arguments)
    assert status == 2
    assert message in err
    assert out == ""


@pytest.mark.parametrize(
    ("sampler", "text", "told"),
    [
        ("conditional", "churn=abc", "is a number, not 'abc'; its default is -O churn=0.0."),
        ("conditional", "churn=nan", "is a number, not 'nan'"),
        ("conditional", "churn=true", "is a number, not 'true'"),
        ("conditional", "churn=", "is a number, not ''"),
        ("conditional", "project=maybe", "is true or false, not 'maybe'"),
        ("mgdm", "n_gibbs=1.5", "is a whole number, not '1.5'; its default is -O n_gibbs=6."),
        ("mgdm", "index_sigma=low", "is a number or none, not 'low'"),
        ("mgdm", "index=", "is a word, not ''"),
        ("daps", "step_size=[1]", "is a number, not '[1]'; its default is -O step_size=2e-09."),
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind(separate, sampler, text, told):
    status, _, err = separate("--sampler", sampler, "-O", text, "x.wav", fast=False)
    assert status == 2
    name = text.partition("=")[0]
    assert f"Error: -O {text}: {name} of the sampler '{sampler}' {told}" in err


@pytest.mark.parametrize("sampler", SAMPLER_PRESETS)
def test_an_unknown_option_lists_the_sampler_s_own(separate, sampler):
    status, _, err = separate("--sampler", sampler, "-O", "chrun=1", "x.wav", fast=False)
    assert status == 2
    listed = err.split("defaults are ")[1].rstrip(".\n").split(", ")
    signature = inspect.signature(SAMPLERS[sampler])
    names = [n for n, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY]
    assert [entry.split("=")[0] for entry in listed] == names
    # What it lists is what it takes.
    known = preset(sampler=sampler)
    values = parse_options(listed, known)
    defaults = {n: signature.parameters[n].default for n in names}
    assert values == defaults | known.options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "nothing"], "unknown prior 'nothing'"),
        (["--device", "cuda:99"], "no device cuda:99"),
        (["--device", "abacus"], "unknown device 'abacus'"),
    ],
)
def test_what_this_machine_lacks(separate, track, arguments, message):
    status, _, err = separate(track, *arguments)
    assert status == 1
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["--quality", "superb", "x.wav"], 2), ([], 2), (["--name", "nothing", "x.wav"], 1)],
)
def test_json_is_there_whatever_is_wrong(separate, arguments, expected):
    status, out, err = separate("--json", *arguments)
    found = json.loads(out)
    assert status == expected
    assert found["error"] in " ".join(err.split())
    assert found["tracks"] == []


def test_turning_down_is_told(separate, tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, 9 * music(0.3, 22050).T, 22050, subtype="FLOAT")
    _, out, err = separate(path, "--json")
    scale = json.loads(out)["tracks"][0]["settings"]["scale"]
    assert f"turned down by {-20 * np.log10(scale):.1f} dB" in err
    assert "turned down" not in separate(path, "--overwrite", "-q")[2]
    assert "turned down" not in separate(path, "--overwrite", "--float32")[2]


@pytest.mark.parametrize("mode", ["clamp", "none"])
def test_peaks_that_are_cut_are_told(separate, tmp_path, mode):
    path = tmp_path / "loud.wav"
    soundfile.write(path, 9 * music(0.3, 22050).T, 22050, subtype="FLOAT")
    _, out, err = separate(path, "--json", "--clip-mode", mode)
    assert json.loads(out)["tracks"][0]["settings"]["cut"]
    assert f"note: {path}: peaks beyond full scale are cut off" in err
    if mode == "none":  # Vorbis is coded in floating point
        _, out, err = separate(path, "--json", "--clip-mode", mode, "--ogg")
        assert not json.loads(out)["tracks"][0]["settings"]["cut"]
        loudest = max(np.abs(soundfile.read(p)[0]).max() for p in (tmp_path / "out").rglob("*.ogg"))
        assert loudest > 1.0
    _, out, err = separate(path, "--json", "--clip-mode", mode, "--float32", "--overwrite")
    assert not json.loads(out)["tracks"][0]["settings"]["cut"]
    assert "cut off" not in err


def test_the_bar_of_a_tiny_file(separate, tmp_path):
    path = tmp_path / "tiny.wav"
    soundfile.write(path, music(0.01, 22050).T, 22050)
    status, _, err = separate(path)
    assert status == 0
    assert "0.010/0.010 s of audio" in err
    soundfile.write(path, np.full((1, 2), 0.1), 22050)
    status, _, err = separate(path, "--overwrite")
    assert status == 0
    assert "0.001/0.001 s of audio" in err


def test_names_that_would_lead_elsewhere_or_are_too_long(separate, track, tmp_path):
    up = tmp_path / "...wav"
    up.write_bytes(track.read_bytes())
    assert separate(up, "-q", "--stems", "bass")[0] == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["track"]
    long = tmp_path / ("ü" * 120 + ".wav")
    long.write_bytes(track.read_bytes())
    assert separate(long, "-q", "--stems", "bass")[0] == 0
    template = "{track}{track}-{stem}.{ext}"
    status, _, err = separate(long, "-q", "--filename", template)
    assert status == 1
    assert "--filename" in err


@pytest.fixture
def latin(track):
    """A name as old archives hold them: no UTF-8."""
    path = track.with_name(os.fsdecode(b"M\xfcnchen.wav"))
    try:
        path.write_bytes(track.read_bytes())
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    return path


def test_names_that_are_no_utf8(separate, latin, track, tmp_path):
    bad = latin.with_name(os.fsdecode(b"\xe9.wav"))
    bad.write_text("no audio")
    status, out, err = separate(latin, bad, track, "--json", "--report", "-v")
    one, other, last = json.loads(out)["tracks"]
    assert status == 1
    assert (one["ok"], other["ok"], last["ok"]) == (True, False, True)
    assert os.fsencode(one["track"]) == os.fsencode(latin)
    assert all(os.path.exists(path) for path in [*one["files"], one["report"]])
    assert "M\\udcfcnchen.wav" in (tmp_path / "out" / latin.stem / "report.html").read_text("utf-8")
    assert out.isascii()
    assert "M\\udcfcnchen.wav: 1.0 s of audio" in err
    assert "\\udce9.wav: damaged, no audio" in err


def test_paths_that_are_no_utf8_are_printed_as_they_are(prior_folder, latin, tmp_path):
    command = [sys.executable, "-m", "mgdm_audio.cli", latin, "-n", prior_folder, "-d", "cpu"]
    command += ["-o", tmp_path / "out", "--quality", "fast", "--stems", "bass"]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    result = subprocess.run(command, capture_output=True, env=strict)
    assert result.returncode == 0
    assert os.path.exists(result.stdout.rstrip(b"\n"))


def test_nothing_is_computed_that_cannot_be_kept(separate, tmp_path, monkeypatch):
    many = tmp_path / "many.wav"
    soundfile.write(many, music(0.1, 22050, 9).T, 22050)
    monkeypatch.setattr(separator.Separator, "separate_file", None)
    status, _, err = separate(many, "--flac", "-q")
    assert status == 1
    assert "FLAC" in err
    free = type("usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    status, _, err = separate(many, "-q")
    assert status == 1
    assert "room for" in err


def test_unwritable_output(separate, track, tmp_path):
    (tmp_path / "out").write_text("in the way")
    status, _, err = separate(track, "-q")
    assert status == 1
    assert "--out" in err
    assert (tmp_path / "out").read_text() == "in the way"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("no more"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)."),
    ],
)
def test_out_of_memory(separate, track, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr("mgdm_audio.windowed.overlap_add", full)
    status, _, err = separate(track, "-q")
    assert status == 1
    assert f"error: {track}: out of memory" in err
    assert "--batch-size" in err


def test_out_of_memory_at_the_start(separate, track, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr(separator, "load_prior", full)
    status, _, err = separate(track, "-q")
    assert (status, err) == (
        1,
        "error: out of memory; free some of the device's, or use --device cpu.\n",
    )


def test_a_sampler_that_diverges(separate, track, monkeypatch):
    monkeypatch.setattr("mgdm_audio.windowed.overlap_add", lambda call, x, *_: x * torch.nan)
    status, _, err = separate(track, "-q")
    assert status == 1
    assert err.startswith(f"error: {track}: the denoiser returned a value that is not finite")
    assert "--steps" in err


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
@pytest.mark.parametrize("own", [True, False])
def test_tracks_are_never_replaced(separate, tmp_path, more, own):
    """Neither the track itself nor another one of the batch, whose turn is still to come."""
    path = tmp_path / "out" / "a" / "bass.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, music(0.2, 22050).T, 22050)
    soundfile.write(tmp_path / "a.wav", music(0.2, 22050).T, 22050)
    before = path.read_bytes()
    tracks = [path, "--filename", "a/{stem}.{ext}"] if own else [tmp_path / "a.wav", path]
    status, _, err = separate(*tracks, "-q", *more)
    assert status == 1
    assert f"error: {path}: is one of the tracks" in err
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="terminals of another kind")
def test_the_bar_is_as_wide_as_the_terminal(prior_folder, track, tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))
    command = [sys.executable, "-m", "mgdm_audio.cli", track, "--name", prior_folder]
    command += ["--out", tmp_path / "out", "--quality", "fast", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how a terminal ends
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    bars = [line for line in shown.decode().split("\r") if "100%" in line]
    assert 100 < len(bars[-1].rstrip()) <= 110


def test_too_many_channels(separate, tmp_path):
    path = tmp_path / "many.wav"
    soundfile.write(path, np.full((2000, 72), 0.1), 22050)
    status, _, err = separate(path, "-q")
    assert status == 1
    assert f"error: {path}: 72 channels are more than 64" in err


@with_full_disk
def test_a_bar_that_cannot_be_written_fails_no_track(prior_folder, track, tmp_path):
    command = [sys.executable, "-m", "mgdm_audio.cli", track, "--name", prior_folder]
    command += ["--out", tmp_path / "out", "--quality", "fast", "--device", "cpu"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4


@with_full_disk
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_paths_that_cannot_be_written_end_the_command_in_a_sentence(
    prior_folder, track, tmp_path, more
):
    command = [sys.executable, "-m", "mgdm_audio.cli", track, "--name", prior_folder, "-q", *more]
    command += ["--out", tmp_path / "out", "--quality", "fast", "--device", "cpu"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "error: cannot write to standard output (No space left on device)." in done.stderr
    assert "Traceback" not in done.stderr


def test_stems_of_a_failed_report_are_told(separate, track, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise mgdm_audio.AudioFileError("report.html: cannot be written.")

    monkeypatch.setattr(Separation, "report", fail)
    status, out, _ = separate(track, "--report", "--json", "-q")
    (entry,) = json.loads(out)["tracks"]
    assert status == 1
    assert not entry["ok"]
    assert entry["error"].startswith(
        f"{track}: the stems are written, the report is not: report.html"
    )
    assert len(entry["files"]) == 4
    assert all(os.path.exists(path) for path in entry["files"])


@pytest.mark.parametrize("where", ["separate_file", "save", "report"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("x"), "unexpected KeyError: 'x'; please report it"),
        (
            RuntimeError("CUDA error:\n it is gone."),
            "unexpected RuntimeError: CUDA error: it is gone;",
        ),
        (MemoryError(), "out of memory; "),
    ],
)
def test_other_tracks_are_done_after_any_error(
    separate, track, tmp_path, monkeypatch, where, error, told
):
    other = tmp_path / "other.wav"
    other.write_bytes(track.read_bytes())
    kind = separator.Separator if where == "separate_file" else Separation
    usual, calls = getattr(kind, where), []

    def once(*arguments, **options):
        calls.append(where)
        if len(calls) == 1:
            raise error
        return usual(*arguments, **options)

    monkeypatch.setattr(kind, where, once)
    status, out, err = separate(track, other, "--report", "--json", "-q")
    bad, good = json.loads(out)["tracks"]
    assert status == 1
    assert (bad["ok"], good["ok"]) == (False, True)
    assert told in bad["error"]
    assert bad["error"] in err.splitlines()[-1]
    if "unexpected" in told:
        assert str(track) in bad["error"]
        assert "Traceback" in err
        assert ", in once" in err
    else:
        assert "Traceback" not in err


@pytest.mark.parametrize("part", ["make_separator", "tell"])
def test_json_is_there_after_any_error(separate, track, monkeypatch, part):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(command, part, fail)
    status, out, err = separate(track, "--json", "-q")
    found = json.loads(out)
    assert status == 1
    assert "unexpected RuntimeError: a bug" in found["error"]
    assert [entry["ok"] for entry in found["tracks"]] == ([True] if part == "tell" else [])
    assert ", in fail" in err


def test_priors_can_be_listed(separate, prior_folder, monkeypatch):
    monkeypatch.setattr(pretrained, "ROOTS", (prior_folder.parent,))
    status, out, _ = separate("--list-priors")
    assert status == 0
    assert out.split("\t")[:2] == ["tiny", ", ".join(SOURCES)]
    listed = json.loads(separate("--list-priors", "--json")[1])
    assert listed["tiny"]["sources"] == SOURCES


def test_version(separate):
    status, out, _ = separate("--version")
    assert status == 0
    assert mgdm_audio.__version__ in out


def test_help_that_nobody_reads_is_no_bug():
    code = "from mgdm_audio.cli import main; main(['--version'])"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr


def test_presets_name_samplers_of_the_engine():
    assert set(SAMPLER_PRESETS) <= set(SAMPLERS)
    assert {preset.sampler for preset in QUALITIES.values()} <= set(SAMPLERS)


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, **options
    )


def test_stdout_may_be_closed(prior_folder, track, tmp_path):
    """As by ``| head -1``: the stems are what matters, they are all written."""
    command = [sys.executable, "-m", "mgdm_audio.cli", track, track.with_suffix(".none"), "-q"]
    command += ["-n", prior_folder, "-d", "cpu", "-o", tmp_path / "out", "--quality", "fast"]
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [str(c) for c in command], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert len(list((tmp_path / "out" / "song").iterdir())) == 4


def test_help_and_import_are_light():
    """Measured by what they import, which does not depend on how busy the machine is."""
    for code in ("import mgdm_audio", "from mgdm_audio.cli import main; main(['--help'])"):
        result = python("-X", "importtime", "-c", code, check=True)
        imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
        assert "mgdm_audio" in imported
        assert not imported & {"torch", "numpy", "soundfile", "scipy", "matplotlib"}


def test_interruption_leaves_nothing(prior_folder, tmp_path):
    """Ctrl-C in the middle of a separation: status 130 and no file, whole or half."""
    path = tmp_path / "long.wav"
    soundfile.write(path, music(60, 22050).T, 22050)
    command = [sys.executable, "-m", "mgdm_audio.cli", path, "-n", prior_folder, "-d", "cpu"]
    command += ["-o", tmp_path / "out", "--steps", "400", "-v"]
    with subprocess.Popen(
        [str(c) for c in command],
        stderr=subprocess.PIPE,
        text=True,
        # A background job starts with Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        process.stderr.readline()  # the settings: from here on it computes
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not list((tmp_path / "out").rglob("*.*"))


WHILE_WRITING = """
import os, sys
from mgdm_audio.audio import writing
from mgdm_audio.cli import main
write = writing._write
def write_and_end(path, *arguments):
    write(path, *arguments)
    if next(calls) == 1:
        os.kill(os.getpid(), int(sys.argv[1]))
calls = iter(range(9))
writing._write = write_and_end
main(sys.argv[2:])
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_an_end_while_writing(name, separate, prior_folder, track, tmp_path):
    """Nothing half-written; and what no process can clean up, the next one does."""
    number, out = getattr(signal, name), tmp_path / "out"
    command = ["-n", prior_folder, "-d", "cpu", "-o", out, "--quality", "fast", "-q", track]
    result = subprocess.run(
        [sys.executable, "-c", WHILE_WRITING, str(int(number)), *map(str, command)],
        capture_output=True,
        preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in (2, signal.SIGHUP)],
    )
    left = [path.name for path in out.rglob("*.*")]
    assert not [path for path in left if not path.endswith(".part")]
    if name == "SIGKILL":
        assert len(left) == 2
    else:
        assert result.returncode == 128 + number
        assert not out.exists()
    assert separate(track, "-q")[0] == 0
    assert sorted(p.name for p in (out / "song").iterdir()) == [f"{name}.wav" for name in SOURCES]


@pytest.mark.parametrize(
    ("name", "told"), [("SIGTERM", "terminated"), ("SIGHUP", "hung up"), ("SIGINT", "interrupted")]
)
def test_json_tells_what_was_done_before_the_end(name, told, prior_folder, track, tmp_path):
    number, other = getattr(signal, name), tmp_path / "other.wav"
    other.write_bytes(track.read_bytes())
    command = ["-n", prior_folder, "-d", "cpu", "-o", tmp_path / "out", "--quality", "fast"]
    command += ["--stems", "bass", "--json", track, other]
    result = subprocess.run(
        [sys.executable, "-c", WHILE_WRITING, str(int(number)), *map(str, command)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in (2, signal.SIGHUP)],
    )
    found = json.loads(result.stdout)
    assert result.returncode == 128 + number
    assert found["error"] == told
    assert [(entry["track"], entry["ok"]) for entry in found["tracks"]] == [(str(track), True)]
    assert result.stderr.splitlines()[-1] == told
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path / "out") == ["song"]


def test_exit_statuses_are_told(separate):
    text = separate("--help")[1]
    for status in (*ENDS, 0, 1, 2):
        assert re.search(rf"(Exit status:|,)\s+{status}\s", text), status


def test_nohup_is_respected():
    script = """
import signal
from mgdm_audio.cli.ends import leave_tidily
signal.signal(signal.SIGHUP, signal.SIG_IGN)
leave_tidily()
assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
"""
    subprocess.run([sys.executable, "-c", script], check=True)


WHILE_STARTING = """
import os, signal, sys, time
from mgdm_audio.cli.ends import leave_on_interrupt, leave_tidily
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
leave_tidily()
with leave_on_interrupt(as_json=len(sys.argv) > 2):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(5)
    except BaseException:
        print("swallowed")
"""


@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated"), (signal.SIGHUP, "hung up")],
)
def test_an_end_while_starting_cannot_be_swallowed(number, told):
    result = python("-c", WHILE_STARTING, int(number))
    assert (result.returncode, result.stdout, result.stderr) == (128 + number, "", f"{told}\n")
    result = python("-c", WHILE_STARTING, int(number), "--json")
    assert result.returncode == 128 + number
    assert json.loads(result.stdout)["error"] == told


def test_the_command_runs_in_any_thread(separate, track, tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(separate(track, "-q")))
    # As in a program whose Ctrl-C is Python's own.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert found[0][0] == 0
    assert len(list((tmp_path / "out" / "song").iterdir())) == 4


def test_interruption_after_starting_is_python_s_own():
    script = """
import signal
from mgdm_audio.cli.ends import leave_on_interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
with leave_on_interrupt():
    pass
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_click_is_given_the_command_line_to_expand(monkeypatch):
    """Windows' shells leave ``*.mp3`` to the program; click sees to it where it is given None."""
    given = []
    monkeypatch.setattr(command.command, "main", lambda args, **_: given.append(args) or 0)
    for arguments in (None, ["x.wav"]):
        with pytest.raises(SystemExit):
            main(arguments)
    assert given == [None, ["x.wav"]]


@pytest.mark.parametrize(("system", "closed"), [("nt", True), ("posix", False)])
def test_a_closed_pipe_on_windows_is_no_error(monkeypatch, system, closed):
    def echo(_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("click.echo", echo)
    fake = SimpleNamespace(
        name=system, open=os.open, devnull=os.devnull, O_WRONLY=os.O_WRONLY, dup2=swallowed
    )
    monkeypatch.setattr(output, "os", fake)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(fileno=lambda: 1))
    refused = pytest.raises(output.OutputError, match=r"standard output \(Invalid")
    with nullcontext() if closed else refused:
        output.show("x")


def swallowed(source, _):
    os.close(source)


def test_a_program_that_has_torch_keeps_its_garbage_collectable():
    before = gc.get_freeze_count()
    with command.uncollected():
        pass
    assert gc.get_freeze_count() == before
    assert gc.isenabled()
