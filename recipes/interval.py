"""Confidence intervals of a mean over few tracks or problems."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Tracks below which an interval would say nothing.
FEWEST = 3


def margin(values: Sequence[float]) -> float:
    """Half of the 95 % interval of the mean of two `values` or more, by Student's t."""
    from scipy.stats import t  # a second, for commands that only read

    count = len(values)
    return float(t.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count))


def half_width(values: Sequence[float]) -> float | None:
    """`margin` of those `values` that are not NaN.

    Returns:
        None for fewer than `FEWEST` values.
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if len(known) < FEWEST:
        return None
    return margin(known)
