import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from recipes.band import sets
from recipes.band.__main__ import main
from recipes.band.excerpt import activity, cut, fullest
from recipes.band.score import STEMS, Bend, Control, Note, Part, Song
from recipes.band.sounds.bank import sound_bank
from recipes.band.splits import TRAIN_FONTS

from .conftest import RATE, little_song


def song_in_parts() -> Song:
    """Drums alone for 20 s, all four for 30 s, then bass alone for 10 s."""

    def notes(first, last):
        return [Note(t / 2, 0.5, 60, 90) for t in range(2 * first, 2 * last)]

    parts = [
        Part("bass", 33, notes(20, 60), [Bend(1.0, 0.5), Bend(30.0, 1.0)], [Control(0, 7, 90)]),
        Part("drums", 0, notes(0, 50)),
        Part("guitar", 25, notes(20, 50)),
        Part("piano", 0, notes(20, 50)),
    ]
    return Song(parts, 60.0, "parts")


def test_activity_is_where_notes_are():
    sounding = activity(song_in_parts(), step=1.0)
    assert sounding.shape == (4, 60)
    assert not sounding[0, :20].any()
    assert sounding[0, 20:].all()
    assert sounding[1, :50].all()
    assert not sounding[2, 50:].any()


def test_the_fullest_part_is_where_all_play():
    start = fullest(song_in_parts(), 24.0)
    assert 20 <= start <= 26


def test_the_first_part_is_skipped_and_short_songs_are_taken_whole():
    song = little_song(0, 40.0)
    assert fullest(song, 24.0) >= 4.0
    assert fullest(little_song(0, 10.0), 24.0) == 0.0


def test_a_cut_song_keeps_what_is_in_force():
    song = cut(song_in_parts(), 25.0, 10.0)
    bass = song.parts[0]
    assert song.duration == 10.0
    assert len(bass.notes) == 20
    assert bass.notes[0].start == 0
    assert bass.bends == [Bend(0.0, 0.5), Bend(5.0, 1.0)]
    assert bass.controls == [Control(0.0, 7, 90)]


@pytest.fixture
def short(monkeypatch):
    """A set of three short songs with our own sounds."""
    monkeypatch.setattr(sets, "PREROLL", 0.5)
    songs = [little_song(n, 2.0)._replace(name=f"tune-{n}") for n in range(3)]
    made = sets.RenderedSet(9, lambda settings: iter(songs), lambda s: sound_bank(RATE, ()), True)
    monkeypatch.setitem(sets.SETS, "test", made)
    return sets.Settings()


def test_tracks_are_complete_and_the_mixture_is_their_sum(short, tmp_path):
    assert sets.render_set("test", tmp_path, short, progress=False) == 3
    for track in sorted(tmp_path.iterdir()):
        stems = [soundfile.read(track / f"{stem}.flac")[0] for stem in STEMS]
        mixture, rate = soundfile.read(track / "mix.flac")
        assert rate == RATE
        assert len(mixture) == int(1.5 * RATE)
        np.testing.assert_allclose(mixture, np.sum(stems, 0), atol=3 / 32768)
        assert len(list(track.iterdir())) == 5


def test_a_set_that_was_cut_short_goes_on_to_the_same_files(short, tmp_path):
    sets.render_set("test", tmp_path / "whole", short, progress=False)
    sets.render_set("test", tmp_path / "cut", short, progress=False)
    (tmp_path / "cut" / "tune-1" / "mix.flac").unlink()
    kept = (tmp_path / "cut" / "tune-0" / "mix.flac").stat().st_mtime_ns
    sets.render_set("test", tmp_path / "cut", short, progress=False)
    assert (tmp_path / "cut" / "tune-0" / "mix.flac").stat().st_mtime_ns == kept
    for file in sorted((tmp_path / "whole").rglob("*.flac")):
        other = tmp_path / "cut" / file.relative_to(tmp_path / "whole")
        np.testing.assert_array_equal(soundfile.read(file)[0], soundfile.read(other)[0])


def test_own_songs_of_validation_and_test_differ():
    validation, test = (next(sets.own_songs(s)(sets.Settings())) for s in ("validation", "test"))
    assert validation.parts[0].notes != test.parts[0].notes
    assert {part.stem for part in validation.parts} <= set(STEMS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "songs-freepats"], "needs --songs DIR"),
        (["--split", "recorded"], "needs --sounds DIR"),
    ],
)
def test_the_command_says_what_is_missing(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "GusFamily", lambda samplerate: object())
    result = CliRunner().invoke(main, ["render", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_command_says_that_the_player_of_fonts_is_missing(tmp_path, monkeypatch):
    for name in TRAIN_FONTS:
        (tmp_path / name).write_bytes(b"RIFF")
    monkeypatch.setattr("recipes.band.sounds.fonts.FOLDERS", (tmp_path,))
    monkeypatch.setattr("recipes.band.sounds.fonts.find_spec", lambda name: None)
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["render", "--split", "validation", "--out", str(out)])
    assert result.exit_code == 1
    assert "pip install --no-deps tinysoundfont" in result.output
    assert "Traceback" not in result.output


def test_the_command_renders_a_set(short, tmp_path):
    result = CliRunner().invoke(main, ["render", "--split", "test", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "3 tracks" in result.output


def test_songs_are_as_long_as_asked(tmp_path, monkeypatch):
    def end(settings):
        song = next(sets.own_songs("test")(settings))
        return max(note.start for part in song.parts for note in part.notes)

    assert 40 < end(sets.Settings(seconds=44.0)) <= 44 + sets.PREROLL
    assert end(sets.Settings()) <= sets.SECONDS + sets.PREROLL

    asked = []
    monkeypatch.setattr(
        "recipes.band.__main__.render_set", lambda name, out, settings: asked.append(settings) or 1
    )
    options = ["render", "--split", "test", "--out", str(tmp_path), "--seconds", "44"]
    assert CliRunner().invoke(main, options).exit_code == 0
    assert asked[0].seconds == 44.0
