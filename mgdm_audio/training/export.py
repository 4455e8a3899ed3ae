"""Averaged weights of a run into a prior's folder: ``python -m mgdm_audio.training.export``."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import click
import torch
from safetensors.torch import save


def export(average: Path, folder: Path) -> int:
    """Write ``weights.safetensors`` (half precision) and its SHA-256 into ``config.toml``.

    The Wiener variances stay in single precision: they span more decades than half precision has.

    Returns:
        The size of the weights in bytes.
    """
    weights = torch.load(average, map_location="cpu", weights_only=True)
    data = save({n: (w if n == "variance" else w.half()).contiguous() for n, w in weights.items()})
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    text = re.sub(r"\n*\[weights\]\n(?:[^\[\n].*\n|\n)*", "\n", text).rstrip("\n")
    text += f'\n\n[weights]\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
    for path, content in ((folder / "weights.safetensors", data), (config, text.encode())):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        os.replace(temporary, path)
    return len(data)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.argument("prior", type=click.Path(path_type=Path, exists=True))
def main(run: Path, prior: Path) -> None:
    """Ship the averaged weights of RUN (its folder, or an ema.pt) as the folder PRIOR."""
    average = run / "ema.pt" if run.is_dir() else run
    size = export(average, prior)
    click.echo(f"{prior / 'weights.safetensors'}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
