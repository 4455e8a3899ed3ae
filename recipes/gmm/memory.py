"""Peak memory of a sampler, measured in a process of its own.

``python -m recipes.gmm.memory NAME SETTINGS`` prints the rise of the peak resident set, in MiB,
over its value after one denoiser call without gradient.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import torch

from mgdm_audio.engine import SAMPLERS, karras_schedule, sample
from recipes.peak import peak_memory

from .problems import mixture_problem

ITEMS, LEVELS = 4000, 4


def peak(name: str, settings: dict[str, Any]) -> float:
    """MiB that 4,000 draws of a sampler take beyond one denoiser call, in a fresh process."""
    command = [sys.executable, "-m", "recipes.gmm.memory", name, json.dumps(settings)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(result.stdout)


def _measure(name: str, settings: dict[str, Any]) -> float:
    torch.set_num_threads(1)
    problem = mixture_problem(0)
    with torch.no_grad():
        problem.prior.denoise(torch.zeros(ITEMS, *problem.shape), 1.0)
    before = peak_memory()
    # Peak memory does not depend on the number of levels.
    sigmas = karras_schedule(LEVELS, 0.5, 2.0, 3.0)
    sampler = SAMPLERS[name](problem.prior.denoise, problem.likelihood, **settings)
    sample(sampler, sigmas, (ITEMS, *problem.shape))
    return peak_memory() - before


if __name__ == "__main__":
    print(_measure(sys.argv[1], json.loads(sys.argv[2])))
