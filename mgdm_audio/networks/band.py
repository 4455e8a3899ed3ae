"""The separation-aware denoiser: a time-frequency U-Net around a locally adapted Wiener filter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import FunctionType, MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Block, LocalAttention, NoiseEmbedding, Transformer
from .stft import TightSTFT
from .wiener import wiener_posterior


class BandDenoiser(nn.Module):
    r"""Denoiser ``D(x; sigma, sigma_mix)`` of stacked stems, made for a known mixture operator.

    The noise has standard deviation `sigma` on the sum-zero subspace of the stems and `sigma_mix`
    along the mixture direction. ``sigma_mix = sigma`` (the default) is the plain prior; towards
    ``sigma_mix = 0`` the same network estimates the stems given their mixture.

    The U-Net's output enters in three ways, all zero at the start of training, when the denoiser is
    exactly the static Wiener filter of the per-stem, per-bin variances:

    - ``g``: log-gain on the prior variances at each time-frequency point, before the closed-form
      Gaussian posterior (the local Gaussian model of source separation, Duong et al., 2010);
    - ``m`` and ``a``: a correction ``posterior std * (m * mixture + a)``, both complex, the mixture
      in units of its own standard deviation; confined to the sum-zero subspace as far as the
      mixture is known, and vanishing with the noise.

    So the stems of a conditional estimate sum to the mixture exactly, trained or not.

    Args:
        sources: number of stems `K`.
        window: STFT window in samples (hop is half of it).
        bands: ``[(count, width), ...]``: the bins, from low to high, are taken in bands of growing
            width, each of which becomes one row of the U-Net; counts times widths must make
            ``window / 2`` (the Nyquist bin keeps its static Wiener estimate).
        frames: STFT frames a column of the U-Net.
        channels: channels a level; each level halves rows and columns.
        blocks: residual blocks a level, each way.
        mixing: frequency-mixing in each block.
        heads, reach: of the attention at the bottom; `reach` in columns of that level.
        transformers: how many layers of attention over time and over frequency follow it there.
        far: their reach.
        embedding: width of the noise embedding.
        local_variance: let the network scale the variances (off only for ablation).
        hiding: fade the noisy stems' features out where noise drowns them, by the standard Wiener
            gain of `hiding` times the stem's variance; 0 shows them at any noise level. At high
            noise they tell next to nothing, and what the network makes of them is error.

    Shape:
        ``x [B, K, T]``, `sigma` and `sigma_mix` scalar or ``[B]``, to ``[B, K, T]``. Any length;
        windows that start at multiples of `stride` samples see the same grid. `sigma` may also be
        ``[B, bins]``, of noise that is coloured over frequency.
    """

    conditional = True  # takes sigma_mix

    def __init__(
        self,
        sources: int = 4,
        window: int = 2048,
        bands: Sequence[Sequence[int]] = ((64, 4), (32, 8), (32, 16)),
        frames: int = 1,
        channels: Sequence[int] = (48, 80, 128, 192),
        blocks: int = 2,
        mixing: bool = True,
        heads: int = 4,
        reach: int = 6,
        transformers: int = 0,
        far: int = 16,
        embedding: int = 128,
        local_variance: bool = True,
        hiding: float = 0.0,
    ):
        super().__init__()
        self.sources, self.frames = sources, frames
        self.local_variance, self.hiding = local_variance, hiding
        self._compiled = False
        self.stft = TightSTFT(window)
        self.bands = [tuple(band) for band in bands]
        if sum(count * width for count, width in self.bands) != window // 2:
            raise ValueError(f"bands {self.bands} must cover the {window // 2} bins of the window")
        rows = sum(count for count, _ in self.bands)
        depth = len(channels)
        if rows % 2 ** (depth - 1):
            raise ValueError(f"{rows} bands cannot be halved {depth - 1} times")
        self.stride = self.stft.hop * frames * 2 ** (depth - 1)
        self.register_buffer("variance", torch.full((sources, self.stft.bins), 1e-4))

        # Features a bin: noisy stems, mixture, compressed mixture, log-magnitudes.
        features = 2 * sources + 2 + 2 + 1 + sources
        self.embed = nn.ModuleList(
            nn.Conv2d(features * width * frames, channels[0], 1) for _, width in self.bands
        )
        self.position = nn.Parameter(0.02 * torch.randn(channels[0], rows, 1))
        self.level = nn.Conv1d(2 * sources, channels[0], 1)
        self.noise = NoiseEmbedding(embedding)

        sizes = [rows // 2**i for i in range(depth)]
        self.down = nn.ModuleList(
            nn.ModuleList(Block(c, c, size, embedding, mixing) for _ in range(blocks))
            for c, size in zip(channels, sizes, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(channels))
        self.attention = LocalAttention(channels[-1], heads, reach)
        self.transformers = nn.ModuleList(
            Transformer(channels[-1], heads, far, embedding) for _ in range(transformers)
        )
        self.middle = Block(channels[-1], channels[-1], sizes[-1], embedding, mixing)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(channels)
        )
        self.up = nn.ModuleList(
            nn.ModuleList(
                Block(2 * c if i == 0 else c, c, size, embedding, mixing) for i in range(blocks)
            )
            for c, size in zip(channels[:-1], sizes[:-1], strict=True)
        )
        self.outputs = 5 * sources  # log-gain, complex mask, complex correction
        self.head = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels[0], 2 * channels[0], 1),
                nn.SiLU(),
                nn.Conv2d(2 * channels[0], self.outputs * width * frames, 1),
            )
            for _, width in self.bands
        )
        for head in self.head:
            nn.init.zeros_(head[-1].weight)
            nn.init.zeros_(head[-1].bias)

    def forward(self, x: Tensor, sigma: Tensor | float, sigma_mix: Tensor | float | None = None):
        if x.ndim != 3 or x.shape[1] != self.sources:
            raise ValueError(f"x must be [B, {self.sources}, T], got {list(x.shape)}")
        x = x.float()
        sigma = per_item(sigma, x)
        sigma_mix = sigma if sigma_mix is None else per_item(sigma_mix, x)
        with torch.autocast(x.device.type, enabled=False):
            noisy = _planes(self.stft(x))
            features = self._features(noisy, sigma, sigma_mix)
        frames = features.shape[-2]
        features = F.pad(features, (0, 0, 0, -frames % (self.frames * 2 ** len(self.shrink))))
        if self._compiled:
            torch._dynamo.mark_static(features, 2)
        out = self._unet(features, sigma, sigma_mix)[:, :, :frames]
        with torch.autocast(x.device.type, enabled=False):
            clean = self._combine(noisy, out.float(), sigma, sigma_mix)
            return self.stft.inverse(_complex(clean), x.shape[-1])

    def compile(self, *args, **kwargs) -> None:
        """Compile the U-Net in place, with the arguments of `torch.compile`.

        The complex STFT around it, which compilers know little of, stays as it is. Batches may
        vary; every length is compiled anew, for code for any length fails to compile.
        """
        # The compiler keeps its variants, of which it makes few, by code object: a copy for each
        # network, or those of a cascade would crowd each other out.
        method = type(self)._unet
        own = FunctionType(method.__code__.replace(), method.__globals__, method.__name__)
        self._unet = torch.compile(MethodType(own, self), *args, **kwargs)
        self._compiled = True

    def wiener(self, x: Tensor, sigma: Tensor | float, sigma_mix: Tensor | float | None = None):
        """The static Wiener filter: what `forward` returns before any training. Same shapes."""
        sigma = per_item(sigma, x)
        sigma_mix = sigma if sigma_mix is None else per_item(sigma_mix, x)
        noisy = _planes(self.stft(x.float()))
        mean, _ = self._posterior(noisy, self.variance[:, None, None], sigma, sigma_mix)
        return self.stft.inverse(_complex(mean), x.shape[-1])

    def expected_error(self, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        """Mean squared error the static Wiener filter expects: two of ``[B]`` to ``[B, K]``."""
        zero = torch.zeros(len(sigma), self.sources, 1, 1, 1, device=sigma.device)
        _, variance = self._posterior(zero, self.variance[:, None, None], sigma, sigma_mix)
        return variance.mean((-3, -2, -1))

    def _posterior(self, noisy: Tensor, variance: Tensor, sigma: Tensor, sigma_mix: Tensor):
        shape = (-1, 1, 1, 1, 1)
        sigma = sigma.reshape(len(sigma), 1, 1, 1, -1)
        return wiener_posterior(noisy, variance, sigma, sigma_mix.view(shape), dim=-4)

    def _features(self, noisy: Tensor, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        """Unit-scale real features of each bin: ``[B, K, 2, N, F]`` to ``[B, features, N, F]``."""
        s, m = sigma.reshape(len(sigma), 1, 1, -1), sigma_mix.view(-1, 1, 1, 1)
        variance = self.variance[:, None]  # [K, 1, F]
        scale = torch.rsqrt(variance + s**2)
        if self.hiding:
            signal = self.hiding * variance
            scale = scale * torch.sqrt(signal / (signal + s**2))
        stems = noisy * scale[:, :, None]
        total = variance.sum(0) + self.sources * m**2
        mixture = noisy.sum(1) * torch.rsqrt(total)
        size = _energy(mixture)
        compressed = mixture * (size + 1e-3).pow(-0.35)[:, None]
        loudness = torch.log(torch.cat([size[:, None], _energy(stems)], 1) + 1e-3) / 4
        # Clamped as one: all but the noisy stems and the mixture are far below the limit.
        return torch.cat([stems.flatten(1, 2), mixture, compressed, loudness], 1).clamp(-30, 30)

    def _unet(self, features: Tensor, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        """``[B, features, N, F]`` to ``[B, 5 K, N, F]``, whole strides long; Nyquist is zero."""
        parts = self._split(features)
        h = torch.cat([conv(part) for conv, part in zip(self.embed, parts, strict=True)], 2)
        level = self.level(self._signal_levels(sigma, sigma_mix))[..., None]
        place = (self.position + level).contiguous(memory_format=torch.channels_last)
        h = h + place.to(h.dtype)  # under autocast all the way in half precision
        overall = sigma if sigma.ndim == 1 else sigma.square().mean(-1).sqrt()
        embedding = self.noise(overall, sigma_mix)
        skips = []
        for i, blocks in enumerate(self.down):
            for block in blocks:
                h = block(h, embedding)
            if i < len(self.shrink):
                skips.append(h)
                h = self.shrink[i](h)
        h = self.attention(h)
        for transformer in self.transformers:
            h = transformer(h, embedding)
        h = self.middle(h, embedding)
        for i in reversed(range(len(self.up))):
            h = torch.cat([skips.pop(), self.grow[i](h)], 1)
            for block in self.up[i]:
                h = block(h, embedding)
        rows = h.split([count for count, _ in self.bands], 2)
        out = [
            self._unfold_band(head(part), width)
            for head, part, (_, width) in zip(self.head, rows, self.bands, strict=True)
        ]
        return torch.cat([*out, torch.zeros_like(out[0][..., :1])], -1)

    def _split(self, h: Tensor) -> list[Tensor]:
        """Bins of each band, and `frames` frames, into channels: ``[B, C w r, count, N / r]``.

        Every copy moves whole bands of bins, and leaves channels last in memory.
        """
        parts, start = [], 0
        b, c, n, _ = h.shape
        r = self.frames
        for count, width in self.bands:
            part = h[..., start : start + count * width]
            part = part.reshape(b, c, n // r, r, count, width).permute(0, 4, 2, 1, 5, 3)
            parts.append(part.reshape(b, count, n // r, c * width * r).permute(0, 3, 1, 2))
            start += count * width
        return parts

    def _unfold_band(self, h: Tensor, width: int) -> Tensor:
        """The way back: ``[B, 5 K w r, count, N / r]`` to ``[B, 5 K, N, count w]``."""
        b, _, count, n = h.shape
        r = self.frames
        h = h.permute(0, 2, 3, 1).reshape(b, count, n, self.outputs, width, r)
        return h.permute(0, 3, 2, 5, 1, 4).reshape(b, self.outputs, n * r, count * width)

    def _signal_levels(self, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        """How much of each stem the noise leaves, a row: ``[B, 2 K, rows]``, between 0 and 1."""
        variance = self._rows(self.variance)
        noise = sigma.view(-1, 1) ** 2 if sigma.ndim == 1 else self._rows(sigma**2)
        levels = [variance / (variance + n[:, None]) for n in (noise, sigma_mix.view(-1, 1) ** 2)]
        return torch.cat(levels, 1)

    def _rows(self, power: Tensor) -> Tensor:
        """Means of ``[..., bins]`` over the bins of each row: ``[..., rows]``."""
        sizes = [count * width for count, width in self.bands]
        parts = power[..., : sum(sizes)].split(sizes, -1)
        bands = zip(parts, self.bands, strict=True)
        return torch.cat([part.unflatten(-1, band).mean(-1) for part, band in bands], -1)

    def _combine(self, noisy: Tensor, out: Tensor, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        """``[B, K, 2, N, F]`` and the U-Net's ``[B, 5 K, N, F]`` to ``[B, K, 2, N, F]``."""
        k = self.sources
        variance = self.variance[:, None, None]  # [K, 1, 1, F]
        if self.local_variance:
            gain = 12.0 * torch.tanh(out[:, :k] / 12.0)
            variance = variance * gain.exp()[:, :, None]
        mean, posterior = self._posterior(noisy, variance, sigma, sigma_mix)
        mask, extra = (part.unflatten(1, (k, 2)) for part in out[:, k:].chunk(2, 1))
        prior = variance.sum(-4, keepdim=True)
        mixture = mean.sum(1, keepdim=True) * torch.rsqrt(prior + 1e-14)
        # Square roots have no gradient at zero, hence the floors, far below any signal.
        correction = torch.sqrt(posterior + 1e-14) * (_multiply(mask, mixture) + extra)
        # What the correction may add to the sum of the stems: nothing when the mixture is known.
        uncertain = self.sources * sigma_mix.view(-1, 1, 1, 1, 1) ** 2
        spread = posterior.sum(1, keepdim=True) + 1e-20
        free = prior * uncertain / (prior + uncertain)
        keep = torch.sqrt((free / spread).clamp(max=1.0) + 1e-12)
        excess = (1.0 - keep) * correction.sum(1, keepdim=True)
        return torch.addcmul(mean + correction, posterior / spread, excess, value=-1)


def per_item(sigma: Tensor | float, x: Tensor) -> Tensor:
    """A noise level for each item of ``x [B, ...]``: ``[B]``, of coloured noise ``[B, bins]``."""
    sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device)
    return sigma.expand(len(x), -1) if sigma.ndim == 2 else sigma.expand(len(x))


# Inside the network, frequency is the last axis and real and imaginary part are planes of their own
# before it: elementwise work on interleaved complex numbers is several times slower on a CPU.


def _planes(spectrum: Tensor) -> Tensor:
    """``[B, K, F, N]`` complex to ``[B, K, 2, N, F]`` real."""
    return torch.view_as_real(spectrum.transpose(-1, -2)).movedim(-1, 2).contiguous()


def _complex(planes: Tensor) -> Tensor:
    """``[B, K, 2, N, F]`` real to ``[B, K, F, N]`` complex."""
    return torch.complex(*planes.unbind(2)).transpose(-1, -2)


def _energy(x: Tensor) -> Tensor:
    """Squared magnitude of ``[..., 2, N, F]``: ``[..., N, F]``."""
    real, imaginary = x.unbind(-3)
    return torch.addcmul(real.square(), imaginary, imaginary)


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """Complex product of ``[B, K, 2, N, F]`` and ``[B, 1, 2, N, F]``."""
    real, imaginary = a.split(1, 2)
    turned = torch.cat([-b[:, :, 1:], b[:, :, :1]], 2)  # i times b
    return torch.addcmul(real * b, imaginary, turned)
