"""Small parts that several samplers share."""

from __future__ import annotations

import math
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from ..likelihoods import Gaussian, LinearGaussian
from ..types import Step


class ChainState(NamedTuple):
    """One reverse trajectory: the estimate, and the noisy signal at the next level."""

    x0: Tensor
    x: Tensor


def at_least(lowest: float, **values: float) -> None:
    """Check hyper-parameters, given by name.

    Raises:
        ValueError: naming the one that is less than `lowest`.
    """
    for name, value in values.items():
        if not value >= lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")


def whole(lowest: int, **values: int) -> None:
    """Check counts, given by name.

    Raises:
        ValueError: naming the one that is no whole number, or less than `lowest`.
    """
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < lowest:
            raise ValueError(f"{name} must be a whole number from {lowest} on, not {value}")


def positive(**values: float | None) -> None:
    """Check hyper-parameters, given by name; None is one that is not set.

    Raises:
        ValueError: naming the one that is not positive, or so large that its square is no number.
    """
    for name, value in values.items():
        if value is not None and not 0 < value < 1e150:
            raise ValueError(f"{name} must be positive and less than 1e150, not {value}")


def share(**values: float) -> None:
    """Check hyper-parameters, given by name.

    Raises:
        ValueError: naming the one that is outside [0, 1].
    """
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is between 0 and 1, not {value}")


def require(likelihood, kind: type[Gaussian]):
    """The likelihood, if it is of the kind a sampler can use.

    Raises:
        TypeError: if it is not.
    """
    if not isinstance(likelihood, kind):
        raise TypeError(f"needs a {kind.__name__}, not {type(likelihood).__name__}")
    return likelihood


def start(likelihood, noise: Tensor) -> ChainState:
    """First state of a trajectory; a likelihood whose shape does not fit fails here."""
    if isinstance(likelihood, Gaussian):
        likelihood.residual(noise)
    return ChainState(noise, noise)


def reverse(x0: Tensor, x: Tensor, at: Step, eta: float) -> Tensor:
    """One step of the reverse process from ``at.sigma`` to ``at.below``, given an estimate of x_0.

    ``eta`` is DDIM's (Song et al. 2021, equation 16): 0 is the deterministic flow, 1 ancestral
    sampling, that is the bridge between ``x0`` and ``x``.
    """
    ratio = at.below / at.sigma
    std = eta * at.below * math.sqrt(max(1 - ratio**2, 0.0))
    keep = math.sqrt(max(at.below**2 - std**2, 0.0)) / at.sigma
    moved = x0 + keep * (x - x0)
    return moved + std * at.noise.normal(x.shape) if std > 0 else moved


def arrive(x0: Tensor, x: Tensor, at: Step) -> ChainState:
    """State after a step that moved to ``x``: at the clean level, ``x`` is the estimate."""
    return ChainState(x if at.below == 0 else x0, x)


def draw_given(likelihood: LinearGaussian, prior: Tensor, std: float, at: Step) -> Tensor:
    """Exact draw of z from ``N(z; prior, std^2) N(y; A z, sigma_y^2)``, by perturbing both.

    Perturb-and-optimise (Papandreou and Yuille 2010): the maximiser for a perturbed prior and a
    perturbed observation has the law of the posterior.
    """
    perturbed = prior + std * at.noise.normal(prior.shape)
    residual = likelihood.residual(perturbed)
    residual = residual + likelihood.sigma_y * at.noise.normal(residual.shape)
    solved = likelihood.solve(residual, std**2, likelihood.sigma_y**2, prior)
    return perturbed + std**2 * likelihood.adjoint(solved, prior)


def normalised(log_weight: Tensor) -> Tensor:
    """Weights of particles, ``[B, P]``, that sum to 1 over ``P``."""
    # A particle with an undefined weight counts for nothing; the loop reports the cause.
    safe = torch.nan_to_num(log_weight, nan=-1e30, neginf=-1e30, posinf=-1e30)
    return safe.softmax(1)


def choose(log_weight: Tensor, uniform: Tensor) -> Tensor:
    """One particle per item, by weight: ``[B, P]`` and uniform numbers ``[B]`` -> ``[B]``."""
    cumulative = normalised(log_weight).cumsum(1)
    return (cumulative < uniform.unsqueeze(1)).sum(1).clamp(max=log_weight.shape[1] - 1)
