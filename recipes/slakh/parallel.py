"""Work over many tracks: several processes on one machine, or several machines.

Tracks are independent, so machines need no communication at all, only a number each. `torchrun`,
Slurm and a plain shell loop all give one, which is why this uses their environment variables and
no cluster framework.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
#: Variables that hold a worker's number and how many there are: torchrun's, then Slurm's.
_TORCHRUN, _SLURM = ("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")


def pool_map(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """``map`` over processes, in order; in this process if one job is enough."""
    if jobs <= 1:
        yield from map(work, items)
        return
    # PyTorch's threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_one_thread) as pool:
        yield from pool.map(work, items)


def _one_thread() -> None:
    """One thread for each process: they share the machine."""
    os.environ["OMP_NUM_THREADS"] = "1"  # read when PyTorch is loaded,
    if "torch" in sys.modules:  # which may have happened
        sys.modules["torch"].set_num_threads(1)


def find_shard(text: str | None = None, environ: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """This worker's number and the number of workers.

    Args:
        text: ``"0/4"`` for the first of four; by default what torchrun or Slurm has set, else
            the only worker.

    Raises:
        ValueError: not of that form, or a number out of range.
    """
    if text is not None:
        parts = text.split("/")
    else:
        # A batch script itself has Slurm's variables as well, as if it were the first of its tasks;
        # only in a step, which srun starts, is there one process for each.
        step = environ.get("SLURM_STEP_ID", "")
        stepping = step.isdigit() and int(step) < 2**31  # above are numbers of special steps
        pairs = (_TORCHRUN, _SLURM) if stepping else (_TORCHRUN,)
        found = [[environ[a], environ[b]] for a, b in pairs if a in environ and b in environ]
        parts = found[0] if found else ["0", "1"]
    try:
        rank, count = map(int, parts)
    except ValueError as error:
        raise ValueError(f"a shard looks like 0/4, not {text or '/'.join(parts)!r}") from error
    if not 0 <= rank < count:
        raise ValueError(f"shard {rank} of {count}: the first is 0/{count}")
    return rank, count


def shard(items: Iterable[T], rank: int, count: int) -> list[T]:
    """Every `count`-th item from the `rank`-th on."""
    return list(items)[rank::count]


def local_device(gpus: int, environ: Mapping[str, str] = os.environ) -> str | None:
    """``cuda:N`` for the N-th worker on a machine with `gpus`; None if there is one, or no GPU."""
    number = environ.get("LOCAL_RANK", environ.get("SLURM_LOCALID"))
    return None if number is None or gpus == 0 else f"cuda:{int(number) % gpus}"
