"""Compare our UNet1d with audio-diffusion-pytorch 0.0.43 at full size, with the same weights.

pip install "audio-diffusion-pytorch==0.0.43"
python -m recipes.slakh.check_network
"""

from __future__ import annotations

import time

import click
import torch

from mgdm_audio.networks.unet1d import UNet1dDenoiser


def reference_network() -> torch.nn.Module:
    """The package's network with the hyper-parameters that MSDM was trained with."""
    from audio_diffusion_pytorch import AudioDiffusionModel

    return AudioDiffusionModel(
        in_channels=4,
        channels=256,
        patch_factor=16,
        patch_blocks=1,
        attention_features=128,
        diffusion_sigma_data=0.2,
    )


@click.command(help=__doc__)
@click.option("--length", default=2**15, show_default=True, help="Samples, a multiple of 8192.")
def main(length: int) -> None:
    torch.manual_seed(0)
    theirs = reference_network().eval()
    # the package shares weights between two names; assigning ours to them saves 1.6 GB
    ours = UNet1dDenoiser(sources=4).to("meta")
    ours.unets[0].load_state_dict(theirs.unet.state_dict(), assign=True)
    count = sum(p.numel() for p in ours.parameters())
    click.echo(f"{count:,} parameters, {len(theirs.state_dict())} names in the package")
    x = 0.2 * torch.randn(1, 4, length)
    for sigma in (1e-2, 0.2, 1.0):
        noisy = x + sigma * torch.randn_like(x)
        with torch.inference_mode():
            start = time.perf_counter()
            expected = theirs.diffusion.denoise_fn(noisy, sigma=sigma)
            middle = time.perf_counter()
            error = (ours(noisy, sigma) - expected).norm() / expected.norm()
            end = time.perf_counter()
        click.echo(
            f"sigma {sigma:g}: relative difference {error:.1e} "
            f"({middle - start:.1f} s theirs, {end - middle:.1f} s ours)"
        )


if __name__ == "__main__":
    main()
