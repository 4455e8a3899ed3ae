"""``python -m mgdm_audio.training --config priors/band/config.toml --out runs/band``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@click.command(context_settings={"show_default": True})
@click.option(
    "--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--steps", type=click.IntRange(min=1), help="Stop (and cool down) there instead.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Cool down and stop by the clock instead: minutes of training in all calls together, "
    "without start-up, compilation and validation.",
)
@click.option(
    "--data",
    "data_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the data set that depends on the machine, such as sounds=FOLDER. Numbers, "
    "true, false and lists are read as in the configuration, all else as text.",
)
@click.option("--devices", default="auto", help="As Lightning Fabric takes them.")
@click.option("--precision", default="32-true", help="bf16-mixed on GPUs and recent CPUs.")
@click.option("--compile", "compiled", is_flag=True, help="Compile the network first (minutes).")
def main(
    config: Path,
    out: Path,
    steps: int | None,
    minutes: float | None,
    data_options: tuple[str, ...],
    devices: str,
    precision: str,
    compiled: bool,
) -> None:
    """Train a prior, or go on with a run that was cut short."""
    from .config import read_config
    from .loop import TrainingDiverged, train

    if steps and minutes:
        raise click.UsageError("--steps and --minutes exclude each other")
    out.mkdir(parents=True, exist_ok=True)
    devices = int(devices) if devices.isdigit() else devices
    try:
        settings = read_config(config)
        settings["training"].data_options.update(_pairs(data_options))
        train(
            settings,
            out,
            devices=devices,
            precision=precision,
            steps=steps,
            seconds=minutes and 60 * minutes,
            compiled=compiled,
        )
    except (TrainingDiverged, FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _pairs(options: tuple[str, ...]) -> dict[str, Any]:
    for option in options:
        if "=" not in option:
            raise click.UsageError(f"--data {option}: expected NAME=VALUE")
    return {name: _value(text) for name, text in (option.split("=", 1) for option in options)}


def _value(text: str) -> Any:
    """What the text means in a configuration, if a number or the like; a file's name is text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return (
        value if isinstance(value, (bool, int, float, list)) and not Path(text).exists() else text
    )


if __name__ == "__main__":
    main()
