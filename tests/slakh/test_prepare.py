"""From Slakh's layout to four stems a track."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from recipes.slakh.layout import LayoutError, find_tracks, read_track
from recipes.slakh.loading import load_stems
from recipes.slakh.prepare import is_prepared, prepare_split, prepare_track

from .conftest import RATE, STEMS, TRACKS, write_track


def read(folder, stem):
    audio, rate = soundfile.read(folder / f"{stem}.flac")
    assert rate == 22050
    return audio


@pytest.fixture
def copy(slakh, tmp_path):
    """The data set, to be damaged."""
    return shutil.copytree(slakh / "test", tmp_path / "data" / "test")


def test_sources_of_a_class_are_summed_and_resampled(slakh, tmp_path):
    out = prepare_track(slakh / "test" / "Track00001", tmp_path)
    source = slakh / "test" / "Track00001" / "stems"
    guitars = sum(soundfile.read(source / f"S0{i}.flac")[0] for i in (2, 3))
    expected = resample_poly(guitars, 1, 2)
    got = read(out, "guitar")
    assert len(got) == len(expected)
    inside = slice(500, -500)
    # two good filters differ close to the Nyquist rate, where these tones are not
    error = np.std(got[inside] - expected[inside]) / np.std(expected)
    assert error < 0.03


def test_absent_instruments_are_silence_of_the_same_length(slakh, tmp_path):
    out = prepare_track(slakh / "test" / "Track00003", tmp_path)
    stems = {name: read(out, name) for name in STEMS}
    assert len({len(s) for s in stems.values()}) == 1
    assert not stems["guitar"].any()
    assert all(stems[name].std() > 0.01 for name in ("bass", "drums", "piano"))
    # the organ belongs to none of the four
    total = sum(stems.values())
    sources = [read_mono_half(slakh, "Track00003", i) for i in range(3)]
    assert np.std(total - sum(sources)) / np.std(total) < 0.1


def read_mono_half(slakh, track, number):
    audio, rate = soundfile.read(slakh / "test" / track / "stems" / f"S{number:02d}.flac")
    assert rate == RATE
    return resample_poly(audio, 1, 2)


def test_both_layouts_read_alike(slakh, tmp_path):
    distributed = load_stems(read_track(slakh / "test" / "Track00001"))
    prepared = load_stems(read_track(prepare_track(slakh / "test" / "Track00001", tmp_path)))
    assert distributed.shape == prepared.shape
    assert np.abs(distributed - prepared).max() < 2**-23
    # MSDM's files: wav, and absent stems are absent files
    folder = tmp_path / "msdm" / "Track00001"
    folder.mkdir(parents=True)
    for name, stem in zip(STEMS[:3], prepared, strict=False):
        soundfile.write(folder / f"{name}.wav", stem, 22050, subtype="FLOAT")
    theirs = load_stems(read_track(folder))
    np.testing.assert_array_equal(theirs[:3], prepared[:3])
    assert not theirs[3].any()


def test_a_sum_beyond_full_scale_is_kept(tmp_path):
    classes = ["Bass", "Drums", "Piano", *["Guitar"] * 12]
    write_track(tmp_path / "data" / "Track1", classes, 1.0, 0)
    out = prepare_track(tmp_path / "data" / "Track1", tmp_path / "out_")
    peaks = [soundfile.read(out / f"{stem}.wav")[0].max() for stem in STEMS]
    assert max(peaks) > 1.0


def test_a_split_is_prepared_once_and_checked(slakh, tmp_path):
    done = []
    assert prepare_split(slakh / "test", tmp_path, 1, True, progress=done.append) == []
    assert done == list(TRACKS)
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 12
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.flac")}
    prepare_split(slakh / "test", tmp_path, 1, True)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.flac")} == before


def test_a_cut_run_goes_on_where_it_was(slakh, tmp_path):
    prepare_track(slakh / "test" / "Track00002", tmp_path)
    whole = (tmp_path / "Track00002" / "bass.flac").read_bytes()
    # killed within a track: only the hidden folder is there
    (tmp_path / "Track00002").rename(tmp_path / ".Track00002.part")
    assert not is_prepared(tmp_path / "Track00002")
    prepare_track(slakh / "test" / "Track00002", tmp_path)
    assert (tmp_path / "Track00002" / "bass.flac").read_bytes() == whole
    assert not (tmp_path / ".Track00002.part").exists()


def test_verify_finds_a_changed_byte(slakh, tmp_path):
    out = prepare_track(slakh / "test" / "Track00002", tmp_path)
    path = out / "bass.flac"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert is_prepared(out)
    assert not is_prepared(out, verify=True)
    prepare_track(slakh / "test" / "Track00002", tmp_path, verify=True)
    assert path.read_bytes() == whole


def test_a_split_with_tracks_missing_is_refused(slakh):
    with pytest.raises(LayoutError, match=r"3 tracks, but test has 151 \(redux\) or 225"):
        find_tracks(slakh / "test")
    assert len(find_tracks(slakh / "test", allow_partial=True)) == 3
    with pytest.raises(LayoutError, match="no tracks"):
        find_tracks(slakh / "train")


def test_a_missing_source_is_refused(copy):
    (copy / "Track00001" / "stems" / "S02.flac").unlink()
    with pytest.raises(LayoutError, match=r"S02\.flac: missing"):
        read_track(copy / "Track00001")


def test_a_cut_file_is_refused(copy, tmp_path):
    path = copy / "Track00001" / "stems" / "S02.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    problems = prepare_split(copy, tmp_path / "out", allow_partial=True)
    assert len(problems) == 1
    assert "S02.flac" in problems[0]
    # the others are done, but the split is not
    assert (tmp_path / "out" / "Track00003" / "prepared.json").exists()
    assert not (tmp_path / "out" / "SHA256SUMS").exists()


def test_a_short_source_is_refused(copy):
    path = copy / "Track00002" / "stems" / "S01.flac"
    audio, rate = soundfile.read(path)
    soundfile.write(path, audio[: len(audio) // 2], rate)
    with pytest.raises(LayoutError, match=r"S01\.flac: 1\.2 s, while others of its track"):
        read_track(copy / "Track00002")


def test_damaged_metadata_and_unknown_folders_are_named(copy):
    (copy / "Track00001" / "metadata.yaml").write_text("stems: [")
    with pytest.raises(LayoutError, match=r"metadata\.yaml: damaged"):
        read_track(copy / "Track00001")
    (copy / "Track00002" / "metadata.yaml").unlink()
    with pytest.raises(LayoutError, match="neither metadata"):
        read_track(copy / "Track00002")


def test_manifest_names_the_sources(slakh, tmp_path):
    out = prepare_track(slakh / "test" / "Track00001", tmp_path)
    manifest = json.loads((out / "prepared.json").read_text())
    assert manifest["sources"]["guitar"] == ["S02.flac", "S03.flac"]
    assert manifest["sources"]["bass"] == ["S00.flac"]
