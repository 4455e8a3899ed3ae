"""Priors by name and path: what loads, and what must not."""

import shutil
from functools import partial

import pytest
import torch

from mgdm_audio import DeviceError, PriorError, Separator, list_priors, load_prior, pretrained
from mgdm_audio.digest import sha256

from .conftest import music


@pytest.fixture
def copy(prior_folder, tmp_path):
    """A copy of the tiny prior to damage."""
    return shutil.copytree(prior_folder, tmp_path / "tiny")


def test_what_a_prior_knows(prior):
    assert prior.sources == ("bass", "drums", "guitar", "piano")
    assert (prior.samplerate, prior.segment, prior.sigmas) == (22050, 0.5, (5e-4, 2.0))
    assert (prior.name, prior.card, prior.conditional) == ("tiny", "# tiny\n", True)
    assert prior.stride == prior.denoise.network.stride
    x = torch.randn(2, 4, 2048)
    torch.testing.assert_close(prior.denoise(x, 1.0), prior.denoise(x, 1.0, 1.0))
    assert not any(p.requires_grad for p in prior.denoise.network.parameters())


def test_the_level_is_the_rms_of_a_mixture_with_its_variances(prior):
    """Stationary Gaussian stems with the network's variances, drawn in its own frame."""
    network = prior.denoise.network
    generator = torch.Generator().manual_seed(0)
    shape = (4, network.stft.bins, 400)
    white = torch.randn(*shape, 2, generator=generator) / 2**0.5
    stems = network.stft.inverse(
        torch.view_as_complex(white) * network.variance[..., None].sqrt(), 400 * 256 - 256
    )
    # Synthesis of independent coefficients keeps their power where windows overlap: a tight frame
    # of redundancy two halves it.
    assert prior.level**2 == pytest.approx(2 * float(stems.sum(0).square().mean()), rel=0.05)


def test_precision_is_the_device_s_or_float32(prior_folder, monkeypatch):
    """On a processor that claims to multiply bfloat16."""
    x = torch.randn(2, 4, 2048)
    monkeypatch.setattr("mgdm_audio.devices._cpu_has_bfloat16", lambda: False)
    exact = load_prior(prior_folder, "cpu").denoise(x, 1.0)
    monkeypatch.setattr("mgdm_audio.devices._cpu_has_bfloat16", lambda: True)
    assert torch.equal(load_prior(prior_folder, "cpu", precision="float32").denoise(x, 1.0), exact)
    assert not torch.equal(load_prior(prior_folder, "cpu").denoise(x, 1.0), exact)
    with pytest.raises(ValueError, match=r"unknown precision 'half', expected auto or float32"):
        load_prior(prior_folder, "cpu", precision="half")


def test_names_and_paths(prior_folder, monkeypatch):
    monkeypatch.setattr(pretrained, "ROOTS", (prior_folder.parent,))
    assert list_priors() == {"tiny": prior_folder}
    assert load_prior("tiny", "cpu").name == "tiny"
    with pytest.raises(PriorError, match=r"unknown prior 'none'; shipped priors: tiny"):
        load_prior("none", "cpu")


def test_a_folder_that_is_no_prior(tmp_path):
    with pytest.raises(PriorError, match=r"no config\.toml"):
        load_prior(tmp_path, "cpu")


def flip_a_bit(folder):
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replace_by_a_pickle(folder):
    path = folder / "weights.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    set_sha256(folder, sha256(path.read_bytes()))


def shorten(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    set_sha256(folder, sha256(path.read_bytes()))


def set_sha256(folder, value):
    config = folder / "config.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("sha256")]
    config.write_text("\n".join([*lines, f'sha256 = "{value}"' if value else ""]))


def edit(folder, old, new):
    config = folder / "config.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def another_top(folder):
    edit(folder, '"band"', '"band-cascade"')
    edit(folder, "[network]", "[network]\ntop = 3.0")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_bit, "SHA-256 is not the one"),
        (replace_by_a_pickle, "does not fit"),
        (shorten, "does not fit"),
        (lambda folder: set_sha256(folder, None), "has no .weights. sha256"),
        (another_top, "config.toml: the network's top is 3, the prior's sigma_max 2"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "cannot be read"),
        (lambda folder: edit(folder, "[prior]", "[prior"), "not valid TOML"),
        (lambda folder: edit(folder, "samplerate", "rate"), "'samplerate' of .prior. is missing"),
        (lambda folder: edit(folder, '"band"', '"bend"'), "unknown network 'bend'"),
        (lambda folder: edit(folder, "blocks =", "blocs ="), "blocs"),
        (lambda folder: edit(folder, "[8, 16]", "[8, 24]"), "does not fit.* size mismatch for "),
    ],
)
def test_damage_has_one_clear_sentence(copy, damage, message):
    damage(copy)
    with pytest.raises(PriorError, match=message) as caught:
        load_prior(copy, "cpu")
    assert "\n" not in str(caught.value)


def test_a_compiled_prior_separates_as_the_plain_one_does(prior_folder, monkeypatch):
    """Traced as for a compiler, but run without one: that takes half a minute, and g++."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    mixture = music(1.2, 22050)  # batches of two windows and of one
    plain, compiled = (
        Separator(prior_folder, quality="fast", device="cpu", compiled=compiled)
        for compiled in (False, True)
    )
    before = plain.separate(mixture, 22050).stems
    after = compiled.separate(mixture, 22050).stems
    assert hasattr(compiled.prior.denoise.network._unet, "get_compiler_config")
    for name, stem in before.items():
        torch.testing.assert_close(after[name], stem, atol=1e-5, rtol=0)


def test_compiling_where_it_does_not_work_has_one_clear_sentence(prior_folder, monkeypatch):
    def fail(function):
        raise RuntimeError("no compiler found\nand much more")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(DeviceError, match=r"cpu \(no compiler found\); .* leave --compile out\.$"):
        load_prior(prior_folder, "cpu", compiled=True)


def test_a_loaded_prior_is_not_compiled_behind_its_owner(prior):
    with pytest.raises(ValueError, match="compiled=True"):
        Separator(prior, compiled=True)
