"""Devices: which one to use, and in which precision."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec

import torch

from .errors import DeviceError


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device to use: the one named, or the fastest this machine has (CUDA, MPS, CPU).

    Raises:
        DeviceError: the name is unknown, or this machine has no such device.
    """
    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {device!r}; use cuda, cuda:0, mps or cpu.") from error
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise DeviceError(f"this machine has no device {device}; leave --device out, or use cpu.")
    return device


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 autocast where the hardware multiplies bfloat16, else nothing.

    Processors without such instructions emulate them, many times slower than float32.
    """
    if device.type == "cuda":
        fast = _cuda_has_bfloat16(device)
    else:
        fast = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.autocast(device.type, torch.bfloat16) if fast else nullcontext()


def _cuda_has_bfloat16(device: torch.device) -> bool:
    """Nvidia's from Ampere on, and all of AMD's that PyTorch supports."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def _cpu_has_bfloat16() -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def require_compiler(device: torch.device) -> None:
    """Whether `torch.compile` finds what it calls: a C++ compiler, on CUDA Triton and a C compiler.

    Raises:
        DeviceError: it does not.
    """
    variable, names = ("CC", ("cc", "gcc", "clang"))
    if device.type != "cuda":
        variable, names = ("CXX", ("g++", "c++", "clang++"))
    elif find_spec("triton") is None:
        raise DeviceError("compiling for CUDA needs triton; install it, or leave --compile out.")
    chosen = os.environ.get(variable)
    if not any(shutil.which(name) for name in ((chosen,) if chosen else names)):
        raise DeviceError(
            f"compiling needs a compiler ({chosen or ' or '.join(names)}), and there is none on "
            "the path; install one, or leave --compile out."
        )


def free_memory(device: torch.device) -> int:
    """Bytes free on a CUDA device; for others, a sum that any machine can spare.

    What PyTorch keeps for tensors to come counts as free.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return 2 << 30


@contextmanager
def explain_memory(way_out: str) -> Iterator[None]:
    """Turn every kind of "out of memory" into a `DeviceError` that ends with `way_out`.

    CUDA has an exception of its own, Python another; PyTorch's CPU allocator has only its words.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        ours = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if ours or "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise DeviceError(f"out of memory; {way_out}") from error
        raise
