"""Exact priors against quadrature, Tweedie's formula and brute-force reweighting."""

import pytest
import torch

from mgdm_audio.engine import LinearGaussian, MixtureSum
from mgdm_audio.engine.analytic import GaussianMixture, gaussian


def small_mixture():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    return GaussianMixture(
        torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
        torch.randn(3, 2, 2, generator=generator, dtype=torch.float64),
        root @ root.mT / 4 + 0.05 * torch.eye(4, dtype=torch.float64),
    )


def test_log_prob_against_torch():
    prior, sigma = small_mixture(), 0.4
    x = torch.randn(5, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    noisy = prior.covariances + sigma**2 * torch.eye(4, dtype=torch.float64)
    expected = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(prior.weights),
        torch.distributions.MultivariateNormal(prior.means.flatten(1), noisy),
    ).log_prob(x.flatten(1))
    assert torch.allclose(prior.log_prob(x, sigma), expected)


def test_denoiser_obeys_tweedie():
    prior, sigma = small_mixture(), 0.7
    x = torch.randn(5, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x.requires_grad_()
    (score,) = torch.autograd.grad(prior.log_prob(x, sigma).sum(), x)
    assert torch.allclose(prior.denoise(x, torch.tensor(sigma)), x + sigma**2 * score)


def test_equal_noise_on_both_subspaces_is_the_plain_denoiser():
    prior = small_mixture()
    x = torch.randn(5, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sigma = torch.full((5,), 0.7, dtype=torch.float64)
    assert torch.allclose(prior.denoise(x, sigma, sigma), prior.denoise(x, sigma))


def test_sharp_mixture_direction_is_the_posterior_mean_given_the_sum():
    prior, sigma_y = small_mixture(), 0.2
    mixture = torch.tensor([[[0.4, -0.3]]], dtype=torch.float64)
    posterior = prior.posterior(MixtureSum(mixture, sigma_y))
    # Infinite noise where the sources sum to zero leaves the mixture alone to speak.
    x = (mixture / 2).expand(1, 2, 2)
    level = torch.tensor(1e4, dtype=torch.float64)
    known = torch.tensor(sigma_y / 2**0.5, dtype=torch.float64)
    assert torch.allclose(prior.denoise(x, level, known)[0], posterior.mean(), atol=1e-5)


def test_posterior_agrees_with_reweighted_prior_draws():
    prior = small_mixture()
    matrix = torch.tensor([[1.0, -0.5, 0.3, 0.8]], dtype=torch.float64)
    likelihood = LinearGaussian.from_matrix(torch.tensor([[0.6]]).double(), matrix, 0.5)
    posterior = prior.posterior(likelihood)
    draws = prior.sample(400_000, torch.Generator().manual_seed(2))
    weight = likelihood.log_prob(draws).softmax(0)
    mean = torch.einsum("b,bkt->kt", weight, draws)
    offset = (draws - mean).flatten(1)
    covariance = torch.einsum("b,bn,bm->nm", weight, offset, offset)
    assert torch.allclose(posterior.mean(), mean, atol=0.02)
    assert torch.allclose(posterior.covariance(), covariance, atol=0.03)


def test_draws_have_the_stated_moments():
    prior = small_mixture()
    draws = prior.sample(200_000, torch.Generator().manual_seed(3)).flatten(1)
    assert torch.allclose(draws.mean(0), prior.mean().flatten(), atol=0.02)
    assert torch.allclose(torch.cov(draws.T), prior.covariance(), atol=0.03)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="do not fit"):
        gaussian(torch.zeros(2, 2), torch.eye(3))
    with pytest.raises(ValueError, match="batch of 2"):
        small_mixture().posterior(MixtureSum(torch.zeros(2, 1, 2), 0.1))
