"""Settings of a separator: what is given to what is used, or a sentence why it makes no sense."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Integral

import torch

from .audio import Grid
from .devices import pick_device
from .presets import Preset
from .pretrained import Prior

#: Samples that grids and blocks are multiples of, besides the network's stride: spectra's hop.
QUANTUM = 1024


def device_of(prior: Prior, asked: str | torch.device | None) -> torch.device:
    """Where a loaded prior is, which must be where it is asked to be.

    Raises:
        DeviceError: there is no such device.
        ValueError: the prior is elsewhere.
    """
    device = prior.device
    if device is None:  # a function, which has no place of its own
        return pick_device(asked)
    if asked is None or asked == "auto":
        return device
    picked = pick_device(asked)
    # "cuda" is one of "cuda:0", "cuda:1" and so on: PyTorch's current one.
    if picked.type != device.type or _index(picked) != _index(device):
        raise ValueError(
            f"the prior was loaded on {device}, so it cannot be used on {picked}: "
            f"load_prior(name, {str(picked)!r}), or leave device out"
        )
    return device


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device == torch.device("cuda") else device.index or 0


def make_grid(prior: Prior, segment: float | None, overlap: float) -> Grid:
    """Windows of about `segment` seconds, the prior's if None, that share about `overlap` of it.

    Raises:
        ValueError: one of them is out of range.
    """
    if not 0 <= overlap <= 0.5:
        raise ValueError(f"overlap must be between 0 and 0.5, not {overlap:g}")
    segment = prior.segment if segment is None else segment
    if not 0 < segment < math.inf:
        raise ValueError(f"segment must be positive and finite, not {segment:g}")
    quantum = math.lcm(prior.stride, QUANTUM)
    # Of one quantum there is no part to fade; a fade of none would leave a step at every joint.
    window = max(round(segment * prior.samplerate / quantum), 2 if overlap else 1)
    fade = max(math.floor(window * overlap), 1) if overlap else 0
    return Grid(window * quantum, (window - fade) * quantum)


def stem_indices(sources: Sequence[str], names: str | Iterable[str]) -> tuple[int, ...]:
    """Where in `sources` the stems are that are to be left out.

    Raises:
        ValueError: there is no such stem, or none would be left.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in sources:
            raise ValueError(f"no stem {name!r} to leave out, there are {', '.join(sources)}")
    absent = tuple(k for k, name in enumerate(sources) if name in names)
    if len(absent) == len(sources):
        raise ValueError("music without any of the stems has nothing to separate")
    return absent


def template_rounds(
    templates: int | Sequence[Sequence[int]], chosen: Preset
) -> tuple[tuple[int, ...], ...]:
    """Rounds of windows, if that is what they are, or so many rounds of those of `chosen`.

    Raises:
        ValueError: they are neither.
    """
    if isinstance(templates, Integral) and templates >= 0:
        return chosen.rounds(int(templates))
    try:
        rounds = tuple(tuple(int(window) for window in windows) for windows in templates)
    except (TypeError, ValueError):
        rounds = ((),)
    if not all(rounds) or any(w < 16 or w & (w - 1) for windows in rounds for w in windows):
        raise ValueError(
            "templates must be a number of rounds, or rounds of windows that are powers of two "
            f"from 16 on, such as ((2048, 4096), (4096,)), not {templates!r}"
        )
    return rounds


def speed_ratios(speeds: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Speeds as pairs of integers, if that is what they are.

    Raises:
        ValueError: they are not, or beyond an octave.
    """
    try:
        ratios = tuple(
            (operator.index(faster), operator.index(slower)) for faster, slower in speeds
        )
    except (TypeError, ValueError):
        ratios = ()
    if not ratios or not all(0 < b <= 2 * a <= 4 * b for a, b in ratios):
        raise ValueError(
            "speeds are pairs of whole numbers whose ratio is between 1/2 and 2, such as "
            f"((1, 1), (18, 17)), not {speeds!r}"
        )
    return ratios
