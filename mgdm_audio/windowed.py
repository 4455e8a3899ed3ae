"""A sampler whose denoiser hears a track of any length in windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from .audio import overlap_add
from .audio.speed import at_speed
from .engine import SAMPLERS, MixtureSum

if TYPE_CHECKING:
    from .engine import Sampler
    from .separator import Separator

#: Noise of the mixture for samplers that need some; MGDM's value.
SIGMA_Y = 1e-4


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
        windows: called with the number of windows that a denoiser call has done.
        shift: by how many samples the network's frames are moved against the signal.
        speed: at which the network hears the signal, see `mgdm_audio.audio.speed`: faster and
            higher, or slower and lower.
    """
    denoise_window = separator.prior.denoise

    def denoise(x: Tensor, sigma: Tensor, *sigma_mix: Tensor) -> Tensor:
        levels = [torch.as_tensor(level).flatten()[0] for level in (sigma, *sigma_mix)]

        def shifted(part: Tensor) -> Tensor:
            part = F.pad(part, (shift, 0))
            return denoise_window(part, *(s.expand(len(part)) for s in levels))[..., shift:]

        def call(part: Tensor) -> Tensor:
            output = at_speed(shifted, part, speed)
            if windows is not None:
                windows(len(part))
            return output

        return overlap_add(call, x, separator.grid, separator.batch_size)

    name = separator.settings.sampler
    sigma_y = 0.0 if name == "conditional" else SIGMA_Y
    options = separator.settings.options
    return SAMPLERS[name](denoise, MixtureSum(mixture, sigma_y), **options)
