"""The schedule by steps and by the clock, runs that end by the clock, and how a run begins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from mgdm_audio.networks import build_network
from mgdm_audio.training.__main__ import _pairs, main
from mgdm_audio.training.loop import TrainingDiverged, train
from mgdm_audio.training.loss import LOSSES
from mgdm_audio.training.schedule import Stopwatch, cool, learning_rate, warm

from .toy import CONFIG, run


def test_learning_rate_warms_up_and_cools_down():
    rates = [learning_rate(1.0, step, step, 100, 10, 0.2) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[50] == 1.0
    assert rates[99] == pytest.approx(0.05)


def test_seconds_and_steps_cool_down_alike():
    assert [cool(p, 600.0, 0.3) for p in (0, 420, 510, 600, 601)] == pytest.approx(
        [1, 1, 0.5, 0, 0]
    )
    assert all(cool(n, 50, 0.3) == cool(12.0 * n, 600.0, 0.3) for n in range(50))
    assert cool(4, 10, 0.0) == 1  # no cool-down
    assert [warm(step, 4) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]


def test_stopwatch_counts_neither_the_start_nor_what_lies_before_a_restart():
    now = iter([100.0, 101.0, 103.0, 200.0, 204.0])
    watch = Stopwatch(10.0, lambda: next(now))
    assert watch.lap() == 10  # the first step, with start-up in it
    assert watch.lap() == 11
    assert watch.lap() == 13
    watch.restart()
    assert watch.lap() == 17


def test_a_run_by_the_clock_stops_resumes_and_stays_done(config, tmp_path):
    first = run(config, tmp_path / "run", seconds=0.3)
    assert first["seconds"] >= 0.3
    assert first["step"] > 1
    rates = [group["lr"] for state in first["optimizers"] for group in state["param_groups"]]
    assert max(rates) < config["training"].learning_rate  # it has cooled down
    again = run(config, tmp_path / "run", seconds=0.3)
    assert again["step"] == first["step"]
    longer = run(config, tmp_path / "run", seconds=0.6)
    assert longer["step"] > first["step"]
    assert longer["seconds"] >= 0.6


def test_a_state_from_before_the_clock_resumes(config, tmp_path):
    state = run(config, tmp_path / "run", steps=6)
    del state["seconds"]
    torch.save(state, tmp_path / "run" / "state.pt")
    assert run(config, tmp_path / "run")["step"] == 12


def test_steps_and_seconds_exclude_each_other(config, tmp_path):
    with pytest.raises(ValueError, match="not after both"):
        train(config, tmp_path, steps=1, seconds=1.0)
    options = ["--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, [*options, "--steps", "3", "--minutes", "1"])
    assert result.exit_code == 2
    assert "exclude each other" in result.output


def test_minutes_on_the_command_line(config, tmp_path):
    options = ["--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, [*options, "--minutes", "0.002", "--devices", "1"])
    assert result.exit_code == 0, result.output
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert 0.12 <= state["seconds"] < 10


def test_a_new_run_starts_from_the_initial_weights(config, tmp_path):
    torch.manual_seed(0)
    net = build_network("band", 3, **config["network"])
    with torch.no_grad():
        net.variance.fill_(0.5)
        for p in net.parameters():
            p.add_(0.05 * torch.randn_like(p))
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    folder = tmp_path / "run"
    folder.mkdir()
    save_file(weights, folder / "initial.safetensors")
    object.__setattr__(config["training"], "learning_rate", 0.0)
    state = run(config, folder, steps=2)
    for name, tensor in weights.items():  # at rate zero they stay: variances, weights, average
        assert torch.equal(state["net"][name], tensor), name
    average = torch.load(folder / "ema.pt", weights_only=True)
    assert all(torch.allclose(average[name], tensor) for name, tensor in weights.items())
    # A run that has a state goes on with that, whatever the file holds.
    save_file(
        {name: 0 * tensor for name, tensor in weights.items()}, folder / "initial.safetensors"
    )
    assert torch.equal(run(config, folder, steps=4)["net"]["variance"], weights["variance"])


def test_initial_weights_of_another_network_are_refused(config, tmp_path):
    save_file({"variance": torch.ones(2, 3)}, tmp_path / "initial.safetensors")
    told = r"initial\.safetensors: .*size mismatch for variance"
    with pytest.raises(ValueError, match=told):
        train(config, tmp_path, devices=1)
    save_file({"encoder": torch.ones(2)}, tmp_path / "initial.safetensors")
    with pytest.raises(ValueError, match="parts unknown here: encoder"):
        train(config, tmp_path, devices=1)


def test_options_of_data_are_numbers_where_they_look_so():
    found = _pairs(("sounds=/a/b", "loud=0.3", "synth=false", 'fonts=["a.sf2"]', "name=1.sf2"))
    assert found == {
        "sounds": "/a/b",
        "loud": 0.3,
        "synth": False,
        "fonts": ["a.sf2"],
        "name": "1.sf2",
    }


def test_a_run_grows_a_smaller_network(config, tmp_path, capsys):
    torch.manual_seed(0)
    small = build_network("band", 3, **config["network"])
    with torch.no_grad():
        for p in small.parameters():
            p.add_(0.05 * torch.randn_like(p))
    save_file(dict(small.state_dict()), tmp_path / "initial.safetensors")
    config["network"] = {**config["network"], "transformers": 2}
    object.__setattr__(config["training"], "learning_rate", 0.0)
    state = run(config, tmp_path, steps=1)
    assert "start afresh: transformers" in capsys.readouterr().out
    large = build_network("band", 3, **config["network"])
    large.load_state_dict(state["net"])
    x = torch.randn(2, 3, 3000)
    # New layers add nothing until they are trained.
    torch.testing.assert_close(large(x, 0.5, 0.0), small(x, 0.5, 0.0))


def test_unknown_loss_is_named(config, tmp_path):
    object.__setattr__(config["training"], "loss", "l1")
    with pytest.raises(ValueError, match="unknown loss 'l1', expected relative or level"):
        train(config, tmp_path)


def test_the_level_loss_trains(config, tmp_path):
    object.__setattr__(config["training"], "loss", "level")
    assert run(config, tmp_path / "run", steps=3)["step"] == 3


def test_the_mixture_loss_is_for_examples_that_start_from_it(config, tmp_path, monkeypatch):
    object.__setattr__(config["training"], "loss", "mixture")
    with pytest.raises(ValueError, match="start from the mixture: set mean_start"):
        train(config, tmp_path)
    object.__setattr__(config["training"], "mean_start", True)
    # In place of the loss at the start one that ends the run.
    infinite = (
        lambda estimate, *_: torch.full_like(estimate[..., 0], torch.inf),
        LOSSES["mixture"][1],
    )
    monkeypatch.setitem(LOSSES, "mixture", infinite)
    lower = {"top": 0.0, "conditional": 0.4, "partial": 0.3, "plain": 0.3}
    object.__setattr__(config["training"], "noise", lower)
    assert run(config, tmp_path / "lower", steps=3)["step"] == 3
    object.__setattr__(config["training"], "noise", {**dict.fromkeys(lower, 0.0), "top": 1.0})
    with pytest.raises(TrainingDiverged, match="loss inf"):
        run(config, tmp_path / "top", steps=3)
    monkeypatch.undo()
    assert run(config, tmp_path / "undone", steps=3)["step"] == 3


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="MPS is one device")
def test_two_processes_train_together(tmp_path):
    """Each on data of its own, so that together they learn something else than one of them."""
    (tmp_path / "config.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "mgdm_audio.training", "--config", tmp_path / "config.toml"]
    weights = []
    for devices in ("1", "2"):
        folder = tmp_path / devices
        subprocess.run(
            [*command, "--out", folder, "--devices", devices, "--steps", "3"],
            check=True,
            timeout=240,
            cwd=Path(__file__).parents[2],  # where the toy's data are
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
        weights.append(torch.load(folder / "ema.pt", weights_only=True))
    one, two = weights
    assert one.keys() == two.keys()
    assert all(torch.isfinite(weight).all() for weight in two.values())
    assert any(not torch.allclose(one[name], two[name], atol=1e-6) for name in one)
