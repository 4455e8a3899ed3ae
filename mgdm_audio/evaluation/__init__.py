"""Figures of merit for separated stems: SI-SDR (improvement), BSS Eval v4, tables and plots.

Importing this package needs neither museval nor matplotlib; the functions that do say so.
"""

from .si_sdr import si_sdr
from .windows import WindowScores, si_sdr_improvement, window_scores

__all__ = ["WindowScores", "si_sdr", "si_sdr_improvement", "window_scores"]
