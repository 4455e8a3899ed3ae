"""Settings among which each sampler is tuned, all at about 300 denoiser equivalents."""

from __future__ import annotations

from itertools import product
from typing import Any

Candidate = tuple[int, dict[str, Any]]
"""Number of noise levels, and hyper-parameters."""

BUDGET = 300


def _grid(levels: int, fixed: dict[str, Any] | None = None, **axes: list[Any]) -> list[Candidate]:
    names = list(axes)
    return [
        (levels, dict(fixed or {}) | dict(zip(names, values, strict=True)))
        for values in product(*axes.values())
    ]


_MGDM = {"learning_rate_unit": "bridge", "n_gibbs": 1, "n_denoise": 1, "index": "last"}
_MGDM |= {"n_gradient": 1, "n_gradient_last": 1}

CANDIDATES: dict[str, list[Candidate]] = {
    "conditional": _grid(100, churn=[0.0, 1.0]),
    "daps": _grid(60, {"n_langevin": 30}, step_size=[1e-3], prior_std=[None, 0.5]),
    "ddnm": _grid(300, resamplings=[1]) + _grid(100, resamplings=[3]),
    "diffpir": _grid(300, strength=[1.0, 8.0], zeta=[0.3, 1.0]),
    "dps": _grid(150, zeta=[0.1, 0.2, 0.3, 0.5]),
    "mgdm": [
        *_grid(100, _MGDM, learning_rate=[0.5, 1.0], index=["last", "mixed"]),
        *_grid(43, _MGDM | {"n_gradient": 3, "n_gradient_last": 3}, learning_rate=[0.3, 0.6]),
    ],
    "mgdm_free": [
        *_grid(100, {"gain": "product"}, index=["last", "mixed"]),
        *_grid(50, {"gain": "product", "n_gibbs": 2}),
        *_grid(150, {"gain": "prior"}),
        *_grid(30, {"gain": "krylov"}),
    ],
    "mmps": _grid(100, n_solve=[1], eta=[0.0, 1.0]) + _grid(60, n_solve=[3], eta=[0.0, 1.0]),
    "msdm_dirac": _grid(300, churn=[0.0, 20.0, 60.0]) + _grid(150, resamplings=[2]),
    "msdm_gaussian": _grid(300, gamma=[0.5, 1.0], churn=[0.0, 20.0]),
    "pgdm": _grid(150, weight=[0.5, 0.7, 1.0, 1.4]),
    "pnpdm": _grid(60, n_denoise=[5]) + _grid(15, n_denoise=[20]),
    "reddiff": _grid(300, learning_rate=[0.03, 0.1], regularisation=[0.25, 1.0]),
    "tds": _grid(75, {"particles": 2}, spread=[1.0, 2.0]),
}

MIXTURE_ONLY = ("conditional", "msdm_dirac", "msdm_gaussian")
"""Samplers that serve the sum of sources and no other operator."""
