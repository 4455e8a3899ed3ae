"""The learning rate over a run, whose length is a number of steps or of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable


def warm(step: int, warmup: int) -> float:
    """Share of the peak rate while it rises over the first `warmup` steps."""
    return min(1.0, (step + 1) / max(warmup, 1))


def cool(position: float, end: float, cooldown: float) -> float:
    """Share of the peak rate while it falls to zero over the last share `cooldown` of the run.

    `position` and `end` are in one unit, steps or seconds of training.
    """
    return max(min(1.0, (end - position) / max(cooldown * end, 1)), 0.0)


def learning_rate(
    peak: float, step: int, position: float, end: float, warmup: int, cooldown: float
) -> float:
    """Warm-up by steps, plateau, linear cool-down over the last share `cooldown` of the run."""
    return peak * warm(step, warmup) * cool(position, end, cooldown)


class Stopwatch:
    """Seconds of training, over all calls of a run; each `lap` adds one.

    Nothing counts between `restart` and the lap before it, nor before the first lap: that is
    validation, and the first step of a call, in which data and compiler start up.

    Args:
        seconds: of earlier calls.
        clock: monotonic, in seconds.
    """

    def __init__(self, seconds: float = 0.0, clock: Callable[[], float] = time.monotonic):
        self.seconds, self._clock = seconds, clock
        self._since: float | None = None

    def lap(self) -> float:
        """Seconds so far, those since the last lap or `restart` included."""
        now = self._clock()
        if self._since is not None:
            self.seconds += now - self._since
        self._since = now
        return self.seconds

    def restart(self) -> None:
        """Forget the time since the last lap."""
        self._since = self._clock()
