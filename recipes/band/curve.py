"""Learning curve of a run: ``python -m recipes.band.curve runs/band2 --out docs/learning.png``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np

Curve = tuple[np.ndarray, np.ndarray]  # steps and values


def read_curves(folder: Path) -> dict[str, Curve]:
    """Scalars in the TensorBoard logs below `folder` by tag, as ``(steps, values)``.

    Calls of one run leave a file each; where two tell of a step, the later one counts.

    Raises:
        FileNotFoundError: there are no logs.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, dict[int, tuple[float, float]]] = {}
    files = sorted(folder.rglob("events.out.tfevents.*"))
    if not files:
        raise FileNotFoundError(f"{folder}: no TensorBoard logs")
    for file in files:
        events = EventAccumulator(str(file), size_guidance={"scalars": 0, "images": 1, "audio": 1})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            points = found.setdefault(tag, {})
            for event in events.Scalars(tag):
                if event.step not in points or event.wall_time >= points[event.step][0]:
                    points[event.step] = (event.wall_time, event.value)
    return {tag: _sorted(points) for tag, points in found.items()}


def _sorted(points: Mapping[int, tuple[float, float]]) -> Curve:
    steps = np.array(sorted(points))
    return steps, np.array([points[step][1] for step in steps])


def figure(curves: Mapping[str, Curve]):
    """Training loss, validation loss by level and SI-SDRi over steps, side by side."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(11, 3.4), layout="constrained")
    loss, levels, separation = page.subplots(1, 3)
    if "train/loss" in curves:
        loss.plot(*curves["train/loss"], color="0.3", linewidth=1)
    for tag, curve in sorted(curves.items()):
        name = tag.removeprefix("validation/")
        if name.endswith("_si_sdri"):
            separation.plot(*curve, marker=".", label=name.removesuffix("_si_sdri"))
        elif name.startswith("songs_"):
            dashed = "--" if "_plain_" in name else "-"
            label = name.removeprefix("songs_").replace("_", ", sigma ")
            levels.plot(*curve, dashed, marker=".", label=label)
    loss.set_title("training loss (1: static Wiener filter)", fontsize=9)
    levels.set_title("the same on songs by others", fontsize=9)
    separation.set_title("SI-SDRi of one conditional step, dB", fontsize=9)
    for axis in (loss, levels, separation):
        axis.set_xlabel("steps")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=7)
    return page


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="PNG to write.")
def main(run: Path, out: Path) -> None:
    """Draw the learning curve of RUN from its TensorBoard logs."""
    try:
        curves = read_curves(run)
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    figure(curves).savefig(out, dpi=110)
    for tag, (steps, values) in sorted(curves.items()):
        if tag.startswith("validation/"):
            click.echo(f"{tag.removeprefix('validation/')}: {values[-1]:.3f} at step {steps[-1]}")


if __name__ == "__main__":
    main()
