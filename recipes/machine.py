"""What results were made on, in words."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def processors() -> list[str]:
    """Names of the processors, one a core, where Linux tells them; else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names or [platform.processor() or platform.machine()]


def describe_machine(device: torch.device | None = None) -> str:
    """Processors and what they multiply fast, operating system and PyTorch.

    Before them the GPU, if `device` is one of CUDA's.
    """
    import torch  # here, for callers that measure what its import takes

    names = processors()
    text = f"{len(names)} x {names[0]}"
    if hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        known = ("avx2", "avx512", "avx512_bf16", "amx_bf16")
        text += f" ({', '.join(name for name in known if has.get(name))})"
    if device is not None and device.type == "cuda":
        text = f"{torch.cuda.get_device_name(device)}; {text}"
    return f"{text}, {platform.system()}, PyTorch {torch.__version__}"
