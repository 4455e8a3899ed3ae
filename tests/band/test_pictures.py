"""Samples of a prior, learning curves, and what is carried to another machine."""

import csv

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.tensorboard import SummaryWriter

from recipes.band.carry import carry_pack, carry_set
from recipes.band.curve import figure, read_curves
from recipes.band.samples import compare, contrast, envelope, excerpts, generate, picture
from recipes.band.score import STEMS

RATE = 22050


@pytest.mark.parametrize("churn", [0.0, 0.5, 1.0])
def test_draws_from_a_gaussian_prior_have_its_power(churn):
    variance = torch.tensor([1e-2, 1e-3])[:, None]

    def denoise(x, sigma):
        return x * variance / (variance + sigma.view(-1, 1, 1) ** 2)

    x = generate(denoise, (2, 2, 20_000), (1e-3, 2.0), levels=200, churn=churn, rho=7.0)
    assert (x.square().mean((0, 2)) / variance[:, 0]).tolist() == pytest.approx([1, 1], abs=0.07)
    alone = generate(denoise, (1, 2, 20_000), (1e-3, 2.0), levels=200, churn=churn, rho=7.0)
    assert torch.equal(alone[0], x[0])


def test_envelope_ignores_level_and_contrast_tells_hits_from_hiss():
    time = torch.arange(2 * RATE) / RATE
    gate = (time * 4 % 1 < 0.5).float()
    notes = (gate * torch.sin(2 * torch.pi * 440 * time))[None, None]
    noise = torch.randn(1, 1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(envelope(notes, RATE), envelope(0.1 * notes, RATE), atol=0.1)
    assert envelope(notes, RATE).min() == -60
    assert envelope(noise, RATE).min() > -25
    assert contrast(gate * noise, RATE) > 2 * contrast(noise, RATE)


def test_comparison_and_picture():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(6, 2, RATE, generator=generator)
    text = compare(real[:2], real, ["a", "b"], RATE)
    distances = [float(cell) for cell in text.splitlines()[2].split("|")[2:5]]
    assert max(distances) < 1.0  # noise like noise
    assert len(picture(real[:2], real[2:4], ["a", "b"], RATE).axes) == 8
    assert excerpts([torch.zeros(2, 10), torch.ones(2, 30)], 20).shape == (1, 2, 20)


def test_curves_join_the_calls_of_a_run(tmp_path):
    for number, steps in enumerate([(50, 100), (100, 150)]):
        writer = SummaryWriter(tmp_path / "logs", filename_suffix=f".{number}")
        for step in steps:
            writer.add_scalar("train/loss", 1.0 - step / 1000 - number, step)
            writer.add_scalar("validation/songs_si_sdri", 3.0, step)
        writer.close()
    steps, values = read_curves(tmp_path)["train/loss"]
    assert steps.tolist() == [50, 100, 150]
    assert values == pytest.approx([0.95, -0.1, -0.15])
    assert len(figure(read_curves(tmp_path)).axes) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no TensorBoard logs"):
        read_curves(tmp_path / "empty")


def test_a_carried_pack_is_smaller_holds_what_training_hears_and_sounds_the_same(tmp_path):
    time = np.arange(RATE) / RATE
    audio = 0.3 * np.sin(2 * np.pi * 220 * time) * np.exp(-3 * time)
    audio += 0.003 * np.random.default_rng(0).standard_normal(RATE)
    rows = []
    for source in ("fashionbass", "swagbass"):  # the second is held out
        (tmp_path / "pack" / source).mkdir(parents=True)
        soundfile.write(tmp_path / "pack" / source / "a.flac", audio, RATE)
        rows.append({"stem": "bass", "source": source, "file": f"{source}/a.flac"})
    with open(tmp_path / "pack" / "samples.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert carry_pack(tmp_path / "pack", tmp_path / "out", 0.0) == 1
    small = (tmp_path / "out" / "fashionbass" / "a.ogg").stat().st_size
    assert carry_pack(tmp_path / "pack", tmp_path / "out", 0.5) == 1
    assert (tmp_path / "out" / "fashionbass" / "a.ogg").stat().st_size > small
    with open(tmp_path / "out" / "samples.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["file"] == "fashionbass/a.ogg"
    copy, rate = soundfile.read(tmp_path / "out" / row["file"])
    assert (rate, len(copy)) == (RATE, len(audio))
    assert 10 * np.log10(np.sum(audio**2) / np.sum((copy - audio) ** 2)) > 20


def test_a_carried_set_is_the_middle_of_the_first_tracks(tmp_path):
    for track in "ab":
        (tmp_path / "set" / track).mkdir(parents=True)
        for stem in STEMS:
            soundfile.write(tmp_path / "set" / track / f"{stem}.flac", np.arange(100) / 1000, 10)
    carry_set(tmp_path / "set", tmp_path / "out", 1, 4.0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    copy, _ = soundfile.read(tmp_path / "out" / "a" / "piano.flac")
    np.testing.assert_allclose(copy, np.arange(30, 70) / 1000, atol=1e-4)
