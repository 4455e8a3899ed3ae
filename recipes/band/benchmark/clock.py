"""Progress of a long run, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Says now and then how far the work is; work found done counts for nothing.

    Args:
        total: amount of work, in any unit.
        say: prints a line.
        every: seconds between lines.
    """

    def __init__(
        self,
        total: float,
        say: Callable[[str], None],
        every: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ):
        self.left, self.done, self.say, self.every, self.now = total, 0.0, say, every, now
        self.began = self.last = now()

    def advance(self, amount: float, label: str, worked: bool = True) -> None:
        """`amount` is finished; `worked` is False if it was found finished."""
        self.left -= amount
        self.done += amount * worked
        moment = self.now()
        if worked and moment - self.last >= self.every:
            self.last = moment
            self.say(f"{label} ({self.remaining()})")

    def remaining(self) -> str:
        """Time since the start and, at the same pace, to the end, in words."""
        elapsed = self.now() - self.began
        left = elapsed / self.done * max(self.left, 0.0) if self.done else float("nan")
        return f"{_clock(elapsed)} so far, about {_clock(left)} left"


def _clock(seconds: float) -> str:
    if seconds != seconds:
        return "?:??"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
