"""The command ``mgdm-separate``: options to settings, results to files. No logic of its own.

Torch and everything that needs it are imported after the options were read, so that ``--help``
answers at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .errors import MGDMError
from .presets import DEFAULT_QUALITY, QUALITIES, SAMPLER_PRESETS

if TYPE_CHECKING:
    from .batch import Output
    from .separator import Separator

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

FORMATS = {
    "wav16": "16-bit WAV.",
    "wav24": "24-bit WAV. [default]",
    "float32": "32-bit float WAV, never clips.",
    "flac": "24-bit FLAC.",
    "ogg": "Ogg Vorbis.",
}

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = "Exit status: 0 all done, 1 a track failed, 2 wrong usage, 130 interrupted."


def option(*names: str, **settings: Any):
    """A click option that shows its default, if it has one worth showing."""
    default = settings.get("default")
    settings.setdefault("show_default", default is not None and "is_flag" not in settings)
    return click.option(*names, **settings)


def format_flags(command):
    """A flag for each file format, all of them setting ``format``."""
    for name in reversed(FORMATS):
        command = option(f"--{name}", "format", flag_value=name, show_default=False,
                         help=FORMATS[name])(command)  # fmt: skip
    return command


def quality_help() -> str:
    """What each quality does and costs."""
    lines = [f"{name} ({preset.cost})" for name, preset in QUALITIES.items()]
    return f"Quality against time: {'; '.join(lines)}. [default: {DEFAULT_QUALITY}]"


@click.command(context_settings=CONTEXT, epilog=EPILOG)
@click.argument("tracks", nargs=-1, type=click.Path(path_type=Path))
@option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("separated"),
    help="Folder for the stems.",
)
@option("-n", "--name", default="band", help="Prior: a name or a folder.")
@option("--list-priors", is_flag=True, help="List the installed priors and exit.")
@option("--quality", type=click.Choice(list(QUALITIES)), help=quality_help())
@option(
    "--sampler",
    type=click.Choice(list(SAMPLER_PRESETS)),
    help="A sampler with settings of its own, instead of a quality.",
)
@option("--steps", type=click.IntRange(min=1), help="Noise levels; time grows in proportion.")
@option(
    "--draws",
    type=click.IntRange(min=1),
    help="Average N posterior draws: the posterior mean. Time grows in proportion.",
)
@option(
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    help="Keep N sets of stems side by side, each from draws of its own.",
)
@option(
    "-O",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Hyper-parameter of the sampler; may be repeated.",
)
@option("--seed", type=click.IntRange(min=0), default=0, help="Equal seeds give equal stems.")
@option("-d", "--device", help="cuda, cuda:1, mps or cpu. [default: the fastest there is]")
@option(
    "--segment",
    type=click.FloatRange(min=0, min_open=True),
    help="Window of the denoiser in seconds. [default: the prior's]",
)
@option(
    "--overlap",
    type=click.FloatRange(0, 0.5),
    default=0.125,
    help="Part of a window that is cross-faded into the next.",
)
@option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Windows computed together. [default: what fits in memory]",
)
@option("--stems", metavar="NAME,...", help="Write only these stems, e.g. bass,drums.")
@option("--two-stems", metavar="STEM", help="Write STEM, and the others' sum as no_STEM.")
@option(
    "--residual",
    is_flag=True,
    help="Write what the stems leave of the mixture (above all the band above the prior's) "
    "as a stem of its own, instead of sharing it out.",
)
@option(
    "--start",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=False,
    help="Begin so many seconds into each track.",
)
@option(
    "--duration", type=click.FloatRange(min=0, min_open=True), help="Separate only so many seconds."
)
@option(
    "--filename",
    default="{track}/{stem}.{ext}",
    metavar="TEMPLATE",
    help="Path below the output folder; {sample} is the number of the set.",
)
@format_flags
@option(
    "--clip-mode",
    type=click.Choice(["rescale", "clamp", "none"]),
    default="rescale",
    help="Stems beyond full scale: turn all stems of the track down together, cut the peaks, "
    "or do nothing.",
)
@option("--overwrite", is_flag=True, help="Replace files that exist.")
@option("--report", is_flag=True, help="Write report.html beside the stems: player and pictures.")
@option("--json", "as_json", is_flag=True, help="Print one JSON document instead of paths.")
@option("-q", "--quiet", is_flag=True, help="No progress bar.")
@option("-v", "--verbose", is_flag=True, help="Tell the settings on stderr.")
@click.version_option(__version__, prog_name="mgdm-separate")
def command(tracks: tuple[Path, ...], list_priors: bool, **given: Any) -> int:
    """Separate music into stems.

    TRACKS are audio files (wav, flac, ogg, mp3, aiff, ...) or folders of them, at any sample rate,
    mono, stereo or more. Stems have the rate, channels and length of their track and sum to it.
    """
    if list_priors:
        return show_priors(given["as_json"])
    if not tracks:
        raise click.UsageError("Give at least one audio file or folder to separate.")
    for one, other in (("stems", "two_stems"), ("quality", "sampler"), ("quiet", "verbose")):
        if given[one] and given[other]:
            names = (f"--{name.replace('_', '-')}" for name in (one, other))
            raise click.UsageError(" and ".join(names) + " exclude each other.")
    return run(tracks, given)


def run(tracks: tuple[Path, ...], given: dict[str, Any]) -> int:
    """Separate the tracks as the options say, and return the exit status."""
    with leave_on_interrupt():
        from .audio import find_tracks
        from .batch import separate_tracks

        try:
            separator, output = make_separator(given), make_output(given)
            output.paths(output.names(separator), separator.samples, "track")
        except (ValueError, TypeError) as error:
            raise click.UsageError(f"{error}.") from error
    found = find_tracks(tracks)
    if given["verbose"]:
        click.echo(f"settings: {separator.describe()}", err=True)
    outcomes = []
    for outcome in separate_tracks(
        separator,
        found,
        output,
        start=given["start"],
        duration=given["duration"],
        progress=None if given["quiet"] else progress_bar,
    ):
        outcomes.append(outcome)
        if outcome.error is not None:
            click.echo(f"error: {outcome.error}", err=True)
        elif not given["as_json"]:
            for path in [*outcome.files, *([outcome.report] if outcome.report else [])]:
                click.echo(path)
        if given["verbose"] and outcome.error is None:
            factor = outcome.info["realtime_factor"]
            click.echo(f"{outcome.track}: {factor} times the track's length", err=True)
    failed = sum(outcome.error is not None for outcome in outcomes)
    if given["as_json"]:
        tracks_json = [outcome.as_dict() for outcome in outcomes]
        show_json({"version": __version__, "failed": failed, "tracks": tracks_json})
    return FAILED if failed else DONE


@contextmanager
def leave_on_interrupt() -> Iterator[None]:
    """Leave at once on Ctrl-C, for as long as nothing was written.

    Large libraries swallow or garble a KeyboardInterrupt that arrives while they are imported.
    """

    def leave(*_: object) -> None:
        os.write(2, b"interrupted\n")
        os._exit(INTERRUPTED)

    usual = signal.getsignal(signal.SIGINT)
    if usual is not signal.default_int_handler:  # ignored, or somebody else's to handle
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def make_separator(given: dict[str, Any]) -> Separator:
    from .separator import Separator

    keys = ("quality", "sampler", "steps", "draws", "samples", "seed", "device", "segment")
    keys += ("overlap", "batch_size", "residual")
    hyperparameters = dict(parse_option(text) for text in given["options"])
    return Separator(given["name"], **{key: given[key] for key in keys}, **hyperparameters)


def make_output(given: dict[str, Any]) -> Output:
    from .batch import Output

    return Output(
        folder=given["out"],
        format=given["format"] or "wav24",
        filename=given["filename"],
        clip=given["clip_mode"],
        stems=tuple(given["stems"].split(",")) if given["stems"] else None,
        two_stems=given["two_stems"],
        overwrite=given["overwrite"],
        report=given["report"],
    )


def parse_option(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``; the value is JSON (``3``, ``0.5``, ``true``) or else a string.

    Raises:
        ValueError: there is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value


def progress_bar(track: Path, seconds: float):
    """A bar in seconds of audio on stderr, with the time left."""
    from tqdm import tqdm

    bar = tqdm(
        total=round(seconds, 1),
        desc=track.name[:40],
        unit="s",
        file=sys.stderr,
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio "
        "[{elapsed}<{remaining}]",
    )

    def advance(done: float, total: float) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return advance, bar.close


def show_priors(as_json: bool) -> int:
    """List installed priors with what they separate."""
    from .pretrained import list_priors, read_config

    found = {}
    for name, folder in list_priors().items():
        config = read_config(folder)["prior"]
        keys = ("sources", "samplerate", "segment")
        found[name] = {"folder": str(folder), **{key: config[key] for key in keys}}
    if as_json:
        show_json(found)
    for name, entry in found.items() if not as_json else ():
        stems = ", ".join(entry["sources"])
        click.echo(f"{name}\t{stems}\t{entry['samplerate']} Hz\t{entry['folder']}")
    return DONE


def show_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command and exits with its status."""
    try:
        status = command.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except MGDMError as error:
        click.echo(f"error: {error}", err=True)
        status = FAILED
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
