"""Muon for kernels, matrices and gains inside the network, AdamW for everything else."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by Newton-Schulz iterations (Jordan et al., 2024).

    torch.optim.Muon takes matrices only; here convolution kernels count as matrices
    ``[out, in * height * width]``. Each update has the root mean square of AdamW's (about 0.2, Liu
    et al., 2025), so both optimisers share one learning rate.
    """

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"])
                direction = orthogonalise(update.flatten(1))
                scale = 0.2 * math.sqrt(max(direction.shape))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(direction.view_as(p), alpha=-group["lr"] * scale)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Quintic Newton-Schulz iteration towards the nearest semi-orthogonal matrix.

    Every iterate is a polynomial in the Gram matrix times the input, so all but the first and last
    product are of the smaller side squared: half the time for convolution kernels.

    Shape: ``[m, n]`` to the same; singular values end between about 0.7 and 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm() + 1e-7)
    gram = x @ x.mT
    total = torch.eye(len(gram), dtype=x.dtype, device=x.device)
    for _ in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        total = factor @ total
        gram = factor @ gram @ factor
    x = total @ x
    return x.mT if tall else x


#: Parts of a network whose matrices are not Muon's: embeddings, modulation and heads.
OUTSIDE = {"embed", "head", "position", "level", "noise", "film"}


def make_optimizers(
    net: nn.Module, lr: float, weight_decay: float, kind: str
) -> list[torch.optim.Optimizer]:
    """`kind` ``"muon"`` (with AdamW for biases, embeddings and heads) or ``"adamw"``.

    Gains of norms are ``[C, 1, 1]``, and Muon's: it moves them along their normalised momentum.

    Weights that need no gradient are left out.

    Raises:
        ValueError: for another `kind`.
    """
    if kind not in ("muon", "adamw"):
        raise ValueError(f"unknown optimizer {kind!r}, expected muon or adamw")
    matrices, others = [], []
    for name, p in net.named_parameters():
        if not p.requires_grad:
            continue
        inside = p.ndim >= 2 and not OUTSIDE & set(name.split("."))
        (matrices if inside and kind == "muon" else others).append(p)
    adam = torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay)
    if not matrices:
        return [adam]
    return [Muon(matrices, lr=lr, weight_decay=weight_decay), adam]
