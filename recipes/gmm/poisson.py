"""Counts instead of Gaussian noise; the reference is a long Markov chain."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from mgdm_audio.engine import SAMPLERS, Poisson, karras_schedule, sample
from mgdm_audio.engine.analytic import GaussianMixture

from .candidates import equivalents
from .problems import sliced_wasserstein

SOURCES, LENGTH, MODES, RATE = 2, 3, 6, 8.0
DRAWS = 200


class PoissonScore(NamedTuple):
    """Distances to the chain's draws, one per problem, and the cost."""

    label: str
    distances: list[float]
    cost: int


def _problem(seed: int) -> tuple[GaussianMixture, Poisson]:
    """Two sources of three numbers; counts of rate 8 softplus(sum)."""
    generator = torch.Generator().manual_seed(seed)
    size = SOURCES * LENGTH
    root = torch.randn(MODES, size, size, generator=generator)
    covariances = 0.3 * root @ root.mT / size + 0.02 * torch.eye(size)
    means = torch.randn(MODES, SOURCES, LENGTH, generator=generator)
    prior = GaussianMixture(torch.ones(MODES), means, covariances)
    rate = _rate(prior.sample(1, generator))
    return prior, Poisson(torch.poisson(rate, generator=generator), _rate, floor=1e-4)


def _rate(x0: Tensor) -> Tensor:
    return RATE * softplus(x0.sum(1, keepdim=True))


def long_chain(
    prior: GaussianMixture, likelihood: Poisson, *, draws: int, steps: int = 2000, seed: int = 0
) -> Tensor:
    """``draws`` independent Metropolis chains of ``steps`` steps each, their last states.

    Every second proposal is a fresh prior draw, which changes mode, every other a random walk of
    one of three widths, which settles within it.
    """
    generator = torch.Generator().manual_seed(seed)
    x = prior.sample(draws, generator)
    log_g, log_p = likelihood.log_prob(x), prior.log_prob(x)
    for step in range(steps):
        if step % 2 == 0:
            proposal = prior.sample(draws, generator)
            new_g, new_p = likelihood.log_prob(proposal), prior.log_prob(proposal)
            log_ratio = new_g - log_g  # the prior cancels against the proposal's density
        else:
            width = (0.05, 0.2, 0.5)[step // 2 % 3]
            proposal = x + width * torch.randn(x.shape, generator=generator)
            new_g, new_p = likelihood.log_prob(proposal), prior.log_prob(proposal)
            log_ratio = new_g + new_p - log_g - log_p
        accept = torch.rand(draws, generator=generator).log() < log_ratio
        x = torch.where(accept[:, None, None], proposal, x)
        log_g, log_p = torch.where(accept, new_g, log_g), torch.where(accept, new_p, log_p)
    return x


def by_importance(
    prior: GaussianMixture, likelihood: Poisson, *, draws: int, seed: int = 1
) -> Tensor:
    """An independent check of the chain: prior draws resampled by likelihood."""
    generator = torch.Generator().manual_seed(seed)
    x = prior.sample(200_000, generator)
    weight = likelihood.log_prob(x).double().softmax(0)
    return x[torch.multinomial(weight, draws, replacement=True, generator=generator)]


_MGDM = {"learning_rate_unit": "bridge", "learning_rate": 0.3, "n_denoise": 1, "index": "last"}
_MGDM |= {"n_gradient": 1, "n_gradient_last": 1}

#: As what won on sums and operators, but for the rate: for counts whose variance is stabilised.
_PERTURBED = {"draw": "perturbed", "learning_rate": 0.8, "n_gibbs": 1, "n_denoise": 1}
_PERTURBED |= {"n_gradient": 1, "n_gradient_last": 1, "index": "last"}
_PERTURBED |= {"warm_start": True, "transition": "bridge"}

PERTURBED = "MGDM, perturbed draw, stabilised counts"

RUNS = {
    "DPS, plain score": ("dps", 100, {"normalise": False}),
    PERTURBED: ("mgdm", 75, _PERTURBED),
    "MGDM, Adam, R = 1": ("mgdm", 75, _MGDM | {"n_gibbs": 1}),
    "MGDM, Adam, R = 4": ("mgdm", 75, _MGDM | {"n_gibbs": 4}),
    "DAPS": ("daps", 60, {"n_langevin": 50, "step_size": 1e-3, "prior_std": 0.5}),
    "TDS, 8 particles": ("tds", 50, {"particles": 8}),
}


def poisson_scores(problems: int) -> list[PoissonScore]:
    """Prior, samplers, and an independent exact set, against the chain."""
    collected: dict[str, PoissonScore] = {}

    def add(label: str, x: Tensor, chain: Tensor, cost: int) -> None:
        entry = collected.setdefault(label, PoissonScore(label, [], cost))
        entry.distances.append(sliced_wasserstein(x, chain))

    for seed in range(problems):
        prior, likelihood = _problem(seed)
        chain = long_chain(prior, likelihood, draws=DRAWS)
        add("prior", prior.sample(DRAWS, torch.Generator().manual_seed(2)), chain, 0)
        for label, (name, levels, settings) in RUNS.items():
            reports = []
            least_squares = settings.get("draw") == "perturbed"
            counts = likelihood.stabilised() if least_squares else likelihood
            sampler = SAMPLERS[name](prior.denoise, counts, **settings)
            sigmas = karras_schedule(levels, 0.01, 10.0, 3.0)
            x0 = sample(sampler, sigmas, (DRAWS, SOURCES, LENGTH), callback=reports.append)
            cost = equivalents(reports[-1].denoiser_calls, reports[-1].gradient_calls)
            add(label, x0, chain, cost)
        add("importance resampling", by_importance(prior, likelihood, draws=DRAWS), chain, 0)
    return list(collected.values())
