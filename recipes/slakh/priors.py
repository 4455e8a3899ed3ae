"""Priors of rows: where they are, and which weights a result was made with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from mgdm_audio.errors import PriorError
from mgdm_audio.pretrained import CONFIG, Prior, list_priors


def find_prior(name: str, folder: Path) -> Path | str:
    """A prior's folder in `folder`, or `name` itself if it is shipped or is a folder.

    Raises:
        PriorError: there is none; the message says how it is made.
    """
    if (folder / name / CONFIG).is_file():
        return folder / name
    if name in list_priors() or Path(name).is_dir():
        return name
    raise PriorError(
        f"{folder / name}: no prior {name!r}. Convert the published checkpoints (python -m "
        f"mgdm_audio.convert CHECKPOINT... {folder / name}), or say with --priors where it is."
    )


def fingerprint(prior: Prior) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of a prior's tensors and noise levels.

    A name does not tell which weights made a result, since weights change. Equal on every device;
    a second or two for the 405 million parameters of MSDM.
    """
    digest = hashlib.sha256(repr((prior.sources, prior.samplerate, prior.sigmas)).encode())
    for name, tensor in prior.denoise.network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()[:16]
