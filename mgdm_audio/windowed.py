"""A denoiser, and a sampler, that hear a track of any length in windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from .audio import Grid, overlap_add
from .audio.speed import at_speed
from .engine import SAMPLERS, MixtureSum

if TYPE_CHECKING:
    from .engine import Denoiser, Sampler
    from .pretrained import Prior
    from .separator import Separator

#: Noise of the mixture for samplers that need some; MGDM's value.
SIGMA_Y = 1e-4


def windowed_denoiser(
    prior: Prior,
    grid: Grid,
    batch_size: int,
    windows: Callable[[int], None] | None = None,
    shift: int = 0,
    speed: tuple[int, int] = (1, 1),
) -> Denoiser:
    """A prior's denoiser for tracks of any length, for any of the engine's samplers.

    Signals ``[B, K, T]`` have ``T = grid.span(n)`` samples for some `n`, or at most a window.

    Args:
        prior: whose `denoise` hears the windows.
        grid: of the windows, as `mgdm_audio.settings.make_grid` makes it.
        batch_size: windows computed together.
        windows: called with the number of windows that a denoiser call has done.
        shift: by how many samples the network's frames are moved against the signal.
        speed: at which the network hears the signal, see `mgdm_audio.audio.speed`: faster and
            higher, or slower and lower; without gradients where it is not 1.
    """

    def denoise(x: Tensor, sigma: Tensor | float, *sigma_mix: Tensor | float) -> Tensor:
        def call(part: Tensor, *levels: Tensor) -> Tensor:
            def shifted(part: Tensor) -> Tensor:
                return prior.denoise(F.pad(part, (shift, 0)), *levels)[..., shift:]

            output = at_speed(shifted, part, speed)
            if windows is not None:
                windows(len(part))
            return output

        levels = (torch.as_tensor(one, device=x.device) for one in (sigma, *sigma_mix))
        return overlap_add(call, x, grid, batch_size, *(one.expand(len(x)) for one in levels))

    return denoise


def windowed_sampler(
    separator: Separator,
    mixture: Tensor,
    windows: Callable[[int], None] | None = None,
    shift: int = 0,
    speed: tuple[int, int] = (1, 1),
) -> Sampler:
    """The separator's sampler for a mixture, its denoiser running in windows.

    Args:
        separator: whose prior, grid, batch size, sampler and options are used.
        mixture: ``[C, 1, T]`` at the prior's rate.
        windows, shift, speed: see `windowed_denoiser`.
    """
    denoise = windowed_denoiser(
        separator.prior, separator.grid, separator.batch_size, windows, shift, speed
    )
    name = separator.settings.sampler
    sigma_y = 0.0 if name == "conditional" else SIGMA_Y
    options = separator.settings.options
    return SAMPLERS[name](denoise, MixtureSum(mixture, sigma_y), **options)
