"""Signals that wait while libsndfile calls back into Python.

An exception that a signal's handler raises in a callback from C is lost there, and with it the
samples that the callback was to write: Ctrl-C would be forgotten, and leave a broken file.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def postponed() -> Iterator[Callable[[], None]]:
    """Keep signal handlers from running in the body; they run when it ends.

    Yields:
        a function that runs those of the signals that have come, for the body to call now and then.
    """
    came: list[tuple] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():  # the only one that runs handlers
        present = {number: signal.getsignal(number) for number in signal.valid_signals()}
        handlers = {number: handler for number, handler in present.items() if callable(handler)}

    def deliver() -> None:
        while came:
            number, frame = came.pop(0)
            handlers[number](number, frame)

    try:
        # A handler that is still to be replaced may raise here, which is what it is for.
        for number in handlers:
            signal.signal(number, lambda *call: came.append(call))
        yield deliver
    finally:
        with ExitStack() as stack:  # goes on where a handler that is back already raises
            stack.callback(deliver)
            for number, handler in handlers.items():
                stack.callback(signal.signal, number, handler)
