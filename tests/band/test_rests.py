import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from recipes.band.rests import main, pieces, shares
from recipes.band.score import STEMS


def music(*heard: bool) -> np.ndarray:
    return 0.1 * np.array(heard, np.float32)[:, None] * np.ones(100, np.float32)


def test_shares_of_what_rests():
    items = [music(1, 1, 1, 1), music(1, 1, 1, 0), music(1, 1, 0, 0), music(1, 1, 1, 1)]
    assert shares(items) == pytest.approx([0, 0, 0.25, 0.5, 0.5, 0.25, 0.25])
    with pytest.raises(ValueError, match="no piece"):
        shares([])


def test_pieces_are_whole_and_follow_each_other():
    track = np.arange(8.0).reshape(2, 4).repeat(5, 1)  # 20 samples
    found = list(pieces([track, track[:, :6]], 7))
    assert [piece.shape for piece in found] == [(2, 7)] * 2
    np.testing.assert_array_equal(np.concatenate(found, 1), track[:, :14])


def test_a_set_and_a_configuration(tmp_path):
    folder = tmp_path / "set" / "song"
    folder.mkdir(parents=True)
    for stem in STEMS:
        loud = np.full(4 * 22050, 0.0 if stem == "piano" else 0.1)
        loud[: 2 * 22050] = 0.1
        soundfile.write(folder / f"{stem}.flac", loud, 22050)
    result = CliRunner().invoke(main, [str(tmp_path / "set"), "--seconds", "1"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "| set | 0 % | 0 % | 0 % | 50 % | 50 % | 50 % | 0 % |"
    config = tmp_path / "own.toml"
    prior = 'samplerate = 22050\nsigma_min = 5e-4\nsigma_max = 2.0\nnetwork = "band"\n'
    text = f"[prior]\nsources = {list(STEMS)}\n{prior}"
    text += '[training]\ndata = "recipes.band.dataset:BandDataset"\n'
    config.write_text(
        f"{text}[training.data_options]\nfonts = []\nfull = 1.0\nsong_seconds = 8.0\n"
    )
    result = CliRunner().invoke(main, ["--config", str(config), "--count", "4", "--seconds", "4"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].startswith("| own | ")
    longer = CliRunner().invoke(main, [str(tmp_path / "set"), "--seconds", "5"])
    assert longer.exit_code == 1
    assert "set: there is no piece of that length" in longer.output
