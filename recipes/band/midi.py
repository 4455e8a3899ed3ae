"""Standard MIDI files to songs and back.

Reads what other people wrote: tempo maps, program changes in mid-track, volume, expression,
sustain, and pitch bends with their RPN range. Needs `mido`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import mido

from recipes.band.score import PROGRAMS, Bend, Control, Note, Part, Song

DRUM_CHANNEL = 9
KEPT = (7, 11, 64)  # volume, expression, sustain
BEND_RANGE = 2.0  # semitones, until an RPN 0 says otherwise

#: What mido raises, by the place where the bytes stop making sense.
MALFORMED = (OSError, EOFError, ValueError, LookupError, mido.KeySignatureError)


def stem_of(program: int, channel: int) -> str | None:
    """The stem a General MIDI program (0-based) belongs to, None if to none of the four."""
    if channel == DRUM_CHANNEL:
        return "drums"
    for stem in ("bass", "guitar", "piano"):
        if program in PROGRAMS[stem]:
            return stem
    return None


def read_midi(path: str | Path) -> Song:
    """Read a MIDI file; there is one part for each (channel, program) of the four stems.

    Notes of other programs are dropped. A note that is never ended lasts to the end of the song.

    Raises:
        ValueError: the file is not a well-formed MIDI file; the message names it and the fault.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    try:
        file = mido.MidiFile(path, clip=True)
    except FileNotFoundError:
        raise
    except MALFORMED as error:
        fault = str(error) or "it ends early"
        raise ValueError(f"{path.name}: not a well-formed MIDI file ({fault})") from error
    if file.type == 2:
        raise ValueError(f"{path.name}: MIDI format 2 (independent tracks) has no common time")
    if file.ticks_per_beat == 0:
        raise ValueError(f"{path.name}: zero ticks a quarter note")
    if file.ticks_per_beat < 0:
        raise ValueError(f"{path.name}: SMPTE time division is not supported")
    reader = _Reader()
    now = 0.0
    for message in file:
        now += message.time
        if not message.is_meta and hasattr(message, "channel"):
            reader.feed(now, message)
    return Song(reader.parts(now), now, path.stem)


class _Channel:
    """The state of one MIDI channel."""

    def __init__(self) -> None:
        self.program = 0
        self.rpn = (127, 127)
        self.bend_range = BEND_RANGE
        self.sounding: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
        self.bends: list[Bend] = []
        self.controls: list[Control] = []


class _Reader:
    """Collects notes by (channel, program) and bends and controllers by channel."""

    def __init__(self) -> None:
        self.channels = [_Channel() for _ in range(16)]
        self.notes: dict[tuple[int, int], list[Note]] = defaultdict(list)

    def feed(self, now: float, message: mido.Message) -> None:
        channel = self.channels[message.channel]
        if message.type == "note_on" and message.velocity > 0:
            self._strike(now, message.channel, message.note, message.velocity)
        elif message.type in ("note_on", "note_off"):
            self._release(now, message.channel, message.note)
        elif message.type == "program_change":
            channel.program = message.program
        elif message.type == "pitchwheel":
            channel.bends.append(Bend(now, message.pitch / 8192 * channel.bend_range))
        elif message.type == "control_change":
            self._control(now, message.channel, message.control, message.value)

    def _strike(self, now: float, number: int, key: int, velocity: int) -> None:
        channel = self.channels[number]
        channel.sounding[key].append((now, velocity, channel.program))

    def _release(self, now: float, number: int, key: int) -> None:
        # First struck, first released: what synthesisers do with overlapping notes of one key.
        waiting = self.channels[number].sounding[key]
        if waiting:
            start, velocity, program = waiting.pop(0)
            if now > start:
                self.notes[number, program].append(Note(start, now - start, key, velocity))

    def _control(self, now: float, number: int, control: int, value: int) -> None:
        channel = self.channels[number]
        if control in KEPT:
            channel.controls.append(Control(now, control, value))
        elif control == 101:
            channel.rpn = (value, channel.rpn[1])
        elif control == 100:
            channel.rpn = (channel.rpn[0], value)
        elif control in (98, 99):
            channel.rpn = (127, 127)  # an NRPN is addressed now: data entry is not for us
        elif control == 6 and channel.rpn == (0, 0):
            channel.bend_range = value + channel.bend_range % 1
        elif control == 38 and channel.rpn == (0, 0):
            channel.bend_range = int(channel.bend_range) + min(value, 99) / 100
        elif control == 121:  # reset all controllers
            channel.bends.append(Bend(now, 0.0))
            channel.controls += [Control(now, 11, 127), Control(now, 64, 0)]
        elif control in (120, 123):  # all sound off, all notes off
            for key in list(channel.sounding):
                while channel.sounding[key]:
                    self._release(now, number, key)

    def parts(self, end: float) -> list[Part]:
        """All parts, after ending what still sounds."""
        for number, channel in enumerate(self.channels):
            for key in list(channel.sounding):
                while channel.sounding[key]:
                    self._release(end, number, key)
        parts = []
        for (number, program), notes in sorted(self.notes.items()):
            stem = stem_of(program, number)
            if stem is not None:
                channel = self.channels[number]
                parts.append(Part(stem, program, sorted(notes), channel.bends, channel.controls))
        return parts


def write_midi(song: Song, path: str | Path) -> None:
    """Write a song as a MIDI file of format 1, a track for each part, at 1 ms per tick.

    Each part gets a channel of its own (drum parts share channel 10).

    Raises:
        ValueError: the song has more than 15 parts that are not drums.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=500)  # with 0.5 s a beat
    free = iter(c for c in range(16) if c != DRUM_CHANNEL)
    for part in song.parts:
        channel = DRUM_CHANNEL if part.stem == "drums" else next(free, None)
        if channel is None:
            raise ValueError("a MIDI file has 15 channels for parts that are not drums")
        file.tracks.append(_track(part, channel))
    end = round(song.duration * 1000)
    for track in file.tracks:
        track.append(
            mido.MetaMessage("end_of_track", time=max(0, end - sum(m.time for m in track)))
        )
    file.save(path)


def _track(part: Part, channel: int) -> mido.MidiTrack:
    """A part's messages in order of time, releases before strikes."""
    widest = max([BEND_RANGE, *(abs(bend.semitones) for bend in part.bends)])
    bend_range = int(widest) + (widest % 1 > 0)
    timed = []
    for time, control, value in part.controls:
        timed.append((time, 1, "control_change", {"control": control, "value": value}))
    for time, semitones in part.bends:
        pitch = min(8191, round(semitones / bend_range * 8192))
        timed.append((time, 1, "pitchwheel", {"pitch": pitch}))
    for start, duration, key, velocity in part.notes:
        timed.append((start, 2, "note_on", {"note": key, "velocity": velocity}))
        timed.append((start + duration, 0, "note_off", {"note": key}))
    track = mido.MidiTrack()
    track.append(mido.Message("program_change", channel=channel, program=part.program))
    for control, value in ((101, 0), (100, 0), (6, bend_range), (38, 0)):
        track.append(mido.Message("control_change", channel=channel, control=control, value=value))
    now = 0
    for time, _, kind, fields in sorted(timed, key=lambda item: (round(item[0] * 1000), item[1])):
        tick = round(time * 1000)
        track.append(mido.Message(kind, channel=channel, time=tick - now, **fields))
        now = tick
    return track
