"""Exported weights load as a prior and denoise as the run's average does."""

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from mgdm_audio.networks import build_network
from mgdm_audio.pretrained import load_prior
from mgdm_audio.training.export import export, main

CONFIG = """[prior]
name = "toy"
samplerate = 8000
segment = 1.0
sources = ["a", "b"]
sigma_min = 1e-3
sigma_max = 1.0
network = "band"

[network]
window = 128
bands = [[8, 8]]
channels = [8, 8]
heads = 2
blocks = 1

[weights]
sha256 = "of an earlier export"

[training]
data = "a:b"
"""


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    options = {"window": 128, "bands": [[8, 8]], "channels": [8, 8], "heads": 2, "blocks": 1}
    net = build_network("band", 2, **options)
    with torch.no_grad():
        net.variance.copy_(10 ** (-9 * torch.rand_like(net.variance)))
        for p in net.parameters():
            p.add_(0.05 * torch.randn_like(p))
    torch.save(net.state_dict(), tmp_path / "ema.pt")
    return net


def test_exported_weights_are_the_average(tmp_path, run):
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    for _ in range(2):  # a second export replaces the checksum of the first
        export(tmp_path / "ema.pt", folder)
    assert (folder / "config.toml").read_text().count("sha256") == 1
    assert "[training]" in (folder / "config.toml").read_text()
    prior = load_prior(folder, "cpu")
    x = 0.1 * torch.randn(1, 2, 5000)
    with torch.no_grad():
        expected, result = run(x, 0.5, 0.0), prior.denoise(x, 0.5, 0.0)
    assert (result - expected).norm() < 5e-3 * expected.norm()
    assert torch.equal(prior.denoise.network.variance, run.variance)


def test_a_share_of_a_run_blends_it_into_the_weights_there(tmp_path, run):
    (tmp_path / "config.toml").write_text(CONFIG)
    before = {name: w.clone() for name, w in run.state_dict().items()}
    export(tmp_path / "ema.pt", tmp_path)
    after = {n: w if n == "variance" else w + torch.randn_like(w) for n, w in before.items()}
    torch.save(after, tmp_path / "later.pt")
    export(tmp_path / "later.pt", tmp_path, share=0.25)
    blended = load_prior(tmp_path, "cpu").denoise.network.state_dict()
    for name, w in blended.items():
        expected = 0.75 * before[name] + 0.25 * after[name]
        torch.testing.assert_close(w, expected, atol=2e-3, rtol=2e-3)


def test_parts_that_the_weights_there_lack_are_taken_whole(tmp_path, run):
    (tmp_path / "config.toml").write_text(CONFIG)
    before = {name: w.clone() for name, w in run.state_dict().items()}
    export(tmp_path / "ema.pt", tmp_path)  # of the smaller network
    new = {"transformers.0.time.out.bias": torch.full((8,), 0.5)}
    after = {n: w if n == "variance" else w + 1 for n, w in before.items()}
    torch.save(after | new, tmp_path / "later.pt")
    export(tmp_path / "later.pt", tmp_path, share=0.5)
    blended = load_file(tmp_path / "weights.safetensors")
    assert blended.keys() == before.keys() | new.keys()
    assert torch.equal(blended["transformers.0.time.out.bias"].float(), torch.full((8,), 0.5))
    weight = "attention.out.weight"
    torch.testing.assert_close(blended[weight].float(), before[weight] + 0.5, atol=2e-3, rtol=2e-3)


def test_a_share_of_a_cascade_is_blended_with_the_weights_of_the_one_network_there(tmp_path, run):
    (tmp_path / "config.toml").write_text(CONFIG)
    export(tmp_path / "ema.pt", tmp_path)
    one = {name: w.clone() for name, w in run.state_dict().items()}
    both = {f"first.{name}": w for name, w in one.items()}
    both |= {f"second.{n}": w if n == "variance" else w + 1 for n, w in one.items()}
    torch.save(both, tmp_path / "later.pt")
    export(tmp_path / "later.pt", tmp_path, share=0.5)
    text = (tmp_path / "config.toml").read_text().replace('"band"', '"band-cascade"')
    text = text.replace("sigma_max = 1.0", "sigma_max = 2.0")
    (tmp_path / "config.toml").write_text(text)
    net = load_prior(tmp_path, "cpu").denoise.network
    for name, w in one.items():
        if name == "variance":
            assert torch.equal(net.first.variance, w)
            assert torch.equal(net.second.variance, w)
            continue
        expected = {"first": w, "second": w + 0.5}
        for part, other in expected.items():
            found = net.get_submodule(part).state_dict()[name]
            torch.testing.assert_close(found, other, atol=2e-3, rtol=2e-3)


def test_a_share_of_another_network_is_refused(tmp_path, run):
    (tmp_path / "config.toml").write_text(CONFIG)
    export(tmp_path / "ema.pt", tmp_path)
    torch.save({"net.weight": torch.zeros(1)}, tmp_path / "later.pt")
    with pytest.raises(ValueError, match="of another network than"):
        export(tmp_path / "later.pt", tmp_path, share=0.5)


def test_a_share_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="share"):
        export(tmp_path / "ema.pt", tmp_path, share=0.0)


def test_what_cannot_be_exported_is_said_and_changes_nothing(tmp_path, run):
    folder = tmp_path / "prior"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    torch.save({"step": 3, "net": run.state_dict()}, tmp_path / "state.pt")
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    for name, message in (
        ("state.pt", "they are in the run's ema.pt"),
        ("broken.pt", "holds no averaged weights"),
        ("none", "does not exist"),
    ):
        result = CliRunner().invoke(main, [str(tmp_path / name), str(folder)])
        assert result.exit_code
        assert message in result.output
    save_file({name: torch.ones(1) for name in run.state_dict()}, folder / "weights.safetensors")
    result = CliRunner().invoke(main, [str(tmp_path / "ema.pt"), str(folder), "--share", "0.5"])
    assert result.exit_code == 1
    assert "its weights are of another network" in result.output
    assert (folder / "config.toml").read_text() == CONFIG


def test_a_checksum_at_the_end_of_a_configuration_is_replaced(tmp_path, run):
    first, _, last = CONFIG.partition("[weights]")
    table = "[weights]\n" + last.strip().splitlines()[0]
    (tmp_path / "config.toml").write_text(first + "[training]\ndata = 'a:b'\n\n" + table)
    export(tmp_path / "ema.pt", tmp_path)
    assert (tmp_path / "config.toml").read_text().count("sha256") == 1
    load_prior(tmp_path)
