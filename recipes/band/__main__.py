"""``python -m recipes.band render --split validation --out runs/band/validation``."""

from __future__ import annotations

from pathlib import Path

import click

from .sets import SAMPLERATE, SECONDS, SETS, Settings, render_set

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Bands that play on the fly: render the validation and test sets."""


@main.command()
@click.option("--split", type=click.Choice(sorted(SETS)), required=True, help="Which set.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--sounds", type=FOLDER, help="Pack of recorded instruments.")
@click.option("--songs", type=FOLDER, help="Folder of MIDI songs with all four stems.")
@click.option("--samplerate", type=int, default=SAMPLERATE, help="In Hz.")
@click.option("--seconds", type=click.FloatRange(1), default=SECONDS, help="Of each song, at most.")
def render(
    split: str,
    out: Path,
    sounds: Path | None,
    songs: Path | None,
    samplerate: int,
    seconds: float,
) -> None:
    """Write TRACK/{bass,drums,guitar,piano,mix}.flac for every song of a set.

    A call that was cut short goes on where it stopped.
    """
    try:
        tracks = render_set(split, out, Settings(sounds, songs, samplerate, seconds))
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{tracks} tracks in {out}")


if __name__ == "__main__":
    main()
