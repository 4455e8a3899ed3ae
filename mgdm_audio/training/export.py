"""Averaged weights of a run into a prior's folder: ``python -m mgdm_audio.training.export``."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import click
import torch
from safetensors.torch import load_file, save

from ..digest import sha256
from ..networks import fitting


def export(average: Path, folder: Path, share: float = 1.0) -> int:
    """Write ``weights.safetensors`` (half precision) and its SHA-256 into ``config.toml``.

    The Wiener variances stay in single precision: they span more decades than half precision has.

    Args:
        average: averaged weights of a run, ``ema.pt``.
        folder: of the prior.
        share: of these weights; the rest are the ones that `folder` holds already. Weights of a run
            that began with those lie in the same valley, and a point between the two is often
            better than both (model soups, Wortsman et al., 2022). Parts of the network that those
            lack are taken as the run made them. Weights of one network serve both of a cascade, and
            those of a cascade's first one network.

    Returns:
        The size of the weights in bytes.

    Raises:
        ValueError: `share` is not above 0 and at most 1, nothing of the run is in those weights or
            it has another shape there, or `average` holds no weights.
        FileNotFoundError: there is no such file.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is above 0 and at most 1, not {share}")
    try:
        weights = torch.load(average, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise ValueError(f"{average}: holds no averaged weights ({reason})") from error
    if not all(isinstance(weight, torch.Tensor) for weight in weights.values()):
        raise ValueError(f"{average}: holds no averaged weights; they are in the run's ema.pt")
    if share < 1:
        old = fitting(load_file(folder / "weights.safetensors"), weights)
        shared = old.keys() & weights.keys()
        if not shared or any(old[name].shape != weights[name].shape for name in shared):
            raise ValueError(f"{folder}: its weights are of another network than {average}")
        weights = {
            n: torch.lerp(old[n].float(), w.float(), share) if n in old else w
            for n, w in weights.items()
        }
    single = {n for n in weights if n.split(".")[-1] == "variance"}
    data = save({n: (w if n in single else w.half()).contiguous() for n, w in weights.items()})
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    text = re.sub(r"\n*\[weights\]\n(?:[^\[\n].*\n|\n)*", "\n", text + "\n").rstrip("\n")
    text += f'\n\n[weights]\nsha256 = "{sha256(data)}"\n'
    for path, content in ((folder / "weights.safetensors", data), (config, text.encode())):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        os.replace(temporary, path)
    return len(data)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.argument("prior", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--share",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Of RUN in the new weights; the rest are PRIOR's present ones, which RUN began with.",
)
def main(run: Path, prior: Path, share: float) -> None:
    """Ship the averaged weights of RUN (its folder, or an ema.pt) as the folder PRIOR."""
    average = run / "ema.pt" if run.is_dir() else run
    try:
        size = export(average, prior, share)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{prior / 'weights.safetensors'}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
