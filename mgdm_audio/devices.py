"""Devices: which one to use, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import torch

from .errors import DeviceError

#: What PyTorch says where it has no exception for it.
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


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
        raise DeviceError(f"this machine has no device {device}; leave the device out, or use cpu.")
    return device


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 autocast where the hardware multiplies bfloat16, else nothing.

    Processors without such instructions emulate them, many times slower than float32.
    """
    if has_bfloat16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """float32, whatever the caller has: no autocast, and no TF32 in convolutions.

    Products of matrices have no TF32 unless the program asks PyTorch for it, which is left to it.
    """
    with torch.autocast(device.type, enabled=False):
        if device.type != "cuda":
            yield
            return
        with convolutions_without_tf32():
            yield


@contextmanager
def convolutions_without_tf32() -> Iterator[None]:
    """By the setting that this PyTorch has for it; a program that mixes two of them is refused.

    What the program has set comes back, and what it has not follows its later settings still.
    """
    cudnn = torch.backends.cudnn
    if not hasattr(cudnn, "conv"):
        kept = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
        with cudnn.flags(**kept, allow_tf32=False):
            yield
        return
    # What is not set of its own reads as what it follows: convolutions cuDNN, and that PyTorch.
    whole, convolutions = cudnn.fp32_precision, cudnn.conv.fp32_precision
    follows = whole == torch.backends.fp32_precision
    cudnn.fp32_precision = "ieee"
    stubborn = cudnn.conv.fp32_precision != "ieee"
    if stubborn:
        cudnn.conv.fp32_precision = "ieee"
    try:
        yield
    finally:
        if stubborn:
            cudnn.conv.fp32_precision = convolutions
        cudnn.fp32_precision = "none" if follows else whole


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """PyTorch as it is to begin with, whatever the caller's thread is in the middle of.

    No autocast on `device` or the CPU, no inference mode, which forbids gradients, and no other
    default device.
    """
    with ExitStack() as stack:
        for kind in {device.type, "cpu"}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(torch.inference_mode(False))
        if torch.get_default_device().type != "cpu":  # costs something at every call
            stack.enter_context(torch.device("cpu"))
        yield


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16."""
    if device.type == "cuda":
        return _cuda_has_bfloat16(device)
    return device.type == "cpu" and _cpu_has_bfloat16()


def _cuda_has_bfloat16(device: torch.device) -> bool:
    """Nvidia's from Ampere on, and all of AMD's that PyTorch supports."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def _cpu_has_bfloat16() -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def require_compiler(device: torch.device) -> None:
    """Compile a trivial function, so that whatever is missing is told at once, in one sentence.

    Raises:
        DeviceError: `torch.compile` does not work here.
    """
    try:
        torch.compile(lambda x: torch.sin(x) + 1)(torch.zeros(64, device=device))
    except RuntimeError as error:  # the ancestor of all that tracers and compilers raise
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise DeviceError(
            f"torch.compile does not work on {device} ({reason}); install what it needs (a C++ "
            "compiler and Python's headers, on CUDA Triton), or leave --compile out."
        ) from error


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

    CUDA has an exception of its own, Python another; PyTorch's CPU allocator, MPS and what CUDA
    says of its own start have only their words.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        ours = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if ours or any(words in str(error) for words in OUT_OF_MEMORY):
            raise DeviceError(f"out of memory; {way_out}") from error
        raise
