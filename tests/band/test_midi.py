"""The MIDI reader against files written here and mido's own timing."""

import mido
import pytest

from recipes.band.midi import read_midi, stem_of, write_midi
from recipes.band.score import Bend, Control, Note, Part, Song

M, Meta = mido.Message, mido.MetaMessage


def save(path, *tracks, kind=1, ticks=480):
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    file.save(path)
    return path


def test_note_times_follow_the_tempo_map(tmp_path):
    path = save(
        tmp_path / "a.mid",
        [Meta("set_tempo", tempo=500_000), Meta("set_tempo", tempo=1_200_000, time=720)],
        [
            M("program_change", program=33),
            M("note_on", note=40, velocity=77, time=240),
            M("note_off", note=40, time=960),
            M("note_on", note=41, velocity=78, time=0),
            M("note_on", note=41, velocity=0, time=480),
        ],
    )
    (part,) = read_midi(path).parts
    # The oracle: mido accumulates the same file in real time.
    now, expected = 0.0, []
    for message in mido.MidiFile(path):
        now += message.time
        if message.type.startswith("note"):
            expected.append(now)
    times = [t for n in part.notes for t in (n.start, n.start + n.duration)]
    assert times == pytest.approx(expected)
    # By hand: 240 ticks at 0.5 s a quarter, then 480 more at that tempo and 480 at 1.2 s.
    assert part.notes[0] == (pytest.approx(0.25), pytest.approx(0.5 + 1.2), 40, 77)
    assert (part.stem, part.program) == ("bass", 33)


def test_program_changes_split_a_channel_into_parts(tmp_path):
    def strike(key):
        return [M("note_on", note=key, velocity=90), M("note_off", note=key, time=240)]

    path = save(
        tmp_path / "b.mid",
        [
            M("program_change", program=0), *strike(60),
            M("program_change", program=25), *strike(61),
            M("program_change", program=56), *strike(62),  # a trumpet: dropped
            M("program_change", program=0), *strike(63),
            M("program_change", program=16, channel=9),
            M("note_on", note=36, velocity=90, channel=9),
            M("note_off", note=36, channel=9, time=9),
        ],
    )  # fmt: skip
    parts = read_midi(path).parts
    assert [(p.stem, p.program, [n.key for n in p.notes]) for p in parts] == [
        ("piano", 0, [60, 63]),
        ("guitar", 25, [61]),
        ("drums", 16, [36]),
    ]


def test_bends_follow_the_rpn_range(tmp_path):
    def rpn(msb, lsb, *data):
        return [M("control_change", control=c, value=v) for c, v in ((101, msb), (100, lsb), *data)]

    path = save(
        tmp_path / "c.mid",
        [
            M("program_change", program=29),
            M("note_on", note=60, velocity=90),
            M("pitchwheel", pitch=4096),
            *rpn(0, 0, (6, 12), (38, 50)),
            M("pitchwheel", pitch=4096, time=480),
            *rpn(0, 1, (6, 3)),  # fine tuning: must not touch the range
            M("pitchwheel", pitch=-8192, time=480),
            M("note_off", note=60, time=480),
        ],
    )
    (part,) = read_midi(path).parts
    assert part.bends == [
        Bend(0.0, 1.0),
        Bend(0.5, pytest.approx(6.25)),
        Bend(1.0, pytest.approx(-12.5)),
    ]


def test_controllers_are_kept_and_others_dropped(tmp_path):
    path = save(
        tmp_path / "d.mid",
        [
            M("note_on", note=60, velocity=90),
            *(M("control_change", control=c, value=v, time=48)
              for c, v in ((7, 100), (10, 64), (11, 80), (64, 127), (91, 40))),
            M("note_off", note=60),
        ],
    )  # fmt: skip
    (part,) = read_midi(path).parts
    assert [(c.controller, c.value) for c in part.controls] == [(7, 100), (11, 80), (64, 127)]
    assert [c.time for c in part.controls] == pytest.approx([0.05, 0.15, 0.2])


def test_hanging_and_overlapping_notes(tmp_path):
    path = save(
        tmp_path / "e.mid",
        [
            M("note_on", note=60, velocity=50),
            M("note_on", note=60, velocity=60, time=480),
            M("note_off", note=60, time=480),
            M("note_on", note=64, velocity=70),
            Meta("end_of_track", time=960),
        ],
    )
    song = read_midi(path)
    assert song.duration == pytest.approx(2.0)
    assert song.parts[0].notes == [
        (0.0, pytest.approx(1.0), 60, 50),
        (pytest.approx(0.5), pytest.approx(1.5), 60, 60),
        (pytest.approx(1.0), pytest.approx(1.0), 64, 70),
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"RIFF and something else entirely", "well-formed"),
        (b"", "ends early"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\6\0\xff\x59\2\x50\0", "well-formed"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x10\0\x90\x3c", "well-formed"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\x3c\x40\0", "well-formed"),
        (b"MThd\0\0\0\6\0\2\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "format 2"),
        (b"MThd\0\0\0\6\0\1\0\1\xe7\x28MTrk\0\0\0\4\0\xff\x2f\0", "SMPTE"),
        (b"MThd\0\0\0\6\0\1\0\1\0\0MTrk\0\0\0\4\0\xff\x2f\0", "ticks"),
    ],
)
def test_malformed_files_are_named(tmp_path, content, fault):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"broken\.mid: .*{fault}"):
        read_midi(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_midi(tmp_path / "none.mid")


def test_stem_of_programs():
    programs = [stem_of(p, 0) for p in range(128)]
    assert programs[:8] == ["piano"] * 8
    assert programs[24:40] == ["guitar"] * 8 + ["bass"] * 8
    assert not any(programs[8:24] + programs[40:])
    assert stem_of(77, 9) == "drums"


def test_written_songs_read_back(tmp_path):
    song = Song(
        [
            Part("bass", 33, [Note(0.1, 0.5, 40, 90), Note(0.6, 0.4, 43, 80)], [Bend(0.2, 3.5)]),
            Part("drums", 8, [Note(0.0, 0.2, 36, 127)]),
            Part("piano", 4, [Note(0.0, 2.0, 60, 1)], [], [Control(0.3, 64, 127)]),
        ],
        3.0,
    )
    write_midi(song, tmp_path / "song.mid")
    back = read_midi(tmp_path / "song.mid")
    assert back.duration == pytest.approx(3.0)
    for part, copy in zip(song.parts, sorted(back.parts, key=lambda p: p.stem), strict=True):
        assert (copy.stem, copy.program) == (part.stem, part.program)
        for note, other in zip(part.notes, copy.notes, strict=True):
            assert other == pytest.approx(note, abs=2e-3)
        assert [c for c in copy.controls] == [pytest.approx(c) for c in part.controls]
    assert back.parts[0].bends[0].semitones == pytest.approx(3.5, abs=1e-3)
    with pytest.raises(ValueError, match="15 channels"):
        write_midi(Song([Part("bass", 32, [])] * 16, 1.0), tmp_path / "many.mid")
