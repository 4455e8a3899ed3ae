"""Priors by name or path: configuration, checked weights, and the denoiser they make."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from .devices import autocast, full_precision, pick_device, require_compiler, undisturbed
from .digest import sha256
from .errors import PriorError
from .networks import build_network, check_top

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Where priors live: inside an installed package, or beside it in a checkout.
ROOTS = (Path(__file__).parent / "priors", Path(__file__).parent.parent / "priors")

CONFIG, WEIGHTS, CARD = "config.toml", "weights.safetensors", "card.md"
PRECISIONS = ("auto", "float32")


@dataclass(frozen=True)
class Prior:
    """A trained denoiser and what one must know to use it.

    Attributes:
        denoise: ``(x [B, K, T], sigma) -> [B, K, T]``; conditional priors take a third argument,
            `sigma_mix`, the noise level of the mixture direction.
        sources: names of the `K` stems, in order.
        samplerate: samples a second the denoiser works at.
        segment: window length it was trained on, in seconds.
        sigmas: smallest and largest noise level for samplers that are not told otherwise.
        card: data, licence and figures, as Markdown.
        conditional: whether `denoise` takes `sigma_mix`.
        name: of the prior's folder.
        stride: windows that start at multiples of it (in samples) see the same frames.
        level: RMS of a typical mixture at training, or None if unknown.
    """

    denoise: Callable[..., Tensor]
    sources: tuple[str, ...]
    samplerate: int
    segment: float
    sigmas: tuple[float, float]
    card: str
    conditional: bool
    name: str
    stride: int = 1
    level: float | None = None

    @property
    def device(self) -> torch.device | None:
        """Where `denoise` is: its own `device`, or a module's; None for a bare function."""
        if isinstance(self.denoise, nn.Module):
            held = chain(self.denoise.parameters(), self.denoise.buffers())
            return next((tensor.device for tensor in held), None)
        return getattr(self.denoise, "device", None)


class NetworkDenoiser:
    """A network as a denoiser: frozen, on its device, in its fastest precision or in float32."""

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        conditional: bool,
        precision: str = "auto",
    ):
        # Convolutions in half precision are faster with channels last, others no slower.
        network = network.to(device, memory_format=torch.channels_last)
        self.network = network.eval().requires_grad_(False)
        self.device, self.conditional, self.precision = device, conditional, precision

    def compile(self) -> None:
        """Compile the network: a minute or more at the first call, then faster calls.

        And again when the batch size first changes, when the length does, and for a batch of one.

        Raises:
            DeviceError: `torch.compile` does not work here.
        """
        require_compiler(self.device)
        self.network.compile()

    def __call__(
        self, x: Tensor, sigma: Tensor | float, sigma_mix: Tensor | float | None = None
    ) -> Tensor:
        with autocast(self.device) if self.precision == "auto" else full_precision(self.device):
            if self.conditional:
                return self.network(x, sigma, sigma_mix)
            return self.network(x, sigma)


def list_priors() -> dict[str, Path]:
    """Names and folders of the priors that this installation ships and that have weights."""
    found: dict[str, Path] = {}
    for root in ROOTS:
        for path in sorted(root.glob(f"*/{CONFIG}")):
            if (path.parent / WEIGHTS).is_file():
                found.setdefault(path.parent.name, path.parent)
    return found


def load_prior(
    name_or_path: str | os.PathLike = "band",
    device: str | torch.device | None = None,
    *,
    compiled: bool = False,
    precision: str = "auto",
) -> Prior:
    """Load a prior.

    Args:
        name_or_path: a shipped prior's name, or a folder that holds ``config.toml``,
            ``weights.safetensors`` and, at will, ``card.md``.
        device: as `mgdm_audio.devices.pick_device` takes it.
        compiled: compile the network at its first calls (`torch.compile`), which takes minutes and
            needs a C++ compiler, on CUDA Triton.
        precision: ``"auto"``, bfloat16 where the device multiplies it, or ``"float32"``, which is
            not TF32 either, unless the program has asked PyTorch for it.

    Raises:
        ValueError: an unknown precision.
        PriorError: there is no such prior, or its files are missing, corrupt or tampered with.
        DeviceError: there is no such device, or, if `compiled`, compiling does not work on it.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}, expected {' or '.join(PRECISIONS)}")
    device = pick_device(device)
    folder = _find(name_or_path)
    config = read_config(folder)
    prior = config["prior"]
    card = folder / CARD
    with undisturbed(device):  # what is made in inference mode is of no use outside of it
        network = _build(folder, config)
        conditional = prior.get("conditional", network.conditional)
        denoise = NetworkDenoiser(network, device, conditional, precision)
    if compiled:
        denoise.compile()
    return Prior(
        denoise=denoise,
        sources=tuple(prior["sources"]),
        samplerate=int(prior["samplerate"]),
        segment=float(prior["segment"]),
        sigmas=(float(prior["sigma_min"]), float(prior["sigma_max"])),
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        conditional=conditional,
        name=folder.name,
        stride=int(getattr(network, "stride", 1)),
        level=_level(network),
    )


def _build(folder: Path, config: dict[str, Any]) -> nn.Module:
    prior = config["prior"]
    try:
        network = build_network(
            prior["network"], len(prior["sources"]), **config.get("network", {})
        )
        check_top(network, prior["sigma_max"])
    except (ValueError, TypeError) as error:
        raise PriorError(f"{folder / CONFIG}: {error}.") from error
    network.float()  # whatever the caller's default type is
    _load_weights(network, folder, config)
    return network


def read_config(folder: Path) -> dict[str, Any]:
    """``config.toml`` of a prior's folder.

    Raises:
        PriorError: it is not TOML, or an entry is missing.
    """
    try:
        config = tomllib.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriorError(f"{folder / CONFIG}: not valid TOML ({error}).") from error
    for key in ("network", "sources", "samplerate", "segment", "sigma_min", "sigma_max"):
        if key not in config.get("prior", {}):
            raise PriorError(f"{folder / CONFIG}: the entry {key!r} of [prior] is missing.")
    return config


def _find(name_or_path: str | os.PathLike) -> Path:
    path = Path(name_or_path).expanduser()
    if (path / CONFIG).is_file():
        return path.resolve()
    name = os.fspath(name_or_path)
    shipped = list_priors()
    if name in shipped:
        return shipped[name]
    if path.is_dir():
        raise PriorError(f"{path}: not a prior, the folder has no {CONFIG}.")
    names = ", ".join(shipped) or "none"
    raise PriorError(f"unknown prior {name!r}; shipped priors: {names}. A folder works as well.")


def _load_weights(network: nn.Module, folder: Path, config: dict[str, Any]) -> None:
    path = folder / WEIGHTS
    expected = config.get("weights", {}).get("sha256")
    if expected is None:
        raise PriorError(
            f"{folder / CONFIG}: has no [weights] sha256, so the weights cannot be checked."
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PriorError(f"{path}: cannot be read ({error.strerror}).") from error
    if sha256(data) != expected:
        raise PriorError(
            f"{path}: its SHA-256 is not the one in {CONFIG}; the file is damaged or was changed. "
            "Install the package (or fetch the prior) again."
        )
    try:
        network.load_state_dict(load(data))
    except (SafetensorError, RuntimeError) as error:
        # Of PyTorch's lines the first says what was tried.
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise PriorError(f"{path}: does not fit the network of {CONFIG} ({reason})") from error


def _level(network: nn.Module) -> float | None:
    """RMS of a mixture of independent stems with the network's variances, if it has any."""
    variance = getattr(network, "variance", None)
    return None if variance is None else float(variance.sum(0).mean().sqrt())
