"""Run a command line so that what a user can mend is said in one sentence, without a traceback."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mgdm_audio.errors import MGDMError

from .layout import LayoutError


def run(command: click.Command, arguments: Sequence[str] | None = None) -> None:
    """Run `command` (by default with the process's arguments); failures leave the process."""
    try:
        command(arguments, standalone_mode=False)
    except (LayoutError, MGDMError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except click.Abort as error:
        raise SystemExit(1) from error
