"""Figures of merit for separated stems: SI-SDR (improvement), BSS Eval v4, tables and plots.

Importing this package needs neither museval nor matplotlib nor scipy; `bss_eval`, the plots and
intervals say so if they are missing.
"""

from .bss_eval import EvaluationError, bss_eval, bss_medians
from .si_sdr import si_sdr
from .summary import Interval, Summary, summarise
from .windows import WindowScores, si_sdr_improvement, window_scores

__all__ = [
    "EvaluationError",
    "Interval",
    "Summary",
    "WindowScores",
    "bss_eval",
    "bss_medians",
    "si_sdr",
    "si_sdr_improvement",
    "summarise",
    "window_scores",
]
