"""Every sampler under one contract: ``SAMPLERS[name](denoise, likelihood, **keywords)``."""

from __future__ import annotations

from collections.abc import Callable

from ..types import Sampler
from .conditional import conditional
from .daps import daps
from .ddnm import ddnm
from .diffpir import diffpir
from .dps import dps
from .mgdm import mgdm
from .mgdm_free import mgdm_free
from .mmps import mmps
from .msdm import msdm_dirac, msdm_gaussian
from .pgdm import pgdm
from .pnpdm import pnpdm
from .reddiff import reddiff
from .tds import tds

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "conditional": conditional,
    "daps": daps,
    "ddnm": ddnm,
    "diffpir": diffpir,
    "dps": dps,
    "mgdm": mgdm,
    "mgdm_free": mgdm_free,
    "mmps": mmps,
    "msdm_dirac": msdm_dirac,
    "msdm_gaussian": msdm_gaussian,
    "pgdm": pgdm,
    "pnpdm": pnpdm,
    "reddiff": reddiff,
    "tds": tds,
}
"""All samplers by name. Unknown keywords raise ``TypeError``, as any function call does."""

__all__ = ["SAMPLERS"]
