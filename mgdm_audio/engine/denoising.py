"""Counted denoiser calls, their gradients, and few-step ancestral denoising."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from .bridge import Level, bridge, double, placed, spread
from .noise import Noise
from .schedules import between
from .types import Denoiser, Info, Likelihood


class Calls:
    """The denoiser as one step of a sampler uses it: counted, checked, in float32.

    Made anew in every step, so that a sampler keeps no hidden state. Each call counts ``weight``
    times: for particles, that is how many of them one item of the batch has.
    """

    def __init__(self, denoise: Denoiser, weight: int = 1):
        self._denoise = denoise
        self._weight = weight
        self._denoiser = 0
        self._gradient = 0
        self._finite: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Level, *extra: Tensor) -> Tensor:
        """``E[x_0 | x]`` for ``x [B, ...]``; autocast output is cast back to ``x``'s type.

        Raises:
            ValueError: if the denoiser changes the shape.
        """
        level = placed(double(sigma), x).expand(len(x))
        x0 = self._denoise(x, level, *extra).to(x.dtype)
        if x0.shape != x.shape:
            raise ValueError(f"the denoiser turned shape {tuple(x.shape)} into {tuple(x0.shape)}")
        self._denoiser += self._weight
        # A signal that is not finite is the sampler's fault, not the denoiser's.
        given, made = (torch.isfinite(one.detach()).flatten(1).all(1) for one in (x, x0))
        finite = (made | ~given).all()
        self._finite = finite if self._finite is None else self._finite & finite
        return x0

    def guide(self, likelihood: Likelihood, x: Tensor, sigma: Level) -> tuple[Tensor, Tensor]:
        """Denoise, and differentiate the likelihood of the result with respect to ``x``.

        Returns:
            ``D(x)`` and the gradient of ``log g_0(y | D(x))``, both shaped like ``x``.
        """
        x0, log_prob, x = self.tracked(likelihood, x, sigma)
        return x0.detach(), self.gradient(log_prob, x)

    def tracked(
        self, likelihood: Likelihood, x: Tensor, sigma: Level
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``D(x)``, ``log g_0(y | D(x)) [B]`` and the leaf ``x``, with the graph kept."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = self(x, sigma)
            return x0, likelihood.log_prob(x0), x

    def gradient(self, values: Tensor, x: Tensor) -> Tensor:
        """Derivative of the sum of ``values`` with respect to ``x``: one backward pass.

        Raises:
            RuntimeError: if the denoiser kept no graph.
        """
        self._gradient += self._weight
        _check_graph(values)
        return torch.autograd.grad(values, x, torch.ones_like(values))[0]

    def pullback(self, x0: Tensor, x: Tensor, v: Tensor, *, keep: bool = False) -> Tensor:
        """Vector-Jacobian product of a tracked denoiser call ``x -> x0`` with ``v``.

        Raises:
            RuntimeError: if the denoiser kept no graph.
        """
        self._gradient += self._weight
        _check_graph(x0)
        return torch.autograd.grad(x0, x, v.expand(x0.shape), retain_graph=keep)[0]

    def info(self) -> Info:
        """The cost so far; call it once, at the end of a step."""
        finite = torch.tensor(True, device="cpu") if self._finite is None else self._finite
        return Info(self._denoiser, self._gradient, finite)


def _check_graph(values: Tensor) -> None:
    if not values.requires_grad:
        raise RuntimeError(
            "this sampler differentiates through the denoiser, whose output does not depend on its "
            "input as far as PyTorch knows: leave out torch.no_grad, inference_mode and detach "
            "inside it"
        )


def ancestral(
    calls: Calls,
    x: Tensor,
    sigma: Level,
    n: int,
    noise: Noise,
    *,
    sigma_min: float,
    rho: float,
    last: bool = True,
) -> Tensor:
    """Draw ``x_0`` from the prior's reverse process in ``n`` ancestral steps.

    Levels go from ``sigma`` to ``sigma_min`` evenly in ``sigma^(1/rho)``; each step draws from the
    bridge between the denoised signal and the current one, the last returns the denoised signal.
    From ``sigma_min`` or below one call is all there is to do, and the result is ``D(x)``.

    Args:
        x: ``[B, ...]`` at level ``sigma``.
        sigma: scalar or ``[B]``.
        n: levels, at least 1; with 1 the result is ``D(x)``.
        last: denoise at the lowest level as well; otherwise what is returned is drawn at it.
    """
    top = double(sigma)
    low = top.clamp_max(sigma_min)
    if bool((top <= sigma_min).all()):
        for _ in range(n - 1):  # other items' levels must not move this one's random numbers
            noise.skip(x.shape)
        return calls(x, top)
    levels = [between(double(1 - i / max(n - 1, 1)), low, top, rho) for i in range(n)]
    x0 = x
    for level, below in pairwise(levels):
        x0 = calls(x, level)
        x = bridge(x0, x, 0.0, below, level, noise.normal(x.shape))
    if last or n == 1:
        return calls(x, levels[-1])
    return torch.where(spread(top - low, x) > 0, x, x0)  # items at the lowest level: as above


def flow(calls: Calls, x: Tensor, sigma: float, n: int, *, sigma_min: float) -> Tensor:
    """End of the probability flow from ``x`` at level ``sigma``, in ``n`` Euler steps.

    Levels are Karras et al.'s with rho = 7 down to ``sigma_min``, then 0; from ``sigma_min`` or
    below one call is all there is to do.
    """
    n = n if sigma > sigma_min else 1
    low = double(min(sigma_min, sigma))
    levels = [
        float(between(double(1 - i / max(n - 1, 1)), low, double(sigma), 7.0)) for i in range(n)
    ]
    for level, below in pairwise([*levels, 0.0]):
        x0 = calls(x, level)
        x = x0 + (below / level) * (x - x0)
    return x
