import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from recipes.band import guitars
from recipes.band.guitars import COLUMNS, PARTS, describe

from .conftest import RATE

TIME = np.arange(4 * RATE) / RATE


def described(guitar, rest=None):
    return dict(zip(COLUMNS, describe(guitar, guitar if rest is None else rest, RATE), strict=True))


def test_noise_is_as_flat_as_theory_has_it():
    """Power of noise is exponentially distributed: geometric over arithmetic mean exp(-0.5772)."""
    values = described(np.random.default_rng(0).standard_normal(4 * RATE))
    assert values["flatness"] == pytest.approx(10 * np.log10(np.exp(-0.5772)), abs=0.1)
    assert values["1000-2000"] == pytest.approx(10 * np.log10(1000 / (RATE / 2)), abs=0.2)
    assert values["change"] < 0.5
    assert values["sounds"] == 1


def test_a_tone_lies_in_its_band_and_sounds_while_it_sounds():
    tone = np.sin(2 * np.pi * 330 * TIME)
    tone[2 * RATE :] = 0
    values = described(tone, 0.1 * tone)
    assert values["250-500"] == pytest.approx(0, abs=0.01)
    assert values["1000-2000"] < -30
    assert values["level"] == pytest.approx(20)
    assert values["sounds"] == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ValueError, match="must sound"):
        describe(np.zeros(RATE), tone, RATE)


def test_a_stroke_over_a_hum_is_an_accent():
    hum = np.sin(2 * np.pi * 1000 * TIME)
    stroke = hum * np.where(np.abs(TIME - 2) < 0.2, 10, 1)
    assert described(hum)["accent"] == pytest.approx(0, abs=0.1)
    assert described(stroke)["accent"] == pytest.approx(20, abs=0.1)
    swell = np.sin(2 * np.pi * 100 * TIME) * 10 ** np.clip(TIME - 1, 0, 1)
    low = 0.1 * hum + swell
    assert described(low)["accent"] == pytest.approx(0, abs=0.1)  # not in the middle


def test_the_command_compares_recordings_with_training(tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.band.sounds.bank.TRAIN_FONTS", ())
    rng = np.random.default_rng(0)
    (tmp_path / "song").mkdir()
    for name in ("guitar", "song"):
        audio = 0.1 * rng.standard_normal((50 * 8000, 2))
        soundfile.write(tmp_path / "song" / f"{name}.ogg", audio, 8000)
    options = [str(tmp_path), "--count", "2", "--seconds", "4"]
    result = CliRunner().invoke(guitars.main, options)
    assert result.exit_code == 0, result.output
    medians = {}
    for part, text in zip(PARTS, result.output.split("\n\n"), strict=True):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
        assert rows[0] == [part, "quantile", *COLUMNS]
        names = [row[0] for row in rows[2:]]
        assert names == [
            n for n in ("recordings (1)", "training (2)", "training, loud (2)") for _ in "123"
        ]
        for name in ("flatness", "level"):
            column = rows[0].index(name)  # the second of three quantiles:
            medians[part, name] = {row[0]: float(row[column]) for row in rows[3::3]}
    flat = medians["guitars", "flatness"]
    assert flat["training (2)"] + 2 < flat["training, loud (2)"] < flat["recordings (1)"]
    level, against = medians["guitars", "level"], medians["all else", "level"]
    assert all(abs(level[name] + against[name]) < 0.15 for name in level)  # rounded
    soundfile.write(tmp_path / "song" / "guitar.ogg", np.zeros((50 * 8000, 2)), 8000)
    result = CliRunner().invoke(guitars.main, options)
    assert result.exit_code == 1
    assert "song is left out: the guitar must sound" in result.output
    with pytest.raises(ValueError, match="all else must sound"):
        guitars.both(np.ones(RATE), np.zeros(RATE), RATE)
    (tmp_path / "song" / "guitar.ogg").unlink()
    result = CliRunner().invoke(guitars.main, options)
    assert result.exit_code == 1
    assert "no guitar.ogg" in result.output
