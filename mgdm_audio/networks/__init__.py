"""Denoiser networks, all with the contract ``net(x [B, K, T], sigma) -> D(x; sigma)``."""

from __future__ import annotations

from torch import nn

from .band import BandDenoiser
from .cascade import BandCascade, check_top, fitting
from .unet1d import UNet1dDenoiser

NETWORKS = {"band": BandDenoiser, "band-cascade": BandCascade, "unet1d": UNet1dDenoiser}


def build_network(kind: str, sources: int, **options) -> nn.Module:
    """Build a network by its name in a prior's ``config.toml``.

    Raises:
        ValueError: the name is not one of `NETWORKS`.
        TypeError: an option the network does not have.
    """
    if kind not in NETWORKS:
        raise ValueError(f"unknown network {kind!r}, expected one of {', '.join(NETWORKS)}")
    return NETWORKS[kind](sources=sources, **options)


__all__ = [
    "NETWORKS",
    "BandCascade",
    "BandDenoiser",
    "UNet1dDenoiser",
    "build_network",
    "check_top",
    "fitting",
]
