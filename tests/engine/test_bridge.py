"""The bridge against brute force, its composition, and the variance-preserving form."""

import pytest
import torch

from mgdm_audio.engine.bridge import (
    bridge,
    bridge_coefficients,
    diffuse,
    variance_preserving,
)


def test_moments_agree_with_conditioning_the_joint_gaussian():
    a, s, t = 0.3, 0.8, 2.0
    # Given x_a, the pair (x_s, x_t) is Gaussian with these covariances: condition on x_t.
    var_s, var_t = s**2 - a**2, t**2 - a**2
    gain = var_s / var_t
    weight, std = bridge_coefficients(a, s, t)
    assert weight.item() == pytest.approx(gain)
    assert std.item() ** 2 == pytest.approx(var_s - gain * var_s)


def test_moments_agree_with_simulation():
    generator = torch.Generator().manual_seed(0)
    sigmas, n = (0.5, 1.0, 1.5), 400_000
    white = torch.randn(2, n, generator=generator)
    x_a = 0.7
    x_s = x_a + (sigmas[1] ** 2 - sigmas[0] ** 2) ** 0.5 * white[0]
    x_t = x_s + (sigmas[2] ** 2 - sigmas[1] ** 2) ** 0.5 * white[1]
    near = (x_t - 2.0).abs() < 0.05
    weight, std = bridge_coefficients(*sigmas)
    expected = (1 - weight) * x_a + weight * 2.0
    assert x_s[near].mean().item() == pytest.approx(expected.item(), abs=0.02)
    assert x_s[near].std().item() == pytest.approx(std.item(), rel=0.03)


def test_two_bridges_compose_to_one():
    a, s, u, t = 0.0, 0.4, 1.1, 3.0
    # x_u | x_a, x_t, then x_s | x_a, x_u, has the law of x_s | x_a, x_t.
    weight_u, std_u = bridge_coefficients(a, u, t)
    weight_s, std_s = bridge_coefficients(a, s, u)
    weight, std = bridge_coefficients(a, s, t)
    assert torch.allclose(weight_s * weight_u, weight)
    assert torch.allclose(std_s**2 + (weight_s * std_u) ** 2, std**2)


def test_ends_are_exact_and_levels_may_differ_by_item():
    x_a, x_t = torch.full((2, 3), 1.0), torch.full((2, 3), 5.0)
    levels = torch.tensor([0.2, 2.0], dtype=torch.float64)
    x = bridge(x_a, x_t, 0.2, levels, 2.0, torch.ones(2, 3))
    assert torch.equal(x[0], x_a[0])
    assert torch.equal(x[1], x_t[1])


def test_diffusing_adds_the_missing_variance():
    white = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(1))
    x = diffuse(torch.zeros_like(white), 3.0, 5.0, white)
    assert x.std().item() == pytest.approx(4.0, rel=0.01)


def test_variance_preserving_denoiser_gives_the_same_estimate():
    mean, std, sigma = 0.5, 1.3, 0.9

    def exploding(x, sigma):
        return mean + std**2 / (std**2 + sigma**2) * (x - mean)

    def preserving(z, sigma):
        # z = alpha x_0 + sqrt(1 - alpha^2) n, conditioned directly in its own coordinates.
        alpha = (1 + sigma**2) ** -0.5
        assert sigma.shape == (2,)
        alpha = alpha.unsqueeze(1)
        gain = alpha * std**2 / (alpha**2 * std**2 + 1 - alpha**2)
        return mean + gain * (z - alpha * mean)

    x = torch.linspace(-3, 3, 14).reshape(2, 7)
    level = torch.tensor(sigma)
    assert torch.allclose(variance_preserving(preserving)(x, level), exploding(x, sigma), atol=1e-6)


def test_variance_preserving_bridge_is_the_exploding_one_rescaled():
    # DDIM's posterior q(z_s | z_0, z_t) with eta = 1, in the alpha-bar notation of DDPM.
    s, t = 0.6, 1.7
    alpha_s, alpha_t = 1 / (1 + s**2), 1 / (1 + t**2)
    step = alpha_t / alpha_s
    from_zero = alpha_s**0.5 * (1 - step) / (1 - alpha_t)
    from_top = step**0.5 * (1 - alpha_s) / (1 - alpha_t)
    variance = (1 - alpha_s) * (1 - step) / (1 - alpha_t)
    weight, std = bridge_coefficients(0.0, s, t)
    scale_s, scale_t = (1 + s**2) ** -0.5, (1 + t**2) ** -0.5
    assert (1 - weight).item() * scale_s == pytest.approx(from_zero)
    assert weight.item() * scale_s == pytest.approx(from_top * scale_t)
    assert (std.item() * scale_s) ** 2 == pytest.approx(variance)
