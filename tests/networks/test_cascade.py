"""Two denoisers in a row: when the second speaks, and what of; noise coloured over frequency."""

import math

import pytest
import torch

from mgdm_audio.networks import build_network, check_top, fitting

from .test_band import SMALL


def trained(kind="band-cascade", seed=0, **options):
    """A small network whose every weight matters (the heads start at zero)."""
    torch.manual_seed(seed)
    net = build_network(kind, 4, **{**SMALL, **options})
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
        variance = torch.rand(4, 129) * 1e-2 + 1e-5
        for name, buffer in net.named_buffers():
            if name.endswith("variance"):
                buffer.copy_(variance)
    return net.eval()


@pytest.mark.parametrize("hiding", [0.0, 4.0])
def test_noise_of_one_colour_is_noise_of_one_level(hiding):
    net = trained("band", hiding=hiding)
    x = 0.1 * torch.randn(2, 4, 3000)
    levels = torch.tensor([0.05, 0.3])
    coloured = levels[:, None].expand(-1, net.stft.bins)
    for sigma_mix in (0.0, 0.02):
        expected = net(x, levels, sigma_mix)
        assert torch.allclose(net(x, coloured, sigma_mix), expected, atol=1e-5)
        assert torch.allclose(net(x, coloured[:1], sigma_mix)[0], expected[0], atol=1e-5)


def test_each_bin_has_its_own_level():
    """A tone is filtered by the noise where it lies, whatever the noise elsewhere."""
    net = trained("band")
    time = torch.arange(8192) / 256
    low, high = (torch.sin(2 * math.pi * bin * time).expand(1, 4, -1) for bin in (20, 100))
    sigma = torch.full((1, net.stft.bins), 0.02)
    sigma[:, 60:] = 0.5
    both = net.wiener(low + high, sigma, sigma.mean(-1))
    middle = slice(1024, -1024)
    for tone, level in ((low, 0.02), (high, 0.5)):
        alone = net.wiener(tone, level, sigma.mean())[..., middle]
        other = net.wiener(tone, 0.52 - level, sigma.mean())[..., middle]
        basis = tone[..., middle] / tone[..., middle].norm(dim=-1, keepdim=True)
        found = (both[..., middle] * basis).sum(-1)
        assert torch.allclose(found, (alone * basis).sum(-1), rtol=1e-3)
        assert not torch.allclose(found, (other * basis).sum(-1), rtol=0.2)


def test_the_second_corrects_conditional_estimates_at_the_top_only():
    net = trained(top=2.0)
    x = 0.1 * torch.randn(4, 4, 3000)
    sigma = torch.tensor([2.0, 2.0, 1.0, 2.0 * (1 - 1e-6)])
    mix = torch.tensor([0.0, 2.0, 0.0, 0.0])
    first, both = net.first(x, sigma, mix), net(x, sigma, mix)
    second = net.second(first, net.error_level(), 0.0)
    for item, expected in enumerate((second, first, first, second)):
        assert torch.allclose(both[item], expected[item], atol=1e-5), item
    assert not torch.allclose(first[0], second[0], atol=1e-3)
    assert torch.equal(net(x, 2.0), net.first(x, 2.0))  # the plain prior
    assert torch.allclose(net(x[:1], 2.0, 0.0), second[:1], atol=1e-5)  # levels as numbers


def test_corrected_stems_sum_to_the_mixture():
    net = trained()
    x = torch.randn(2, 4, 3000)
    assert torch.allclose(net(x, 2.0, 0.0).sum(1), x.sum(1), atol=1e-4)


def test_error_level_is_a_part_of_what_the_wiener_filter_leaves():
    """On Gaussian stems: the filter's errors, which sum to nothing, on their three dimensions."""
    net = build_network("band-cascade", 4, error=0.25, **SMALL)
    torch.manual_seed(0)
    power = torch.tensor([1.0, 0.5, 0.1, 0.01])
    net.variance.copy_(power[:, None].expand(-1, net.stft.bins))
    clean = torch.randn(4, 4, 30_000) * power.sqrt()[:, None]
    wiener = clean.sum(1, keepdim=True) * (power / power.sum())[:, None]
    left = (wiener - clean).square().sum(1).mean() / 3
    assert net.error_level().square().mean() == pytest.approx(0.25 * left.item(), rel=0.02)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_pass_through_frozen_networks(compiled):
    """Samplers that are guided by gradients differentiate a prior that does not learn."""
    net, plain = trained().requires_grad_(False), trained().requires_grad_(False)
    if compiled:
        torch._dynamo.reset()
        net.compile(backend="eager")
    x = 0.1 * torch.randn(1, 4, 2000)
    for sigma_mix in (None, 2.0, 0.0):
        grads = []
        for each in (net, plain):
            y = x.clone().requires_grad_()
            each(y, 2.0, sigma_mix).square().sum().backward()
            grads.append(y.grad)
        assert torch.allclose(*grads, atol=1e-4 * grads[1].abs().max().item())
        assert grads[1].abs().max() > 0


def test_compiled_networks_have_variants_of_their_own():
    """Six shapes for each, within the compiler's limit of eight variants of one code."""
    net, plain, seen = trained(), trained(), []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    torch._dynamo.reset()
    net.compile(backend=backend)
    for length in range(1000, 7000, 1000):
        x = 0.1 * torch.randn(1, 4, length)
        assert torch.allclose(net(x, 2.0, 0.0), plain(x, 2.0, 0.0), atol=1e-5)
    assert len(seen) == 12


def test_weights_pass_between_one_network_and_two():
    one = {"head.weight": torch.zeros(1), "variance": torch.ones(1)}
    both = {f"{part}.{name}": w for part in ("first", "second") for name, w in one.items()}
    assert fitting(one, both) == both
    assert fitting(both, one) == one
    assert fitting(one, one) is one
    assert fitting(both, both) is both


def test_a_top_that_is_not_the_priors_is_refused():
    check_top(trained(top=5.0), 5.0)
    check_top(trained("band"), 1.0)
    with pytest.raises(ValueError, match="top is 2, the prior's sigma_max 1"):
        check_top(trained(), 1.0)
