"""Adam as a pure function."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class AdamState(NamedTuple):
    """First and second moment, and the number of steps so far."""

    first: Tensor
    second: Tensor
    count: int


def adam_init(like: Tensor) -> AdamState:
    """Zero moments shaped like a tensor."""
    return AdamState(torch.zeros_like(like), torch.zeros_like(like), 0)


def adam(
    gradient: Tensor,
    state: AdamState,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Tensor, AdamState]:
    """One step of Adam (Kingma and Ba 2015, algorithm 1).

    Returns:
        The direction to subtract, times the learning rate; and the next state.
    """
    first = betas[0] * state.first + (1 - betas[0]) * gradient
    second = betas[1] * state.second + (1 - betas[1]) * gradient**2
    count = state.count + 1
    corrected = first / (1 - betas[0] ** count)
    scale = (second / (1 - betas[1] ** count)).sqrt() + eps
    return corrected / scale, AdamState(first, second, count)
