"""The command ``mgdm-separate``: options to settings, results to files. No logic of its own.

Torch and everything that needs it are imported after the options were read, so that ``--help``
answers at once.
"""

from .command import main

__all__ = ["main"]
