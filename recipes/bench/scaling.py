"""Time and peak memory of a separation by length of the file, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from recipes.machine import describe_machine
from recipes.peak import peak_memory
from recipes.results import write_text

RATE, CHANNELS = 44100, 2

#: Cores that other processes may use before a measurement counts as disturbed.
QUIET = 0.1


@dataclass(frozen=True)
class Row:
    """One separation, from the start of its process to its end, files written.

    Attributes:
        minutes: of stereo noise at 44.1 kHz.
        seconds: of wall-clock time.
        cpu: seconds of processor time, user and system, all threads.
        peak: largest resident set in MiB.
        stages: wall-clock seconds of ``import``, ``load``, ``separate`` and ``write``.
        others: cores that all other processes used meanwhile, or None where nobody counts them.
        machine: processor, operating system and versions.
        threads: of PyTorch.
        date: ISO 8601.
        weights: `fingerprint` of the prior, or None in rows that are older than its note.
    """

    prior: str
    quality: str
    device: str
    minutes: float
    seconds: float
    cpu: float
    peak: float
    stages: dict[str, float]
    others: float | None
    machine: str
    threads: int
    date: str
    weights: str | None = None

    @property
    def asked(self) -> tuple:
        """What was asked for."""
        return self.prior, self.quality, self.device, round(self.minutes, 4)

    @property
    def key(self) -> tuple:
        """What a row is of, weights and machine included; rows of one key replace one another."""
        what = self.prior, self.quality, self.device
        return *what, self.weights or "", self.machine, self.threads, round(self.minutes, 4)


class Fit(NamedTuple):
    """``start + slope * minutes``, and the largest relative distance of a row from it."""

    start: float
    slope: float
    error: float


class Place(NamedTuple):
    """What rows of one table share: the weights, and the machine as `Row` has it."""

    weights: str
    machine: str
    threads: int


def find_place(prior: str, device: str) -> Place:
    """Where rows that are measured now belong.

    Raises:
        PriorError, DeviceError: see `mgdm_audio.load_prior`.
    """
    import torch

    from mgdm_audio import load_prior
    from recipes.slakh.priors import fingerprint

    weights = fingerprint(load_prior(prior, device))
    return Place(weights, describe_machine(torch.device(device)), torch.get_num_threads())


def measure(prior: str, quality: str, device: str, minutes: float, weights: str) -> Row:
    """Separate `minutes` of stereo noise in a fresh process, stems written as 24-bit WAV.

    `weights` is the fingerprint of the prior that is noted.

    Raises:
        subprocess.CalledProcessError: the separation failed; its message is on stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.wav"
        write_noise(path, round(60 * minutes * RATE))
        busy = _busy()
        seconds, cpu, output = timed(
            [sys.executable, "-m", "recipes.bench.scaling", str(path), prior, quality, device]
        )
        others = None if busy is None else round(max(_busy() - busy - cpu, 0.0) / seconds, 2)
    found = json.loads(output.splitlines()[-1])
    today = date.today().isoformat()
    seconds, cpu = round(seconds, 3), round(cpu, 3)
    noted = {"others": others, "date": today, "weights": weights}
    return Row(prior, quality, device, minutes, seconds, cpu, **noted, **found)


def timed(command: Sequence[str]) -> tuple[float, float, str]:
    """Run a process: seconds of wall-clock time and of processor time, and its output.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    before, began = os.times(), time.perf_counter()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system
    return seconds, cpu - before.children_user - before.children_system, output


def write_noise(path: Path, frames: int) -> None:
    """16-bit stereo noise; time and memory do not depend on what is in a file."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, CHANNELS, "PCM_16") as file:
        for start in range(0, frames, RATE):
            count = min(RATE, frames - start)
            file.write(0.1 * rng.standard_normal((count, CHANNELS), np.float32))


def fit(minutes: Sequence[float], values: Sequence[float]) -> Fit | None:
    """Least squares of relative errors, so that short files count as much as long ones.

    Returns:
        None for fewer than three lengths, which say nothing of linearity.
    """
    if len(set(minutes)) < 3:
        return None
    values = np.asarray(values, float)
    terms = np.stack([np.ones(len(values)), np.asarray(minutes, float)], 1) / values[:, None]
    (start, slope), *_ = np.linalg.lstsq(terms, np.ones(len(values)), rcond=None)
    error = np.abs(terms @ np.array([start, slope]) - 1).max()
    return Fit(float(start), float(slope), float(error))


def markdown(rows: Sequence[Row]) -> str:
    """A table a prior, quality, device and machine, with its fits and what it was measured on."""
    return "\n".join(_section(group) for group in _groups(rows))


def plot(rows: Sequence[Row], path: Path) -> None:
    """Time and memory over length, with the fits as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    groups = _groups(rows)
    for group in groups:
        title = group[0].quality
        if len(groups) > 1:
            title += f", {group[0].prior} {group[0].weights or ''}, {group[0].date}"
        minutes = [row.minutes for row in group]
        line = np.geomspace(min(minutes), max(minutes), 100)
        curves = (
            (panels[0], "wall clock", [row.seconds for row in group]),
            (panels[0], "processor", [row.cpu for row in group]),
            (panels[1], "peak memory", [row.peak for row in group]),
        )
        for axes, name, values in curves:
            (dots,) = axes.plot(minutes, values, "o", label=f"{name}, {title}")
            fitted = fit(minutes, values)
            if fitted is not None:
                axes.plot(line, fitted.start + fitted.slope * line, color=dots.get_color())
    for axes, unit in zip(panels, ("seconds", "MiB"), strict=True):
        axes.set(xscale="log", yscale="log", xlabel="minutes of stereo", ylabel=unit)
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def read_rows(path: Path) -> list[Row]:
    """Rows that `write` left; none if there is no file."""
    return [Row(**row) for row in json.loads(path.read_text())] if path.exists() else []


def write(rows: Sequence[Row], path: Path) -> None:
    """The rows as JSON, and beside it the same as ``.md`` and ``.png``."""
    write_text(path, json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    render(rows, path)


def render(rows: Sequence[Row], path: Path) -> None:
    """The rows as ``.md`` and ``.png`` beside the JSON `path`."""
    path.with_suffix(".md").write_text(markdown(rows))
    plot(rows, path.with_suffix(".png"))


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    groups: dict[tuple, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.key):
        groups.setdefault(row.key[:-1], []).append(row)
    return list(groups.values())


def _section(rows: Sequence[Row]) -> str:
    weights = f"weights {rows[0].weights}" if rows[0].weights else "weights not noted"
    lines = [
        f"`{rows[0].quality}`, prior `{rows[0].prior}` ({weights}), {rows[0].device}:",
        "",
        "| length | time | processor time | real-time factor | peak memory |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        length = f"{row.minutes:g} min" if row.minutes >= 1 else f"{60 * row.minutes:.3g} s"
        lines.append(
            f"| {length} | {row.seconds:.1f} s | {row.cpu:.1f} s "
            f"| {row.seconds / (60 * row.minutes):.3f} | {row.peak:.0f} MiB |"
        )
    lines.append("")
    minutes = [row.minutes for row in rows]
    for name, unit, values in (
        ("time", "s", [row.seconds for row in rows]),
        ("processor time", "s", [row.cpu for row in rows]),
        ("peak memory", "MiB", [row.peak for row in rows]),
    ):
        fitted = fit(minutes, values)
        if fitted is not None:
            lines.append(
                f"- {name} = {fitted.start:.2f} + {fitted.slope:.2f} x minutes ({unit}), "
                f"at most {100 * fitted.error:.0f} % off"
            )
    lines += ["", *dict.fromkeys(_circumstances(row, rows) for row in rows), ""]
    return "\n".join(lines)


def _circumstances(row: Row, rows: Sequence[Row]) -> str:
    """One sentence on the machine, for all rows that share it."""
    same = [
        r for r in rows if (r.machine, r.threads, r.date) == (row.machine, row.threads, row.date)
    ]
    load = [r.others for r in same if r.others is not None]
    what = "the load by other processes is unknown"
    if load:
        what = f"other processes used {min(load):.2f} to {max(load):.2f} cores meanwhile"
        if max(load) > QUIET:
            what += ": wall-clock times are too long, processor times are what to compare"
    return f"{row.machine}, {row.threads} threads, {row.date}; {what}."


def _busy() -> float | None:
    """Seconds that all processors together have been at work, or None where nobody counts."""
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _wait, interrupt, soft = map(int, line.split()[1:8])
    return (user + nice + system + interrupt + soft) / 100  # USER_HZ, the same on all Linux


def _separate(path: str, prior: str, quality: str, device: str) -> dict:
    """What the fresh process does, and what it says of itself."""
    marks = [time.perf_counter()]
    import torch

    import mgdm_audio

    separator_class = mgdm_audio.Separator  # names of the package are imported when used
    marks.append(time.perf_counter())
    separator = separator_class(prior=prior, quality=quality, device=device)
    marks.append(time.perf_counter())
    result = separator.separate_file(path)
    marks.append(time.perf_counter())
    result.save(Path(path).parent / "stems")
    marks.append(time.perf_counter())
    names = ("import", "load", "separate", "write")
    stages = {n: round(b - a, 3) for n, a, b in zip(names, marks, marks[1:], strict=False)}
    return {
        "peak": round(peak_memory(), 1),
        "stages": stages,
        "machine": describe_machine(separator.device),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    print(json.dumps(_separate(*sys.argv[1:])))
