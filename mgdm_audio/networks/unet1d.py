"""The waveform U-Net of MSDM (Mariani et al., ICLR 2024) with its preconditioning.

Same arithmetic and tensor names as ``audio-diffusion-pytorch`` 0.0.43 with MSDM's published
hyper-parameters, which are the defaults here: 405,497,700 parameters for four sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet1d_blocks import (
    Bottleneck,
    Down,
    FourierFeatures,
    Patch,
    Transformer,
    Unpatch,
    Up,
)
from .unet1d_blocks import Sequence as Stages


class UNet1d(nn.Module):
    """The raw network: ``(x [B, C, T], c_noise [B]) -> [B, C, T]``, T a multiple of `stride`.

    Args:
        in_channels: C.
        channels: of the first level; also the width of the noise features.
        patch: samples folded into channels before the first level.
        multipliers: of `channels`, one more than there are levels.
        factors: down-sampling of each level.
        blocks: residual blocks a level.
        attentions: whether a level ends in a transformer.
        heads, head_features: of every attention.
        feed_forward: width of a transformer's hidden layer over its channels.
        groups: of every group normalisation but the outermost.

    Raises:
        ValueError: the per-level lists do not match.
    """

    def __init__(
        self,
        in_channels: int = 4,
        channels: int = 256,
        patch: int = 16,
        multipliers: Sequence[int] = (1, 2, 4, 4, 4, 4, 4),
        factors: Sequence[int] = (4, 4, 4, 2, 2, 2),
        blocks: Sequence[int] = (2, 2, 2, 2, 2, 2),
        attentions: Sequence[bool] = (False, False, False, True, True, True),
        heads: int = 8,
        head_features: int = 128,
        feed_forward: int = 2,
        groups: int = 8,
    ):
        super().__init__()
        levels = len(multipliers) - 1
        if not levels == len(factors) == len(blocks) == len(attentions):
            raise ValueError(
                "factors, blocks and attentions must have one entry a level, "
                f"{levels} for {levels + 1} multipliers"
            )
        self.stride = patch * prod(factors)
        features = 4 * channels
        width = [channels * m for m in multipliers]

        def transformer(level: int, channels: int) -> nn.Module | None:
            if not attentions[level]:
                return None
            return Transformer(channels, heads, head_features, feed_forward)

        self.to_mapping = nn.Sequential(
            nn.Linear(features, features), nn.GELU(), nn.Linear(features, features), nn.GELU()
        )
        self.to_time = nn.Sequential(
            nn.Sequential(FourierFeatures(channels), nn.Linear(channels + 1, features)), nn.GELU()
        )
        self.to_in = Stages(Patch(in_channels, channels, patch, features))
        self.downsamples = nn.ModuleList(
            Down(
                width[i],
                width[i + 1],
                factors[i],
                blocks[i],
                groups,
                features,
                transformer(i, width[i + 1]),
            )
            for i in range(levels)
        )
        self.bottleneck = Bottleneck(width[-1], groups, features, heads, head_features)
        self.upsamples = nn.ModuleList(
            Up(
                width[i + 1],
                width[i],
                factors[i],
                blocks[i] + int(attentions[i]),
                groups,
                features,
                transformer(i, width[i + 1]),
            )
            for i in reversed(range(levels))
        )
        self.to_out = Stages(Unpatch(channels, in_channels, patch, features))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        embedding = self.to_mapping(self.to_time(c_noise))
        x = first = self.to_in(x, embedding)
        skips = []
        for down in self.downsamples:
            x, level_skips = down(x, embedding)
            skips.append(level_skips)
        x = self.bottleneck(x, embedding)
        for up in self.upsamples:
            x = up(x, skips.pop(), embedding)
        return self.to_out(x + first, embedding)


class UNet1dDenoiser(nn.Module):
    """``D(x [B, K, T]; sigma) -> [B, K, T]``, EDM preconditioning around `UNet1d`.

    Any T: the signal is zero-padded to a multiple of the network's stride (8,192) and cut again;
    the published weights were trained on ``2**18`` samples at 22,050 Hz.

    Args:
        sources: K.
        independent: one single-channel network a source (ISDM, "weakly supervised") instead of
            one network of all sources (MSDM).
        sigma_data: standard deviation of the data, in Karras et al. 2022, table 1.
        clamp: bound the result to [-1, 1], as the published sampler does. Where it bites, the
            gradient in x is zero.
        **network: options of `UNet1d`.
    """

    conditional = False

    def __init__(
        self,
        sources: int = 4,
        independent: bool = False,
        sigma_data: float = 0.2,
        clamp: bool = True,
        **network,
    ):
        super().__init__()
        self.independent, self.sigma_data, self.clamp = independent, sigma_data, clamp
        count, channels = (sources, 1) if independent else (1, sources)
        self.unets = nn.ModuleList(UNet1d(in_channels=channels, **network) for _ in range(count))
        self.stride = self.unets[0].stride

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Shape: ``x [B, K, T]``, `sigma` > 0 a scalar or ``[B]`` -> ``[B, K, T]``."""
        batch, _, length = x.shape
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(batch)
        scale = sigma[:, None, None]
        variance = scale**2 + self.sigma_data**2
        c_skip = self.sigma_data**2 / variance
        c_out = scale * self.sigma_data * variance**-0.5
        c_in = variance**-0.5
        padded = F.pad(c_in * x, (0, -length % self.stride))
        parts = padded.split(1, dim=1) if self.independent else [padded]
        c_noise = sigma.log() / 4
        raw = torch.cat(
            [net(part, c_noise) for net, part in zip(self.unets, parts, strict=True)], dim=1
        )
        denoised = c_skip * x + c_out * raw[..., :length]
        return denoised.clamp(-1, 1) if self.clamp else denoised
