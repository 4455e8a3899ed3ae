"""``python -m recipes.gmm``: the whole study, its tables and its figure."""

from __future__ import annotations

import argparse

import torch

from .candidates import CANDIDATES
from .problems import linear_problem, mixture_problem
from .report import write
from .sections import SECTIONS, compute
from .study import tune

TUNING = 12
"""Problems of each kind that settings are tuned on."""


def main() -> None:
    """Run the parts asked for and write the report next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    choices = f"among {', '.join(SECTIONS)} (with --tune, samplers); all by default"
    parser.add_argument("parts", nargs="*", help=choices)
    parser.add_argument("--problems", type=int, default=20, help="random problems of each kind")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tune", action="store_true", help="tune on other problems, and stop")
    parser.add_argument("--report", action="store_true", help="only write the report again")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if unknown := set(arguments.parts) - set(CANDIDATES if arguments.tune else SECTIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.tune:
        seeds = range(1000, 1000 + TUNING)
        kinds = ([make(seed) for seed in seeds] for make in (mixture_problem, linear_problem))
        tune(*kinds, arguments.parts)
        return
    if not arguments.report:
        for name in arguments.parts or SECTIONS:
            compute(name, arguments.problems)
    if arguments.report or not arguments.parts:
        write()


if __name__ == "__main__":
    main()
