"""Variants of a prior at equal training time: ``python -m recipes.band.ablation``.

Every variant of `ablation.toml` is trained from the same seed (or weights) for the same number of
seconds and scored on the same validation tracks. Training and table go on where they were cut.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import click
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mgdm_audio.networks import build_network, fitting
from mgdm_audio.training.config import parse_config
from mgdm_audio.training.validate import LEVELS, check_sets, scores
from recipes.machine import describe_machine
from recipes.results import write_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
TABLES = ("prior", "network", "training")


class Variant(NamedTuple):
    """Overrides of a configuration's tables, and a sentence on what they are."""

    name: str
    what: str
    tables: dict


def read_variants(path: Path) -> list[Variant]:
    """The ``[[variant]]`` tables of a file.

    Raises:
        ValueError: a variant has no name or sentence, an unknown table, or a name twice.
    """
    variants = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("variant", []):
        tables = {key: value for key, value in entry.items() if key not in ("name", "what")}
        if not {"name", "what"} <= set(entry) or set(tables) - set(TABLES):
            raise ValueError(
                f"{path}: a variant has name, what and tables of {', '.join(TABLES)}, not {entry}"
            )
        variants.append(Variant(entry["name"], entry["what"], tables))
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: a name is there twice")
    return variants


def read_base(path: Path) -> dict:
    """The table ``[all]`` of a file: overrides that every variant has, below its own.

    Raises:
        ValueError: it has an unknown table.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8")).get("all", {})
    if unknown := set(tables) - set(TABLES):
        raise ValueError(f"{path}: [all] has no table {', '.join(sorted(unknown))}")
    return tables


def merge(base: Mapping, changes: Mapping) -> dict:
    """`base` with `changes` put in, table by table."""
    merged = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = merge(base[key], value) if inner else value
    return merged


def fingerprint(*conditions) -> str:
    """Ten digits that change with whatever a result depends on."""
    text = json.dumps(conditions, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Weights from a prior's ``weights.safetensors`` or a run's ``ema.pt``."""
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fits(net: nn.Module, weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether `weights` has the names and shapes of `net`."""
    shapes = {name: tensor.shape for name, tensor in net.state_dict().items()}
    return shapes == {name: tensor.shape for name, tensor in weights.items()}


def run_variant(
    tables: dict,
    folder: Path,
    seconds: float,
    *,
    count: int | None = None,
    precision: str = "32-true",
    start: Mapping[str, torch.Tensor] | None = None,
) -> dict:
    """Train in `folder` for `seconds` and score the averaged weights.

    Args:
        tables: a whole configuration, as TOML gives it.
        count: score on the first `count` tracks of each validation set.
        start: weights to start from, if they fit the network, or those of one of its parts do.

    Returns:
        Steps taken, parameters, whether it started from `start`, and the figures of
        `mgdm_audio.training.validate.scores`.

    Raises:
        ValueError: a validation set cannot be read; said before training.
    """
    from mgdm_audio.training.loop import train

    config = parse_config(tables, "the variant's configuration")
    check_sets(config)
    prior = config["prior"]
    net = build_network(prior["network"], len(prior["sources"]), **config.get("network", {}))
    start = None if start is None else fitting(dict(start), net.state_dict())
    started = start is not None and fits(net, start)
    folder.mkdir(parents=True, exist_ok=True)
    if started and not (folder / "state.pt").exists():
        save_file({k: v.contiguous() for k, v in start.items()}, folder / "initial.safetensors")
    # Validation comes below, once, and on another number of tracks.
    training = merge(tables["training"], {"validate_every": 10**9}) | {"validation": {}}
    quiet = parse_config({**tables, "training": training}, "the variant's configuration")
    train(quiet, folder, seconds=seconds, precision=precision)
    net.load_state_dict(read_weights(folder / "ema.pt"))
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    return {
        "steps": state["step"],
        "parameters": sum(p.numel() for p in net.parameters()),
        "started": started,
        "figures": scores(net.eval(), config, count),
        "measured": f"{describe_machine()}, {date.today().isoformat()}",
    }


def table(rows: Sequence[dict], sets: Sequence[str], sigma_max: float) -> str:
    """Results as Markdown: a row a variant, SI-SDRi a set, loss by level on the last set.

    Args:
        rows: results of `run_variant` with ``name`` and ``what``.
        sets: names of validation sets, the deciding one first.
        sigma_max: the highest noise level, of a one-step separation.
    """
    levels = [f"{level:g}" for level in (*LEVELS, sigma_max)]
    kinds = [f"{kind}_{level}" for kind in ("conditional", "plain") for level in levels]
    head = ["variant", "what", "parameters", "steps", *(f"{name}, dB" for name in sets)]
    head += [kind.replace("_", " ") for kind in kinds]
    lines = [head, ["---", "---"] + ["---:"] * (len(head) - 2)]
    for row in rows:
        figures = row["figures"]
        name = row["name"] + ("" if row["started"] or row["start"] is None else " (from scratch)")
        lines.append([name, row["what"], f"{row['parameters'] / 1e6:.1f} M", f"{row['steps']:,}"])
        lines[-1] += [f"{figures[f'{s}_si_sdri']:.2f}" for s in sets]
        lines[-1] += [f"{figures[f'{sets[0]}_{kind}']:.3f}" for kind in kinds]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def document(rows: Sequence[dict], sets: Sequence[str], sigma_max: float) -> str:
    """The whole page: what was done, and the table."""
    first = rows[0]
    start = f"the weights `{first['start']}`" if first["start"] else "random weights"
    options = "--sounds pack/ " if first.get("sounds") else ""
    options += f"--seconds-per-variant {first['seconds']:g} --precision {first['precision']}"
    options += f" --count {first['count']}" if first["count"] else ""
    options += f" --start {first['start']}" if first["start"] else ""
    places = " and ".join(sorted({row["measured"] for row in rows if "measured" in row}))
    tracks = "all tracks" if first["count"] is None else f"the first {first['count']} tracks"
    return f"""# Ablations of the band prior

    python -m recipes.band.ablation {options}

{places}

Each row changes one thing in `{first["config"]}` and was trained for {first["seconds"]:g} s of
training time (start-up and validation not counted; `{first["precision"]}`,
{first["threads"]} threads), with its own cool-down inside that time, from {start}. Names in the
first column are those of `recipes/band/ablation.toml`, whose table `[all]` changes something in
every row, for short runs. One run a row: differences smaller than that between `baseline` and
`seed-2` say nothing.

SI-SDRi of one conditional step (dB, `silent="skip"`, mean over stems, averaged weights) on {tracks}
of each set; then the squared error relative to the static Wiener filter on `{sets[0]}`, with the
mixture known (conditional) and without, at three noise levels.

{table(rows, sets, sigma_max)}"""


@click.command(context_settings={"show_default": True})
@click.option("--seconds-per-variant", "seconds", type=float, default=600.0, help="Of training.")
@click.option("--only", multiple=True, metavar="NAME", help="These variants; repeatable.")
@click.option("--precision", default="32-true", help="As Lightning Fabric takes it.")
@click.option("--count", type=int, help="Score on the first COUNT tracks of each set only.")
@click.option(
    "--start",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Weights (.safetensors or ema.pt) to start from where they fit.",
)
@click.option("--sounds", type=click.Path(path_type=Path, exists=True), help="Recorded pack.")
@click.option(
    "--config", type=click.Path(path_type=Path, exists=True), default="priors/band/single.toml"
)
@click.option(
    "--variants", type=click.Path(path_type=Path, exists=True), default=HERE / "ablation.toml"
)
@click.option("--runs", type=click.Path(path_type=Path), default="runs/ablation")
@click.option("--out", type=click.Path(path_type=Path), default="docs/ablations.md")
def main(seconds, only, precision, count, start, sounds, config, variants, runs, out) -> None:
    """Train and score the variants; write the table OUT and the results beside it as JSON."""
    base = tomllib.loads(config.read_text(encoding="utf-8"))
    base.pop("weights", None)
    base = merge(base, read_base(variants))
    if sounds:
        base = merge(base, {"training": {"data_options": {"sounds": str(sounds)}}})
    chosen = read_variants(variants)
    if unknown := set(only) - {variant.name for variant in chosen}:
        raise click.UsageError(f"no variant {', '.join(sorted(unknown))} in {variants}")
    digest = start and hashlib.sha256(start.read_bytes()).hexdigest()
    weights = read_weights(start) if start else None
    conditions = {
        "seconds": seconds,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "start": start and str(start),
        "config": str(config),
        "top": "the mixture shared out equally",  # the state of the highest conditional figure
    }
    results = out.with_suffix(".json")
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    rows = []
    for variant in chosen:
        tables = merge(base, variant.tables)
        # A result stands until something that it depends on changes, and so does a trained run.
        trained = f"{variant.name}-{fingerprint(tables, conditions, digest)}"
        key = f"{trained}-{count or 'all'}"
        if key not in known and (not only or variant.name in only):
            click.echo(f"{variant.name}: {variant.what}")
            options = {"count": count, "precision": precision, "start": weights}
            try:
                result = run_variant(tables, runs / trained, seconds, **options)
            except ValueError as error:
                raise click.ClickException(str(error)) from error
            known[key] = {**conditions, "sounds": bool(sounds), "count": count, **result}
            write_text(results, json.dumps(known, indent=1) + "\n")
        if key in known:
            rows.append({**known[key], "name": variant.name, "what": variant.what})
            write_text(out, document(rows, deciding_first(base), base["prior"]["sigma_max"]))
    click.echo(f"{out}: {len(rows)} of {len(chosen)} variants")


def deciding_first(tables: Mapping) -> list[str]:
    """Names of the validation sets, songs by others before all."""
    return sorted(tables["training"]["validation"], key=lambda name: name != "songs")


if __name__ == "__main__":
    main()
