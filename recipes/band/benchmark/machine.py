"""What results were made on, in words."""

from __future__ import annotations

import platform
from datetime import date
from pathlib import Path

import torch

from mgdm_audio.pretrained import Prior


def describe_run(prior: Prior, weights: str, device: torch.device) -> str:
    """Prior and its weights, machine, software and today's date."""
    return (
        f"Prior `{prior.name}` (weights {weights}), {_device(device)}, "
        f"PyTorch {torch.__version__}, Python {platform.python_version()}, "
        f"{date.today().isoformat()}:"
    )


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()} ({device.type}, {threads} thread{'s' * (threads > 1)})"


def _processor() -> str:
    """The processor's name where Linux tells it, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
