"""Samplers on problems where the posterior is known in closed form."""

import pytest
import torch

from mgdm_audio.engine import SAMPLERS, Gaussian, MixtureSum, Poisson, karras_schedule, sample
from mgdm_audio.engine.analytic import GaussianMixture, gaussian
from mgdm_audio.engine.denoising import Calls
from mgdm_audio.engine.likelihoods import Masked
from mgdm_audio.engine.noise import Noise
from mgdm_audio.engine.samplers.perturbed import implicit, observed_noise
from mgdm_audio.engine.types import Step

K, T, DRAWS = 2, 2, 1000


def problem(sigma_y):
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(K * T, K * T, generator=generator)
    covariance = root @ root.T / (K * T) + 0.1 * torch.eye(K * T)
    prior = gaussian(torch.randn(K, T, generator=generator), covariance)
    likelihood = MixtureSum(prior.sample(1, generator).sum(1, keepdim=True), sigma_y)
    return prior, likelihood, prior.posterior(likelihood)


def distances(name, levels, settings, sigma_y=0.5):
    """Largest error of the mean in posterior standard deviations; relative error of covariance."""
    prior, likelihood, posterior = problem(sigma_y)
    sampler = SAMPLERS[name](prior.denoise, likelihood, **settings)
    x0 = sample(sampler, karras_schedule(levels, 0.01, 8.0, 3.0), (DRAWS, K, T)).flatten(1)
    target = posterior.covariance()
    mean = (x0.mean(0) - posterior.mean().flatten()).abs() / target.diagonal().sqrt()
    return mean.max().item(), ((torch.cov(x0.T) - target).norm() / target.norm()).item()


# The tolerance of the mean covers Monte-Carlo error (0.03 each) and what the method itself leaves.
@pytest.mark.parametrize(
    ("name", "levels", "settings", "mean", "covariance"),
    [
        # Exact in the limit of many levels.
        ("conditional", 150, {"churn": 1.0}, 0.12, 0.25),
        ("mmps", 150, {"n_solve": 2}, 0.12, 0.25),
        # Guidance as wide as the prior is; the particles' weights undo what few levels leave.
        ("mgdm_free", 200, {"prior_std": 0.8}, 0.2, 0.2),
        ("mgdm_free", 20, {"particles": 16, "prior_std": 0.8}, 0.15, 0.4),
        (
            "mgdm",
            40,
            {
                "n_gibbs": 3,
                "n_gradient": 5,
                "n_gradient_last": 5,
                "n_denoise": 4,
                "learning_rate": 0.2,
                "learning_rate_unit": "bridge",
                "index": "last",
            },
            0.25,
            0.4,
        ),
        (
            "mgdm",
            75,
            {
                "draw": "perturbed",
                "n_gibbs": 1,
                "n_gradient": 1,
                "n_gradient_last": 1,
                "n_denoise": 1,
                "learning_rate": 0.8,
                "index": "last",
                "warm_start": True,
                "transition": "bridge",
            },
            0.3,
            0.25,
        ),
        (
            "mgdm",
            60,
            {
                "draw": "perturbed",
                "n_gibbs": 2,
                "n_gradient": 4,
                "n_gradient_last": 4,
                "n_denoise": 4,
                "learning_rate": 0.8,
                "index": "last",
            },
            0.25,
            0.4,
        ),
    ],
)
def test_gaussian_posterior(name, levels, settings, mean, covariance):
    error = distances(name, levels, settings)
    assert error[0] < mean
    assert error[1] < covariance


def test_perturbed_draw_is_exact_where_the_denoiser_is_linear():
    count, shrink, width, sigma_y = 20_000, 0.8, 0.7, 0.3
    likelihood = MixtureSum(torch.full((1, 1, 1), 1.5), sigma_y)
    calls = Calls(lambda x, sigma: shrink * x)
    at = Step(0, (1.0,), Noise(0, count, "cpu"))
    centre, sigma = torch.zeros(count, 3, 1), torch.ones(count)
    white, noise = at.noise.normal(centre.shape), observed_noise(likelihood, centre, at)
    offset = torch.zeros_like(centre)
    for _ in range(3):
        offset += implicit(calls, likelihood, centre, width, white, offset, noise, sigma)
    x = (width * (white + offset)).flatten(1)
    row = shrink * torch.ones(1, 3)
    gain = width**2 * row.T / (width**2 * row @ row.T + sigma_y**2)
    covariance = width**2 * (torch.eye(3) - gain @ row)
    assert torch.allclose(x.mean(0), 1.5 * gain.flatten(), atol=0.02)
    assert torch.allclose(torch.cov(x.T), covariance, atol=0.02)


def test_perturbed_draw_ignores_what_a_mask_hides():
    mask = torch.tensor([1.0, 0.0]).reshape(1, 1, 2)
    likelihood = Masked(torch.ones(1, 1, 2), mask, 0.1)
    at = Step(0, (1.0,), Noise(0, 5, "cpu"))
    noise = observed_noise(likelihood, torch.zeros(5, 1, 2), at)
    assert (noise[..., 1] == 0).all()
    assert (noise[..., 0] != 0).all()


def test_perturbed_draw_refuses_what_it_cannot_do():
    prior, likelihood, _ = problem(0.0)
    with pytest.raises(ValueError, match="sigma_y"):
        SAMPLERS["mgdm"](prior.denoise, likelihood, draw="perturbed")
    counts = Poisson(torch.ones(1, 1, T), lambda x: x.exp().sum(1, keepdim=True))
    with pytest.raises(TypeError, match="Gaussian"):
        SAMPLERS["mgdm"](prior.denoise, counts, draw="perturbed")
    with pytest.raises(ValueError, match="draw"):
        SAMPLERS["mgdm"](prior.denoise, counts, draw="exact")


@pytest.mark.parametrize(
    ("name", "settings", "mean", "covariance"),
    [
        ("pnpdm", {"n_denoise": 8, "step_size": 1e-3}, 0.4, 0.7),  # too short to forget a start
        ("daps", {"prior_std": 0.8, "step_size": 1e-2, "step_decay": 0.1}, 0.5, 0.5),
    ],
)
def test_likelihood_steps_by_langevin(name, settings, mean, covariance):
    """The sum as any operator, on levels down to where no fixed step is stable."""
    prior, likelihood, posterior = problem(0.5)
    plain = Gaussian(likelihood.observation, lambda x: x.sum(1, keepdim=True), 0.5)
    sampler = SAMPLERS[name](prior.denoise, plain, **settings)
    x0 = sample(sampler, karras_schedule(40, 5e-4, 20.0, 3.0), (DRAWS, K, T)).flatten(1)
    target = posterior.covariance()
    error = (x0.mean(0) - posterior.mean().flatten()).abs() / target.diagonal().sqrt()
    assert error.max() < mean
    assert (torch.cov(x0.T) - target).norm() < covariance * target.norm()


def test_without_noise_to_hide_it_in_a_noisy_observation_is_not_put_in():
    """DDNM's last step: equation 19 has the noise of the step over that of the observation."""
    prior, likelihood, _ = problem(0.5)
    x0 = sample(
        SAMPLERS["ddnm"](prior.denoise, likelihood), karras_schedule(9, 0.01, 8.0), (9, K, T)
    )
    assert likelihood.residual(x0).abs().mean() > 0.01
    exact = MixtureSum(likelihood.observation, 0.0)
    x0 = sample(SAMPLERS["ddnm"](prior.denoise, exact), karras_schedule(9, 0.01, 8.0), (9, K, T))
    assert exact.residual(x0).abs().max() < 1e-5


def test_prior_is_far_outside_the_tolerances():
    prior, _, posterior = problem(0.5)
    target = posterior.covariance()
    assert (prior.covariance() - target).norm() / target.norm() > 1
    offset = (prior.mean() - posterior.mean()).flatten().abs() / target.diagonal().sqrt()
    assert offset.max() > 0.8


@pytest.mark.parametrize("churn", [0.0, 1.0])
def test_conditional_draws_have_the_variance_of_a_noisy_sum(churn):
    mean, covariance = distances("conditional", 100, {"churn": churn}, sigma_y=1.5)
    assert mean < 0.12
    assert covariance < 0.2  # a state that keeps to the observation misses it by 0.6


def test_the_first_level_may_lie_below_the_noise_of_the_sum():
    """Its state has that noise all the same."""
    prior, likelihood, _ = problem(2.0)
    known = []

    def denoise(x, sigma, sigma_mix):
        known.append((sigma, sigma_mix))
        return prior.denoise(x, sigma, sigma_mix)

    sample(SAMPLERS["conditional"](denoise, likelihood), [0.5, 0.2], (3, K, T))
    told = [float(mix.max()) for _, mix in known]
    assert told == pytest.approx([2.0 / K**0.5, 0.2])


def test_one_conditional_level_is_the_posterior_mean():
    prior, likelihood, posterior = problem(0.3)
    sampler = SAMPLERS["conditional"](prior.denoise, likelihood, project=False)
    x0 = sample(sampler, [1e4], (3, K, T))
    assert torch.allclose(x0, posterior.mean().expand(3, K, T), atol=1e-3)


@pytest.mark.parametrize("level", [0.3, 3.0])
def test_starting_from_the_mean_hides_the_noise(level):
    """Without noise every seed agrees, and for a linear denoiser that is the mean over seeds."""
    prior, likelihood, _ = problem(0.3)
    noisy, still = (
        sample(
            SAMPLERS["conditional"](prior.denoise, likelihood, initial=initial, project=False),
            [level],
            (4000, K, T),
        )
        for initial in (1.0, 0.0)
    )
    assert torch.equal(still, still[:1].expand_as(still))
    spread = noisy.std(0)
    assert spread.max() > 0.02
    assert ((noisy.mean(0) - still[0]).abs() < 5 * spread / 4000**0.5 + 1e-6).all()


def test_the_start_is_between_mean_and_noise():
    prior, likelihood, _ = problem(0.3)
    with pytest.raises(ValueError, match="initial"):
        SAMPLERS["conditional"](prior.denoise, likelihood, initial=2.0)


def test_conditioning_exactly_keeps_the_mixture():
    prior, likelihood, _ = problem(0.0)
    sampler = SAMPLERS["conditional"](prior.denoise, likelihood, churn=1.0, project=False)
    x0 = sample(sampler, karras_schedule(10, 0.01, 8.0, 3.0), (20, K, T))
    assert likelihood.residual(x0).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("name", "settings"),
    [("tds", {"particles": 16, "spread": 1.0}), ("mgdm_free", {"particles": 16})],
)
def test_particles_find_the_weight_of_each_mode(name, settings):
    means = torch.tensor([[[1.5], [-1.0]], [[-1.5], [1.2]]])
    prior = GaussianMixture(torch.tensor([0.3, 0.7]), means, 0.09 * torch.eye(2).expand(2, 2, 2))
    likelihood = MixtureSum(torch.tensor([[[0.6]]]), 0.4)
    exact = prior.posterior(likelihood).weights[0].item()
    assert exact - 0.3 > 0.2
    sampler = SAMPLERS[name](prior.denoise, likelihood, **settings)
    x0 = sample(sampler, karras_schedule(40, 0.02, 8.0, 3.0), (DRAWS, 2, 1))
    share = (x0[:, 0] > 0).float().mean().item()
    # Three standard errors, and what 16 particles leave.
    assert share == pytest.approx(exact, abs=0.05 + 0.02)


def test_free_form_takes_two_calls_a_level_and_particle_and_no_gradient():
    prior, likelihood, _ = problem(0.5)
    reports = []
    sampler = SAMPLERS["mgdm_free"](prior.denoise, likelihood, n_gibbs=3, particles=2)
    sample(sampler, karras_schedule(5, 0.05, 8.0, 3.0), (2, K, T), callback=reports.append)
    # Nothing is drawn to the clean level, so there is nothing to repeat.
    assert reports[-1].denoiser_calls == 2 * 2 * (4 * 3 + 1)
    assert reports[-1].gradient_calls == 0


def test_free_form_does_not_overshoot_where_levels_are_few():
    prior, likelihood, posterior = problem(0.01)
    x0 = sample(
        SAMPLERS["mgdm_free"](prior.denoise, likelihood, prior_std=0.01),
        karras_schedule(6, 0.01, 8.0, 3.0),
        (200, K, T),
    )
    spread = posterior.covariance().diagonal().max().sqrt()
    assert (x0.mean(0) - posterior.mean()).abs().max() < spread
    assert x0.flatten(1).std(0).max() < 1.5 * spread
