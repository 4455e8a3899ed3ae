"""The training loop: one process or many, resumable at any step with the same result."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from ..networks import build_network, check_top, fitting
from .config import TrainingConfig, import_name, options_of
from .ema import EMA
from .gallery import first_song, make_gallery, show
from .loss import LOSSES
from .noise import NoiseLevels, two_level_noise
from .optimizer import make_optimizers
from .schedule import Stopwatch, learning_rate
from .validate import check_sets, scores

#: As Lightning Fabric calls them: single precision, and networks in bfloat16.
PRECISIONS = ("32", "32-true", "bf16", "bf16-mixed")


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite; the last good weights are on disk."""


def batches(
    config: TrainingConfig,
    samplerate: int,
    start: int,
    rank: int,
    sources: Sequence[str] | None = None,
) -> Iterator:
    """Batches ``[B, K, T]`` from step `start` on; what step `n` sees does not depend on `start`.

    It depends on the number of workers, though. Each process renders songs of its own seed.

    Raises:
        ValueError: the data set cannot be made, or says that its stems are not `sources`.
    """
    # A loader asks its workers for whole batches in turn, the first one first. So it begins with a
    # round of all of them, and leaves out what earlier steps had of that round.
    seen = start % max(config.workers, 1)
    kind = import_name(config.data)
    with options_of("training.data_options"):
        data = kind(
            seconds=config.crop,
            samplerate=samplerate,
            seed=config.seed * 1009 + rank,
            start=(start - seen) * config.batch_size,
            **config.data_options,
        )
    given = getattr(data, "sources", sources)
    if sources is not None and list(given) != list(sources):
        raise ValueError(
            f"the data's stems are {', '.join(given)}, the prior's {', '.join(sources)}: they must "
            "be the same, in the same order ([training.data_options] sources, [prior] sources)"
        )
    ahead = 4 if config.workers else None
    loader = DataLoader(data, config.batch_size, num_workers=config.workers, prefetch_factor=ahead)
    return islice(iter(loader), seen, None)


def measure_variances(net: nn.Module, loader: Iterator, crops: int) -> Tensor:
    """Mean power ``[K, bins]`` of each stem, smoothed a little over frequency."""
    total, count = 0.0, 0
    while count < crops:
        clean = next(loader)
        power = net.stft.to("cpu")(clean).abs().square().mean(-1)
        total, count = total + power.double().sum(0), count + len(clean)
    power = (total / count)[:, None]
    power = torch.nn.functional.avg_pool1d(power, 5, stride=1, padding=2, count_include_pad=False)
    return (power[:, 0] + 1e-10).float()


def train(
    config: dict,
    folder: Path,
    *,
    devices="auto",
    precision="32-true",
    steps: int | None = None,
    seconds: float | None = None,
    compiled: bool = False,
) -> None:
    """Train to the end of the schedule, resuming from `folder` if it has a state.

    A new run starts from ``initial.safetensors`` in `folder`, such as a prior's shipped weights, if
    that file is there; parts of the network that it lacks start afresh, and are named.

    Writes ``state.pt`` (everything a resumed run needs), ``ema.pt`` (weights to ship) and
    TensorBoard logs below `folder`. `compiled` compiles the network first: minutes at the start,
    then a third less time a step on a CPU with bfloat16.

    Args:
        config: as `config.read_config` returns it.
        folder: of the run, existing.
        devices: as Lightning Fabric takes them.
        precision: one of `PRECISIONS`.
        steps: length of the run and of its schedule; the configuration's by default.
        seconds: instead, the training time after which the run has cooled down and stops, over all
            calls (see `Stopwatch` for what counts). How many steps that makes is up to the
            machine, so such a run is resumable, but not to the same weights.

    Raises:
        ValueError: both `steps` and `seconds` are given, the data set cannot be imported, it, the
            noise or the network does not know an option, the loss or a frozen part is unknown, the
            loss needs `mean_start`, the weights of a frozen part are not given, weights do not
            fit, the network is made for another `sigma_max`, the stems are not the data's, the
            precision is none of `PRECISIONS`, a state is of another optimizer, or a validation set
            cannot be read.
        TrainingDiverged: the loss is not finite. The state of the last save is kept.
    """
    if steps is not None and seconds is not None:
        raise ValueError("a run ends after a number of steps or of seconds, not after both")
    prior, options = config["prior"], config["training"]
    if options.loss not in LOSSES:
        raise ValueError(f"unknown loss {options.loss!r}, expected {' or '.join(LOSSES)}")
    check_sets(config)
    at_start, elsewhere = LOSSES[options.loss]
    by_clock = seconds is not None
    steps = options.steps if steps is None else steps
    end = seconds if by_clock else steps
    if str(precision) not in PRECISIONS:
        raise ValueError(
            f"precision {precision} is not for this loop, whose losses are not scaled and whose "
            "networks hear audio in single precision; use bf16-mixed or 32-true"
        )
    fabric = Fabric(devices=devices, precision=precision)
    mixed = fabric.strategy.precision
    if isinstance(mixed, MixedPrecision):
        # It would round audio and noise levels to half precision before the network sees them:
        # noise some 50 dB below the stems, and levels that miss the one meant.
        mixed.convert_input = lambda data: data
    fabric.launch()
    with options_of("training.noise"):
        levels = NoiseLevels(prior["sigma_min"], prior["sigma_max"], **options.noise)
    if at_start is not elsewhere and not options.mean_start:
        raise ValueError(
            f"the loss {options.loss!r} is for examples that start from the mixture: set mean_start"
        )

    fabric.seed_everything(options.seed, verbose=False)  # initial weights, the same in all ranks
    with options_of("network"):
        net = build_network(prior["network"], len(prior["sources"]), **config.get("network", {}))
    check_top(net, prior["sigma_max"])
    freeze(net, options.frozen)
    optimizers = make_optimizers(
        net, options.learning_rate, options.weight_decay, options.optimizer
    )
    step, watch = 0, Stopwatch()
    state_path = folder / "state.pt"
    state = (
        torch.load(state_path, map_location="cpu", weights_only=True)
        if state_path.exists()
        else None
    )
    if state:
        step = state["step"]
        watch = Stopwatch(state.get("seconds", 0.0))
        with _naming(state_path):
            net.load_state_dict(state["net"])
    else:
        initial = folder / "initial.safetensors"
        weights = load_file(initial) if initial.exists() else {}
        if not any(_is_variance(name) for name in weights):
            first = batches(options, prior["samplerate"], 0, 0, prior["sources"])
            variance = measure_variances(net, first, options.variance_crops)
            for name, buffer in net.named_buffers():
                if _is_variance(name):
                    buffer.copy_(variance)
            del first  # and with it the worker that renders for it
        with _naming(initial):
            start_from(net, weights)
    net.to(fabric.device, memory_format=torch.channels_last)
    if compiled:
        net.compile()
    ema = EMA(net, options.ema)
    model, *optimizers = fabric.setup(net, *optimizers)
    if state:
        ema.load_state_dict(state["ema"])
        try:
            for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        except ValueError as error:
            raise ValueError(
                f"{state_path}: is of a run with another optimizer or other frozen parts "
                f"({error}); go on with its configuration, or choose another folder"
            ) from error
    data = batches(options, prior["samplerate"], step, fabric.global_rank, prior["sources"])
    # What is of later steps than the state goes; its own figures were written before it.
    writer = SummaryWriter(folder / "logs", purge_step=step + 1) if fabric.is_global_zero else None

    began, timed, loss_mean, taken = time.monotonic(), step, 0.0, 0
    position = watch.seconds if by_clock else step
    while position < end:
        clean = next(data).to(fabric.device, non_blocking=True)
        generator = torch.Generator(fabric.device)
        generator.manual_seed((options.seed * 1_000_003 + step) * 4096 + fabric.global_rank)
        sigma, sigma_mix = levels.sample(len(clean), generator)
        noisy = clean + two_level_noise(clean.shape, sigma, sigma_mix, generator)
        start = options.mean_start & (sigma == levels.sigma_max) & (sigma_mix == 0)
        noisy = torch.where(start.view(-1, 1, 1), clean.mean(1, keepdim=True), noisy)
        with torch.no_grad():
            wiener = net.wiener(noisy, sigma, sigma_mix)
            expected = net.expected_error(sigma, sigma_mix)
        given = model(noisy, sigma, sigma_mix), wiener, clean, expected
        loss = elsewhere(*given)
        if at_start is not elsewhere:
            loss = torch.where(start.view(-1, 1), at_start(*given), loss)
        loss = loss.mean()
        if fabric.world_size > 1 or not loss.requires_grad:
            # A cascade's second network may have had no part in it, but other processes wait for
            # gradients of all.
            loss = loss + 0 * sum(p.sum() for p in net.parameters() if p.requires_grad)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(net.parameters(), options.clip)
        rate = learning_rate(
            options.learning_rate, step, position, end, options.warmup, options.cooldown
        )
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        elapsed = watch.lap()
        # All processes go by the clock of the first, or they would not stop together.
        position = fabric.broadcast(elapsed) if by_clock else step + 1
        last = position >= end
        saving = (step + 1) % options.save_every == 0 or last
        if step % 10 == 0 or saving:  # nothing bad is ever saved
            value = loss.item()
            if not math.isfinite(value) or not math.isfinite(norm.item()):
                if writer:
                    writer.close()  # it would lose the last two minutes' figures
                raise TrainingDiverged(
                    f"loss {value}, gradient norm {norm.item()} at step {step}; "
                    f"the last good state is {state_path}"
                )
            taken += 1
            loss_mean += (value - loss_mean) / min(taken, 20)
        for optimizer in optimizers:
            optimizer.step()
        ema.update(net)
        step += 1
        if writer and step % 50 == 0 and taken:
            pace = (time.monotonic() - began) / (step - timed)
            began, timed = time.monotonic(), step
            writer.add_scalar("train/loss", loss_mean, step)
            writer.add_scalar("train/gradient_norm", norm.item(), step)
            writer.add_scalar("train/learning_rate", rate, step)
            writer.add_scalar("train/seconds", elapsed, step)
            print(f"step {step} loss {loss_mean:.4f} {pace:.2f} s/step", flush=True)
        if fabric.is_global_zero and saving:
            _save(folder, step, elapsed, net, ema, optimizers)
        if writer and (step % options.validate_every == 0 or last):
            validate(config, averaged(config, net, ema), writer, step)
            watch.restart()
            began, timed = time.monotonic(), step
    if writer:
        writer.close()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say of weights that do not fit where they are from."""
    try:
        yield
    except RuntimeError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error


def _is_variance(name: str) -> bool:
    return name.split(".")[-1] == "variance"


def freeze(net: nn.Module, parts: Sequence[str]) -> None:
    """Keep the weights of `parts` as they are.

    Raises:
        ValueError: there is no such part.
    """
    for part in parts:
        try:
            net.get_submodule(part).requires_grad_(False)
        except AttributeError as error:
            raise ValueError(f"the network has no part {part!r} to freeze") from error


def start_from(net: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load the weights of `net` or of a network with fewer parts, whose new parts start afresh.

    See `networks.fitting` for what passes between a cascade and one network.

    Raises:
        ValueError: there are none for a part that is frozen.
        RuntimeError: a weight has another shape, or no place in `net`.
    """
    if weights:
        weights = fitting(weights, net.state_dict())
    missing, unexpected = net.load_state_dict(weights, strict=False)
    if unexpected:
        raise RuntimeError(f"the initial weights have parts unknown here: {', '.join(unexpected)}")
    learnt = {name for name, p in net.named_parameters() if p.requires_grad}
    if frozen := sorted(set(missing) - learnt - {n for n, _ in net.named_buffers()}):
        raise ValueError(f"frozen parts need initial weights, and {frozen[0]} has none")
    if missing and weights:
        parts = sorted({name.removeprefix("first.").split(".")[0] for name in missing})
        print(f"not in the initial weights, so they start afresh: {', '.join(parts)}", flush=True)


def _save(
    folder: Path, step: int, seconds: float, net: nn.Module, ema: EMA, optimizers: list
) -> None:
    """Write to temporary names first, so that a run cut short leaves the previous state."""
    average = {**net.state_dict(), **ema.weights}
    state = {
        "step": step,
        "seconds": seconds,
        "net": net.state_dict(),
        "ema": ema.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    for name, content in (("state.pt", state), ("ema.pt", average)):
        temporary = folder / f".{name}.{os.getpid()}"
        torch.save(content, temporary)
        os.replace(temporary, folder / name)


def averaged(config: dict, net: nn.Module, ema: EMA) -> nn.Module:
    """A network with the averaged weights, in evaluation mode, where `net` is."""
    prior = config["prior"]
    average = build_network(prior["network"], len(prior["sources"]), **config.get("network", {}))
    average.load_state_dict(net.state_dict())
    ema.copy_to(average.to(next(net.parameters()).device))
    return average.eval()


def validate(config: dict, average: nn.Module, writer: SummaryWriter, step: int) -> None:
    """Print the figures of the averaged weights; write them, audio and pictures to TensorBoard."""
    report = scores(average, config)
    for name, value in report.items():
        writer.add_scalar(f"validation/{name}", value, step)
    song = first_song(config)
    if song is not None:
        prior = config["prior"]
        show(
            make_gallery(average, song, (prior["sigma_min"], prior["sigma_max"])),
            config,
            writer,
            step,
        )
    print(f"step {step} " + " ".join(f"{k} {v:.3f}" for k, v in report.items()), flush=True)
