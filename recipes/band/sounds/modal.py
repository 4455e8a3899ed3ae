"""Sums of decaying sinusoids: the one piece of arithmetic behind strings, skins and plates."""

from __future__ import annotations

import numpy as np

BLOCK = 256


def modes(
    frequencies: np.ndarray,
    decays: np.ndarray,
    amplitudes: np.ndarray,
    length: int,
    samplerate: int,
) -> np.ndarray:
    """``sum_p Re(a_p exp((2 pi i f_p - d_p) t))``, ``[length]`` float32.

    Time is split as ``t = BLOCK k + j``; then the sum is the product of a matrix over ``(k, p)``
    and one over ``(p, j)``, which is much less work than all the exponentials.

    Args:
        frequencies: ``[P]`` in Hz. Modes above the Nyquist frequency are left out.
        decays: ``[P]`` in 1/s (the amplitude falls by 60 dB in 6.91 / d seconds).
        amplitudes: ``[P]``, complex for a phase.
    """
    heard = frequencies < 0.49 * samplerate
    exponents = (2j * np.pi * frequencies[heard] - decays[heard]) / samplerate
    inner = np.exp(exponents[:, None] * np.arange(BLOCK)).astype(np.complex64)
    blocks = np.arange(-(-length // BLOCK)) * BLOCK
    outer = np.exp(blocks[:, None] * exponents) * amplitudes[heard]
    outer = outer.astype(np.complex64)
    # Re(outer @ inner) by real products: half the work of the complex one.
    out = outer.real @ inner.real - outer.imag @ inner.imag
    return out.reshape(-1)[:length]
