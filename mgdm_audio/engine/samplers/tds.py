"""Twisted diffusion sampling: sequential Monte Carlo."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..bridge import bridge_coefficients, bridge_mean, double
from ..denoising import Calls
from ..likelihoods import Gaussian
from ..types import Denoiser, Info, Likelihood, Sampler, Step
from .common import choose, normalised, positive, require, share, start, whole


class TdsState(NamedTuple):
    """Particles ``x [B, P, K, T]`` at the current level and their log-weights ``[B, P]``.

    ``x0`` is one particle's estimate per item, drawn by weight. ``guess``, ``slope`` and ``twist``
    are the denoised particles, the twisting function's gradients and its logarithms.
    """

    x0: Tensor
    x: Tensor
    log_weight: Tensor
    guess: Tensor
    slope: Tensor
    twist: Tensor


def tds(
    denoise: Denoiser,
    likelihood: Likelihood,
    *,
    particles: int = 16,
    threshold: float = 0.5,
    spread: float | None = None,
) -> Sampler:
    """TDS: particles that follow the guided reverse process, weighted to be exact in the limit.

    Wu, Trippe et al. 2023 (arXiv 2306.17775), algorithm 1: the twisting function is
    ``g_0(y | D(x_t))``; the proposal shifts the ancestral step by its gradient, and weights correct
    for both approximations. Every item owns its particles, so an item's result does not depend on
    the batch, and memory grows with the number of particles.

    Args:
        denoise: the prior.
        likelihood: differentiable, with ``repeat``.
        particles: P, per item.
        threshold: resample (systematically) where the effective sample size falls under this share
            of P. Paper: 0.5.
        spread: if given, the twisting function is tempered to the variance
            ``sigma_y^2 + spread^2 sigma^2 / (spread^2 + sigma^2)``: the standard deviation that
            the prior gives the noiseless observation. Any twisting function that ends at the
            likelihood keeps the limit exact; a sharp observation makes the plain one too stiff.

    Raises:
        TypeError: if ``spread`` is given and the likelihood has no ``sigma_y``.
        ValueError: if a setting is out of its range.
    """
    if spread is not None:
        require(likelihood, Gaussian)
    whole(1, particles=particles)
    share(threshold=threshold)
    positive(spread=spread)
    repeated = likelihood.repeat(particles)

    def init(noise: Tensor) -> TdsState:
        start(likelihood, noise)
        # The particles' own noise is drawn in the first step, where the streams are at hand.
        x = noise.unsqueeze(1).expand(-1, particles, *noise.shape[1:])
        zeros = x.new_zeros(x.shape[:2])
        return TdsState(noise, x, zeros, x, x, zeros)

    def look(calls: Calls, x: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        flat, temper = x.flatten(0, 1), 1.0
        if spread is not None:
            known = likelihood.sigma_y**2
            temper = known / (known + spread**2 * sigma**2 / (spread**2 + sigma**2))
        x0, log_prob, leaf = calls.tracked(repeated, flat, sigma)
        slope, log_prob = temper * calls.gradient(log_prob, leaf), temper * log_prob
        return (
            x0.detach().reshape(x.shape),
            slope.reshape(x.shape),
            log_prob.detach().reshape(x.shape[:2]),
        )

    def step(state: TdsState, at: Step) -> tuple[TdsState, Info]:
        calls = Calls(denoise, weight=particles)
        if at.above is None:
            x = at.sigma * at.noise.normal(state.x.shape)
            guess, slope, twist = look(calls, x, at.sigma)
            state = state._replace(x=x, guess=guess, slope=slope, twist=twist, log_weight=twist)
        state = _resample(state, at.noise.uniform().to(state.x.dtype).to(state.x.device), threshold)

        weight, std = (one.item() for one in bridge_coefficients(0.0, at.below, at.sigma))
        plain = bridge_mean(state.guess, state.x, double(weight))
        # Both laws have the ancestral variance; only the means differ.
        shift = (1 - weight) * at.sigma**2 * state.slope
        if at.below > 0:
            white = at.noise.normal(state.x.shape)
            x = plain + shift + std * white
            guess, slope, twist = look(calls, x, at.below)
            ratio = -(shift * (white + 0.5 * shift / std)).flatten(2).sum(2) / std
        else:
            # The last step has no noise: what it adds to a particle is its denoised value.
            x, guess, slope, ratio = plain, plain, torch.zeros_like(plain), 0.0
            twist = repeated.log_prob(plain.flatten(0, 1)).reshape(plain.shape[:2])
        log_weight = state.log_weight + ratio + twist - state.twist
        chosen = choose(log_weight, at.noise.uniform().to(x.dtype).to(x.device))
        x0 = guess[torch.arange(len(x), device=x.device), chosen]
        return TdsState(x0, x, log_weight, guess, slope, twist), calls.info()

    return Sampler(init, step)


def _resample(state: TdsState, uniform: Tensor, threshold: float) -> TdsState:
    """Systematic resampling of the items whose effective sample size is low."""
    weight = normalised(state.log_weight)
    count = weight.shape[1]
    needed = 1 / weight.square().sum(1) < threshold * count
    points = (torch.arange(count, device=uniform.device) + uniform.unsqueeze(1)) / count
    parents = torch.searchsorted(weight.cumsum(1).contiguous(), points).clamp(max=count - 1)
    identity = torch.arange(count, device=weight.device).expand_as(parents)
    parents = torch.where(needed.unsqueeze(1), parents, identity)
    item = torch.arange(len(weight), device=weight.device).unsqueeze(1)
    log_weight = torch.where(needed.unsqueeze(1), 0.0, state.log_weight)
    return TdsState(
        state.x0,
        state.x[item, parents],
        log_weight,
        state.guess[item, parents],
        state.slope[item, parents],
        state.twist[item, parents],
    )
