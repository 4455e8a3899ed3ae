"""Denoising loss in units of the static Wiener filter's error."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_loss(estimate: Tensor, wiener: Tensor, clean: Tensor, floor: float = 0.1) -> Tensor:
    """Squared error of each stem over that of the Wiener filter: 1 is the filter, 0 is perfect.

    The unit is the error of the item itself, so that quiet and loud passages, and every noise
    level, count alike. A share `floor` of the item's mean error keeps stems that the filter gets
    nearly right from dominating.

    Shape: three of ``[B, K, T]`` to ``[B, K]``.
    """
    error = (estimate - clean).square().mean(-1)
    unit = (wiener - clean).square().mean(-1)
    unit = (1 - floor) * unit + floor * unit.mean(1, keepdim=True)
    return error / (unit.detach() + torch.finfo(unit.dtype).tiny + 1e-14)
