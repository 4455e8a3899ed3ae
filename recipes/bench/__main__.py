"""``python -m recipes.bench quality|scaling|profile``: the measurements behind the presets."""

from __future__ import annotations

import json
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

    Settings already in OUT are not measured again, so a long study can be cut and resumed.
    """
    from mgdm_audio.pretrained import load_prior
    from mgdm_audio.training.validate import load_tracks

    from .quality import Point, as_rows, markdown, measure, plot

    loaded = load_prior(prior, device)
    stems = load_tracks(tracks, loaded.sources, loaded.samplerate, seconds, count)
    known = json.loads(out.read_text()) if out.exists() else []
    points = [Point(**{**row, "stems": tuple(row["stems"])}) for row in known]
    for setting in (s for group in groups for s in GROUPS[group]):
        if any(point.name == setting.name for point in points):
            continue
        points.append(measure(loaded, stems, setting, device))
        click.echo(points[-1])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(as_rows(points), indent=1))
    out.with_suffix(".md").write_text(markdown(points, loaded.sources))
    plot(points, out.with_suffix(".png"))


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
@click.option("--again", is_flag=True, help="Measure lengths that are in OUT already, too.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("docs/bench/scaling.json"),
    help="JSON file; a .md and a .png are written beside it.",
)
def scaling(prior, quality, device, minutes, again, out) -> None:
    """Time, processor time and peak memory by length of a stereo file at 44.1 kHz.

    Every length is separated and written in a process of its own. OUT is written after each of
    them, and lengths in it are not measured again, so the command can be cut and resumed.
    """
    from .scaling import markdown, measure, read_rows, write

    rows = {row.key: row for row in read_rows(out)}
    for length in minutes:
        key = (prior, quality, device, round(length, 4))
        if key in rows and not again:
            continue
        rows[key] = measure(prior, quality, device, length)
        click.echo(rows[key], err=True)
        write(list(rows.values()), out)
    click.echo(markdown(list(rows.values())))


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
