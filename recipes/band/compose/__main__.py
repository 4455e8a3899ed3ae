"""Write one song as a MIDI file: `python -m recipes.band.compose SEED OUT.mid [SECONDS]`."""

from __future__ import annotations

import argparse

from recipes.band.compose import compose
from recipes.band.midi import write_midi


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.band.compose", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("out", help="the MIDI file to write")
    parser.add_argument("seconds", type=float, nargs="?", default=24.0)
    arguments = parser.parse_args()
    song = compose(arguments.seed, arguments.seconds)
    write_midi(song, arguments.out)
    for part in song.parts:
        print(f"{part.stem:7}program {part.program:3}{len(part.notes):6} notes")


if __name__ == "__main__":
    main()
