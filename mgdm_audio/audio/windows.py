"""Windows over a long signal, and their overlap-add."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class Grid:
    """Windows of `window` samples that start at multiples of `hop`, from time zero of the file.

    Windows stand at absolute positions, so that a piece of a file sees the windows of the whole.
    """

    window: int
    hop: int

    def __post_init__(self):
        if not 0 < self.hop <= self.window:
            raise ValueError(f"hop {self.hop} must be between 1 and the window, {self.window}")

    def count(self, length: int) -> int:
        """Windows that cover `length` samples."""
        return max(-(-(length - self.window) // self.hop), 0) + 1

    def span(self, count: int) -> int:
        """Samples that `count` windows cover."""
        return (count - 1) * self.hop + self.window


def fade(window: int, overlap: int, first: bool, last: bool) -> Tensor:
    """Weights of one window: raised cosine over the overlaps, flat between and at the ends.

    Two neighbours' weights sum to one, so sources that agree are not changed at all.
    """
    weights = torch.ones(window, dtype=torch.float32)
    if overlap:
        ramp = torch.sin(torch.pi / 2 * (torch.arange(overlap) + 0.5) / overlap) ** 2
        if not first:
            weights[:overlap] = ramp
        if not last:
            weights[-overlap:] *= ramp.flip(0)
    return weights


def overlap_add(
    function: Callable[..., Tensor],
    x: Tensor,
    grid: Grid,
    batch_size: int,
    *levels: Tensor,
) -> Tensor:
    """Apply `function` to the windows of `x` and cross-fade its outputs.

    Windows of all items go through `function` together, `batch_size` at a time. Under autograd the
    activations of a batch are recomputed in the backward pass, so memory does not grow with length.

    Args:
        function: ``[n, K, W] -> [n, K, W]``, each item by itself; further arguments are `levels`.
        x: ``[B, K, T]`` with ``T = grid.span(n)`` for some `n`, or any `T` up to one window.
        grid: windows; at most two may overlap anywhere (hop at least half the window).
        levels: ``[B]``, of which each window is given its item's.
    """
    length = x.shape[-1]
    if length <= grid.window:
        several = x.shape[0] > batch_size
        batches = zip(*(whole.split(batch_size) for whole in (x, *levels)), strict=True)
        return torch.cat([_call(function, several, *batch) for batch in batches])
    n = grid.count(length)
    if grid.span(n) != length:
        raise ValueError(f"length {length} is not a whole number of windows of {grid}")
    overlap = grid.window - grid.hop
    if overlap > grid.hop:
        raise ValueError(f"more than two windows overlap in {grid}")
    places = [(i, item) for i in range(n) for item in range(x.shape[0])]
    # Two windows or more: the first, the last and those between. On the device once each.
    ends = ((True, False), (False, False), (False, True))
    first, middle, last = (fade(grid.window, overlap, *end).to(x) for end in ends)
    weights = [first, *[middle] * (n - 2), last]
    adder = _Adder(x, grid)
    for start in range(0, len(places), batch_size):
        batch = places[start : start + batch_size]
        windows = torch.stack([x[item, :, i * grid.hop :][:, : grid.window] for i, item in batch])
        given = (torch.stack([level[item] for _, item in batch]) for level in levels)
        outputs = _call(function, len(places) > batch_size, windows, *given)
        for (i, item), output in zip(batch, outputs, strict=True):
            adder.add(item, i, output * weights[i])
    return adder.result()


class _Adder:
    """Sums windows in place, or, under autograd (which would copy the whole at every write), late.

    Windows of an item come in order.
    """

    def __init__(self, like: Tensor, grid: Grid):
        self.grid = grid
        self.late = torch.is_grad_enabled() and like.requires_grad
        self.total = None if self.late else torch.zeros_like(like)
        self.windows: list[list[Tensor]] = [[] for _ in like]

    def add(self, item: int, i: int, window: Tensor) -> None:
        if self.late:
            self.windows[item].append(window)
        else:
            self.total[item, :, i * self.grid.hop :][:, : self.grid.window] += window

    def result(self) -> Tensor:
        return torch.stack([self._join(w) for w in self.windows]) if self.late else self.total

    def _join(self, windows: list[Tensor]) -> Tensor:
        """Each window's first hop plus the tail of the one before, and the last one's tail."""
        hop, overlap = self.grid.hop, self.grid.window - self.grid.hop
        parts = [windows[0][..., :hop]]
        for before, window in pairwise(windows):
            tail = torch.nn.functional.pad(before[..., hop:], (0, hop - overlap))
            parts.append(window[..., :hop] + tail)
        return torch.cat([*parts, windows[-1][..., hop:]], -1)


def _call(function: Callable[..., Tensor], save_memory: bool, x: Tensor, *levels: Tensor) -> Tensor:
    if save_memory and torch.is_grad_enabled() and x.requires_grad:
        return checkpoint(function, x, *levels, use_reentrant=False)
    return function(x, *levels)
