"""Tight short-time Fourier transform: the front end of the band network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TightSTFT(nn.Module):
    """STFT with a sine window and half overlap, so that synthesis is the adjoint of analysis.

    A sine window at half overlap satisfies ``w[n]^2 + w[n + hop]^2 = 1`` (Princen-Bradley): the
    frame is tight and reconstruction is exact for any length. Coefficients are scaled so that white
    noise of standard deviation ``sigma`` gives complex coefficients of variance ``sigma^2``
    (real and imaginary part ``sigma^2 / 2`` each), whatever the window.

    Args:
        window: window length in samples, a multiple of 2.

    Shape:
        - ``forward``: ``[..., T]`` real to ``[..., window // 2 + 1, frames]`` complex
        - ``inverse``: back to ``[..., length]``
    """

    def __init__(self, window: int):
        super().__init__()
        if window % 2:
            raise ValueError(f"window must be even, got {window}")
        self.window_length = window
        self.hop = window // 2
        self.bins = window // 2 + 1
        n = torch.arange(window, dtype=torch.float64) + 0.5
        self.register_buffer("window", torch.sin(math.pi * n / window).float(), persistent=False)
        # An orthonormal FFT of windowed white noise has variance sigma^2 * mean(w^2) = sigma^2 / 2.
        self.scale = math.sqrt(2.0)

    def frames(self, length: int) -> int:
        """Number of frames that cover `length` samples."""
        return -(-length // self.hop) + 1

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[-1]
        pad = self.frames(length) * self.hop - length
        x = F.pad(x, (self.hop, pad))
        frames = x.unfold(-1, self.window_length, self.hop) * self.window
        spectrum = torch.fft.rfft(frames, norm="ortho") * self.scale
        return spectrum.transpose(-1, -2)

    def inverse(self, spectrum: Tensor, length: int) -> Tensor:
        frames = torch.fft.irfft(spectrum.transpose(-1, -2), n=self.window_length, norm="ortho")
        frames = frames * (self.window / self.scale)
        # Half overlap: every hop is the tail of one frame plus the head of the next.
        head, tail = frames[..., : self.hop], frames[..., self.hop :]
        return (tail[..., :-1, :] + head[..., 1:, :]).flatten(-2)[..., :length]
