"""Training configuration: the ``config.toml`` of a prior."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class TrainingConfig:
    """The ``[training]`` table. Times in seconds of audio, learning rate of both optimisers."""

    data: str  # "package.module:Class" of an iterable data set of [K, T] tensors
    data_options: dict = field(default_factory=dict)
    crop: float = 6.0
    batch_size: int = 4
    steps: int = 4000
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 50
    cooldown: float = 0.3
    optimizer: str = "muon"
    clip: float = 1.0
    ema: float = 0.998
    workers: int = 1
    seed: int = 0
    # "relative"; "level", for plain priors; "log", which counts decibels; "mixture", of examples
    # that start from it, and "relative" of all others; "mixture-log", the logarithms: see `loss`
    loss: str = "relative"
    noise: dict = field(default_factory=dict)
    # Conditional examples at the highest level start where a separation does, from the mixture
    # shared out equally, and not from noise.
    mean_start: bool = False
    frozen: list = field(default_factory=list)  # parts of the network that keep their weights
    validation: dict = field(default_factory=dict)  # name -> folder of tracks
    validate_every: int = 500
    save_every: int = 100
    variance_crops: int = 400  # to measure the Wiener filter's variances


def read_config(path: Path) -> dict:
    """The whole file as a dictionary, with ``[training]`` as a `TrainingConfig`.

    Raises:
        ValueError: naming the file and the table or option that is missing, unknown or of another
            kind.
    """
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: is no TOML ({error})") from error
    return parse_config(tables, str(path))


def parse_config(tables: dict, name: str) -> dict:
    """A configuration's `tables` with ``[training]`` as a `TrainingConfig`.

    Raises:
        ValueError: naming the configuration (`name`) and the table or option that is missing or
            unknown.
    """
    for table in ("prior", "training"):
        if table not in tables:
            raise ValueError(f"{name}: the table [{table}] is missing")
    for option in ("sources", "samplerate", "sigma_min", "sigma_max", "network"):
        if option not in tables["prior"]:
            raise ValueError(f"{name}: [prior] lacks {option}")
    known = {f.name for f in fields(TrainingConfig)}
    if unknown := set(tables["training"]) - known:
        raise ValueError(f"{name}: unknown option in [training]: {', '.join(sorted(unknown))}")
    if "data" not in tables["training"]:
        raise ValueError(f"{name}: [training] does not say which data, as package.module:Class")
    kinds = {"data_options": dict, "noise": dict, "validation": dict, "frozen": list}
    for option, kind in kinds.items():
        if not isinstance(tables["training"].get(option, kind()), kind):
            what = "table" if kind is dict else "list"
            raise ValueError(f"{name}: [training] {option} is a {what}")
    return {**tables, "training": TrainingConfig(**tables["training"])}


@contextmanager
def options_of(table: str) -> Iterator[None]:
    """Name the `table` whose options are unknown to what is called with them, or lack one.

    Raises:
        ValueError: in place of Python's TypeError about arguments.
    """
    try:
        yield
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise ValueError(f"[{table}]: {error}") from error


def import_name(name: str):
    """The object that ``"package.module:attribute"`` names.

    Raises:
        ValueError: there is none.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"{name!r} is not of the form package.module:attribute")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{name!r} cannot be imported ({error}); modules are found from the folder that the "
            "command is run in, recipes from the project's"
        ) from error
