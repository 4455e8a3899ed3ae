"""The training loop: one process or many, resumable at any step with the same result."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from ..networks import build_network
from .config import TrainingConfig, import_name
from .ema import EMA
from .loss import relative_loss
from .noise import NoiseLevels, two_level_noise
from .optimizer import learning_rate, make_optimizers
from .validate import load_tracks, loss_by_level, one_step_si_sdri


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite; the last good weights are on disk."""


def batches(config: TrainingConfig, samplerate: int, start: int, rank: int) -> Iterator:
    """Batches ``[B, K, T]`` from step `start` on; what step `n` sees does not depend on `start`.

    Each process renders songs of its own seed.
    """
    data = import_name(config.data)(
        seconds=config.crop,
        samplerate=samplerate,
        seed=config.seed * 1009 + rank,
        start=start * config.batch_size,
        **config.data_options,
    )
    ahead = 4 if config.workers else None
    return iter(
        DataLoader(data, config.batch_size, num_workers=config.workers, prefetch_factor=ahead)
    )


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


def train(config: dict, folder: Path, *, devices="auto", precision="32-true", steps=None) -> None:
    """Train until `steps` (default: the configuration's), resuming from `folder` if it has a state.

    A new run starts from ``initial.safetensors`` in `folder`, such as a prior's shipped weights, if
    that file is there.

    Writes ``state.pt`` (everything a resumed run needs), ``ema.pt`` (weights to ship) and
    TensorBoard logs below `folder`.

    Raises:
        TrainingDiverged: the loss is not finite. The state of the last save is kept.
    """
    prior, options = config["prior"], config["training"]
    steps = steps or options.steps
    fabric = Fabric(devices=devices, precision=precision)
    fabric.launch()
    levels = NoiseLevels(prior["sigma_min"], prior["sigma_max"], **options.noise)

    fabric.seed_everything(options.seed, verbose=False)  # initial weights, the same in all ranks
    net = build_network(prior["network"], len(prior["sources"]), **config.get("network", {}))
    optimizers = make_optimizers(
        net, options.learning_rate, options.weight_decay, options.optimizer
    )
    step = 0
    state_path = folder / "state.pt"
    state = (
        torch.load(state_path, map_location="cpu", weights_only=True)
        if state_path.exists()
        else None
    )
    if state:
        step = state["step"]
        net.load_state_dict(state["net"])
    else:
        first = batches(options, prior["samplerate"], 0, 0)
        net.variance.copy_(measure_variances(net, first, options.variance_crops))
        initial = folder / "initial.safetensors"
        if initial.exists():
            net.load_state_dict(load_file(initial))
    ema = EMA(net.to(fabric.device), options.ema)
    model, *optimizers = fabric.setup(net, *optimizers)
    if state:
        ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    data = batches(options, prior["samplerate"], step, fabric.global_rank)
    writer = SummaryWriter(folder / "logs", purge_step=step) if fabric.is_global_zero else None

    began, loss_mean = time.monotonic(), None
    while step < steps:
        clean = next(data).to(fabric.device, non_blocking=True)
        generator = torch.Generator(fabric.device)
        generator.manual_seed((options.seed * 1_000_003 + step) * 4096 + fabric.global_rank)
        sigma, sigma_mix = levels.sample(len(clean), generator)
        noisy = clean + two_level_noise(clean.shape, sigma, sigma_mix, generator)
        with torch.no_grad():
            wiener = net.wiener(noisy, sigma, sigma_mix)
            expected = net.expected_error(sigma, sigma_mix)
        loss = relative_loss(model(noisy, sigma, sigma_mix), wiener, clean, expected).mean()
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(net.parameters(), options.clip)
        rate = learning_rate(step, steps, options.learning_rate, options.warmup, options.cooldown)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        saving = (step + 1) % options.save_every == 0 or step + 1 == steps
        if step % 10 == 0 or saving:  # the only host synchronisation; nothing bad is ever saved
            value = loss.item()
            if not math.isfinite(value) or not math.isfinite(norm.item()):
                raise TrainingDiverged(
                    f"loss {value}, gradient norm {norm.item()} at step {step}; "
                    f"the last good state is {state_path}"
                )
            loss_mean = value if loss_mean is None else 0.95 * loss_mean + 0.05 * value
        for optimizer in optimizers:
            optimizer.step()
        ema.update(net)
        step += 1
        if writer and step % 50 == 0:
            pace = (time.monotonic() - began) / 50
            began = time.monotonic()
            writer.add_scalar("train/loss", loss_mean, step)
            writer.add_scalar("train/gradient_norm", norm.item(), step)
            writer.add_scalar("train/learning_rate", rate, step)
            print(f"step {step} loss {loss_mean:.4f} {pace:.2f} s/step", flush=True)
        if fabric.is_global_zero and saving:
            _save(folder, step, net, ema, optimizers)
        if writer and (step % options.validate_every == 0 or step == steps):
            report = validate(config, net, ema, fabric.device)
            for name, value in report.items():
                writer.add_scalar(f"validation/{name}", value, step)
            print(f"step {step} " + " ".join(f"{k} {v:.3f}" for k, v in report.items()), flush=True)
            began = time.monotonic()


def _save(folder: Path, step: int, net: nn.Module, ema: EMA, optimizers: list) -> None:
    """Write to temporary names first, so that a run cut short leaves the previous state."""
    average = {**net.state_dict(), **ema.weights}
    state = {
        "step": step,
        "net": net.state_dict(),
        "ema": ema.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    for name, content in (("state.pt", state), ("ema.pt", average)):
        temporary = folder / f".{name}.{os.getpid()}"
        torch.save(content, temporary)
        os.replace(temporary, folder / name)


def validate(config: dict, net: nn.Module, ema: EMA, device: torch.device) -> dict[str, float]:
    """Figures of the averaged weights: SI-SDRi a set (mean over stems) and loss by noise level."""
    prior, options = config["prior"], config["training"]
    average = build_network(prior["network"], len(prior["sources"]), **config.get("network", {}))
    average.load_state_dict(net.state_dict())
    average.to(device).eval()
    ema.copy_to(average)
    report = {}
    for name, folder in options.validation.items():
        tracks = load_tracks(Path(folder), prior["sources"])
        scores = one_step_si_sdri(average, tracks, prior["samplerate"], prior["sigma_max"])
        report[f"{name}_si_sdri"] = scores.nanmean(0).mean().item()
        length = min(track.shape[-1] for track in tracks)
        clean = torch.stack([t[:, :length] for t in tracks[:4]]).to(device)
        clean = clean[..., : int(6 * prior["samplerate"])]
        for conditional in (False, True):
            losses = loss_by_level(average, clean, (0.02, 0.2, prior["sigma_max"]), conditional)
            kind = "conditional" if conditional else "plain"
            report |= {f"{name}_{kind}_{sigma:g}": value for sigma, value in losses.items()}
    return report
