"""Command line of the benchmark."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import date
from pathlib import Path

import click
import torch

from mgdm_audio.devices import pick_device
from mgdm_audio.engine import DenoiserError, SamplingError
from mgdm_audio.pretrained import load_prior
from recipes.slakh.layout import find_tracks
from recipes.slakh.messages import run

from .peers import Unavailable
from .report import write_report
from .run import measure, read_tuned, tune, write_tuned
from .systems import SYSTEMS, System, read_systems

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option("--set", "sets", multiple=True, required=True, help="NAME=FOLDER of tracks.")
@click.option("--tune", "tuning", type=FOLDER, help="Folder of other tracks to choose settings on.")
@click.option("--tune-tracks", default=3, show_default=True, help="Tracks of it that are used.")
@click.option("--prior", default="band", show_default=True, help="Name or folder.")
@click.option("--system", "names", multiple=True, help="May be repeated; by default all.")
@click.option("--systems", "file", default=SYSTEMS, type=click.Path(path_type=Path), help="TOML.")
@click.option("--tracks", type=int, help="Tracks a set; by default all.")
@click.option("--seconds", type=float, help="Of each track; by default all.")
@click.option("--device", help="cuda, mps, cpu; by default the fastest.")
@click.option("--batch", default=4, show_default=True, help="Windows a denoiser call.")
@click.option("--work", default=Path("runs/band/benchmark"), type=click.Path(path_type=Path))
@click.option("--out", default=Path("docs/benchmarks.md"), type=click.Path(path_type=Path))
def main(
    sets: tuple[str, ...],
    tuning: Path | None,
    tune_tracks: int,
    prior: str,
    names: tuple[str, ...],
    file: Path,
    tracks: int | None,
    seconds: float | None,
    device: str | None,
    batch: int,
    work: Path,
    out: Path,
) -> None:
    """Measure samplers and peers on sets of tracks TRACK/{bass,drums,guitar,piano}.flac.

    A run that was cut goes on where it was. Settings are tuned once, on the tracks of --tune.
    """
    folders = dict(_set(text, tracks) for text in sets)
    systems = _choose(names, read_systems(file))
    place = pick_device(device)
    loaded = load_prior(prior, place)
    tuned = work / "tuned.json"
    if tuning is not None:
        for system in systems.values():
            if system.grid and read_tuned(tuned, system) is system:
                click.echo(f"tuning {system.name}")
                songs = find_tracks(tuning, allow_partial=True)[:tune_tracks]
                try:
                    best = tune(system, songs, loaded, place, batch, seconds, click.echo)
                except (DenoiserError, SamplingError) as error:
                    click.echo(f"{system.name}: {error}; its settings stay as they are")
                    continue
                write_tuned(tuned, best)
    systems = {name: read_tuned(tuned, system) for name, system in systems.items()}
    results: dict = {name: {} for name in folders}
    unavailable: dict[str, str] = {}
    for set_name, paths in folders.items():
        for system in systems.values():
            target = work / set_name / system.name
            try:
                result = measure(system, paths, loaded, target, place, batch, seconds)
            except (Unavailable, DenoiserError, SamplingError) as error:
                unavailable[system.name] = str(error)
                click.echo(f"{system.name}: {error}")
                continue
            results[set_name][system.name] = result
            click.echo(f"{set_name} {system.name}: {result.summary('skip').overall.mean:.2f} dB")
    command = f"python -m recipes.band.benchmark {shlex.join(sys.argv[1:])}"
    setting = f"Prior `{loaded.name}`, {_machine(place)}, {date.today().isoformat()}:"
    out.parent.mkdir(parents=True, exist_ok=True)
    text = write_report(results, systems, unavailable, command, setting)
    out.write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}")


def _set(text: str, tracks: int | None) -> tuple[str, list[Path]]:
    name, _, folder = text.partition("=")
    if not folder:
        raise click.UsageError(f"--set takes NAME=FOLDER, not {text!r}")
    return name, find_tracks(Path(folder), allow_partial=True)[:tracks]


def _choose(names: tuple[str, ...], systems: dict[str, System]) -> dict[str, System]:
    if unknown := [name for name in names if name not in systems]:
        raise click.UsageError(f"no {', '.join(unknown)}; there are {', '.join(systems)}")
    return {name: systems[name] for name in names or systems}


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{platform.machine()} {device.type}, {threads} thread{'s' * (threads > 1)}"


if __name__ == "__main__":
    run(main)
