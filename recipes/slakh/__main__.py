"""Command line of the recipe: see README.md beside this file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import torch
from tqdm import tqdm

from mgdm_audio.devices import pick_device
from mgdm_audio.engine import SamplingError
from mgdm_audio.evaluation.bss_eval import find_museval
from mgdm_audio.pretrained import PRECISIONS, load_prior

from .evaluate import SCORES, evaluate_run
from .layout import SPLITS, LayoutError, find_tracks
from .messages import run
from .parallel import find_shard, local_device, shard
from .prepare import prepare_split
from .priors import find_prior
from .report import write_figures, write_tables
from .rows import PAPER, Row, read_rows
from .separate import separate_tracks

FOLDER = click.Path(path_type=Path, file_okay=False)
rows_option = click.option(
    "--rows",
    "rows_file",
    default=PAPER,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML of rows.",
)
priors_option = click.option(
    "--priors",
    default=Path("runs/priors"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where priors that are not shipped are, one folder each.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="auto: bfloat16 where the device multiplies it: faster, less exact.",
)
partial_option = click.option(
    "--allow-partial", is_flag=True, help="Go on although the split has tracks missing."
)


@click.group(help="Slakh2100: prepare, separate, evaluate, table, plot; or all of it.")
def cli() -> None:
    pass


@cli.command()
@click.argument("source", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option("--split", "splits", multiple=True, default=SPLITS, help="May be repeated.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--verify", is_flag=True, help="Recompute the checksums of what is there.")
@partial_option
def prepare(
    source: Path, out: Path, splits: tuple[str, ...], jobs: int, verify: bool, allow_partial: bool
) -> None:
    """Four mono stems at 22,050 Hz from SOURCE/{train,validation,test}."""
    # all of them before hours of work on the first
    found = {split: find_tracks(source / split, allow_partial) for split in splits}
    for split, folders in found.items():
        with _bar(folders, split) as step:
            problems = prepare_split(source / split, out / split, jobs, allow_partial, verify, step)
        if problems:
            raise LayoutError("\n".join([f"{len(problems)} tracks failed:", *problems]))


@cli.command()
@click.argument("data", type=FOLDER)
@click.option("--row", "names", multiple=True, required=True, help="May be repeated.")
@click.option("--out", required=True, type=FOLDER, help="One folder a row is made in it.")
@click.option("--prior", help="Folder of the prior, instead of the row's name for it.")
@click.option("--device", help="cuda, cuda:1, mps, cpu; by default the worker's, or the fastest.")
@click.option("--batch", default=1, show_default=True, help="Chunks at once.")
@precision_option
@click.option(
    "--shard", "part", help="0/4: the first of four workers (torchrun, Slurm: automatic)."
)
@rows_option
@priors_option
@partial_option
def separate(
    data: Path,
    names: tuple[str, ...],
    out: Path,
    prior: str | None,
    device: str | None,
    batch: int,
    precision: str,
    part: str | None,
    rows_file: Path,
    priors: Path,
    allow_partial: bool,
) -> None:
    """Separate the tracks of DATA with the settings of a row."""
    rank, count = find_shard(part)
    found = find_tracks(data, allow_partial)
    folders = shard(found, rank, count)
    if count > 1:
        click.echo(f"worker {rank + 1} of {count}: {len(folders)} of {len(found)} tracks", err=True)
    rows = [replace(row, prior=prior or row.prior) for row in _choose(names, rows_file)]
    _check_priors(rows, priors)
    failed = []
    for row in rows:
        failed += _separate(row, folders, out, priors, device, batch, precision)
    _fail(failed)


@cli.command()
@click.argument("data", type=FOLDER)
@click.argument("runs", nargs=-1, required=True, type=FOLDER)
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--museval", is_flag=True, help="BSS Eval v4 as well; needs ffmpeg.")
@partial_option
def evaluate(
    data: Path, runs: tuple[Path, ...], jobs: int, museval: bool, allow_partial: bool
) -> None:
    """Score RUNS (folders of one row each) against DATA."""
    folders = find_tracks(data, allow_partial)
    for folder in runs:
        with _bar(folders, folder.name) as step:
            evaluate_run(folders, folder, jobs, museval, step)


@cli.command()
@click.argument("runs", type=FOLDER)
@click.option("--out", required=True, type=FOLDER)
@rows_option
def table(runs: Path, out: Path, rows_file: Path) -> None:
    """Markdown and CSV of every row below RUNS that is evaluated."""
    write_tables(read_rows(rows_file), runs, out)
    click.echo((out / "results.md").read_text(encoding="utf-8"))


@cli.command()
@click.argument("runs", type=FOLDER)
@click.option("--out", required=True, type=FOLDER)
@rows_option
def plot(runs: Path, out: Path, rows_file: Path) -> None:
    """SI-SDRi against R and against G."""
    for path in write_figures(read_rows(rows_file), runs, out):
        click.echo(path)


@cli.command("all")
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER)
@click.option("--row", "names", multiple=True, help="May be repeated; by default every row.")
@click.option("--device")
@click.option("--batch", default=1, show_default=True, help="Chunks at once.")
@precision_option
@click.option("--jobs", default=1, show_default=True, help="Processes that score.")
@click.option("--museval", is_flag=True, help="BSS Eval v4 as well; needs ffmpeg.")
@rows_option
@priors_option
@partial_option
@click.pass_context
def everything(
    context: click.Context,
    data: Path,
    out: Path,
    names: tuple[str, ...],
    device: str | None,
    batch: int,
    precision: str,
    jobs: int,
    museval: bool,
    rows_file: Path,
    priors: Path,
    allow_partial: bool,
) -> None:
    """Separate, evaluate, table and plot: the papers' tables from prepared DATA."""
    if find_shard()[1] > 1:
        raise click.UsageError("all is for one process; many workers run separate")
    if museval:
        find_museval()  # before days of separation, not after
    folders = find_tracks(data, allow_partial)
    rows = _choose(names or tuple(read_rows(rows_file)), rows_file)
    _check_priors(rows, priors)
    failed = []
    for row in rows:
        if diverged := _separate(row, folders, out, priors, device, batch, precision):
            failed += diverged
            continue
        with _bar(folders, f"{row.name}, scores") as step:
            evaluate_run(folders, out / row.name, jobs, museval, step)
    if any(any((out / name).glob(f"*/{SCORES}")) for name in read_rows(rows_file)):
        context.invoke(table, runs=out, out=out / "results", rows_file=rows_file)
        context.invoke(plot, runs=out, out=out / "results", rows_file=rows_file)
    _fail(failed)


def _check_priors(rows: list[Row], priors: Path) -> None:
    """Fail before days of work on the first row, not after, if the last one's prior is missing."""
    for row in rows:
        find_prior(row.prior, priors)


def _separate(
    row: Row,
    folders: list[Path],
    out: Path,
    priors: Path,
    device: str | None,
    batch: int,
    precision: str,
) -> list[str]:
    """Separate with one row; a sentence if its sampler diverges, which ends no other row."""
    place = pick_device(device or local_device(torch.cuda.device_count()))
    loaded = load_prior(find_prior(row.prior, priors), place, precision=precision)
    with _bar(folders, row.name) as step:
        try:
            separate_tracks(folders, row, loaded, out / row.name, place, batch, step)
        except SamplingError as error:
            return [f"{row.name}: {error}"]
    return []


def _fail(failed: list[str]) -> None:
    """Exit with what went wrong, if anything did."""
    if failed:
        raise SystemExit("\n".join(f"error: {line}" for line in failed))


def _choose(names: tuple[str, ...], rows_file: Path) -> list[Row]:
    rows = read_rows(rows_file)
    if unknown := [name for name in names if name not in rows]:
        raise click.UsageError(f"no row {', '.join(unknown)}; there are {', '.join(rows)}")
    return [rows[name] for name in names]


class _bar:
    """A progress bar over tracks that gives the function to call after each."""

    def __init__(self, items: list, label: str):
        self.bar = tqdm(total=len(items), desc=label, unit="track")

    def __enter__(self):
        return lambda name: self.bar.update()

    def __exit__(self, *error) -> None:
        self.bar.close()


if __name__ == "__main__":
    run(cli)
