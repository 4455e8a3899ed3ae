"""``python -m recipes.bench quality|scaling``: the measurements behind the presets."""

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
    stems = load_tracks(tracks, loaded.sources, seconds)[:count]
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
@click.option("--minutes", multiple=True, type=float, default=(1 / 6, 1, 10), show_default=False)
def scaling(prior, quality, device, minutes) -> None:
    """Time and peak memory by length of a stereo file."""
    from .scaling import markdown, measure

    click.echo(markdown([measure(prior, quality, 60 * m, device) for m in minutes]))


if __name__ == "__main__":
    main()
