"""Command line of the benchmark."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mgdm_audio.devices import pick_device
from mgdm_audio.engine import DenoiserError, SamplingError
from mgdm_audio.evaluation import EvaluationError
from mgdm_audio.evaluation.bss_eval import METRICS, find_museval
from mgdm_audio.pretrained import load_prior
from recipes.slakh.layout import find_tracks
from recipes.slakh.messages import run

from .clock import Clock
from .machine import describe_run
from .part import Part, length_of
from .peers import Unavailable
from .report import Section, render_command, write_report
from .run import Result, Runner
from .systems import SYSTEMS, System, read_systems
from .tuning import tune

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option("--set", "sets", multiple=True, required=True, help="NAME=FOLDER of tracks.")
@click.option("--tune", "tuning", type=FOLDER, help="Folder of other tracks to choose settings on.")
@click.option("--tune-tracks", default=3, show_default=True, help="Tracks of it that are used.")
@click.option("--tune-seconds", default=4.0, show_default=True, help="Of each, from its middle.")
@click.option("--prior", default="band", show_default=True, help="Name or folder.")
@click.option("--system", "names", multiple=True, help="May be repeated; by default all.")
@click.option("--systems", "file", default=SYSTEMS, type=click.Path(path_type=Path), help="TOML.")
@click.option("--tracks", type=int, help="Tracks a set for presets and peers; by default all.")
@click.option("--seconds", type=float, help="Of each, from its middle; by default all.")
@click.option(
    "--sampler-tracks", default=8, show_default=True, help="Tracks a set for bare samplers."
)
@click.option("--sampler-seconds", default=4.0, show_default=True, help="Of each, from its middle.")
@click.option(
    "--museval-seconds",
    default=8.0,
    show_default=True,
    help="Of each track, from its middle, for BSS Eval of presets and peers; 0 for none.",
)
@click.option("--device", help="cuda, mps, cpu; by default the fastest.")
@click.option("--batch", default=4, show_default=True, help="Windows a denoiser call.")
@click.option("--work", default=Path("runs/band/benchmark"), type=click.Path(path_type=Path))
@click.option("--out", default=Path("docs/benchmarks.md"), type=click.Path(path_type=Path))
def main(
    sets: tuple[str, ...],
    tuning: Path | None,
    tune_tracks: int,
    tune_seconds: float,
    prior: str,
    names: tuple[str, ...],
    file: Path,
    tracks: int | None,
    seconds: float | None,
    sampler_tracks: int,
    sampler_seconds: float,
    museval_seconds: float,
    device: str | None,
    batch: int,
    work: Path,
    out: Path,
) -> None:
    """Measure samplers and peers on sets of tracks TRACK/{bass,drums,guitar,piano}.flac.

    Presets, peers and oracles on whole tracks; the samplers of the engine, which cost about 36
    denoiser passes each, on excerpts and beside the presets on the same excerpts. A run that was
    cut goes on where it was.
    """
    folders = dict(_set(text) for text in sets)
    systems = _choose(names, read_systems(file))
    unavailable: dict[str, str] = {}
    bss_seconds = museval_seconds
    try:
        if bss_seconds:
            find_museval()
    except EvaluationError as error:
        unavailable["BSS Eval (museval)"], bss_seconds = str(error), 0.0
        click.echo(error)
    cheap = [name for name, s in systems.items() if not s.sampler]
    bare = [name for name, s in systems.items() if s.sampler or s.quality or s.floor]
    parts = [Part(n, found[:tracks], seconds, bss_seconds, cheap) for n, found in folders.items()]
    if any(s.sampler for s in systems.values()):
        parts += [
            Part(
                f"{name}, samplers at equal cost",
                found[:sampler_tracks],
                sampler_seconds,
                0.0,
                bare,
            )
            for name, found in folders.items()
        ]
    songs = [] if tuning is None else find_tracks(tuning, allow_partial=True)[:tune_tracks]
    if shared := {p.resolve() for p in songs} & {p.resolve() for f in folders.values() for p in f}:
        raise click.UsageError(f"{min(shared)}: settings must not be tuned on what is measured")
    place = pick_device(device)
    loaded = load_prior(prior, place)
    audio = sum(length_of(song, tune_seconds) for song in songs)
    total = sum(s.trials * s.equivalents * audio for s in systems.values())
    total += sum(p.audio() * systems[name].equivalents for p in parts for name in p.systems)
    clock = Clock(total, click.echo)
    doing = ""
    runner = Runner(
        loaded, place, batch, lambda name, n, new: clock.advance(n, f"{doing} {name}", new)
    )
    work = work / f"{loaded.name}-{runner.weights}"
    tuned: dict[str, tuple[System, str]] = {}
    for name, system in systems.items() if songs else ():
        if not system.grid:
            continue
        doing = f"tuning {name}"
        try:
            systems[name] = tune(system, songs, runner, work / "tuning", tune_seconds, click.echo)
        except (DenoiserError, SamplingError) as error:
            click.echo(f"{name}: {error}; its settings stay as they are")
            continue
        tuned[name] = system, _where(tuning, songs, tune_seconds)
    sections = []
    for part in parts:
        results: dict[str, Result] = {}
        for name in part.systems:
            if name in unavailable:
                continue
            doing, system = f"{part.name} {name}", systems[name]
            folder = part.folder(work) / name
            try:
                result = runner.measure(system, part.tracks, folder, part.seconds, part.bss_seconds)
            except (Unavailable, DenoiserError, SamplingError) as error:
                unavailable[name] = str(error)
                click.echo(f"{name}: {error}")
                clock.advance(part.audio() * system.equivalents, doing, worked=False)
                continue
            results[name] = result
            mean = result.summary("skip").overall.mean
            click.echo(f"{doing}: {mean:.2f} dB ({clock.remaining()})")
        bss = (
            f"BSS Eval v4 (museval), {' / '.join(METRICS)} in dB, on the middle {bss_seconds:g} s: "
            "medians over frames of 1 s, then over tracks. A frame counts if all stems and "
            "estimates sound in it, which in museval is so for all stems or none."
        )
        sections.append(Section(part.title(), results, bss))
    made = [*folders.values(), songs]
    commands = [render_command(_shown(found[0].parent)) for found in made if found]
    commands = ["pip install -e '.[test]'", *dict.fromkeys(c for c in commands if c)]
    commands.append(f"python -m recipes.band.benchmark {shlex.join(sys.argv[1:])}")
    setting = describe_run(loaded, runner.weights, place)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = write_report(sections, systems, tuned, unavailable, commands, setting)
    out.write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}")


def _where(folder: Path, songs: Sequence[Path], seconds: float) -> str:
    count = f"{len(songs)} track{'s' * (len(songs) != 1)}"
    return f"the middle {seconds:g} s of {count} of `{_shown(folder)}`"


def _set(text: str) -> tuple[str, list[Path]]:
    name, _, folder = text.partition("=")
    if not folder:
        raise click.UsageError(f"--set takes NAME=FOLDER, not {text!r}")
    return name, find_tracks(Path(folder), allow_partial=True)


def _choose(names: tuple[str, ...], systems: Mapping[str, System]) -> dict[str, System]:
    if unknown := [name for name in names if name not in systems]:
        raise click.UsageError(f"no {', '.join(unknown)}; there are {', '.join(systems)}")
    return {name: systems[name] for name in names or systems}


def _shown(folder: Path) -> str:
    """A folder as it is typed, without the home of this checkout."""
    try:
        return folder.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return folder.as_posix()


if __name__ == "__main__":
    run(main)
