"""Musical source separation by diffusion posterior sampling.

``mgdm_audio.separate("song.wav").save("stems")`` is the whole of it; `Separator` is the same with
settings, `load_prior` and `mgdm_audio.engine` are its parts. Names are imported when they are used,
so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "AudioFileError": "errors",
    "DeviceError": "errors",
    "MGDMError": "errors",
    "Prior": "pretrained",
    "PriorError": "errors",
    "SamplingError": "engine",
    "Separation": "separation",
    "Separator": "separator",
    "list_priors": "pretrained",
    "load_prior": "pretrained",
    "separate": "separator",
}

__all__ = ["__version__", *_WHERE]

if TYPE_CHECKING:
    from .engine import SamplingError as SamplingError
    from .errors import AudioFileError as AudioFileError
    from .errors import DeviceError as DeviceError
    from .errors import MGDMError as MGDMError
    from .errors import PriorError as PriorError
    from .pretrained import Prior as Prior
    from .pretrained import list_priors as list_priors
    from .pretrained import load_prior as load_prior
    from .separation import Separation as Separation
    from .separator import Separator as Separator
    from .separator import separate as separate


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
