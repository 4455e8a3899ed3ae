"""Plug-and-play diffusion models: a split Gibbs sampler."""

from __future__ import annotations

from torch import Tensor

from ..denoising import Calls, ancestral
from ..likelihoods import LinearGaussian
from ..types import Denoiser, Info, Likelihood, Sampler, Step
from .common import ChainState, draw_given, positive, start, whole
from .daps import langevin


def pnpdm(
    denoise: Denoiser,
    likelihood: Likelihood,
    *,
    n_gibbs: int = 1,
    n_denoise: int = 20,
    n_langevin: int = 100,
    step_size: float = 1e-4,
    rho: float = 7.0,
) -> Sampler:
    """PnP-DM: alternate a likelihood step and a prior step, coupled at an annealed distance.

    Wu et al. 2024 (arXiv 2405.18782), algorithm 1: z given x has density
    ``g_0(y | z) N(z; x, sigma^2)``, x given z is drawn by the reverse process started at z at level
    ``sigma``; the levels are the annealing schedule.

    Args:
        denoise: the prior.
        likelihood: for linear-Gaussian ones z is drawn exactly, for others by Langevin steps from x
            (see :func:`.daps.langevin` for the sizes that are stable).
        n_gibbs: alternations per level. Paper: 1.
        n_denoise: ancestral steps of the prior step. Paper: up to 100.
        n_langevin, step_size: of the likelihood step for non-linear operators. Paper: 100, by task.
        rho: spacing of the ancestral levels. Paper: 7.

    Raises:
        ValueError: if a setting is out of its range.
    """
    whole(1, n_gibbs=n_gibbs, n_denoise=n_denoise, n_langevin=n_langevin)
    positive(step_size=step_size, rho=rho)

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        x = state.x0
        for _ in range(n_gibbs):
            if isinstance(likelihood, LinearGaussian):
                z = draw_given(likelihood, x, at.sigma, at)
            else:
                z = langevin(likelihood, x, x, at.sigma**2, n_langevin, step_size, at)
            x = ancestral(calls, z, at.sigma, n_denoise, at.noise, sigma_min=at.sigmas[-1], rho=rho)
        return ChainState(x, z), calls.info()

    return Sampler(init, step)
