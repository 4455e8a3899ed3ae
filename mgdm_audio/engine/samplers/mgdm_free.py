"""MGDM without gradients: the likelihood enters by a linearised draw."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..bridge import bridge, bridge_coefficients, bridge_mean, diffuse, spread
from ..denoising import Calls, ancestral
from ..likelihoods import LinearGaussian, conjugate_gradient
from ..types import Denoiser, Info, Sampler, Step
from .common import require, start
from .mgdm import draw_index


class FreeState(NamedTuple):
    """Current draw of ``x_0`` and the draw at the level above."""

    x0: Tensor
    x: Tensor
    x_s: Tensor
    sigma_s: Tensor


def mgdm_free(denoise, likelihood, *, n_gibbs=1, n_denoise=3, gain="prior", prior_std=1.0,
    inflate=True, n_refine=0, n_solve=2, last_fraction=0.25, index="last", index_sigma=None,
    index_floor=0.01, rho=3.0, probe=1e-2, carry='x_s', alpha=1.0) -> Sampler:
    require(likelihood, LinearGaussian)
    sy2 = likelihood.sigma_y**2

    def init(noise):
        return FreeState(*start(likelihood, noise), noise, torch.zeros(len(noise)).double())

    def draw(calls, state, x_t, sigma_s, at):
        weight, std = bridge_coefficients(0.0, sigma_s, at.sigma)
        b2 = std**2
        m = bridge_mean(state.x0, x_t, weight) + spread(std, x_t) * at.noise.normal(x_t.shape)
        r2 = alpha * prior_std**2 * sigma_s**2 / (prior_std**2 + sigma_s**2) if inflate else 0 * sigma_s
        d = calls(m, sigma_s)
        ynoise = likelihood.sigma_y * at.noise.normal(likelihood.residual(d).shape)
        if inflate:
            ynoise = ynoise + likelihood.apply(spread(r2.sqrt(), m) * at.noise.normal(m.shape))
        if gain == "krylov":
            def J(w, base=m, db=d):
                n = w.flatten(1).norm(dim=1) / (probe * sigma_s.to(w) * w[0].numel() ** 0.5)
                n = n.clamp_min(1e-20)
                return (calls(base + w / spread(n, w), sigma_s) - db) * spread(n, w)
            x = m
            def system(v):
                ja = J(likelihood.adjoint(v, m))
                out = spread(b2, m) * J(ja)
                if inflate:
                    out = out + alpha * spread(sigma_s**2, m) * ja
                return likelihood.apply(out) + sy2 * v
            sol = conjugate_gradient(system, likelihood.residual(d) + ynoise, n_solve)
            return m + spread(b2, m) * J(likelihood.adjoint(sol, m))
        g = prior_std**2 / (prior_std**2 + sigma_s**2)
        x = m
        for j in range(n_refine + 1):
            if j:
                dn = calls(x, sigma_s)
                if gain == "secant":
                    dx = likelihood.apply(x - xo); dd = likelihood.apply(dn - d)
                    g = ((dx * dd).flatten(1).sum(1) / dx.square().flatten(1).sum(1).clamp_min(1e-20)).double().cpu().clamp(0.02, 1)
                d = dn
            xo = x
            e = likelihood.residual(d) + ynoise - likelihood.apply(spread(g, m) * (m - x))
            sol = likelihood.solve(e, g**2 * b2 + r2, sy2, m)
            x = m + spread(g * b2, m) * likelihood.adjoint(sol, m)
        return x

    def step(state, at):
        calls = Calls(denoise)
        if at.above is None:
            x_t = state.x
            state = state._replace(x0=calls(x_t, at.sigma))
        elif carry == "x_0":
            x_t = bridge(state.x0, state.x, 0.0, at.sigma, at.above, at.noise.normal(state.x.shape))
        else:
            x_t = bridge(state.x_s, state.x, state.sigma_s, at.sigma, at.above, at.noise.normal(state.x.shape))
        sigma_s = draw_index(at, index, sigma=index_sigma, floor=index_floor, rho=rho, last_fraction=last_fraction)
        for _ in range(n_gibbs):
            x_s = draw(calls, state, x_t, sigma_s, at)
            x0 = ancestral(calls, x_s, sigma_s, n_denoise, at.noise, sigma_min=at.sigmas[-1], rho=rho)
            x_t = diffuse(x_s, sigma_s, at.sigma, at.noise.normal(x_t.shape))
            state = FreeState(x0, x_t, x_s, sigma_s)
        return state, calls.info()

    return Sampler(init, step)
