"""What a table was measured with, so that other figures are not taken for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from mgdm_audio.pretrained import Prior
from recipes.machine import describe_machine
from recipes.slakh.priors import fingerprint


@dataclass(frozen=True)
class Conditions:
    """Everything that a figure or its cost depends on, besides the setting.

    Attributes:
        prior: its name.
        weights: its `fingerprint`.
        sources: its stems.
        folder: name of the set's folder.
        audio: sixteen hexadecimal digits of the SHA-256 of the tracks as they were used.
        count: number of tracks.
        length: seconds of each that were used, or None for all.
        device: as PyTorch names it.
        machine: processors, operating system and versions.
        threads: of PyTorch.
    """

    prior: str
    weights: str
    sources: tuple[str, ...]
    folder: str
    audio: str
    count: int
    length: float | None
    device: str
    machine: str
    threads: int

    def __str__(self) -> str:
        length = "in full" if self.length is None else f"of {self.length:g} s"
        return (
            f"prior `{self.prior}` (weights {self.weights}), `{self.folder}` (audio {self.audio}), "
            f"{self.count} tracks {length}, {self.device}, {self.machine}, {self.threads} threads"
        )


def conditions_of(
    prior: Prior, folder: Path, tracks: Sequence[Tensor], length: float | None, device: str
) -> Conditions:
    """Of a measurement of `prior` on `device` that uses `tracks` ``[K, T]`` of `folder`."""
    digest = hashlib.sha256()
    for stems in tracks:
        digest.update(repr(tuple(stems.shape)).encode())
        digest.update(stems.contiguous().numpy().tobytes())
    return Conditions(
        prior.name,
        fingerprint(prior),
        tuple(prior.sources),
        folder.resolve().name,
        digest.hexdigest()[:16],
        len(tracks),
        length,
        str(device),
        describe_machine(torch.device(device)),
        torch.get_num_threads(),
    )


def check_same(known: Sequence[Conditions | None], now: Conditions, path: Path) -> None:
    """Make sure that the rows of `path`, measured under `known`, may stand beside new ones.

    Raises:
        ValueError: they may not; the message says in what they differ.
    """
    way_out = "choose another --out, or delete it to measure again"
    for then in known:
        if then is None:
            raise ValueError(
                f"{path}: its rows do not say what they were measured with, so none can be added; "
                f"{way_out} (python -m recipes.bench table {path} writes them as they are)"
            )
        differing = [
            f"{field.name} {getattr(then, field.name)}, not {getattr(now, field.name)}"
            for field in fields(Conditions)
            if getattr(then, field.name) != getattr(now, field.name)
        ]
        if differing:
            raise ValueError(
                f"{path}: its rows were measured with {'; '.join(differing)}: {way_out}"
            )
