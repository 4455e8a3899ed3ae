"""What results were made on, in words."""

from __future__ import annotations

import platform
from datetime import date

import torch

from mgdm_audio.pretrained import Prior
from recipes.machine import processors


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
    return f"{processors()[0]} ({device.type}, {threads} thread{'s' * (threads > 1)})"
