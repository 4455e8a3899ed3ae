"""Real recordings with one stem known: what is read, and what is scored."""

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from recipes.band.recordings import find_pairs, main, read_pair, score

RATE = 8000


@pytest.fixture
def songs(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for part in ("guitar", "song"):
            noise = 0.1 * rng.standard_normal((10 * RATE, 2))
            soundfile.write(tmp_path / name / f"{part}.ogg", noise, RATE)
    (tmp_path / "three").mkdir()
    soundfile.write(tmp_path / "three" / "guitar.ogg", noise, RATE)
    return tmp_path


def test_pairs_are_read_from_where_asked(songs):
    assert [pair.name for pair in find_pairs(songs)] == ["one", "two"]
    parts, rate = read_pair(songs / "one", 4.0, 5.0)
    assert (rate, list(parts.shape)) == (RATE, [2, 2, 5 * RATE])
    whole, _ = read_pair(songs / "one", 0.0, 10.0)
    torch.testing.assert_close(parts, whole[..., 4 * RATE : 9 * RATE], atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="too short"):
        read_pair(songs / "one", 11.0, 5.0)


class Known:
    """Gives the guitar a share of what it is."""

    def __init__(self, parts, leak):
        guitar = parts[0] + leak * parts[1]
        self.stems = {"guitar": guitar, "drums": parts.sum(0) - guitar}

    def separate(self, mixture, samplerate):
        torch.testing.assert_close(mixture, sum(self.stems.values()))
        self.settings = {"imbalance": 0.25}
        return self


def test_the_score_is_how_much_less_of_the_rest_is_left(songs):
    parts, rate = read_pair(songs / "one", 0.0, 10.0)
    found = score(Known(parts, 0.1), parts, rate)
    assert found.mono == pytest.approx(20.0, abs=0.3)  # a tenth of the amplitude
    assert found.stereo == pytest.approx(20.0, abs=0.3)
    assert found.imbalance == 0.25
    assert score(Known(parts, 1.0), parts, rate).mono == pytest.approx(0.0, abs=0.01)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    swapped = Known(parts, 0.1)  # what is wrong with the channels is heard in stereo alone
    swapped.stems["guitar"] = swapped.stems["guitar"].flip(0)
    swapped.stems["drums"] = parts.sum(0) - swapped.stems["guitar"]
    found = score(swapped, parts, rate)
    assert found.mono == pytest.approx(20.0, abs=0.3)
    assert found.stereo < -3


def test_the_command_prints_a_table_and_names_what_is_missing(songs):
    result = CliRunner().invoke(
        main, [str(songs), "--start", "0", "--seconds", "5", "--quality", "fast"]
    )
    assert result.exit_code == 0, result.output
    header, _, *rows, means = [line.split("|")[1:-1] for line in result.output.splitlines()[-5:]]
    assert [cell.strip() for cell in header[:5]] == [
        "song", "guitar SI-SDRi", "in stereo", "imbalance", "energy in bass"
    ]  # fmt: skip
    assert all(len(row) == len(header) for row in (*rows, means))
    assert [row[0].strip() for row in rows] == ["one", "two"]
    for column in (1, 2):
        values = [float(row[column]) for row in rows]
        assert float(means[column]) == pytest.approx(sum(values) / 2, abs=0.011)
    assert "energy in piano" in result.output
    result = CliRunner().invoke(
        main, [str(songs), "--start", "8", "--quality", "fast", "--without", "piano"]
    )
    assert result.exit_code == 0, result.output
    assert "energy in piano" not in result.output
    for names, message in (("banjo", "no stem 'banjo'"), ("piano,guitar", "is what is scored")):
        result = CliRunner().invoke(main, [str(songs), "--without", names])
        assert result.exit_code == 2
        assert message in result.output
    result = CliRunner().invoke(main, [str(songs / "three")])
    assert result.exit_code == 1
    assert "no guitar.ogg beside a song.ogg" in result.output
