"""Conversion of checkpoints, written here as Lightning and plain PyTorch write them."""

import collections
import errno
import hashlib
import pickle
import shlex
import sys
import types
from contextlib import nullcontext

import pytest
import torch
from click.testing import CliRunner

from mgdm_audio import cli
from mgdm_audio.convert import convert, main, read_checkpoint
from mgdm_audio.errors import PriorError
from mgdm_audio.networks.unet1d import UNet1d, UNet1dDenoiser
from mgdm_audio.pretrained import load_prior

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SOURCES = ("bass", "drums", "guitar", "piano")
HYPER = {
    "learning_rate": 1e-4,
    "channels": 16,
    "patch_factor": 4,
    "patch_blocks": 1,
    "multipliers": [1, 2],
    "factors": [2],
    "num_blocks": [1],
    "attentions": [True],
    "attention_heads": 2,
    "attention_features": 4,
    "attention_multiplier": 2,
    "resnet_groups": 4,
    "diffusion_sigma_data": 0.3,
    "diffusion_dynamic_threshold": 0.0,
}
OPTIONS = {
    "channels": 16,
    "patch": 4,
    "multipliers": [1, 2],
    "factors": [2],
    "blocks": [1],
    "attentions": [True],
    "heads": 2,
    "head_features": 4,
    "feed_forward": 2,
    "groups": 4,
}


def random_unet(channels, seed):
    torch.manual_seed(seed)
    return UNet1d(in_channels=channels, **OPTIONS).requires_grad_(False).eval()


def save(path, net, prefixes=("model.unet.", "model.diffusion.net."), hyper=HYPER):
    state = {prefix + k: v for prefix in prefixes for k, v in net.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": hyper, "epoch": 419}, path)
    return path


def written(folder):
    from safetensors.torch import load

    data = (folder / "weights.safetensors").read_bytes()
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["weights"]["sha256"] == hashlib.sha256(data).hexdigest()
    net = UNet1dDenoiser(len(config["prior"]["sources"]), **config["network"]).eval()
    net.load_state_dict(load(data))
    return net, config


def edm(net, x, sigma, data):
    """Preconditioning written from the formulas of Karras et al. 2022, table 1."""
    total = sigma**2 + data**2
    f = net(x / total**0.5, torch.tensor([sigma]).log() / 4)
    return (data**2 / total * x + sigma * data / total**0.5 * f).clamp(-1, 1)


@pytest.fixture
def x():
    return 0.2 * torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(3))


def test_joint_checkpoint(tmp_path, x):
    net = random_unet(4, 0)
    out = convert([save(tmp_path / "a.ckpt", net)], tmp_path / "msdm")
    converted, config = written(out)
    assert config["prior"]["sources"] == list(SOURCES)
    assert config["prior"]["segment"] * config["prior"]["samplerate"] == pytest.approx(2**18)
    assert config["network"]["sigma_data"] == 0.3
    torch.testing.assert_close(converted(x, 0.4), edm(net, x, 0.4, 0.3))
    assert "bass, drums, guitar, piano" in (out / "card.md").read_text()


def test_four_checkpoints_become_one_denoiser(tmp_path, x):
    nets = [random_unet(1, seed) for seed in range(4)]
    paths = [save(tmp_path / f"{s}.ckpt", n) for s, n in zip(SOURCES, nets, strict=True)]
    converted, config = written(convert(paths, tmp_path / "isdm"))
    assert config["network"]["independent"] is True
    expected = torch.cat([edm(n, x[:, i : i + 1], 0.4, 0.3) for i, n in enumerate(nets)], 1)
    torch.testing.assert_close(converted(x, 0.4), expected)


@pytest.mark.parametrize("prefixes", [("",), ("unet.",), ("model.diffusion.net.",)])
def test_plain_state_dictionaries(tmp_path, x, prefixes):
    net = random_unet(4, 0)
    state = {p + k: v for p in prefixes for k, v in net.state_dict().items()}
    torch.save(state, tmp_path / "plain.pt")
    converted, _ = written(convert([tmp_path / "plain.pt"], tmp_path / "out", network=OPTIONS))
    torch.testing.assert_close(converted(x, 0.4), edm(net, x, 0.4, 0.2))  # published sigma_data


def test_the_prior_loads(tmp_path, x, monkeypatch):
    from mgdm_audio import pretrained

    # A CPU with bfloat16 would answer in that; what is compared here is the network.
    monkeypatch.setattr(pretrained, "autocast", lambda device: nullcontext())
    net = random_unet(4, 0)
    prior = load_prior(convert([save(tmp_path / "a.ckpt", net)], tmp_path / "msdm"), "cpu")
    assert prior.sources == SOURCES
    assert not prior.conditional
    assert round(prior.segment * prior.samplerate) == 2**18
    torch.testing.assert_close(prior.denoise(x, 0.4), edm(net, x, 0.4, 0.3))


@pytest.fixture
def elsewhere():
    """A module whose classes are gone when the checkpoint is read."""

    class LogNormal:
        def __init__(self, mean):
            self.mean = mean

    class ListConfig:  # OmegaConf's containers and nodes, as far as pickles show them
        def __init__(self, items):
            self._content, self._metadata = [AnyNode(x) for x in items], collections.Counter("ab")

    class AnyNode:
        def __init__(self, value):
            self._val = value

    module = types.ModuleType("not_installed")
    for cls in (LogNormal, ListConfig, AnyNode):
        cls.__module__, cls.__qualname__ = "not_installed", cls.__name__
        setattr(module, cls.__name__, cls)
    sys.modules["not_installed"] = module
    yield module
    sys.modules.pop("not_installed", None)


def test_unknown_classes_are_inert(tmp_path, x, elsewhere):
    """As in the published files, whose hyper-parameters hold objects of other packages."""
    hyper = {
        **HYPER,
        "multipliers": elsewhere.ListConfig(HYPER["multipliers"]),
        "attentions": elsewhere.ListConfig(HYPER["attentions"]),
        "diffusion_sigma_distribution": elsewhere.LogNormal(-3.0),
    }
    net = random_unet(4, 0)
    path = save(tmp_path / "a.ckpt", net, hyper=hyper)
    del sys.modules["not_installed"]
    state, found = read_checkpoint(path)
    assert len(state) == 2 * len(net.state_dict())
    assert found == HYPER
    assert type(found["multipliers"]) is list
    converted, _ = written(convert([path], tmp_path / "out"))
    torch.testing.assert_close(converted(x, 0.4), edm(net, x, 0.4, 0.3))


def test_code_in_a_checkpoint_never_runs(tmp_path):
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = tmp_path / "attack.ckpt"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "hyper_parameters": {"x": Attack()}}, path)
    with open(tmp_path / "old.ckpt", "wb") as file:
        pickle.dump({"x": Attack()}, file)
    # the modern format names its classes beforehand; the call becomes that of a placeholder
    read_checkpoint(path)
    with pytest.raises(PriorError, match="cannot be read as PyTorch weights"):
        read_checkpoint(tmp_path / "old.ckpt")
    assert not marker.exists()


class Pickled(torch.nn.Module):
    """As MSDM's model holds its network: under two names, beside a buffer that is not saved."""

    def __init__(self, net):
        super().__init__()
        self.unet, self.diffusion = net, torch.nn.Module()
        self.diffusion.net = net
        self.register_buffer("scratch", torch.ones(1), persistent=False)


def test_a_pickled_module_gives_its_state_without_being_made(tmp_path, x, monkeypatch):
    net = random_unet(4, 0)
    torch.save(Pickled(net), tmp_path / "module.pt")
    expected = Pickled(net).state_dict()
    made = []
    monkeypatch.setattr(torch.nn.Module, "__setstate__", lambda *a: made.append(a), raising=False)
    state, hyper = read_checkpoint(tmp_path / "module.pt")
    assert not made
    assert hyper == {}
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    monkeypatch.undo()
    converted, _ = written(convert([tmp_path / "module.pt"], tmp_path / "out", network=OPTIONS))
    torch.testing.assert_close(converted(x, 0.4), edm(net, x, 0.4, 0.2))


@pytest.mark.parametrize("content", [3, [torch.zeros(1)], {}, torch.nn.ReLU()])
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(PriorError, match="neither a state dictionary nor a pickled module"):
        read_checkpoint(tmp_path / "other.pt")


def test_a_cut_download_is_refused(tmp_path):
    path = save(tmp_path / "a.ckpt", random_unet(4, 0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PriorError, match="check that the download is complete"):
        read_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(PriorError, match="cannot be read"):
        read_checkpoint(path)


def test_copies_that_differ_are_refused(tmp_path):
    net = random_unet(4, 0)
    state = {"model.unet." + k: v for k, v in net.state_dict().items()}
    state["model.diffusion.net.to_mapping.0.bias"] = torch.ones(64)
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    with pytest.raises(PriorError, match=r"two copies of .to_mapping\.0\.bias. differ"):
        convert([tmp_path / "a.ckpt"], tmp_path / "out", network=OPTIONS)


@pytest.mark.parametrize(
    ("kwargs", "hyper", "message"),
    [
        ({}, {**HYPER, "patch_blocks": 4}, "patch_blocks = 4; only 1"),
        ({}, {**HYPER, "multipliers": [1, 3]}, "does not fit the network"),
        ({"sources": ("bass", "drums")}, HYPER, "another number of sources"),
    ],
)
def test_other_networks_are_refused(tmp_path, kwargs, hyper, message):
    path = save(tmp_path / "a.ckpt", random_unet(4, 0), hyper=hyper)
    with pytest.raises(PriorError, match=message):
        convert([path], tmp_path / "out", **kwargs)
    assert not (tmp_path / "out").exists()


def test_command_line(tmp_path, capsys):
    path = save(tmp_path / "a.ckpt", random_unet(4, 0))
    out = tmp_path / "ms dm"
    done = CliRunner().invoke(main, [str(path), str(out)])
    assert done.exit_code == 0
    assert written(out)
    # What it says to do with the prior works, as far as to the track, which there is none of.
    advice = shlex.split(done.output.split("mgdm-separate ")[1])
    with pytest.raises(SystemExit):
        cli.main([*advice, "--device", "cpu"])
    assert capsys.readouterr().err == "error: TRACK: no such file.\n"
    own = CliRunner().invoke(main, [str(path), str(tmp_path / "own"), "--sigmas", "1e-4", "1"])
    assert own.output.endswith("--sampler msdm_dirac\n")
    assert load_prior(tmp_path / "own", "cpu").sigmas == (1e-4, 1.0)
    file = CliRunner().invoke(main, [str(path), str(path)])
    assert "is a file; choose another folder" in file.output
    again = CliRunner().invoke(main, [str(path), str(out)])
    assert again.exit_code == 1
    assert "holds a prior already" in again.output
    two = CliRunner().invoke(main, [str(path), str(path), str(tmp_path / "x")])
    assert "expected one checkpoint, or one for each of bass" in two.output
    spaced = CliRunner().invoke(
        main, [str(path), str(tmp_path / "z"), "--sources", "bass, drums, guitar, piano"]
    )
    assert spaced.exit_code == 0
    assert load_prior(tmp_path / "z", "cpu").sources == SOURCES
    lost = CliRunner().invoke(main, [str(tmp_path / "no.ckpt"), str(tmp_path / "x")])
    assert "no such file" in lost.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sources": ("bass", "", "guitar", "piano")}, "'' is no name for a stem"),
        ({"sources": ("bass", "a/b", "guitar", "piano")}, "'a/b' is no name for a stem"),
        ({"sources": ("bass", "residual", "guitar", "piano")}, "'residual' is no name"),
        ({"sources": ("bass", "drums", "drums ", "piano")}, "a name comes twice"),
        ({"samplerate": 0}, "the sample rate must be positive and finite, not 0"),
        ({"segment": -1.0}, "the segment must be positive and finite, not -1"),
    ],
)
def test_settings_that_make_no_prior(tmp_path, options, told):
    path = save(tmp_path / "a.ckpt", random_unet(4, 0))
    with pytest.raises(PriorError, match=told):
        convert([path], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    path = save(tmp_path / "a.ckpt", random_unet(4, 0))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PriorError, match=r"cannot be written .* choose another folder"):
        convert([path], tmp_path / "file" / "out")

    def full(_, part):
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mgdm_audio.convert.save_file", full)
    with pytest.raises(PriorError, match=r"cannot be written \(No space left on device\)"):
        convert([path], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_checkpoints_of_old_pytorch_say_what_to_do(tmp_path):
    torch.save(
        random_unet(4, 0).state_dict(), tmp_path / "o.pt", _use_new_zipfile_serialization=False
    )
    with pytest.raises(PriorError, match=r"o\.pt: cannot be read.* save it again"):
        read_checkpoint(tmp_path / "o.pt")
