"""Noise tied to places in a file, so that a block of a long file draws what the whole would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

#: Samples that one random stream serves. Changing it changes what every seed means.
CHUNK = 1 << 14


class PlacedNoise:
    """Stands in for the engine's per-item `Noise` when items are channels of a piece of a file.

    Signal noise depends on the seed, on how many times noise was asked for before, and on the
    absolute position of each sample; not on where the piece begins or ends. All items (channels)
    receive the same numbers, which keeps the stereo image. It is drawn on the CPU, so that one seed
    means one thing on every device.

    Args:
        seed: non-negative integers; equal seeds give equal noise.
        batch: number of items.
        begin: position of the piece's first sample.
        length: samples in the piece.
        device: where the noise is wanted.
    """

    def __init__(
        self,
        seed: Sequence[int],
        batch: int,
        begin: int,
        length: int,
        device: torch.device | str = "cpu",
    ):
        self.device = torch.device(device)
        self.items = batch
        self._seed = tuple(seed)
        self._begin, self._length = begin, length
        self._calls = 0

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard Gaussian noise ``[B, ..., T]``, float32, the same for every item."""
        batch, *middle, length = shape
        if length != self._length:
            raise ValueError(f"noise for {length} samples in a piece of {self._length}")
        call = self._next()
        first, last = self._begin // CHUNK, (self._begin + length - 1) // CHUNK
        noise = torch.cat(
            [
                torch.randn(
                    *middle,
                    CHUNK,
                    generator=_generator(*self._seed, call, chunk),
                    dtype=torch.float32,
                    device="cpu",
                )
                for chunk in range(first, last + 1)
            ],
            -1,
        )
        skip = self._begin - first * CHUNK
        noise = noise[..., skip : skip + length].to(self.device)
        return noise.expand(batch, *middle, length)

    def skip(self, shape: Sequence[int]) -> None:
        """Pass over what `normal` would return."""
        self._next()

    def uniform(self, count: int | None = None) -> Tensor:
        """Uniform numbers in [0, 1), ``[B]`` or ``[B, count]``, float64, on the CPU."""
        generator = _generator(*self._seed, self._next())
        size = 1 if count is None else count
        numbers = torch.rand(size, generator=generator, dtype=torch.float64, device="cpu")
        return numbers.expand(self.items) if count is None else numbers.expand(self.items, size)

    def _next(self) -> int:
        self._calls += 1
        return self._calls


def _generator(*seed: int) -> torch.Generator:
    """A random stream; tuples of one length, of integers below 2^32, have streams of their own."""
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))
