"""Two denoisers in a row: when the second speaks, and what of; noise coloured over frequency."""

import math

import pytest
import torch

from mgdm_audio.networks import build_network

SMALL = {
    "window": 256,
    "bands": [[16, 4], [8, 8]],
    "channels": [8, 12],
    "blocks": 1,
    "heads": 2,
    "reach": 2,
    "embedding": 16,
}


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


def test_the_first_can_be_frozen_compiled_or_not():
    """Both share compiled code; that of the frozen one must not be run for the other."""
    for compiled in (False, True):
        net = trained()
        net.first.requires_grad_(False)
        if compiled:
            torch._dynamo.reset()
            net.compile(backend="eager")
        net(torch.randn(1, 4, 2000), 2.0, 0.0).square().sum().backward()
        assert all(p.grad is None for p in net.first.parameters())
        assert sum(p.grad is not None for p in net.second.parameters()) > 20
