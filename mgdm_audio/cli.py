"""The command ``mgdm-separate``: options to settings, results to files. No logic of its own.

Torch and everything that needs it are imported after the options were read, so that ``--help``
answers at once.
"""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .errors import MGDMError, unexpected
from .presets import DEFAULT_QUALITY, QUALITIES, SAMPLER_PRESETS, preset

if TYPE_CHECKING:
    from .batch import Outcome, Output
    from .separator import Separator

DONE, FAILED = 0, 1
HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143
ENDS = {HUNG_UP: "hung up", INTERRUPTED: "interrupted", TERMINATED: "terminated"}

FORMATS = {
    "wav16": "16-bit WAV.",
    "wav24": "24-bit WAV. [default]",
    "float32": "32-bit float WAV, never clips.",
    "flac": "24-bit FLAC.",
    "ogg": "Ogg Vorbis.",
}
DEFAULT_FORMAT = "wav24"
FIELDS = ("track", "stem", "sample", "ext")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = """Exit status: 0 all done, 1 a track or the command failed, 2 wrong usage, 130 interrupted
(Ctrl-C), 143 told to end (SIGTERM), 129 terminal closed (SIGHUP).

With --json there is one object on stdout whatever happens: "tracks", each with "ok" and either
"error" or "files", "duration" (seconds of audio), "elapsed" (seconds of computing and writing),
"realtime_factor" (elapsed / duration: below 1 is faster than the music plays) and "settings";
"failed", their number; and "error" where the command as a whole failed."""


def option(*names: str, **settings: Any):
    """A click option that shows its default, if it has one worth showing."""
    default = settings.get("default")
    settings.setdefault("show_default", default is not None and "is_flag" not in settings)
    return click.option(*names, **settings)


class Finite(click.FloatRange):
    """A range of numbers that leaves out ``nan`` and ``inf``."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Sampler(click.Choice):
    """The samplers that have settings for files; says why one of the engine's has none."""

    def convert(self, value, param, ctx):
        if value == "tds":
            self.fail(
                "'tds' weighs whole tracks against one another and diverges on audio, so it has no "
                "settings here; in Python it is mgdm_audio.engine.SAMPLERS['tds'](denoise, "
                "likelihood, particles=16).",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


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
    type=Sampler(list(SAMPLER_PRESETS)),
    metavar="NAME",
    help="A sampler with settings of its own, instead of a quality: "
    f"{', '.join(SAMPLER_PRESETS)}. (tds, which diverges on audio, is in Python only.)",
)
@option("--steps", type=click.IntRange(min=1), help="Noise levels; time grows in proportion.")
@option(
    "--draws",
    type=click.IntRange(min=1),
    help="Average N posterior draws: the posterior mean. Time grows in proportion.",
)
@option(
    "--templates",
    type=click.IntRange(0, 8),
    help="Rounds in which stems are fitted by spectra that come back: 0 for none. [default: with "
    "a quality 1, and beyond fast a second one as far as sounds come back exactly]",
)
@option(
    "--retune/--no-retune",
    default=None,
    help="Whether the prior hears a track that is 15 to 50 cents off the keys of A = 440 Hz in the "
    "nearest key; stems keep the track's pitch. [default: with a quality, yes]",
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
    help="Hyper-parameter of the sampler; may be repeated. A wrong NAME lists them.",
)
@option("--seed", type=click.IntRange(min=0), default=0, help="Equal seeds give equal stems.")
@option("-d", "--device", help="cuda, cuda:1, mps or cpu. [default: the fastest there is]")
@option(
    "--segment",
    type=Finite(min=0, min_open=True),
    help="Window of the denoiser in seconds; comes in steps of 0.37 s, two at least. "
    "[default: the prior's]",
)
@option(
    "--overlap",
    type=Finite(0, 0.5),
    default=0.125,
    help="Part of a window that is cross-faded into the next.",
)
@option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Windows computed together. [default: what fits in memory]",
)
@option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile the network first: minutes, then a little faster on a CPU; not yet measured on a "
    "GPU. For hours of music.",
)
@option(
    "--without",
    metavar="NAME,...",
    help="Stems that none of the tracks has, e.g. piano: they are not written, and what was taken "
    "for them goes to the others.",
)
@option("--stems", metavar="NAME,...", help="Write only these stems, e.g. bass,drums.")
@option("--two-stems", metavar="STEM", help="Write STEM, and all else as no_STEM.")
@option(
    "--residual",
    is_flag=True,
    help="Write what the stems leave of the mixture (above all the band above the prior's) "
    "as a stem of its own, beside any chosen ones, instead of sharing it out.",
)
@option(
    "--start",
    type=Finite(min=0),
    default=0.0,
    show_default=False,
    help="Begin so many seconds into each track.",
)
@option("--duration", type=Finite(min=0, min_open=True), help="Separate only so many seconds.")
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
@option(
    "--report",
    is_flag=True,
    help="Write report.html beside the stems: pictures, and a player of the first 10 minutes "
    "(about 5 MB a minute).",
)
@option("--json", "as_json", is_flag=True, help="Print one JSON document instead of paths.")
@option("-q", "--quiet", is_flag=True, help="No progress bar, no notes.")
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
    quiet, as_json = given["quiet"], given["as_json"]
    with leave_on_interrupt(as_json), loading_note(quiet):
        with uncollected():
            from .audio import find_tracks
            from .batch import separate_tracks, unique_names
        try:
            check_template(given["filename"], given["format"] or DEFAULT_FORMAT, given["report"])
            separator, output = make_separator(given), make_output(given)
            found = find_tracks(tracks)
            names = unique_names(found)
            output.check(separator, names)
        except (ValueError, TypeError) as error:
            raise click.UsageError(f"{error}.") from error
    if given["verbose"]:
        remark(f"settings: {separator.describe()}")
    for track, name in () if quiet else zip(found, names, strict=True):
        if name != track.stem:
            remark(f"note: {track}: its stems are called {name}, {why_not(track)}")
    outcomes: list[Outcome] = []
    try:
        for outcome in separate_tracks(
            separator,
            found,
            output,
            start=given["start"],
            duration=given["duration"],
            progress=None if quiet else progress_bar,
        ):
            outcomes.append(outcome)
            tell(outcome, quiet, given["verbose"], as_json)
        status = FAILED if any(outcome.error is not None for outcome in outcomes) else DONE
        message = None
    except BaseException as error:
        status, message = explain(error)
    if as_json:
        show_json(document(outcomes, message))
    return status


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without the garbage collector, which would look at all that is there to stay.

    It is a fifth of the processor time of the imports.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def why_not(track: Path) -> str:
    """Why a track's own name is not used, see `mgdm_audio.batch.unique_names`."""
    if not track.stem.strip(". "):
        return "for its own name is none."
    return f"for another track has the name {track.stem}."


def tell(outcome: Outcome, quiet: bool, verbose: bool, as_json: bool) -> None:
    """A track's paths on stdout, and what one should know of it on stderr."""
    if outcome.trace is not None:
        remark(outcome.trace.rstrip())
    if outcome.error is not None:
        remark(f"error: {outcome.error}")
        return
    for path in () if as_json else [*outcome.files, *filter(None, [outcome.report])]:
        show(str(path))
    if outcome.scale != 1.0 and not quiet:
        decibels = -20 * math.log10(outcome.scale)
        remark(
            f"note: {outcome.track}: all stems are turned down by {decibels:.1f} dB, so that none "
            "clips; --float32 or --clip-mode keep the level."
        )
    if verbose:
        info = outcome.info
        remark(
            f"{outcome.track}: {info['duration']:.1f} s of audio in {info['elapsed']:.1f} s, "
            f"real-time factor {info['realtime_factor']:.2f}"
        )


def document(outcomes: list[Outcome], error: str | None = None) -> dict[str, Any]:
    """What ``--json`` prints."""
    failed = sum(outcome.error is not None for outcome in outcomes)
    result: dict[str, Any] = {"version": __version__, "failed": failed}
    if error is not None:
        result["error"] = error
    return result | {"tracks": [outcome.as_dict() for outcome in outcomes]}


@contextmanager
def loading_note(quiet: bool) -> Iterator[None]:
    """Something to look at in the seconds before the first bar, if somebody looks."""
    shown = not quiet and sys.stderr.isatty()
    if shown:
        click.echo("Loading ...", err=True, nl=False)
    try:
        yield
    finally:
        if shown:
            click.echo("\r\x1b[K", err=True, nl=False)


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


def make_separator(given: dict[str, Any]) -> Separator:
    from .hyperparameters import parse_options
    from .separator import Separator

    keys = ("quality", "sampler", "steps", "draws", "samples", "seed", "device", "segment")
    keys += ("overlap", "batch_size", "residual", "compiled", "templates", "retune")
    options = parse_options(given["options"], preset(given["quality"], given["sampler"]))
    without = split_names("--without", given["without"]) or ()
    return Separator(given["name"], without=without, **{key: given[key] for key in keys}, **options)


def make_output(given: dict[str, Any]) -> Output:
    from .batch import Output

    return Output(
        folder=given["out"],
        format=given["format"] or DEFAULT_FORMAT,
        filename=given["filename"],
        clip=given["clip_mode"],
        stems=split_names("--stems", given["stems"]),
        two_stems=given["two_stems"],
        overwrite=given["overwrite"],
        report=given["report"],
    )


def check_template(template: str, format: str, report: bool) -> None:
    """Whether a ``--filename`` can be filled in and gives files their ending.

    Raises:
        ValueError: it cannot, or does not.
    """
    from .audio import FORMATS as written

    try:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
        template.format(track="a", stem="b", sample=1, ext="c")
    except (KeyError, IndexError, AttributeError):
        pass  # a field that is not known, see below
    except ValueError as error:
        raise ValueError(
            f"--filename {template!r} is no template ({error}); write for instance "
            "{track}-{stem}.{ext}"
        ) from None
    for field in fields:
        if field not in FIELDS:
            raise ValueError(
                f"--filename {template!r}: unknown field {{{field}}}; "
                "there are {track}, {stem}, {sample} and {ext}"
            )
    ending = Path(template).suffix
    if ending != ".{ext}" and (report or ending.lower() != f".{written[format].extension}"):
        raise ValueError(
            f"--filename {template!r} gives files no or a wrong ending; end it in .{{ext}}"
        )


def split_names(option: str, text: str | None) -> tuple[str, ...] | None:
    """``a, b`` to its names, each once; None stays None.

    Raises:
        ValueError: there is no name in it.
    """
    if text is None:
        return None
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError(f"{option} names no stem")
    return tuple(names)


def progress_bar(track: Path, seconds: float):
    """A bar in seconds of audio on stderr, with the time left."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # no thread of its own: libraries are not hushed beside threads
    # A bar that says "0/0 s" helps nobody: short files are counted in fractions.
    digits = 0 if seconds >= 10 else 1 if seconds >= 1 else 3
    bar = tqdm(
        total=max(seconds, 0.001),
        desc=printable(track.name[:40]),
        unit="s",
        file=sys.stderr,
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| "
        f"{{n:.{digits}f}}/{{total:.{digits}f}} s of audio [{{elapsed}}<{{remaining}}]",
    )

    def advance(done: float, total: float) -> None:
        bar.total = max(total, 0.001)
        bar.update(bar.total * min(done / total, 1.0) - bar.n)

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
        show(f"{name}\t{stems}\t{entry['samplerate']} Hz\t{entry['folder']}")
    return DONE


def show(text: str) -> None:
    """A line on stdout. If nobody reads it any more (``| head -1``), the work goes on."""
    try:
        try:
            click.echo(text)
        except UnicodeEncodeError:  # the path of a file is its bytes, whatever they mean
            click.echo(os.fsencode(text))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def remark(text: str) -> None:
    """A line on stderr, if there is one: the terminal may be gone."""
    with suppress(OSError):
        click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """With ``\\udc..`` for bytes of a file name that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def show_json(value: Any) -> None:
    show(json.dumps(value, indent=2))


def wants_json(arguments: list[str]) -> bool:
    """Whether ``--json`` is among the arguments, which could not all be understood."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


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


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command and exits with its status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if threading.current_thread() is threading.main_thread():
        leave_tidily()
    try:
        status = command.main(arguments, standalone_mode=False)
    except BaseException as error:
        status, message = explain(error)
        if wants_json(arguments):
            show_json(document([], message))
    sys.exit(status)


if __name__ == "__main__":
    main()
