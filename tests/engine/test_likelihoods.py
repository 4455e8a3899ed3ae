"""Likelihoods against torch's distributions, adjoints, and dense linear algebra."""

import math

import pytest
import torch

from mgdm_audio.engine import Gaussian, LinearGaussian, Masked, MixtureSum, Poisson
from mgdm_audio.engine.likelihoods import conjugate_gradient

B, K, T, SIGMA_Y = 3, 4, 5, 0.3


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(name):
    mask = (random(K, T, seed=3) > 0).double()
    matrix = random(6, K * T, seed=4)
    if name == "sum":
        return MixtureSum(random(B, 1, T, seed=1), SIGMA_Y)
    if name == "mask":
        return Masked(random(B, K, T, seed=1), mask, SIGMA_Y)
    if name == "matrix":
        return LinearGaussian.from_matrix(random(B, 6, seed=1), matrix, SIGMA_Y)
    return LinearGaussian(
        random(B, 6, seed=1),
        lambda x: x.flatten(1) @ matrix.T,
        (lambda y: (y @ matrix).reshape(-1, K, T)) if name == "functions" else None,
        SIGMA_Y,
    )


LINEAR = ("sum", "mask", "matrix", "functions", "differentiable")


@pytest.mark.parametrize("name", LINEAR)
def test_adjoint(name):
    likelihood, x = make(name), random(B, K, T)
    y = random(*likelihood.observation.shape, seed=2)
    left = (likelihood.apply(x) * y).sum()
    right = (x * likelihood.adjoint(y, x)).sum()
    assert torch.allclose(left, right)


def test_adjoint_by_autograd_is_the_one_by_hand():
    x, y = random(B, K, T), random(B, 6, seed=2)
    with torch.no_grad():
        derived = make("differentiable").adjoint(y, x)
    assert torch.allclose(derived, make("functions").adjoint(y, x))
    assert not derived.requires_grad


def test_adjoint_by_autograd_can_be_differentiated():
    likelihood, x = make("differentiable"), random(B, K, T)
    y = random(B, 6, seed=2).requires_grad_()
    (gradient,) = torch.autograd.grad((likelihood.adjoint(y, x) * x).sum(), y)
    assert torch.allclose(gradient, likelihood.apply(x))


@pytest.mark.parametrize("name", LINEAR)
def test_solve_inverts_the_system_on_the_range(name):
    likelihood, x = make(name), random(B, K, T)
    y = likelihood.apply(random(B, K, T, seed=5))
    gram = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    solved = likelihood.solve(y, gram, 0.2, x)
    back = gram.reshape(-1, *[1] * (y.ndim - 1)) * likelihood.apply(likelihood.adjoint(solved, x))
    assert torch.allclose(back + 0.2 * solved, y, atol=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_pseudo_inverse_satisfies_the_first_penrose_condition(name):
    likelihood, x = make(name), random(B, K, T)
    y = likelihood.apply(x)
    assert torch.allclose(likelihood.apply(likelihood.pinv(y, x)), y, atol=1e-5)


@pytest.mark.parametrize("name", ["sum", "matrix", "functions"])
def test_log_prob_is_the_normal_density_of_each_item(name):
    likelihood, x = make(name), random(B, K, T)
    normal = torch.distributions.Normal(likelihood.apply(x), SIGMA_Y)
    expected = normal.log_prob(likelihood.observation).flatten(1).sum(1)
    assert likelihood.log_prob(x).shape == (B,)
    assert torch.allclose(likelihood.log_prob(x), expected)


def test_masked_log_prob_counts_observed_entries_only():
    likelihood, x = make("mask"), random(B, K, T)
    normal = torch.distributions.Normal(x, SIGMA_Y).log_prob(likelihood.observation)
    assert torch.allclose(likelihood.log_prob(x), (normal * likelihood.mask).flatten(1).sum(1))


def test_poisson_log_prob_and_its_gradient_under_the_floor():
    counts = torch.tensor([[3.0, 0.0, 7.0]])
    likelihood = Poisson(counts, lambda x: x, floor=0.1)
    x = torch.tensor([[2.0, 1.0, 5.0]], requires_grad=True)
    expected = torch.distributions.Poisson(x.detach()).log_prob(counts).sum()
    assert torch.allclose(likelihood.log_prob(x)[0], expected)
    low = torch.tensor([[-2.0, 1.0, 5.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(likelihood.log_prob(low).sum(), low)
    assert slope[0, 0] == pytest.approx(3 / 0.1 - 1)


def test_non_linear_observation():
    x = random(B, K, T)
    likelihood = Gaussian(x.square(), torch.square, SIGMA_Y)
    assert torch.equal(likelihood.residual(x), torch.zeros_like(x))
    assert torch.equal(likelihood.residual(-x), torch.zeros_like(x))


def test_repeat_copies_items_side_by_side():
    likelihood, x = make("sum"), random(B, K, T)
    twice = likelihood.repeat(2).log_prob(x.repeat_interleave(2, 0))
    assert torch.equal(twice, likelihood.log_prob(x).repeat_interleave(2))
    mask = make("mask").repeat(2)
    assert mask.log_prob(x.repeat_interleave(2, 0)).shape == (2 * B,)


def test_shapes_that_do_not_fit_are_both_named():
    with pytest.raises(ValueError, match=r"\(3, 1, 6\).*\(3, 1, 5\)"):
        make("sum").log_prob(random(B, K, T + 1))
    with pytest.raises(ValueError, match=r"\(2, 1, 5\).*\(3, 1, 5\)"):
        make("sum").log_prob(random(2, K, T))
    with pytest.raises(ValueError, match=r"\(6, 20\).*\(4, 6\)"):
        make("matrix").log_prob(random(B, K, T + 1))
    with pytest.raises(ValueError, match=r"\[B, 1, \.\.\.\]"):
        MixtureSum(random(B, 2, T), SIGMA_Y)


def test_complex_observations_are_refused_with_the_way_out():
    signal = random(B, 1, T)
    spectrum = torch.fft.rfft(signal)
    with pytest.raises(TypeError, match=r"the observation is complex: use torch\.view_as_real"):
        Gaussian(spectrum, torch.fft.rfft, SIGMA_Y)
    with pytest.raises(TypeError, match="what Gaussian predicts is complex"):
        Gaussian(spectrum.abs(), torch.fft.rfft, SIGMA_Y).log_prob(signal)
    matrix = torch.fft.fft(torch.eye(T, dtype=torch.float64))
    with pytest.raises(TypeError, match="the matrix is complex"):
        LinearGaussian.from_matrix(random(B, T), matrix, SIGMA_Y)
    parts = Gaussian(
        torch.view_as_real(spectrum), lambda x: torch.view_as_real(torch.fft.rfft(x)), SIGMA_Y
    )
    assert parts.residual(signal).abs().max() == 0


def test_a_matrix_in_double_precision_serves_signals_in_single():
    likelihood, x = make("matrix"), random(B, K, T).float()
    y = likelihood.apply(x)
    assert y.dtype == torch.float32
    assert torch.allclose(y.double(), make("matrix").apply(x.double()), atol=1e-5)
    solved = likelihood.pinv(y, x)
    assert solved.dtype == torch.float32
    assert torch.allclose(likelihood.apply(solved), y, atol=1e-4)


def test_a_noiseless_observation_has_no_density():
    with pytest.raises(ValueError, match="sigma_y > 0"):
        MixtureSum(random(B, 1, T), 0.0).log_prob(random(B, K, T))


def test_arithmetic_stays_in_full_precision_under_autocast():
    matrix, x = random(6, K * T).float(), random(B, K, T).float()
    likelihood = LinearGaussian.from_matrix(random(B, 6).float(), matrix, SIGMA_Y)
    expected = likelihood.log_prob(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(likelihood.log_prob(x), expected)


def test_conjugate_gradient_solves_items_of_unequal_difficulty():
    square = random(2, 8, 8, seed=6)
    system = square @ square.mT + 0.1 * torch.eye(8, dtype=torch.float64)
    b = random(2, 8, seed=7) * torch.tensor([[1.0], [1e-6]], dtype=torch.float64)
    solved = conjugate_gradient(lambda v: torch.einsum("bnm,bm->bn", system, v), b, 60)
    assert torch.allclose(solved, torch.linalg.solve(system, b), rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("rate", [4.0, 20.0, 200.0])
def test_stabilised_counts_have_unit_variance_at_any_rate(rate):
    counts = torch.poisson(
        torch.full((1, 1, 100_000), rate), generator=torch.Generator().manual_seed(0)
    )
    residual = Poisson(counts, lambda x0: x0).stabilised().residual(torch.full_like(counts, rate))
    assert residual.std().item() == pytest.approx(1, abs=0.03)
    assert residual.mean().abs() < 0.05


def test_stabilised_counts_can_be_repeated():
    counts = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    rates = torch.rand(6, 1, 2, generator=torch.Generator().manual_seed(0)) + 1
    law = Poisson(counts, lambda x0: x0).stabilised()
    alone = Poisson(counts.repeat_interleave(3, 0), lambda x0: x0).stabilised()
    assert torch.equal(law.repeat(3).log_prob(rates), alone.log_prob(rates))
    with pytest.raises(ValueError, match="the observation has shape"):
        law.log_prob(rates)


def test_what_a_mask_hides_may_be_no_number():
    known, missing = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0, math.nan]]])
    mask, x0 = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.5, 2.0]]])
    laws = [Masked(y, mask, 0.1) for y in (known, missing)]
    assert torch.equal(*(law.log_prob(x0) for law in laws))
    assert torch.equal(*(law.residual(x0) for law in laws))


def test_stabilised_counts_have_nearly_the_posterior_of_the_counts():
    """Means under a flat prior on a grid of rates, against the gamma law of the exact posterior."""
    rates = torch.linspace(0.5, 60, 2000).reshape(-1, 1, 1)
    likelihood = Poisson(torch.full((1, 1, 1), 20.0), lambda x0: x0)
    for law in (likelihood, likelihood.stabilised()):
        weight = law.log_prob(rates).double().softmax(0)
        mean = (weight * rates.flatten()).sum()
        std = (weight * (rates.flatten() - mean).square()).sum().sqrt()
        assert mean.item() == pytest.approx(21, abs=0.3)  # Gamma(21, 1)
        assert std.item() == pytest.approx(21**0.5, rel=0.05)
