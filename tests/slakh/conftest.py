"""A stand-in for Slakh2100-redux: its folders, files and metadata, a few seconds long."""

import numpy as np
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import save

from mgdm_audio.digest import sha256
from mgdm_audio.networks.unet1d import UNet1dDenoiser

RATE = 44100
STEMS = ("bass", "drums", "guitar", "piano")
NETWORK = {
    "channels": 16,
    "patch": 4,
    "multipliers": [1, 2],
    "factors": [4],
    "blocks": [1],
    "attentions": [False],
    "heads": 2,
    "head_features": 4,
    "groups": 4,
}
#: Sources of the tracks: class, whether rendered. Track00003 lacks a guitar, as many do.
TRACKS = {
    "Track00001": ["Bass", "Drums", "Guitar", "Guitar", "Piano", "Strings (continued)"],
    "Track00002": ["Piano", "Drums", "Bass", "Guitar"],
    "Track00003": ["Drums", "Bass", "Piano", "Organ"],
}


def write_track(folder, classes, seconds, seed, unrendered=()):
    """One track as distributed; returns its sources ``{S00: samples}``."""
    rng = np.random.default_rng(seed)
    (folder / "stems").mkdir(parents=True)
    (folder / "MIDI").mkdir()
    stems, sources = {}, {}
    t = np.arange(int(seconds * RATE)) / RATE
    for i, name in enumerate(classes):
        key = f"S{i:02d}"
        tone = np.sin(2 * np.pi * (60 * (i + 1) + 7 * seed) * t) * np.exp(-((3 * t) % 1))
        audio = (0.1 * tone + 0.005 * rng.standard_normal(len(t))).astype(np.float32)
        rendered = i not in unrendered
        stems[key] = {"inst_class": name, "audio_rendered": rendered, "is_drum": name == "Drums"}
        if rendered:
            soundfile.write(folder / "stems" / f"{key}.flac", audio, RATE, subtype="PCM_16")
            sources[key] = soundfile.read(folder / "stems" / f"{key}.flac", dtype="float32")[0]
    mix = sum(sources.values())
    soundfile.write(folder / "mix.flac", mix, RATE, subtype="PCM_16")
    metadata = {"UUID": "0", "audio_dir": "stems", "midi_dir": "MIDI", "stems": stems}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return sources


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """As torchrun gives its workers: sums over another number of threads round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def slakh(tmp_path_factory):
    """``root / test / Track...``; a source that was never rendered is in Track00001."""
    root = tmp_path_factory.mktemp("slakh")
    for seed, (name, classes) in enumerate(TRACKS.items()):
        unrendered = (5,) if name == "Track00001" else ()
        write_track(root / "test" / name, classes, 2.5, seed, unrendered)
    return root


@pytest.fixture(scope="session")
def prior(tmp_path_factory):
    """A prior folder with a very small network of random weights."""
    folder = tmp_path_factory.mktemp("priors") / "tiny"
    folder.mkdir()
    torch.manual_seed(0)
    data = save(UNet1dDenoiser(4, **NETWORK).state_dict())
    (folder / "weights.safetensors").write_bytes(data)
    options = "\n".join(f"{k} = {v if v is not False else 'false'}" for k, v in NETWORK.items())
    (folder / "config.toml").write_text(
        f"""[prior]
name = "tiny"
samplerate = 22050
segment = 1.5
sources = {list(STEMS)}
sigma_min = 1e-3
sigma_max = 1.0
network = "unet1d"
[network]
{options.replace("False", "false")}
[weights]
sha256 = "{sha256(data)}"
"""
    )
    return folder


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory, prior):
    """Two rows for the tiny prior: chunks of 0.7 s, two levels."""
    path = tmp_path_factory.mktemp("rows") / "rows.toml"
    path.write_text(
        f"""[default.tiny]
prior = "{prior}"
levels = 2
chunk = 16384

[[row]]
default = "tiny"
name = "dirac"
title = "Dirac"
sampler = "msdm_dirac"
options = {{ churn = 1.0 }}
published = {{ all = 1.5 }}

[[row]]
default = "tiny"
name = "mgdm-r1"
title = "MGDM, R = 1"
sampler = "mgdm"
options = {{ n_gibbs = 1, n_gradient = 1, n_gradient_last = 1, n_denoise = 2 }}
figure = "gibbs"
x = 1

[[row]]
default = "tiny"
name = "mgdm-r2"
title = "MGDM, R = 2"
sampler = "mgdm"
options = {{ n_gibbs = 2, n_gradient = 1, n_gradient_last = 1, n_denoise = 2 }}
figure = "gibbs"
x = 2
"""
    )
    return path
