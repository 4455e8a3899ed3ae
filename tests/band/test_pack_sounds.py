import csv
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from recipes.band import pack_sounds
from recipes.band.score import Note, Part
from recipes.band.sfz import key_number, read_sfz
from recipes.band.sounds.pack import Pack

from .conftest import RATE, measured_pitch

LIBRARY = """
// a bass of two notes, two layers, two takes
#define $ROOT a2
<control> default_path=Samples/
<global> ampeg_release=0.3
<group> lovel=64 hivel=127 volume=-6
#include "loud.sfzi"
<group> lovel=0 hivel=63
<region> sample=soft tone.wav key=45 tune=100
<group> trigger=release
<region> sample=noise.wav key=45
<curve> curve_index=7
<effect> bus=main
"""
LOUD = """<region> sample=tone.wav lokey=43 hikey=47 pitch_keycenter=$ROOT seq_position=1
<region> sample=tone.wav lokey=43 hikey=47 pitch_keycenter=$ROOT seq_position=2 offset=441"""


def tone(hertz: float, seconds: float = 1.0, rate: int = 44100) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * hertz * time) * np.exp(-2 * time)


@pytest.fixture
def library(tmp_path):
    samples = tmp_path / "Library" / "Samples"
    samples.mkdir(parents=True)
    left = np.concatenate([np.zeros(4410), tone(110.0)])
    soundfile.write(samples / "tone.wav", np.stack([left, 0.5 * left], 1), 44100)
    # A semitone flat, which its region corrects.
    soundfile.write(samples / "soft tone.wav", 0.3 * tone(110.0 / 2 ** (1 / 12)), 44100)
    path = samples.parent / "bass.sfz"
    path.write_text(LIBRARY)
    (samples.parent / "loud.sfzi").write_text(LOUD)
    return path


@pytest.mark.parametrize(("text", "key"), [("60", 60), ("c4", 60), ("A4", 69), ("eb2", 39)])
def test_keys_by_name(text, key):
    assert key_number(text) == key


def test_what_is_included_includes_from_the_main_file(library):
    """Paths are those of the main file, in whatever folder the including one lies."""
    whole = read_sfz(library)
    folder = library.parent / "parts"
    folder.mkdir()
    (library.parent / "loud.sfzi").rename(folder / "inner.sfzi")
    (folder / "outer.sfzi").write_text('#include "parts/inner.sfzi"\n')
    library.write_text(LIBRARY.replace("loud.sfzi", "parts/outer.sfzi"))
    assert read_sfz(library) == whole


def test_regions_inherit_from_their_groups(library):
    first, second, soft = read_sfz(library)
    assert [r.root for r in (first, second, soft)] == [45, 45, 45]
    assert (first.low_key, first.high_key, soft.low_key) == (43, 47, 45)
    assert (first.take, second.take, second.offset) == (1, 2, 441)
    assert (first.gain, soft.gain, soft.cents) == (-6, 0, 100)
    assert (first.low_velocity, soft.high_velocity) == (64, 63)
    assert soft.sample.name == "soft tone.wav"


def test_missing_samples_and_bad_values_are_named(library):
    library.write_text("<region> sample=absent.wav key=60")
    with pytest.raises(FileNotFoundError, match=r"absent\.wav"):
        read_sfz(library)
    library.write_text("<region> sample=Samples/tone.wav key=h9")
    with pytest.raises(ValueError, match=r"bass\.sfz: 'h9' is not a key"):
        read_sfz(library)


def test_a_packed_library_plays_in_tune(library, tmp_path):
    out = tmp_path / "pack"
    arguments = [str(library), str(out), "--stem", "bass", "--articulation", "open"]
    for _ in range(2):  # the second time replaces the first
        result = CliRunner().invoke(pack_sounds.main, arguments)
        assert result.exit_code == 0, result.output
    with open(out / "samples.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert {row["source"] for row in rows} == {"library"}
    loud, rate = soundfile.read(out / next(r["file"] for r in rows if r["high_velocity"] == "127"))
    assert rate == RATE
    assert np.argmax(np.abs(loud) > 0.1) < 0.01 * RATE  # the silence before it is gone

    player = Pack(out, RATE).player("bass", 33, np.random.default_rng(0))
    for velocity in (40, 100):
        audio = player(Part("bass", 33, [Note(0.0, 0.9, 46, velocity)]), RATE)
        assert measured_pitch(audio, 116.54) == pytest.approx(116.54, rel=1e-3)


def test_a_library_mapped_an_octave_too_high_plays_in_its_own_octave(library, tmp_path):
    """As the Bass VI of Pastabass: a note that sounds at 55 Hz is mapped to the key of 110 Hz."""
    for path in (library.parent / "Samples").glob("*tone.wav"):
        audio, rate = soundfile.read(path)
        soundfile.write(path, audio, rate // 2)  # an octave lower
    out = tmp_path / "pack"
    arguments = [str(library), str(out), "--stem", "bass", "--transpose", "-12"]
    result = CliRunner().invoke(pack_sounds.main, arguments)
    assert result.exit_code == 0, result.output
    with open(out / "samples.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["root_key"] for row in rows} == {"33"}
    assert {(row["low_key"], row["high_key"]) for row in rows} == {("31", "35"), ("33", "33")}
    player = Pack(out, RATE).player("bass", 33, np.random.default_rng(0))
    audio = player(Part("bass", 33, [Note(0.0, 0.9, 34, 100)]), RATE)
    strongest = measured_pitch(audio, 58.27, octaves=2.5)  # whichever octave it is in
    assert strongest == pytest.approx(58.27, rel=1e-3)


def test_layers_are_thinned_without_a_gap(library):
    region = read_sfz(library)[0]
    many = [region._replace(low_velocity=v - 7, high_velocity=v) for v in range(7, 128, 8)]
    thinned = pack_sounds.thin_layers(many, 4)
    spans = [(r.low_velocity, r.high_velocity) for r in thinned]
    assert len(spans) == 4
    assert spans[0][0] == 1
    assert spans[-1][1] == 127
    assert all(b[0] == a[1] + 1 for a, b in pairwise(spans))


def test_channels_that_cancel_are_not_mixed(tmp_path):
    audio = tone(220.0)
    soundfile.write(tmp_path / "a.wav", np.stack([audio, -0.9 * audio], 1), 44100)
    (tmp_path / "a.sfz").write_text("<region> sample=a.wav key=57")
    packed = pack_sounds.read_sample(read_sfz(tmp_path / "a.sfz")[0], 2.0)
    assert np.abs(packed).max() == pytest.approx(np.abs(audio).max(), rel=0.1)
