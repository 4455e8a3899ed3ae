"""The ablation command on a toy prior: overrides, equal time, a table that goes on."""

import json

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from mgdm_audio.networks import build_network
from recipes.band import ablation
from recipes.band.ablation import HERE, fits, main, merge, read_base, read_variants

RATE = 8000
CONFIG = """
[prior]
name = "toy"
samplerate = 8000
segment = 0.25
sources = ["bass", "drums", "guitar", "piano"]
sigma_min = 1e-3
sigma_max = 2.0
network = "band"
[network]
window = 128
bands = [[16, 4]]
channels = [8, 8]
blocks = 1
heads = 2
embedding = 16
[training]
data = "mgdm_audio.training.data:TrackDataset"
data_options = {{ folder = "{folder}" }}
crop = 0.25
batch_size = 2
workers = 0
variance_crops = 4
[training.validation]
own = "{folder}"
songs = "{folder}"
[weights]
sha256 = "of other weights"
"""
VARIANTS = """
[[variant]]
name = "baseline"
what = "as it is"
[[variant]]
name = "wide"
what = "more channels"
network = { channels = [12, 12] }
[[variant]]
name = "adamw"
what = "another optimiser"
training = { optimizer = "adamw", noise = { top = 0.5 } }
"""


@pytest.fixture
def options(tmp_path):
    rng = np.random.default_rng(0)
    for track in ("one", "two"):
        (tmp_path / "set" / track).mkdir(parents=True)
        for name in ("bass", "drums", "guitar", "piano"):
            audio = 0.1 * rng.standard_normal(2 * RATE)
            soundfile.write(tmp_path / "set" / track / f"{name}.flac", audio, RATE)
    (tmp_path / "config.toml").write_text(CONFIG.format(folder=tmp_path / "set"))
    (tmp_path / "variants.toml").write_text(VARIANTS)
    values = {
        "--config": tmp_path / "config.toml",
        "--variants": tmp_path / "variants.toml",
        "--runs": tmp_path / "runs",
        "--out": tmp_path / "docs" / "ablations.md",
        "--seconds-per-variant": 0.2,
    }
    return [str(part) for pair in values.items() for part in pair]


def invoke(*options):
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    return result.output


def test_results_are_kept_and_the_table_grows(options, tmp_path, monkeypatch):
    page = tmp_path / "docs" / "ablations.md"
    output = invoke(*options, "--only", "wide")
    assert "1 of 3 variants" in output
    first = json.loads(page.with_suffix(".json").read_text())
    assert "| wide |" in page.read_text()
    assert "baseline |" not in page.read_text()
    invoke(*options)
    results = json.loads(page.with_suffix(".json").read_text())
    assert len(results) == 3
    assert first.items() <= results.items()  # what was measured is not measured again
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| baseline", "| wide", "| adamw"]
    assert all(row["steps"] > 0 and "songs_si_sdri" in row["figures"] for row in results.values())
    monkeypatch.setattr(ablation, "run_variant", None)  # nothing is left to do
    assert "3 of 3 variants" in invoke(*options)


def test_a_set_that_is_missing_is_said_before_training(options, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace('songs = "', 'songs = "no'))
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 1
    assert "the validation set 'songs' cannot be used" in result.output
    assert not (tmp_path / "runs").exists()


def test_a_changed_condition_is_another_result(options, tmp_path):
    invoke(*options, "--only", "baseline")
    output = invoke(*options, "--only", "baseline", "--count", "1")
    assert "baseline: as it is" in output
    rows = json.loads((tmp_path / "docs" / "ablations.json").read_text()).values()
    assert [row["count"] for row in rows] == [None, 1]
    assert len({row["steps"] for row in rows}) == 1  # scored again, not trained again


def test_weights_are_taken_where_they_fit(options, tmp_path):
    net = build_network(
        "band", 4, window=128, bands=[[16, 4]], channels=[8, 8], blocks=1, heads=2, embedding=16
    )
    torch.save(net.state_dict(), tmp_path / "ema.pt")
    invoke(*options, "--start", str(tmp_path / "ema.pt"), "--only", "baseline", "--only", "wide")
    page = (tmp_path / "docs" / "ablations.md").read_text()
    assert "| wide (from scratch) |" in page
    assert "| baseline |" in page
    assert len(list((tmp_path / "runs").glob("*/initial.safetensors"))) == 1


def test_what_all_variants_share_lies_below_their_own_changes(options, tmp_path):
    path = tmp_path / "variants.toml"
    shared = '[all.training]\noptimizer = "adamw"\nbatch_size = 1\n'
    path.write_text(shared + VARIANTS.replace('"adamw", noise', '"muon", noise'))
    invoke(*options, "--only", "baseline", "--only", "adamw")
    used = {
        run.name.split("-")[0]: torch.load(run / "state.pt", weights_only=True)["optimizers"]
        for run in (tmp_path / "runs").iterdir()
    }
    assert len(used["baseline"]) == 1  # AdamW alone
    assert len(used["adamw"]) == 2  # Muon beside it, by the variant's own table


def test_unknown_names_are_refused(options, tmp_path):
    result = CliRunner().invoke(main, [*options, "--only", "nothing"])
    assert result.exit_code == 2
    assert "no variant nothing" in result.output
    path = tmp_path / "other.toml"
    path.write_text('[[variant]]\nname = "a"\nwhat = "b"\nnetwrok = {}\n')
    with pytest.raises(ValueError, match="netwrok"):
        read_variants(path)
    path.write_text("[all.netwrok]\nwindow = 1\n")
    with pytest.raises(ValueError, match="netwrok"):
        read_base(path)
    path.write_text('[[variant]]\nname = "a"\nwhat = "b"\n' * 2)
    with pytest.raises(ValueError, match="twice"):
        read_variants(path)


def test_merge_goes_into_tables():
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert merge(base, {"a": {"c": {"f": 4}}, "e": 5}) == {
        "a": {"b": 1, "c": {"d": 2, "f": 4}},
        "e": 5,
    }
    assert base["a"]["c"] == {"d": 2}


def test_every_variant_we_ship_builds():
    from mgdm_audio.training.config import parse_config
    from mgdm_audio.training.loss import LOSSES
    from mgdm_audio.training.noise import NoiseLevels
    from mgdm_audio.training.optimizer import make_optimizers
    from recipes.band.dataset import BandDataset

    base = ablation.tomllib.loads((HERE.parents[1] / "priors" / "band" / "single.toml").read_text())
    nets = {}
    base = merge(base, read_base(HERE / "ablation.toml"))
    for variant in read_variants(HERE / "ablation.toml"):
        tables = merge(base, variant.tables)
        training = parse_config(tables, variant.name)["training"]
        nets[variant.name] = build_network("band", 4, **tables["network"])
        make_optimizers(nets[variant.name], 1.0, 0.0, training.optimizer)
        NoiseLevels(1e-3, 2.0, **training.noise)
        BandDataset(seconds=training.crop, fonts=[], **training.data_options)
        assert training.loss in LOSSES
    start = nets["baseline"].state_dict()
    fitting = {name for name, net in nets.items() if fits(net, start)}
    assert {"noise-shown", "adamw", "long-crops"} <= fitting
    assert not {"no-mixing", "window-1024", "shallow", "small", "large"} & fitting
