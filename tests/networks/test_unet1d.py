"""MSDM's network: published counts and names, and equality with the package it came from."""

import pytest
import torch

from mgdm_audio.networks.unet1d import UNet1d, UNet1dDenoiser

SMALL = {
    "channels": 16,
    "patch": 4,
    "multipliers": [1, 2, 3],
    "factors": [4, 3],
    "blocks": [2, 1],
    "attentions": [False, True],
    "heads": 2,
    "head_features": 8,
    "groups": 4,
}


def randomised(net, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.1, generator=generator)
    return net.eval().requires_grad_(False)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_published_size_and_names():
    with torch.device("meta"):
        net = UNet1d()
    state = net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == 405_497_700
    assert len(state) == 434
    assert net.stride == 8192
    # a sample of names and shapes of the published checkpoint, one for each kind of module
    assert {
        "to_time.0.0.weights": (128,),
        "to_mapping.2.weight": (1024, 1024),
        "to_in.module_list.0.block.to_out.weight": (16, 4, 1),
        "downsamples.0.downsample.weight": (512, 256, 9),
        "downsamples.3.blocks.1.to_scale_shift.to_scale_shift.1.weight": (2048, 1024),
        "downsamples.5.transformer.attention.fn.attention.to_out.1.g": (1024,),
        "downsamples.5.transformer.feed_forward.3.g": (1, 2048, 1),
        "bottleneck.attention.fn.to_kv.weight": (2048, 1024),
        "upsamples.0.blocks.2.block1.groupnorm.weight": (2048,),
        "upsamples.5.upsample.weight": (512, 256, 8),
    }.items() <= {name: tuple(t.shape) for name, t in state.items()}.items()


def test_four_independent_networks_of_the_published_size():
    with torch.device("meta"):
        net = UNet1dDenoiser(sources=4, independent=True)
    assert sum(p.numel() for p in net.parameters()) == 4 * 405_491_100


@pytest.mark.parametrize("length", [480, 500])
def test_same_outputs_as_the_package(length):
    package = pytest.importorskip("audio_diffusion_pytorch", reason="compares with 0.0.43")
    theirs = package.AudioDiffusionModel(
        in_channels=4,
        channels=16,
        patch_factor=4,
        patch_blocks=1,
        multipliers=[1, 2, 3],
        factors=[4, 3],
        num_blocks=[2, 1],
        attentions=[False, True],
        attention_heads=2,
        attention_features=8,
        resnet_groups=4,
        diffusion_sigma_data=0.2,
    )
    randomised(theirs)
    ours = UNet1dDenoiser(sources=4, **SMALL).eval()
    ours.unets[0].load_state_dict(theirs.unet.state_dict())
    x = 0.3 * noise(2, 4, length)
    padded = torch.nn.functional.pad(x, (0, -length % 48))
    for sigma in (1e-3, 0.1, 3.0):
        with torch.inference_mode():
            expected = theirs.diffusion.denoise_fn(padded, sigma=sigma)[..., :length]
            torch.testing.assert_close(ours(x, sigma), expected, rtol=1e-4, atol=1e-6)


def test_sigma_may_be_a_number_a_scalar_or_one_an_item():
    net = randomised(UNet1dDenoiser(sources=2, **SMALL))
    x = 0.1 * noise(2, 2, 96)
    each = torch.cat([net(x[:1], 0.1), net(x[1:], torch.tensor(0.7))])
    torch.testing.assert_close(net(x, torch.tensor([0.1, 0.7])), each)


def test_with_no_noise_the_signal_comes_back():
    # c_skip -> 1 and c_out -> 0, whatever the weights
    net = randomised(UNet1dDenoiser(sources=2, **SMALL))
    x = 0.1 * noise(1, 2, 100)
    torch.testing.assert_close(net(x, 1e-6), x, rtol=0, atol=1e-4)


def test_output_is_clamped_when_asked_for():
    x = 5 * noise(1, 2, 96)
    bounded = randomised(UNet1dDenoiser(sources=2, **SMALL))(x, 1e-3)
    free = randomised(UNet1dDenoiser(sources=2, clamp=False, **SMALL))(x, 1e-3)
    assert free.abs().max() > 1
    torch.testing.assert_close(bounded, free.clamp(-1, 1))


def test_independent_networks_do_not_see_one_another():
    net = randomised(UNet1dDenoiser(sources=3, independent=True, **SMALL))
    x = 0.1 * noise(1, 3, 96)
    other = x.clone()
    other[:, 1] = 0.1 * noise(96, seed=1)
    change = (net(x, 0.5) - net(other, 0.5)).abs().amax(-1)[0]
    assert change[1] > 1e-3
    assert change[0] == change[2] == 0


def test_levels_that_do_not_match_raise():
    with pytest.raises(ValueError, match="one entry a level"):
        UNet1d(factors=[4, 4])


@pytest.mark.parametrize("independent", [False, True])
def test_the_stride_is_that_of_its_networks(independent):
    """Windows are made multiples of it, or the network would fill them up with exact zeros."""
    net = UNet1dDenoiser(2, independent, **SMALL)
    assert net.stride == 4 * 4 * 3
