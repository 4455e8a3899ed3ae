"""Confidence intervals of a mean over few tracks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Tracks below which an interval would say nothing.
FEWEST = 3


def half_width(values: Sequence[float]) -> float | None:
    """Half of the 95 % interval of the mean of `values`, by Student's t; NaN are left out.

    Returns:
        None for fewer than `FEWEST` values.
    """
    from scipy.stats import t  # a second, for commands that only read

    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if len(known) < FEWEST:
        return None
    return float(t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
