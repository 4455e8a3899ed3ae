"""A tiny prior with the shipped prior's parts, and short signals."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save

from mgdm_audio.networks import build_network
from mgdm_audio.pretrained import load_prior

NETWORK = {
    "window": 512,
    "bands": [[64, 4]],
    "channels": [8, 16],
    "blocks": 1,
    "mixing": False,
    "heads": 2,
    "reach": 2,
    "embedding": 16,
}
CONFIG = """
[prior]
name = "tiny"
samplerate = 22050
segment = 0.5
sources = ["bass", "drums", "guitar", "piano"]
sigma_min = 5e-4
sigma_max = 2.0
network = "{kind}"

[network]
{network}

[weights]
sha256 = "{sha256}"
"""


def make_prior(folder: Path, kind: str = "band") -> Path:
    """A prior whose stems live in bands of their own, with a little untrained network on top.

    `kind` is ``"band"``, or ``"band-cascade"`` for two of them in a row.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(kind, 4, **NETWORK)
        for part in [network] if kind == "band" else [network.first, network.second]:
            for head in part.head:
                torch.nn.init.normal_(head[-1].weight, std=0.05)
            bins = torch.arange(part.stft.bins)
            for k, (low, high) in enumerate(((0, 8), (90, 257), (8, 40), (40, 90))):
                inside = (bins >= low) & (bins < high)
                part.variance[k] = torch.where(inside, 1e-2, 1e-8)
    data = save(network.state_dict())
    folder.mkdir(exist_ok=True)
    (folder / "weights.safetensors").write_bytes(data)
    lines = "\n".join(f"{key} = {value!r}".lower() for key, value in NETWORK.items())
    text = CONFIG.format(kind=kind, network=lines, sha256=hashlib.sha256(data).hexdigest())
    (folder / "config.toml").write_text(text)
    (folder / "card.md").write_text("# tiny\n")
    return folder


@pytest.fixture(scope="session")
def prior_folder(tmp_path_factory):
    return make_prior(tmp_path_factory.mktemp("priors") / "tiny")


@pytest.fixture(scope="session")
def cascade(tmp_path_factory):
    return load_prior(make_prior(tmp_path_factory.mktemp("priors") / "two", "band-cascade"), "cpu")


@pytest.fixture(scope="session")
def prior(prior_folder):
    return load_prior(prior_folder, "cpu")


@pytest.fixture(autouse=True, scope="session")
def _few_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def music(seconds: float, samplerate: int, channels: int = 2) -> np.ndarray:
    """A low tone, a middle tone and noise bursts, differently panned, ``[C, T]`` float32."""
    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * samplerate)) / samplerate
    burst = rng.standard_normal(len(t)) * (np.sin(2 * np.pi * 3 * t) > 0.9)
    parts = [0.2 * np.sin(2 * np.pi * 110 * t), 0.1 * np.sin(2 * np.pi * 2500 * t), 0.05 * burst]
    pans = rng.uniform(0.3, 1.0, (channels, len(parts)))
    return (pans @ np.stack(parts)).astype(np.float32)


@pytest.fixture
def track(tmp_path):
    """A second of stereo at 44.1 kHz."""
    path = tmp_path / "song.wav"
    soundfile.write(path, music(1.0, 44100).T, 44100, subtype="FLOAT")
    return path
