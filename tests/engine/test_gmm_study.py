"""The instruments of the Gaussian-mixture study."""

import pytest
import torch

from mgdm_audio.engine import SAMPLERS, karras_schedule, sample
from recipes.gmm.candidates import BUDGET, CANDIDATES, equivalents
from recipes.gmm.modes import AT, error, exact_errors, trajectory_errors
from recipes.gmm.poisson import _problem, by_importance, long_chain
from recipes.gmm.problems import linear_problem, mixture_problem, sliced_wasserstein
from recipes.gmm.study import GRID, prior_score, run, tuned


def test_sliced_distance_of_a_shift_is_its_length_over_root_dimension():
    x = torch.randn(100, 4, 5, generator=torch.Generator().manual_seed(0))
    shift = torch.full((4, 5), 0.3)
    assert sliced_wasserstein(x, x[torch.randperm(100)]) == 0
    # E <shift, axis>^2 = |shift|^2 / 20 over the sphere.
    assert sliced_wasserstein(x, x + shift, directions=20_000) == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("make", [mixture_problem, linear_problem])
def test_posterior_explains_the_observation(make):
    problem = make(3)
    draws = problem.posterior.sample(2000, torch.Generator().manual_seed(0))
    residual = problem.likelihood.residual(draws).std().item()
    assert residual < 2 * problem.likelihood.sigma_y
    prior = problem.prior.sample(2000, torch.Generator().manual_seed(0))
    assert problem.likelihood.residual(prior).std().item() > 5 * problem.likelihood.sigma_y


def test_chain_agrees_with_importance_resampling():
    prior, likelihood = _problem(0)
    chain = long_chain(prior, likelihood, draws=300, steps=1000)
    exact = by_importance(prior, likelihood, draws=300)
    start = prior.sample(300, torch.Generator().manual_seed(3))
    assert sliced_wasserstein(chain, exact) < 0.25 * sliced_wasserstein(start, exact)


def test_every_sampler_is_in_the_study_at_equal_cost():
    assert set(CANDIDATES) == set(SAMPLERS) == set(tuned())
    problem = mixture_problem(0)
    for name, (levels, settings) in tuned().items():
        reports = []
        sampler = SAMPLERS[name](problem.prior.denoise, problem.likelihood, **settings)
        sigmas = karras_schedule(levels, *GRID)
        sample(sampler, sigmas, (1, *problem.shape), callback=reports.append)
        cost = equivalents(reports[-1].denoiser_calls, reports[-1].gradient_calls)
        # The exact conditional sampler needs no more than a third of the budget.
        assert cost <= 1.11 * BUDGET
        assert cost >= 0.9 * BUDGET or name == "conditional"


def test_free_form_at_a_tenth_of_the_cost_is_as_good_as_mgdm():
    problems = [mixture_problem(seed) for seed in range(4)]
    mgdm = run("mgdm", tuned(300)["mgdm"], problems)
    free = run("mgdm_free", tuned(30)["mgdm_free"], problems)
    assert free.cost < 0.11 * mgdm.cost
    assert free.mean < mgdm.mean + 0.1
    prior = prior_score(problems)
    assert free.mean < 0.5 * prior.mean


def test_weights_of_modes_are_right_for_exact_draws_and_wrong_for_the_prior():
    problems = [mixture_problem(seed) for seed in range(2)]
    assert max(max(one) for one in exact_errors(problems, 500)) < 0.05
    for problem in problems:
        prior = problem.prior.sample(500, torch.Generator().manual_seed(0))
        assert error(problem, prior, AT[-1]) > 0.3


def test_errors_of_trajectories_are_taken_at_every_level():
    problems = [mixture_problem(0)]
    for name, settings in (("dps", {"zeta": 0.3}), ("mgdm", {"n_gradient": 1, "n_denoise": 1})):
        rows = trajectory_errors(name, (30, settings), problems, GRID, 20)
        assert [len(one) for one in rows] == [1] * len(AT)
