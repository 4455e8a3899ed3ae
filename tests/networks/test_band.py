"""The separation-aware denoiser, held to linear algebra and to its own contract."""

import pytest
import torch

from mgdm_audio.networks import build_network
from mgdm_audio.networks.stft import TightSTFT
from mgdm_audio.networks.wiener import wiener_posterior

SMALL = {
    "window": 256,
    "bands": [[16, 4], [8, 8]],
    "channels": [8, 12],
    "blocks": 1,
    "heads": 2,
    "reach": 2,
    "embedding": 16,
}


def trained(seed=0, **options):
    """A small network whose every weight matters (the heads start at zero)."""
    torch.manual_seed(seed)
    net = build_network("band", 4, **{**SMALL, **options})
    with torch.no_grad():
        net.variance.copy_(torch.rand_like(net.variance) * 1e-2 + 1e-5)
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net.eval()


@pytest.mark.parametrize("length", [1, 100, 128, 1000, 4099])
def test_stft_is_tight(length):
    stft = TightSTFT(256)
    x = torch.randn(3, length)
    spectrum = stft(x)
    assert torch.allclose(stft.inverse(spectrum, length), x, atol=1e-5)


def test_stft_keeps_the_variance_of_white_noise():
    stft = TightSTFT(512)
    torch.manual_seed(0)
    spectrum = stft(0.3 * torch.randn(8, 60_000))[..., 2:-2]
    assert spectrum.abs().square().mean().sqrt().item() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("sigma_mix", [0.0, 0.05, 0.7])
def test_wiener_posterior_against_dense_inverse(sigma_mix):
    torch.manual_seed(1)
    k, sigma = 4, 0.7
    variance = torch.rand(k, dtype=torch.float64) + 0.01
    noisy = torch.randn(k, dtype=torch.float64)
    s, m = (torch.tensor([v], dtype=torch.float64) for v in (sigma, sigma_mix))
    mean, posterior = wiener_posterior(noisy, variance, s, m, dim=0)

    u = torch.full((k, 1), 0.5, dtype=torch.float64)
    prior, eye = torch.diag(variance), torch.eye(k, dtype=torch.float64)
    noise = sigma**2 * (eye - u @ u.T) + sigma_mix**2 * u @ u.T
    gain = prior @ torch.linalg.inv(prior + noise)
    assert torch.allclose(mean, gain @ noisy)
    assert torch.allclose(posterior, torch.diag(prior - gain @ prior))


def test_untrained_is_the_wiener_filter():
    net = build_network("band", 4, **SMALL)
    x = torch.randn(2, 4, 1500)
    for sigma_mix in (None, 0.0, 0.1):
        assert torch.allclose(net(x, 0.5, sigma_mix), net.wiener(x, 0.5, sigma_mix), atol=1e-6)


def test_conditional_estimate_sums_to_the_mixture():
    net = trained()
    x = torch.randn(2, 4, 3000)
    estimate = net(x, 2.0, 0.0)
    assert not torch.allclose(estimate, net.wiener(x, 2.0, 0.0), atol=1e-3)
    assert torch.allclose(estimate.sum(1), x.sum(1), atol=1e-4)


@pytest.mark.parametrize("transformers", [0, 2])
def test_a_level_per_item_equals_one_by_one(transformers):
    net = trained(transformers=transformers)
    x = torch.randn(3, 4, 1000)
    sigma, mix = torch.tensor([0.1, 1.0, 0.5]), torch.tensor([0.1, 0.0, 0.2])
    batch = net(x, sigma, mix)
    single = torch.cat([net(x[i : i + 1], sigma[i], mix[i]) for i in range(3)])
    assert torch.allclose(batch, single, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"frames": 2}, {"transformers": 2, "far": 4}])
def test_length_changes_nothing_away_from_the_edges(options):
    """The middle of a long input is what its own window, started on the grid, gives."""
    net = trained(**options)
    x = torch.randn(1, 4, 160 * net.stride)
    start, length = 40 * net.stride, 80 * net.stride
    whole = net(x, 0.5, 0.0)[..., start : start + length]
    part = net(x[..., start : start + length], 0.5, 0.0)
    edge = 20 * net.stride
    assert torch.allclose(whole[..., edge:-edge], part[..., edge:-edge], atol=1e-4)
    assert not torch.allclose(whole[..., : net.stride], part[..., : net.stride], atol=1e-4)


def test_transformers_look_further_than_the_rest():
    """A far sound changes an estimate within the reach of attention, and not beyond it."""
    torch.manual_seed(2)
    x = torch.randn(1, 4, 64 * trained().stride)
    y = x.clone()
    y[..., : 4 * trained().stride] = 0
    for transformers, far, changes in ((0, 16, False), (1, 16, True), (1, 4, False)):
        net = trained(transformers=transformers, far=far)
        late = slice(18 * net.stride, 20 * net.stride)
        difference = (net(x, 0.5, 0.0) - net(y, 0.5, 0.0))[..., late].abs().max().item()
        assert (difference > 1e-5) == changes, (transformers, far, difference)


@pytest.mark.parametrize("length", [1, 127, 1024, 2049])
@pytest.mark.parametrize("transformers", [0, 1])
def test_any_length(length, transformers):
    net = trained(transformers=transformers)
    assert net(torch.randn(1, 4, length), 0.5).shape == (1, 4, length)


def test_wrong_inputs_are_named():
    net = build_network("band", 4, **SMALL)
    with pytest.raises(ValueError, match=r"\[B, 4, T\], got \[1, 3, 100\]"):
        net(torch.zeros(1, 3, 100), 1.0)
    with pytest.raises(ValueError, match="unknown network"):
        build_network("nothing", 4)
    with pytest.raises(ValueError, match="must cover the 128 bins"):
        build_network("band", 4, **{**SMALL, "bands": [[4, 4]]})


@pytest.mark.parametrize("sigma_mix", [0.0, 0.05, 2.0])
def test_gradients_are_finite_at_every_noise(sigma_mix):
    """Square roots of a vanishing variance, as with sigma_mix = 0, must not poison training."""
    net = build_network("band", 4, **SMALL)
    x = torch.randn(2, 4, 1000, requires_grad=True)
    net(x, 2.0, sigma_mix).square().sum().backward()
    grads = [x.grad, *(p.grad for p in net.parameters() if p.grad is not None)]
    assert all(g.isfinite().all() for g in grads)


def test_compiled_for_any_batch_and_for_each_length():
    """The default compiler fails on lengths that vary; here a backend sees what it would."""
    net, seen = trained(transformers=1), []
    plain = trained(transformers=1)

    def backend(graph, inputs):
        values = [n.meta.get("example_value") for n in graph.graph.nodes if n.op == "placeholder"]
        seen.append([tuple(x.shape) for x in values if torch.is_tensor(x) and x.ndim == 4])
        return graph.forward

    torch._dynamo.reset()
    net.compile(backend=backend)
    for batch, length in ((2, 3000), (3, 3000), (4, 3000), (4, 5000)):
        x = torch.randn(batch, 4, length)
        assert torch.allclose(net(x, 0.5, 0.0), plain(x, 0.5, 0.0), atol=1e-5)
    assert len(seen) == 3  # the first, any batch, the other length
    assert all(isinstance(size, int) for shapes in seen for shape in shapes for size in shape[2:])
    assert any(not isinstance(shape[0], int) for shapes in seen for shape in shapes)
