"""MGDM without gradients: the likelihood enters by a linearised draw from two denoiser calls."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..bridge import bridge_coefficients, bridge_mean, diffuse, spread
from ..denoising import Calls
from ..likelihoods import LinearGaussian
from ..types import Denoiser, Info, Sampler, Step
from .common import choose, positive, require, start, whole
from .mgdm import check_index, draw_index


class FreeState(NamedTuple):
    """``x0 [B, K, T]``, trajectories ``x [B, P, K, T]`` and their log-weights ``[B, P]``."""

    x0: Tensor
    x: Tensor
    log_weight: Tensor


def mgdm_free(
    denoise: Denoiser,
    likelihood: LinearGaussian,
    *,
    n_gibbs: int = 1,
    particles: int = 1,
    prior_std: float = 0.15,
    probe: float = 0.1,
    index: str = "last",
    index_sigma: float | None = None,
    index_floor: float = 0.01,
    last_fraction: float = 0.25,
    rho: float = 3.0,
) -> Sampler:
    """MGDM whose draw of x_s given (x_t, y) is a linearisation, two denoiser calls in all.

    The index, the repetitions and the transitions are :func:`mgdm`'s (Janati et al. 2025, arXiv
    2502.03332, algorithm 1). What differs is its inner step, ours: one denoiser call ``D(x_t)`` is
    at once the draw of x_0 and the point of linearisation, so nothing is optimised and no gradient
    is taken. With the residual ``r = y - A D``, ``V = v A A^T + sigma_y^2`` where
    ``v = s^2 sigma_t^2 / (s^2 + sigma_t^2)``, ``a = A^T V^-1 r`` and the denoiser's Jacobian ``J``,

        ``x_s = bridge(D, x_t) + h J a / (1 + h |J a|^2 / (r^T V^-1 r)) + noise of the bridge``,

    ``h = sigma_t^2 - sigma_s^2``. The numerator is guidance by ``g_0(y | D(x_t))``, widened by v as
    in PiGDM (Song et al. 2023); the denominator is the Galerkin solution, in the direction of the
    residual, of the Gauss-Newton system ``(h A J J A^T + V) z = r``, an implicit step: it
    approaches plain guidance as levels get dense and does not overshoot when they are few. ``J`` is
    symmetric (it is the covariance of x_0 given x_t over ``sigma_t^2``), so the vector-Jacobian
    product that a gradient needs is a difference of two calls. The cost is two calls per level,
    repetition and particle.

    Args:
        denoise: the prior.
        likelihood: linear-Gaussian.
        n_gibbs: R, repetitions per level: x_t is drawn anew from x_s, and x_s from it.
        particles: P, trajectories per item. One of them is returned, drawn by its importance
            weight: likelihood times the ratio of the prior's transitions to the guided ones.
        prior_std: s, standard deviation of the prior's narrow directions, in units of the signal:
            how far x_0 may be off once it is known where it belongs. Small values trust the
            residual more at high noise. The default is tuned for signals of unit variance.
        probe: length of the difference in units of ``sigma_t``, per element.
        index, index_sigma, index_floor, last_fraction, rho: as for :func:`mgdm`; x_s is carried to
            the level below t by forward noise.

    Raises:
        TypeError: if the likelihood is not linear-Gaussian.
        ValueError: if a setting is out of its range.
    """
    require(likelihood, LinearGaussian)
    whole(1, n_gibbs=n_gibbs, particles=particles)
    positive(prior_std=prior_std, probe=probe)
    check_index(index, index_sigma, floor=index_floor, rho=rho, last_fraction=last_fraction)
    repeated = likelihood.repeat(particles)

    def init(noise: Tensor) -> FreeState:
        start(likelihood, noise)
        # Further particles draw their own noise in the first step, where the streams are at hand.
        x = noise.unsqueeze(1).expand(-1, particles, *noise.shape[1:])
        return FreeState(noise, x, x.new_zeros(x.shape[:2]))

    def guide(calls: Calls, x_t: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        """``D(x_t)``, ``J a``, and ``|J a|^2 / (r^T V^-1 r)`` per item."""
        x0 = calls(x_t, sigma)
        residual = repeated.residual(x0)
        width = prior_std**2 * sigma**2 / (prior_std**2 + sigma**2)
        weighted = repeated.solve(residual, width, likelihood.sigma_y**2, x0)
        direction = repeated.adjoint(weighted, x0)
        size = direction.flatten(1).square().mean(1).sqrt().clamp_min(1e-20)
        scale = spread(size / (probe * sigma), x0)
        pull = scale * (calls(x_t + direction / scale, sigma) - x0)
        energy = (weighted * residual).flatten(1).sum(1).clamp_min(1e-20)
        return x0, pull, pull.flatten(1).square().sum(1) / energy

    def step(state: FreeState, at: Step) -> tuple[FreeState, Info]:
        calls = Calls(denoise, weight=particles)
        shape, log_weight = state.x.shape, state.log_weight

        def normal() -> Tensor:
            return at.noise.normal(shape).flatten(0, 1)

        x_t = state.x.flatten(0, 1)
        if at.above is None and particles > 1:
            x_t = at.sigma * normal()
        x0, pull, stiffness = guide(calls, x_t, at.sigma)
        if at.below == 0:
            # To the clean level the whole variance of t is removed, and nothing is drawn.
            x0 = x0 + at.sigma**2 * pull / (1 + at.sigma**2 * spread(stiffness, x0))
            x = x0
        else:
            sigma_s = draw_index(
                at,
                index,
                sigma=index_sigma,
                floor=index_floor,
                rho=rho,
                last_fraction=last_fraction,
            ).repeat_interleave(particles)
            weight, std = bridge_coefficients(0.0, sigma_s, at.sigma)
            reach, width = spread(at.sigma**2 - sigma_s**2, x_t), spread(std, x_t)
            for repeat in range(n_gibbs):
                if repeat:
                    x_t = diffuse(x, sigma_s, at.sigma, normal())
                    x0, pull, stiffness = guide(calls, x_t, at.sigma)
                shift = reach * pull / (1 + reach * spread(stiffness, x_t))
                white = normal()
                x = bridge_mean(x0, x_t, weight) + shift + width * white
                # The prior's transition over the guided one: equal widths, means a shift apart.
                ratio = -(shift * (white + 0.5 * shift / width) / width).flatten(1).sum(1)
                log_weight = log_weight + ratio.reshape(shape[:2])
            if index != "last":
                x = diffuse(x, sigma_s, at.below, normal())
        x0, x = x0.reshape(shape), x.reshape(shape)
        if particles > 1:
            fit = repeated.log_prob(x0.flatten(0, 1)).reshape(shape[:2])
            chosen = choose(log_weight + fit, at.noise.uniform().to(fit.dtype).to(fit.device))
            x0 = x0[torch.arange(len(x0), device=x0.device), chosen]
        else:
            x0 = x0[:, 0]
        return FreeState(x0, x, log_weight), calls.info()

    return Sampler(init, step)
