"""The keywords that a sampler takes: which there are, and ``-O NAME=VALUE`` made into them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any

from .engine import SAMPLERS
from .presets import Preset

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "float | None": "a number or none",
    "bool": "true or false",
    "str": "a word",
}


def check_options(names: Iterable[str], sampler: str) -> None:
    """Whether a sampler has all these hyper-parameters.

    Raises:
        TypeError: naming the first that it has not, and those that it has.
    """
    known = _known(sampler)
    for name in names:
        if name not in known:
            listed = ", ".join(f"{n}={known[n].default}" for n in known)
            raise TypeError(
                f"{name!r} is no setting, nor has the sampler {sampler!r} such an option; "
                f"its options and their defaults are {listed}"
            )


def parse_options(texts: Iterable[str], preset: Preset) -> dict[str, Any]:
    """Hyper-parameters of the preset's sampler from texts ``NAME=VALUE``.

    What a value must be is read from the sampler's signature; its range is for the sampler to say.

    Raises:
        ValueError: a text is not ``NAME=VALUE``, or the sampler has no such option, or the value is
            of another kind. One sentence without a full stop.
    """
    known = {
        name: (parameter.annotation, preset.options.get(name, parameter.default))
        for name, parameter in _known(preset.sampler).items()
    }
    options = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise ValueError(f"-O {text}: not NAME=VALUE, as in -O {_example(known)}")
        if name not in known:
            listed = ", ".join(f"{n}={_shown(default)}" for n, (_, default) in known.items())
            raise ValueError(
                f"-O {text}: the sampler {preset.sampler!r} has no option {name!r}; "
                f"its options and their defaults are {listed}"
            )
        kind, default = known[name]
        try:
            options[name] = _parse(value, kind)
        except ValueError:
            raise ValueError(
                f"-O {text}: {name} of the sampler {preset.sampler!r} is "
                f"{_EXPECTED.get(kind, kind)}, not {value!r}; "
                f"its default is -O {name}={_shown(default)}"
            ) from None
    return options


def _known(sampler: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(SAMPLERS[sampler]).parameters
    return {name: one for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}


def _parse(value: str, kind: str) -> Any:
    if kind == "int":
        return int(value)
    if kind == "bool":
        return ("false", "true").index(value.lower()) == 1
    if kind == "float | None" and value.lower() == "none":
        return None
    if kind.startswith("float"):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(value)
        return number
    if not value:
        raise ValueError(value)
    return value


def _shown(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _example(known: dict[str, tuple[str, Any]]) -> str:
    name, (_, default) = next(iter(known.items()))
    return f"{name}={_shown(default)}"
