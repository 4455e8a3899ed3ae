"""How the command ends: its statuses, signals that end it, and what is said of errors."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from ..errors import MGDMError, unexpected
from .output import document, remark

DONE, FAILED = 0, 1
HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143
ENDS = {HUNG_UP: "hung up", INTERRUPTED: "interrupted", TERMINATED: "terminated"}


@contextmanager
def leave_on_interrupt(as_json: bool = False) -> Iterator[None]:
    """Leave at once on Ctrl-C, SIGTERM and SIGHUP, for as long as nothing was written.

    Large libraries swallow or garble an exception that arrives while they are imported.
    """

    def leave(number: int, _: object) -> None:
        message = ENDS[128 + number]
        with suppress(OSError):  # the terminal may be gone
            os.write(2, f"{message}\n".encode())
            if as_json:
                os.write(1, json.dumps(document([], message)).encode() + b"\n")
        os._exit(128 + number)

    # Those that are ignored, or somebody else's to handle, stay so.
    ours = (signal.default_int_handler, terminate)
    present = {number: signal.getsignal(number) for number in (signal.SIGINT, *end_signals())}
    usual = {number: handler for number, handler in present.items() if handler in ours}
    if threading.current_thread() is not threading.main_thread():
        usual = {}  # nor may others set handlers
    for number in usual:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def end_signals() -> list[int]:
    """Those that tell a process to end, beside Ctrl-C."""
    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def terminate(signum: int, _: object) -> None:
    """On SIGTERM and SIGHUP: leave through every ``finally``, so that temporary files go."""
    sys.exit(128 + signum)


def leave_tidily() -> None:
    """`terminate` when told to end or the terminal is closed, unless ``nohup`` forbade it."""
    for number in end_signals():
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, terminate)


def explain(error: BaseException) -> tuple[int, str]:
    """Tell on stderr what ended the command; its exit status, and the sentence."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code, error.format_message()
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        status, message = INTERRUPTED, ENDS[INTERRUPTED]
    elif isinstance(error, SystemExit) and error.code in ENDS:
        status, message = error.code, ENDS[error.code]
    elif isinstance(error, SystemExit):  # click's own, where nobody reads on: nobody is to be told
        return FAILED, "nobody reads the output"
    elif isinstance(error, MGDMError):
        status, message = FAILED, str(error)
    else:
        remark("".join(traceback.format_exception(error)).rstrip())
        status, message = FAILED, unexpected(error)
    remark(message if status in ENDS else f"error: {message}")
    return status, message
