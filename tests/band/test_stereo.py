"""Mono sets in stereo: where stems stand, and what is scored."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from recipes.band.score import STEMS
from recipes.band.stereo import main, panned, score

from .conftest import RATE


def test_guitar_and_piano_stand_apart_and_the_rest_in_the_middle():
    stems = torch.randn(4, RATE, generator=torch.Generator().manual_seed(0))
    for seed in range(8):
        power = panned(stems, STEMS, RATE, seed).square().mean(-1)
        balance = dict(
            zip(STEMS, ((power[:, 1] - power[:, 0]) / power.sum(1)).tolist(), strict=True)
        )
        assert max(abs(balance["bass"]), abs(balance["drums"])) < 0.1
        assert abs(balance["guitar"]) > 0.2
        assert balance["guitar"] * balance["piano"] < 0
        # As loud as before but for the room.
        np.testing.assert_allclose(power.sum(1), stems.square().mean(-1), rtol=0.25)
    torch.testing.assert_close(panned(stems, STEMS, RATE, 3), panned(stems, STEMS, RATE, 3))


class Known:
    """Finds stems as they are, but for a tenth of all others."""

    sources = STEMS

    def __init__(self, stems):
        self.stems, self.prior = stems, SimpleNamespace(samplerate=RATE)

    def separate_tensor(self, mixture, samplerate):
        torch.testing.assert_close(mixture, self.stems.sum(0))
        found = self.stems + 0.1 * (self.stems.sum(0) - self.stems)
        return dict(zip(STEMS, found, strict=True))


def test_the_score_is_of_both_channels():
    stems = torch.randn(4, 2, 6 * RATE, generator=torch.Generator().manual_seed(0))
    assert score(Known(stems), stems).tolist() == pytest.approx([20.0] * 4, abs=0.3)
    # 20 dB less on the right, and three times as much of the others: it counts by what is in it.
    quiet = stems * torch.tensor([1.0, 0.1])[:, None]
    found = quiet + torch.tensor([0.1, 0.3])[:, None] * (quiet.sum(0) - quiet)
    known = Known(quiet)
    known.separate_tensor = lambda *_: dict(zip(STEMS, found, strict=True))
    expected = 10 * np.log10((1 + 0.1**2) / (0.1**2 + (0.3 * 0.1) ** 2))
    assert score(known, quiet).tolist() == pytest.approx([expected] * 4, abs=0.3)


def test_the_command_compares_both_ways_of_hearing(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "song").mkdir()
    for name in (*STEMS, "mix"):
        soundfile.write(tmp_path / "song" / f"{name}.flac", 0.1 * rng.standard_normal(RATE), RATE)
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert rows[0] == ["set", "heard", *STEMS, "mean"]
    assert [row[1] for row in rows[2:]] == ["left, right", "mid, side too", "default"]
    for row in rows[2:]:
        values = [float(value) for value in row[2:]]
        assert np.mean(values[:4]) == pytest.approx(values[4], abs=0.02)
    assert rows[2][2:] != rows[3][2:]
    (note,) = [line for line in result.output.splitlines() if line.startswith("imbalances")]
    folder, value = note.removeprefix("imbalances, ").split(": ")
    assert folder == tmp_path.name
    assert 0 < float(value) < 1
    (tmp_path / "none").mkdir()
    result = CliRunner().invoke(main, [str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "no TRACK/" in result.output
