"""Errors whose message is meant for the person at the keyboard: what is wrong, and the way out."""

from __future__ import annotations


class MGDMError(Exception):
    """Base class of what is wrong with files, priors and devices; settings raise ValueError."""


class AudioFileError(MGDMError):
    """A file that cannot be read as audio, or audio that cannot be written."""


class PriorError(MGDMError):
    """A prior that does not exist, or whose files are missing, corrupt or tampered with."""


class DeviceError(MGDMError):
    """A device that this machine does not have, or that ran out of memory."""


def unexpected(error: BaseException) -> str:
    """What to say of an error that nobody foresaw, beside its traceback."""
    text = " ".join(str(error).split()).rstrip(".")
    name = type(error).__name__
    return f"unexpected {name}{f': {text}' if text else ''}; please report it with its traceback."
