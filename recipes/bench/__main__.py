"""``python -m recipes.bench quality|scaling|profile``: the measurements behind the presets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from .settings import GROUPS


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Measure the shipped prior on this machine."""


@main.command()
@click.argument("tracks", type=click.Path(path_type=Path, exists=True))
@click.option("--prior", default="band")
@click.option("--group", "groups", multiple=True, type=click.Choice(list(GROUPS)), required=True)
@click.option("--count", type=int, help="Use the first COUNT tracks only.")
@click.option("--seconds", type=float, help="Use the first SECONDS of each track only.")
@click.option("--device", default="cpu")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file.")
def quality(tracks, prior, groups, count, seconds, device, out) -> None:
    """SI-SDRi against cost on the folder TRACKS; adds to OUT, then writes OUT's .md and .png.

    Settings already in OUT are not measured again, so a long study can be cut and resumed. An OUT
    that was measured with other weights, tracks or on another machine is refused.
    """
    from datetime import date

    from mgdm_audio.pretrained import load_prior
    from mgdm_audio.training.validate import load_tracks

    from .conditions import check_same, conditions_of
    from .quality import measure, read_points, render, write

    loaded = load_prior(prior, device)
    try:
        stems = load_tracks(tracks, loaded.sources, loaded.samplerate, seconds, count)
        now = conditions_of(loaded, tracks, stems, seconds, device)
        points = read_points(out)
        check_same([point.measured for point in points], now, out)
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    asked = [setting for group in groups for setting in GROUPS[group]]
    known = {point.name: point for point in points}
    missing = [setting for setting in asked if setting.name not in known]
    for setting in missing:
        point = measure(loaded, stems, setting, device)
        points.append(replace(point, measured=now, date=date.today().isoformat()))
        click.echo(f"{point.name}: {point.si_sdri:.2f} dB, {point.seconds:.3f} s a second of audio")
        write(points, out)
    render(points, out)
    old = [known[setting.name].date for setting in asked if setting.name in known]
    click.echo(f"{len(missing)} settings measured now{_stored(old, out)}")


def _stored(dates: Sequence[str], out: Path) -> str:
    """What to say of rows that were not measured now."""
    if not dates:
        return ""
    days = " to ".join(sorted({min(dates), max(dates)}))
    return f"; {len(dates)} not measured now but read from {out} ({days})"


@main.command()
@click.option("--prior", default="band")
@click.option("--quality", default="fast")
@click.option("--device", default="cpu")
@click.option(
    "--minutes",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True),
    default=(1 / 6, 1, 10, 60),
    show_default="10 s, 1, 10 and 60 minutes",
    help="Length of the stereo file; may be repeated.",
)
@click.option(
    "--again", is_flag=True, help="Measure what is in OUT already, too, and put it in its place."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("docs/bench/scaling.json"),
    help="JSON file; a .md and a .png are written beside it.",
)
def scaling(prior, quality, device, minutes, again, out) -> None:
    """Time, processor time and peak memory by length of a stereo file at 44.1 kHz.

    Every length is separated and written in a process of its own. OUT is written after each of
    them, and lengths in it are not measured again, so the command can be cut and resumed. Rows of
    other weights or another machine stay in OUT as tables of their own, unless `--again` is given.
    """
    from .scaling import find_place, markdown, measure, read_rows, write

    place = find_place(prior, device)
    rows = {row.key: row for row in read_rows(out)}
    old = []
    for length in minutes:
        asked = (prior, quality, device, round(length, 4))
        key = (prior, quality, device, *place, round(length, 4))
        if key in rows and not again:
            old.append(rows[key].date)
            continue
        row = measure(prior, quality, device, length, place.weights)
        if again:
            rows = {key: row for key, row in rows.items() if row.asked != asked}
        rows[row.key] = row
        click.echo(row, err=True)
        write(list(rows.values()), out)
    click.echo(markdown(list(rows.values())))
    click.echo(f"{len(minutes) - len(old)} lengths measured now{_stored(old, out)}")
    if others := sum(row.key[3:6] != tuple(place) for row in rows.values()):
        click.echo(f"{others} rows are of other weights or another machine, see above")


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def table(files) -> None:
    """Write the .md and .png of FILES, the JSON of quality or scaling; nothing is measured."""
    from . import quality, scaling

    for file in files:
        if "minutes" in json.loads(file.read_text(encoding="utf-8"))[0]:
            scaling.render(scaling.read_rows(file), file)
        else:
            quality.render(quality.read_points(file), file)
        click.echo(f"{file.with_suffix('.md')}: written from {file}, nothing was measured")


@main.command()
@click.argument(
    "track", type=click.Path(path_type=Path, exists=True), default=Path("examples/band.ogg")
)
@click.option("--prior", default="band")
@click.option("--repeats", default=3, help="Of the start-up; the fastest counts.")
def profile(track, prior, repeats) -> None:
    """Where a short separation's time goes: start-up by stages, and the network's operators."""
    from .profile import operators, start_up

    click.echo(start_up(track, prior, repeats))
    click.echo(operators(prior))


if __name__ == "__main__":
    main()
