"""Random numbers with one stream per item, so that a result does not depend on batching."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from numbers import Integral

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_RESERVE = 4096  # Numbers drawn ahead for small items, where the call costs more than the numbers.


def item_seed(seed: int, item: int) -> int:
    """Mix a seed and an item's position into a 63-bit seed (the SplitMix64 finaliser)."""
    z = (seed * 0x9E3779B97F4A7C15 + (item + 1) * 0xD1B54A32D192ED03) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) >> 1


class Noise:
    """Independent random streams for the items of a batch.

    Two items with equal seeds receive equal numbers: the channels of a stereo file keep their
    image that way. Signals are drawn on ``device``; scalars are drawn on the CPU in double
    precision, because schedule arithmetic stays there.

    Args:
        seed: an integer, from which item ``i`` derives its own seed, or one integer per item.
        batch: number of items.
        device: where :meth:`normal` draws.

    Raises:
        ValueError: if there are not as many seeds as items.
    """

    def __init__(self, seed: int | Sequence[int], batch: int, device: torch.device | str):
        if isinstance(seed, Integral):
            seeds = [item_seed(int(seed), item) for item in range(batch)]
        else:
            seeds = [item_seed(int(one), 0) for one in seed]
        if len(seeds) != batch:
            raise ValueError(f"{len(seeds)} seeds for a batch of {batch} items")
        self.device = torch.device(device)
        self._signal = [torch.Generator(self.device).manual_seed(one) for one in seeds]
        self._scalar = [torch.Generator("cpu").manual_seed(item_seed(one, 1)) for one in seeds]
        self._ahead = torch.empty(batch, 0)
        self._used = 0
        self._owed: list[int] = []

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self._signal)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard Gaussian noise ``[B, ...]``, in float32.

        Raises:
            ValueError: if the first dimension is not the batch.
        """
        size = self._size(shape)
        for owed in self._owed:
            self._take(owed)
        self._owed = []
        return self._take(size).reshape(tuple(shape))

    def skip(self, shape: Sequence[int]) -> None:
        """Pass over what :meth:`normal` would return; only a later call of it pays for that.

        Raises:
            ValueError: as :meth:`normal`.
        """
        self._owed.append(self._size(shape))

    def uniform(self, count: int | None = None) -> Tensor:
        """Uniform numbers in [0, 1), ``[B]`` or ``[B, count]``, float64 on the CPU."""
        size = (1 if count is None else count,)
        stacked = torch.stack(
            [
                torch.rand(size, generator=one, dtype=torch.float64, device="cpu")
                for one in self._scalar
            ]
        )
        return stacked[:, 0] if count is None else stacked

    def _size(self, shape: Sequence[int]) -> int:
        if len(shape) < 1 or shape[0] != len(self._signal):
            raise ValueError(f"shape {tuple(shape)} for a batch of {len(self._signal)} items")
        return prod(shape[1:])

    def _take(self, size: int) -> Tensor:
        """The next numbers of every stream, ``[B, size]``."""
        if self._ahead.shape[1] - self._used < size:
            count = size * max(1, _RESERVE // max(size, 1))
            self._ahead = torch.stack([self._draw(count, one) for one in self._signal])
            self._used = 0
        drawn = self._ahead[:, self._used : self._used + size]
        self._used += size
        return drawn

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, generator=generator, device=self.device, dtype=torch.float32)
