"""Building blocks of the band network. All are local in time, so length changes nothing."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelNorm(nn.Module):
    """Root-mean-square norm over channels at each time-frequency position.

    Group norm would pool statistics over time and tie the output to the length of the input.

    Shape: ``[B, C, F, T]`` to the same.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)
        return x * scale * self.gain.to(x.dtype)


class NoiseEmbedding(nn.Module):
    """Fourier features of ``log sigma`` and of how well the mixture is known.

    Shape: two tensors ``[B]`` to ``[B, channels]``.
    """

    def __init__(self, channels: int, frequencies: int = 16):
        super().__init__()
        octaves = 2.0 ** torch.linspace(-3, 3, frequencies)
        self.register_buffer("octaves", octaves, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(4 * frequencies, channels),
            nn.SiLU(),
            nn.Linear(channels, channels),
            nn.SiLU(),
        )

    def forward(self, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        # 1e-4 is far below any audible level, so sigma_mix = 0 sits at the end of the scale.
        levels = torch.stack([sigma.clamp_min(1e-4), sigma_mix.clamp_min(1e-4)], -1).log()
        phase = levels[..., None] * self.octaves
        return self.mlp(torch.cat([phase.sin(), phase.cos()], -1).flatten(1))


class FrequencyMixing(nn.Module):
    """Bottleneck over the whole frequency axis, shared by channels (TDF, Choi et al., ISMIR 2020).

    Shape: ``[B, C, F, T]`` to the same.
    """

    def __init__(self, rows: int, factor: int = 4):
        super().__init__()
        hidden = max(rows // factor, 4)
        self.down = nn.Parameter(torch.randn(hidden, rows) / math.sqrt(rows))
        self.up = nn.Parameter(torch.zeros(rows, hidden))

    def forward(self, x: Tensor) -> Tensor:
        b, c, f, t = x.shape
        # One matrix product an item, without a copy where channels are last in memory.
        rows = x.permute(0, 2, 3, 1).reshape(b, f, t * c)
        rows = self.up @ F.gelu(self.down @ rows)
        return rows.view(b, f, t, c).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Residual block: two 3x3 convolutions around frequency mixing, modulated by the noise level.

    Shape: ``[B, in, F, T]`` and ``[B, E]`` to ``[B, out, F, T]``.
    """

    def __init__(self, channels_in: int, channels: int, rows: int, embedding: int, mixing: bool):
        super().__init__()
        self.skip = (
            nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        )
        self.norm1 = ChannelNorm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.mixing = FrequencyMixing(rows) if mixing else None
        self.norm2 = ChannelNorm(channels)
        self.film = nn.Linear(embedding, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        if self.mixing is not None:
            h = h + self.mixing(h)
        scale, shift = self.film(embedding)[..., None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class LocalAttention(nn.Module):
    """Self-attention over time within each frequency row, limited to `reach` frames either side.

    Rotary positions make it relative and the band makes it local: the same at any length. Without
    `reach` every frame sees all.

    Shape: ``[B, C, F, T]`` to the same.
    """

    def __init__(self, channels: int, heads: int, reach: int | None):
        super().__init__()
        self.heads, self.reach = heads, reach
        self.norm = ChannelNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        b, _, f, t = x.shape
        q, k, v = rearrange(
            self.qkv(self.norm(x)), "b (n h c) f t -> n (b f) h t c", n=3, h=self.heads
        )
        position = torch.arange(t, device=x.device)
        q, k = _rotate(q, position), _rotate(k, position)
        band = None
        if self.reach is not None:
            band = (position[:, None] - position[None]).abs() <= self.reach
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=band)
        return x + self.out(rearrange(y, "(b f) h t c -> b (h c) f t", b=b, f=f))


class Transformer(nn.Module):
    """Attention over time, then over frequency, then a gated layer modulated by the noise level.

    The axes alternate as in the band-split transformers (Lu et al., ICASSP 2024). Each part adds
    nothing at the start of training, so layers can be added to a trained network.

    Shape: ``[B, C, F, T]`` and ``[B, E]`` to ``[B, C, F, T]``.
    """

    def __init__(self, channels: int, heads: int, reach: int, embedding: int, factor: int = 3):
        super().__init__()
        self.time = LocalAttention(channels, heads, reach)
        self.frequency = LocalAttention(channels, heads, None)
        self.norm = ChannelNorm(channels)
        self.film = nn.Linear(embedding, 2 * channels)
        self.wide = nn.Conv2d(channels, 2 * factor * channels, 1)
        self.narrow = nn.Conv2d(factor * channels, channels, 1)
        for layer in (self.film, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = self.time(x)
        x = self.frequency(x.transpose(2, 3)).transpose(2, 3)
        scale, shift = self.film(embedding)[..., None, None].chunk(2, 1)
        gate, h = self.wide(self.norm(x) * (1 + scale) + shift).chunk(2, 1)
        return x + self.narrow(F.silu(gate) * h)


def _rotate(x: Tensor, position: Tensor) -> Tensor:
    """Rotary position embedding (Su et al., 2021) of ``[..., T, C]``."""
    half = x.shape[-1] // 2
    rate = 100.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = position[:, None] * rate
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
