"""Every sampler under one contract: ``SAMPLERS[name](denoise, likelihood, **keywords)``."""

from __future__ import annotations

from collections.abc import Callable

from ..types import Sampler
from .conditional import conditional
from .mgdm import mgdm
from .msdm import msdm_dirac

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "conditional": conditional,
    "mgdm": mgdm,
    "msdm_dirac": msdm_dirac,
}
"""All samplers by name. Unknown keywords raise ``TypeError``, as any function call does."""

__all__ = ["SAMPLERS"]
