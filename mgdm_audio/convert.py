"""Published checkpoints of MSDM and ISDM to prior folders.

    python -m mgdm_audio.convert msdm.ckpt runs/priors/msdm
    python -m mgdm_audio.convert bass.ckpt drums.ckpt guitar.ckpt piano.ckpt runs/priors/isdm

One checkpoint is a joint prior of all sources (MSDM); one checkpoint a source, in the order of
--sources, makes a prior of independent networks (ISDM). A checkpoint is Lightning's, a state
dictionary, or a whole pickled module. All are pickles, which can run code: they are only ever read
with ``weights_only``, and classes that PyTorch does not know (the published files name a few in
their hyper-parameters; a pickled module is made of them) become inert placeholders.
"""

from __future__ import annotations

import math
import os
import pickle
import shlex
import sys
import zipfile
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import click
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from .digest import file_sha256
from .errors import MGDMError, PriorError
from .networks.unet1d import UNet1dDenoiser
from .pretrained import CARD, CONFIG, WEIGHTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Names of the published hyper-parameters, and ours.
_RENAMED = {
    "channels": "channels",
    "patch_factor": "patch",
    "multipliers": "multipliers",
    "factors": "factors",
    "num_blocks": "blocks",
    "attentions": "attentions",
    "attention_heads": "heads",
    "attention_features": "head_features",
    "attention_multiplier": "feed_forward",
    "resnet_groups": "groups",
    "diffusion_sigma_data": "sigma_data",
}
#: Hyper-parameters that `UNet1d` has for constants; any other value is another network.
_CONSTANT = {
    "patch_blocks": 1,
    "kernel_multiplier_downsample": 2,
    "use_nearest_upsample": False,
    "use_skip_scale": True,
    "use_attention_bottleneck": True,
    "use_context_time": True,
    "diffusion_dynamic_threshold": 0.0,
    "context_features": None,
    "context_channels": None,
    "context_embedding_features": None,
}


class _Placeholder:
    """Stands for a class named in a checkpoint; keeps the state it is given and does nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setitem__(self, key, value) -> None:
        pass


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State dictionary, and those hyper-parameters that are plain data, of a checkpoint.

    Raises:
        PriorError: the file is missing, is no PyTorch checkpoint, or holds something else than a
            (Lightning) state dictionary or a module.
    """
    if not path.is_file():
        raise PriorError(f"{path}: no such file.")
    try:
        with open(path, "rb") as file:
            recent = zipfile.is_zipfile(file)
        if not recent:
            raise PriorError(
                f"{path}: cannot be read as PyTorch weights, as PyTorch has written them since "
                "1.6. If it was downloaded, check that the download is complete and unpacked from "
                "its archive; if it is older, load it in its own program and save it again."
            )
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        inert = [(type("Inert", (_Placeholder,), {}), name) for name in unknown]
        with torch.serialization.safe_globals(inert):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise PriorError(f"{path}: cannot be read ({error.strerror}).") from error
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "empty file"
        raise PriorError(
            f"{path}: cannot be read as PyTorch weights ({reason}) If it was downloaded, check "
            "that the download is complete and unpacked from its archive."
        ) from error
    if isinstance(content, _Placeholder):
        content = _module_state(content)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise PriorError(
            f"{path}: holds neither a state dictionary nor a pickled module. "
            "Save module.state_dict() with torch.save and convert that."
        )
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise PriorError(f"{path}: the entry {name!r} is not a tensor.")
    hyper = content.get("hyper_parameters") if state is not content else None
    plain = {k: _plain(v) for k, v in hyper.items()} if isinstance(hyper, Mapping) else {}
    return dict(state), {name: value for name, value in plain.items() if value is not None}


def unet_tensors(state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """The U-Net's tensors under its own names, whatever they were nested in.

    The published checkpoints hold each tensor under ``model.unet.*`` and, again, under
    ``model.diffusion.net.*``; exports may lack ``model.`` or one of the two.

    Raises:
        PriorError: names that belong to no U-Net, or two names with different values.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        short = name.removeprefix("model.")
        short = short.removeprefix("unet.").removeprefix("diffusion.net.")
        if short in tensors and not torch.equal(tensors[short], tensor):
            raise PriorError(f"{origin}: the two copies of {short!r} differ; cannot choose.")
        tensors[short] = tensor
    return tensors


def network_options(hyper: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Options of `UNet1dDenoiser` from a checkpoint's hyper-parameters.

    Raises:
        PriorError: a hyper-parameter that makes another network than MSDM's.
    """
    for name, value in _CONSTANT.items():
        if hyper.get(name, value) != value:
            raise PriorError(
                f"{origin}: was trained with {name} = {hyper[name]!r}; only {value!r} is supported."
            )
    return {ours: hyper[name] for name, ours in _RENAMED.items() if name in hyper}


def _module_state(module: Any, prefix: str = "") -> dict[str, Tensor]:
    """State dictionary of a module whose class was not loaded: parameters, buffers, children."""
    content = vars(module) if isinstance(module, _Placeholder) else {}
    passing = content.get("_non_persistent_buffers_set") or ()
    tensors = {**(content.get("_parameters") or {}), **(content.get("_buffers") or {})}
    state = {
        prefix + name: tensor.detach()
        for name, tensor in tensors.items()
        if isinstance(tensor, Tensor) and name not in passing
    }
    for name, child in (content.get("_modules") or {}).items():
        state |= _module_state(child, f"{prefix}{name}.")
    return state


def _plain(value: Any) -> Any:
    """A hyper-parameter as plain data, None if it is no such thing.

    Checkpoints of programs that are configured by Hydra hold OmegaConf's lists and nodes, which
    keep what they hold under these two names.
    """
    if isinstance(value, _Placeholder):
        state = vars(value)
        value = state.get("_content", state.get("_val"))
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (int, float, str, bool)) else None


def convert(
    checkpoints: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    sources: Sequence[str] = ("bass", "drums", "guitar", "piano"),
    samplerate: int = 22050,
    segment: float = 2**18 / 22050,
    sigmas: tuple[float, float] = (5e-4, 20.0),
    network: Mapping[str, Any] | None = None,
) -> Path:
    """Write a prior folder (``config.toml``, ``weights.safetensors``, ``card.md``) and return it.

    Args:
        checkpoints: one file for all `sources` together, or one a source in their order.
        out: folder to create.
        samplerate: Hz; `segment`: seconds that the network was trained on.
        sigmas: lowest and highest noise level for samplers, where they are not told otherwise. By
            default MGDM's; the authors of MSDM separate with ``(1e-4, 1.0)``.
        network: options of `UNet1dDenoiser` where the checkpoint holds no hyper-parameters; by
            default the published ones.

    Raises:
        PriorError: unreadable or unfitting checkpoints, a wrong number of them, or a folder that
            holds a prior already.
    """
    paths, out = [Path(p) for p in checkpoints], Path(out)
    sources = _check_names(sources)
    for name, value in (("sample rate", samplerate), ("segment", segment)):
        if not 0 < value < math.inf:
            raise PriorError(f"the {name} must be positive and finite, not {value:g}.")
    if len(paths) not in (1, len(sources)):
        raise PriorError(
            f"expected one checkpoint, or one for each of {', '.join(sources)}; got {len(paths)}."
        )
    if (out / CONFIG).exists():
        raise PriorError(f"{out}: holds a prior already; choose another folder.")
    if out.exists() and not out.is_dir():
        raise PriorError(f"{out}: is a file; choose another folder.")
    if not 0 < sigmas[0] < sigmas[1]:
        raise PriorError(f"the noise levels {sigmas[0]:g} and {sigmas[1]:g} do not rise from 0.")
    independent = len(paths) > 1
    weights: dict[str, Tensor] = {}
    options: dict[str, Any] | None = None
    for i, path in enumerate(paths):
        state, hyper = read_checkpoint(path)
        for name, tensor in unet_tensors(state, str(path)).items():
            weights[f"unets.{i}.{name}"] = tensor.to(torch.float32)
        found = {**network_options(hyper, str(path)), **(network or {})}
        if options is not None and found != options:
            raise PriorError(f"{path}: its network differs from that of {paths[0]}.")
        options = found
    options = {"independent": independent, **options}
    _check_fit(weights, options, len(sources), ", ".join(map(str, paths)))
    prior = {
        "name": out.name,
        "samplerate": samplerate,
        "segment": segment,
        "sources": list(sources),
        "sigma_min": sigmas[0],
        "sigma_max": sigmas[1],
        "network": "unet1d",
    }
    card = _card(paths, sources, weights, independent)
    try:
        _write(out, weights, card, {"prior": prior, "network": options})
    except (OSError, SafetensorError) as error:
        raise PriorError(
            f"{out}: cannot be written ({getattr(error, 'strerror', None) or error}); "
            "choose another folder."
        ) from error
    return out


def _check_names(sources: Sequence[str]) -> tuple[str, ...]:
    """Names of stems without spaces around them.

    Raises:
        PriorError: one is empty, cannot be part of a file name, is there twice, or is "residual",
            which is what a separation calls the rest.
    """
    names = tuple(name.strip() for name in sources)
    for name in names:
        if not name or "/" in name or "\\" in name or name == "residual":
            raise PriorError(f"{name!r} is no name for a stem; name them like bass,drums.")
    if len(set(names)) < len(names):
        raise PriorError(f"a name comes twice: {', '.join(names)}; each stem needs its own.")
    return names


def _write(out: Path, weights: Mapping[str, Tensor], card: str, tables: dict) -> None:
    """The folder of a prior, its configuration last: a folder that has one is a prior."""
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{WEIGHTS}.part"
    try:
        save_file({name: t.contiguous() for name, t in weights.items()}, part)
        digest = file_sha256(part)
        os.replace(part, out / WEIGHTS)
    finally:
        part.unlink(missing_ok=True)
    (out / CARD).write_text(card, encoding="utf-8")
    text = _toml({**tables, "weights": {"sha256": digest}})
    (out / CONFIG).write_text(text, encoding="utf-8")


def _check_fit(
    weights: Mapping[str, Tensor], options: Mapping[str, Any], sources: int, origin: str
) -> None:
    try:
        with torch.device("meta"):
            expected = UNet1dDenoiser(sources, **options).state_dict()
    except (ValueError, TypeError) as error:
        raise PriorError(f"{origin}: {error}.") from error
    problems = [f"{name} is missing" for name in expected if name not in weights]
    problems += [f"{name} belongs to no U-Net" for name in weights if name not in expected]
    problems += [
        f"{name} is {list(weights[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise PriorError(
            f"{origin}: does not fit the network: {'; '.join(problems[:3])}{more}. Is it another "
            "number of sources, or were other hyper-parameters used (see --network)?"
        )


def _card(
    paths: Sequence[Path], sources: Sequence[str], weights: Mapping[str, Tensor], independent: bool
) -> str:
    kind = "one independent network a source (ISDM)" if independent else "one joint network (MSDM)"
    count = sum(t.numel() for t in weights.values())
    files = "\n".join(f"- `{p.name}`" for p in paths)
    return (
        f"# Converted prior: {', '.join(sources)}\n\n"
        f"Waveform U-Net of MSDM (Mariani et al., ICLR 2024, arXiv 2302.02257), {kind}, "
        f"{count:,} parameters, converted by `mgdm_audio.convert` from\n\n{files}\n\n"
        "Data, licence and figures are those of these files; the published ones were trained on "
        "Slakh2100 (CC BY 4.0).\n"
    )


def _toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML of strings, numbers, booleans and flat lists of them."""

    def value(x: Any) -> str:
        if isinstance(x, bool):
            return str(x).lower()
        if isinstance(x, str):
            # TOML's basic strings escape as JSON's do
            return '"' + x.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if isinstance(x, list):
            return "[" + ", ".join(map(value, x)) + "]"
        return repr(int(x) if isinstance(x, Integral) else float(x))  # NumPy's are numbers, too

    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value(x)}\n" for key, x in table.items())
        for name, table in tables.items()
    )


@click.command(help=__doc__)
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--sources", default="bass,drums,guitar,piano", show_default=True, help="Stems, in order."
)
@click.option("--samplerate", default=22050, show_default=True, help="Hz.")
@click.option("--segment", default=2**18 / 22050, show_default=True, help="Seconds.")
@click.option(
    "--sigmas",
    type=click.Tuple([click.FloatRange(min=0, min_open=True)] * 2),
    default=(5e-4, 20.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Noise levels of samplers: MGDM's by default, 1e-4 1 for MSDM's own sampler.",
)
@click.option(
    "--network",
    type=click.Path(path_type=Path, exists=True),
    help="TOML file of network options, for a checkpoint without hyper-parameters.",
)
def main(
    checkpoints: tuple[Path, ...],
    out: Path,
    sources: str,
    samplerate: int,
    segment: float,
    sigmas: tuple[float, float],
    network: Path | None,
) -> None:
    try:
        options = tomllib.loads(network.read_text(encoding="utf-8")) if network else None
        convert(checkpoints, out, sources.split(","), samplerate, segment, sigmas, options)
    except (MGDMError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from error
    # A plain prior: the qualities' sampler is not for it. MSDM's own stays at low noise.
    sampler = "msdm_dirac" if sigmas[1] <= 2 else "mgdm"
    name = shlex.quote(str(out))
    click.echo(f"{out}: use it with mgdm-separate TRACK --name {name} --sampler {sampler}")


if __name__ == "__main__":
    main()
