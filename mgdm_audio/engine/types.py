"""The contracts of the engine: what a denoiser, a likelihood and a sampler are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from .noise import Noise

Denoiser = Callable[..., Tensor]
"""``denoise(x [B, K, T], sigma [B]) -> E[x_0 | x_0 + sigma n = x]``, any trailing shape."""

State = Any
"""A ``NamedTuple`` of tensors whose first field is ``x0``, the current estimate."""


class Likelihood(Protocol):
    """How an observation depends on the clean signal."""

    def log_prob(self, x0: Tensor) -> Tensor:
        """Log-likelihood of each item, ``[B, K, T] -> [B]``, differentiable."""
        ...


class Step(NamedTuple):
    """What the loop tells a sampler about one noise level."""

    index: int
    """Position in the schedule, 0 at the highest level."""
    sigmas: tuple[float, ...]
    """The whole schedule, descending, all positive."""
    noise: Noise
    """Random numbers, one stream per item."""

    @property
    def sigma(self) -> float:
        """The current level t."""
        return self.sigmas[self.index]

    @property
    def below(self) -> float:
        """The level under t; 0 (the clean signal) after the last one."""
        return self.sigmas[self.index + 1] if self.index + 1 < len(self.sigmas) else 0.0

    @property
    def above(self) -> float | None:
        """The level over t; ``None`` at the first one."""
        return self.sigmas[self.index - 1] if self.index > 0 else None

    def in_last(self, fraction: float) -> bool:
        """Whether this level belongs to the last ``fraction`` of the schedule."""
        # Rounded, or 0.7 of 10 levels would be 6 of them.
        return self.index >= round((1.0 - fraction) * len(self.sigmas), 9)


class Info(NamedTuple):
    """What one step cost, and whether every denoiser output was finite."""

    denoiser_calls: int
    """Forward passes of the denoiser, those that were differentiated included."""
    gradient_calls: int
    """Backward passes through the denoiser."""
    finite: Tensor
    """Scalar boolean, left on the device so that a step needs no host synchronisation."""


class Sampler(NamedTuple):
    """A posterior sampler: two pure functions."""

    init: Callable[[Tensor], State]
    """From Gaussian noise ``[B, K, T]`` at the highest level to the first state."""
    step: Callable[[State, Step], tuple[State, Info]]
    """From the state before a level to the state after it."""
    from_noise: bool = True
    """Whether `init` looks at the noise it is given, or at no more than its shape."""


class Progress(NamedTuple):
    """What a callback of :func:`~mgdm_audio.engine.sample` receives after every level."""

    step: int
    steps: int
    sigma: float
    x0: Tensor
    denoiser_calls: int
    """Since the start of the run."""
    gradient_calls: int
    """Since the start of the run."""


class SamplingError(RuntimeError):
    """The sampler's state stopped being finite.

    Attributes:
        step: index of the noise level, 0 for the highest.
        sigma: standard deviation of that level.
    """

    cause = "the sampler diverged: its estimate is not finite"

    def __init__(self, step: int, sigma: float):
        super().__init__(f"{self.cause} (step {step}, sigma {sigma:.4g})")
        self.step = step
        self.sigma = sigma


class DenoiserError(SamplingError):
    """The denoiser returned NaN or infinity."""

    cause = "the denoiser returned a value that is not finite"
