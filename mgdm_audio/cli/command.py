"""The options of ``mgdm-separate``, made into a separator and what it writes."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..presets import QUALITIES, SAMPLER_PRESETS, preset
from .ends import DONE, FAILED, explain, leave_on_interrupt, leave_tidily
from .options import (
    Finite,
    GivenPath,
    Sampler,
    chosen_format,
    format_flags,
    option,
    quality_help,
    split_names,
)
from .output import OutputError, document, remark, show, show_json, tell, why_not
from .progress import loading_note, progress_bar

if TYPE_CHECKING:
    from ..batch import Outcome, Output
    from ..separator import Separator

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = """Exit status: 0 all done, 1 a track or the command failed, 2 wrong usage, 130 interrupted
(Ctrl-C), 143 told to end (SIGTERM), 129 terminal closed (SIGHUP).

With --json there is one object on stdout whatever happens: "tracks", each with "ok" and either
"error" or "files", "duration" (seconds of audio), "elapsed" (seconds of computing and writing),
"realtime_factor" (elapsed / duration: below 1 is faster than the music plays) and "settings";
"failed", their number; and "error" where the command as a whole failed."""


@click.command(context_settings=CONTEXT, epilog=EPILOG)
@click.argument("tracks", nargs=-1, type=GivenPath(readable=False, path_type=Path))
@option(
    "-o",
    "--out",
    type=GivenPath(path_type=Path),
    default=Path("separated"),
    help="Folder for the stems.",
)
@option(
    "-n",
    "--name",
    type=GivenPath(readable=False),
    default="band",
    metavar="NAME",
    help="Prior: a name or a folder.",
)
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
    help="Average N posterior draws: the posterior mean; with a quality N estimates of it. Time "
    "grows in proportion.",
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
    help="Of draws: keep N sets of stems side by side, each from draws of its own.",
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
    help="Stems beyond full scale: turn all stems of the track down together, cut the peaks, or "
    "leave them to the format, of which those with integers cut them as well.",
)
@option("--overwrite", is_flag=True, help="Replace files that exist.")
@option(
    "--skip-existing",
    is_flag=True,
    help="Leave out tracks of which all files exist, as after an interruption. They are known by "
    "their names, and refused if their length, rate or channels are not the track's.",
)
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
    for one, other in (
        ("stems", "two_stems"),
        ("quality", "sampler"),
        ("quiet", "verbose"),
        ("overwrite", "skip_existing"),
    ):
        if given[one] and given[other]:
            names = (f"--{name.replace('_', '-')}" for name in (one, other))
            raise click.UsageError(" and ".join(names) + " exclude each other.")
    return run(tracks, {**given, "format": chosen_format(given)})


def run(tracks: tuple[Path, ...], given: dict[str, Any]) -> int:
    """Separate the tracks as the options say, and return the exit status."""
    quiet, as_json = given["quiet"], given["as_json"]
    with leave_on_interrupt(as_json), loading_note(quiet):
        with uncollected():
            from ..audio import find_tracks
            from ..batch import separate_tracks, unique_names
        try:
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
        if isinstance(error, OutputError):
            return status
    if as_json:
        show_json(document(outcomes, message))
    return status


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without the garbage collector, which would look at all that is there to stay.

    It is a fifth of the processor time of the imports. Where they were imported before, by another
    program perhaps, nothing is to be gained, and its garbage would stay for good.
    """
    if "torch" in sys.modules:
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def make_separator(given: dict[str, Any]) -> Separator:
    from ..hyperparameters import parse_options
    from ..separator import Separator

    keys = ("quality", "sampler", "steps", "draws", "samples", "seed", "device", "segment")
    keys += ("overlap", "batch_size", "residual", "compiled", "templates", "retune")
    chosen = preset(given["quality"], given["sampler"], steps=given["steps"])
    options = parse_options(given["options"], chosen)
    without = split_names("--without", given["without"]) or ()
    return Separator(given["name"], without=without, **{key: given[key] for key in keys}, **options)


def make_output(given: dict[str, Any]) -> Output:
    from ..batch import Output

    return Output(
        folder=given["out"],
        format=given["format"],
        filename=given["filename"],
        clip=given["clip_mode"],
        stems=split_names("--stems", given["stems"]),
        two_stems=given["two_stems"],
        overwrite=given["overwrite"],
        skip_existing=given["skip_existing"],
        report=given["report"],
    )


def show_priors(as_json: bool) -> int:
    """List installed priors with what they separate."""
    from ..pretrained import list_priors, read_config

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


def wants_json(arguments: list[str]) -> bool:
    """Whether ``--json`` is among the arguments, which could not all be understood."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command and exits with its status."""
    given = sys.argv[1:] if arguments is None else arguments
    if threading.current_thread() is threading.main_thread():
        leave_tidily()
    try:
        # None, where it is that: click then expands *.mp3 where the shell does not, on Windows.
        status = command.main(arguments, standalone_mode=False)
    except BaseException as error:
        status, message = explain(error)
        if wants_json(given) and not isinstance(error, OutputError):
            with suppress(OutputError):
                show_json(document([], message))
    sys.exit(status)
