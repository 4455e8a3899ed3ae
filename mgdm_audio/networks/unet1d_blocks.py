"""Building blocks of MSDM's one-dimensional U-Net.

Attribute names are those of the tensors in the published checkpoints, which is why some containers
look more nested than they need to be.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Group normalisation, optional scale and shift, SiLU, convolution of width 3."""

    def __init__(self, in_channels: int, out_channels: int, groups: int):
        super().__init__()
        self.groupnorm = nn.GroupNorm(groups, in_channels)
        self.project = nn.Conv1d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor, scale_shift: tuple[Tensor, Tensor] | None = None) -> Tensor:
        x = self.groupnorm(x)
        if scale_shift is not None:
            scale, shift = scale_shift
            x = x * (scale + 1) + shift
        return self.project(F.silu(x))


class ScaleShift(nn.Module):
    """``[B, features]`` noise embedding to a scale and a shift ``[B, channels, 1]``."""

    def __init__(self, features: int, channels: int):
        super().__init__()
        self.to_scale_shift = nn.Sequential(nn.SiLU(), nn.Linear(features, 2 * channels))

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        return self.to_scale_shift(embedding)[..., None].chunk(2, dim=1)


class ResidualBlock(nn.Module):
    """Two `ConvBlock`, the second modulated by the noise embedding, and a residual connection."""

    def __init__(self, in_channels: int, out_channels: int, groups: int, features: int):
        super().__init__()
        self.block1 = ConvBlock(in_channels, out_channels, groups)
        self.to_scale_shift = ScaleShift(features, out_channels)
        self.block2 = ConvBlock(out_channels, out_channels, groups)
        self.to_out = (
            nn.Conv1d(in_channels, out_channels, 1)
            if in_channels != out_channels
            else nn.Identity()
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.block2(self.block1(x), self.to_scale_shift(embedding))
        return h + self.to_out(x)


class Patch(nn.Module):
    """A residual block at full rate, then `size` neighbouring samples become channels."""

    def __init__(self, in_channels: int, out_channels: int, size: int, features: int):
        super().__init__()
        self.size = size
        self.block = ResidualBlock(
            in_channels, out_channels // size, min(size, in_channels), features
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return rearrange(self.block(x, embedding), "b c (l p) -> b (c p) l", p=self.size)


class Unpatch(nn.Module):
    """The way back of `Patch`."""

    def __init__(self, in_channels: int, out_channels: int, size: int, features: int):
        super().__init__()
        self.size = size
        self.block = ResidualBlock(
            in_channels // size, out_channels, min(size, out_channels), features
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.block(rearrange(x, "b (c p) l -> b c (l p)", p=self.size), embedding)


class Sequence(nn.Module):
    """Modules applied in turn, each with the noise embedding."""

    def __init__(self, *modules: nn.Module):
        super().__init__()
        self.module_list = nn.ModuleList(modules)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for module in self.module_list:
            x = module(x, embedding)
        return x


class Gain(nn.Module):
    """Layer normalisation over the last axis with a gain and no offset."""

    def __init__(self, features: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.g.shape, self.g)


class ChannelGain(nn.Module):
    """`Gain` over the channels of ``[B, C, L]``."""

    def __init__(self, channels: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.mT, self.g.shape[1:2], self.g[0, :, 0]).mT


class AttentionOutput(nn.Module):
    """The projection behind the heads."""

    def __init__(self, features: int, inner: int):
        super().__init__()
        self.to_out = nn.Sequential(nn.Linear(inner, features, bias=False), Gain(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.to_out(x)


class Attention(nn.Module):
    """Multi-head self-attention over ``[B, L, C]`` with no positions."""

    def __init__(self, features: int, heads: int, head_features: int):
        super().__init__()
        inner = heads * head_features
        self.heads = heads
        self.norm = Gain(features)
        self.to_q = nn.Linear(features, inner, bias=False)
        self.to_kv = nn.Linear(features, 2 * inner, bias=False)
        self.attention = AttentionOutput(features, inner)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        q, k, v = (
            rearrange(t, "b n (h d) -> b h n d", h=self.heads)
            for t in (self.to_q(x), *self.to_kv(x).chunk(2, dim=-1))
        )
        return self.attention(
            rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")
        )


class ChannelsLast(nn.Module):
    """Runs a module made for ``[B, L, C]`` on ``[B, C, L]``."""

    def __init__(self, fn: nn.Module):
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x.mT).mT


class Transformer(nn.Module):
    """One transformer layer on ``[B, C, L]``."""

    def __init__(self, channels: int, heads: int, head_features: int, multiplier: int):
        super().__init__()
        self.attention = ChannelsLast(Attention(channels, heads, head_features))
        inner = channels * multiplier
        self.feed_forward = nn.Sequential(
            ChannelGain(channels),
            nn.Conv1d(channels, inner, 1, bias=False),
            nn.GELU(),
            ChannelGain(inner),
            nn.Conv1d(inner, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x) + x
        return self.feed_forward(x) + x


class Down(nn.Module):
    """Strided convolution, residual blocks, transformer; every stage's output is a skip."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        factor: int,
        blocks: int,
        groups: int,
        features: int,
        transformer: nn.Module | None,
    ):
        super().__init__()
        self.downsample = nn.Conv1d(
            in_channels, out_channels, 2 * factor + 1, stride=factor, padding=factor
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(out_channels, out_channels, groups, features) for _ in range(blocks)
        )
        self.transformer = transformer

    def forward(self, x: Tensor, embedding: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, skips = self.downsample(x), []
        for block in self.blocks:
            x = block(x, embedding)
            skips.append(x)
        if self.transformer is not None:
            x = self.transformer(x)
            skips.append(x)
        return x, skips


class Up(nn.Module):
    """Residual blocks that take one skip each, transformer, transposed convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        factor: int,
        blocks: int,
        groups: int,
        features: int,
        transformer: nn.Module | None,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(2 * in_channels, in_channels, groups, features) for _ in range(blocks)
        )
        self.transformer = transformer
        odd = factor % 2
        self.upsample = nn.ConvTranspose1d(
            in_channels,
            out_channels,
            2 * factor,
            stride=factor,
            padding=factor // 2 + odd,
            output_padding=odd,
        )

    def forward(self, x: Tensor, skips: list[Tensor], embedding: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(torch.cat([x, skips.pop() * 2**-0.5], dim=1), embedding)
        if self.transformer is not None:
            x = self.transformer(x)
        return self.upsample(x)


class Bottleneck(nn.Module):
    """Residual block, attention without a residual connection (as published), residual block."""

    def __init__(self, channels: int, groups: int, features: int, heads: int, head_features: int):
        super().__init__()
        self.pre_block = ResidualBlock(channels, channels, groups, features)
        self.attention = ChannelsLast(Attention(channels, heads, head_features))
        self.post_block = ResidualBlock(channels, channels, groups, features)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.post_block(self.attention(self.pre_block(x, embedding)), embedding)


class FourierFeatures(nn.Module):
    """``[B]`` to ``[B, dim + 1]``: the value, and sines and cosines of learnt frequencies."""

    def __init__(self, dim: int):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(dim // 2))

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None]
        phase = 2 * torch.pi * x * self.weights
        return torch.cat([x, phase.sin(), phase.cos()], dim=-1)
