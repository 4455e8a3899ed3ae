"""Cutting a long signal into blocks of windows, and joining what comes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .windows import Grid


class Block(NamedTuple):
    """A piece of a signal, in samples.

    ``[begin, end)`` is what is computed, context included; ``[first, last)`` is what the block
    contributes, and its last `overlap` samples beyond `last` are cross-faded into the next block.
    """

    begin: int
    end: int
    first: int
    last: int

    @property
    def is_last(self) -> bool:
        return self.end == self.last


def plan_blocks(length: int, grid: Grid, windows: int, context: int) -> list[Block]:
    """Blocks of `windows` windows that cover `length` samples, with `context` windows either side.

    The signal is thought to go on in silence up to a whole number of windows.
    """
    total = grid.count(length)
    if length <= grid.window:
        return [Block(0, length, 0, length)]
    blocks = []
    for start in range(0, total, windows):
        stop = min(start + windows, total)
        left, right = max(start - context, 0), min(stop + context, total)
        end = left * grid.hop + grid.span(right - left)
        last = end if stop == total else stop * grid.hop
        blocks.append(Block(left * grid.hop, end, start * grid.hop, last))
    return blocks


class Joiner:
    """Joins the blocks of a signal, in order: each fades into the next over one overlap.

    The weights are those of neighbouring windows, so blocks that need no context join exactly as
    if there had been none.
    """

    def __init__(self, grid: Grid):
        self.overlap = grid.window - grid.hop
        ramp = torch.sin(torch.pi / 2 * (torch.arange(self.overlap) + 0.5) / max(self.overlap, 1))
        self.ramp = (ramp**2).to(torch.float32)
        self.tail: Tensor | None = None

    def push(self, block: Block, x: Tensor) -> Tensor:
        """``[..., end - begin]`` of a block to ``[..., last - first]`` of the signal.

        The result is a part of `x`, which is changed.
        """
        core = x[..., block.first - block.begin : block.last - block.begin]
        if self.tail is not None and self.overlap:
            head = core[..., : self.overlap]
            ramp = self.ramp.to(core)
            core[..., : self.overlap] = self.tail + (head - self.tail) * ramp
        stop = block.last - block.begin
        self.tail = x[..., stop : stop + self.overlap].clone()
        return core


class Chunker:
    """Turns a stream of pieces into chunks at absolute positions, with halos on either side.

    Args:
        length: samples of the whole signal.
        quantum: chunks begin and end at multiples of it, but for the end of the signal.
        halo: samples of context that a chunk has on either side, but for the signal's ends; a
            multiple of `quantum`.
    """

    def __init__(self, length: int, quantum: int, halo: int):
        if halo % quantum:
            raise ValueError(f"halo {halo} is not a multiple of {quantum}")
        self.length, self.quantum, self.halo = length, quantum, halo
        self.buffer: Tensor | None = None
        self.begin = 0  # position of the buffer's first sample
        self.done = 0  # everything before is in chunks already

    def push(self, x: Tensor) -> Iterator[tuple[int, int, int, Tensor]]:
        """Take ``[..., n]`` and yield ``(first, last, begin, piece)``.

        The chunk is ``[first, last)``; `piece` begins at `begin` and includes the halos.
        """
        self.buffer = x if self.buffer is None else torch.cat([self.buffer, x], -1)
        have = self.begin + self.buffer.shape[-1]
        if have >= self.length:
            last, end = self.length, self.length
        else:
            last = max(have - self.halo, 0) // self.quantum * self.quantum
            end = last + self.halo
        if last <= self.done:
            return
        yield self.done, last, self.begin, self.buffer[..., : end - self.begin]
        self.done = last
        keep = max(last - self.halo, 0)
        self.buffer = self.buffer[..., keep - self.begin :].clone()
        self.begin = keep
