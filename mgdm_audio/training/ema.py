"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EMA:
    """Average over the last tenth of the steps, or so, that settles at `decay` a step.

    Its mean age is a tenth of the steps until `decay` limits it: from ``9 decay / (1 - decay)`` on.

    Buffers are not averaged: the Wiener variances are constants of the run.
    """

    def __init__(self, net: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self.weights = {name: p.detach().clone() for name, p in net.named_parameters()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        for name, p in net.named_parameters():
            self.weights[name].lerp_(p.detach(), 1 - decay)

    def state_dict(self) -> dict[str, Tensor | int]:
        return {"updates": self.updates, **{f"weights.{k}": v for k, v in self.weights.items()}}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        self.updates = int(state["updates"])
        for name, weight in self.weights.items():
            weight.copy_(state[f"weights.{name}"])

    def copy_to(self, net: nn.Module) -> None:
        """Overwrite the parameters of `net` with the average."""
        with torch.no_grad():
            for name, p in net.named_parameters():
                p.copy_(self.weights[name])
