"""Window scores on disk, so that a long evaluation can go on where it was cut."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from .windows import WindowScores


def write_scores(scores: WindowScores, names: Sequence[str], path: Path) -> None:
    """CSV with a line a window: its first sample, and dB and activity (0 or 1) of each stem."""
    part = path.with_suffix(".part")
    with open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["start", *names, *(f"{name}_active" for name in names)])
        for start, gain, active in zip(*(x.tolist() for x in scores), strict=True):
            writer.writerow([start, *(f"{g:.6f}" for g in gain), *map(int, active)])
    os.replace(part, path)


def read_scores(path: Path) -> WindowScores:
    """What `write_scores` wrote; dB in float64."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    stems = (len(header) - 1) // 2
    table = torch.tensor([[float(cell) for cell in row] for row in rows], dtype=torch.float64)
    start, gain, active = table.reshape(-1, 1 + 2 * stems).split([1, stems, stems], dim=1)
    return WindowScores(start[:, 0].long(), gain, active.bool())
