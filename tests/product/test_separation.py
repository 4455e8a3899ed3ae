"""What one can do with stems once they are there, without any model."""

import numpy as np
import pytest
import soundfile
import torch

from mgdm_audio.batch import unique_names
from mgdm_audio.separation import Separation, Uncertainty


@pytest.fixture
def separation():
    generator = torch.Generator().manual_seed(0)
    stems = {n: 0.1 * torch.randn(2, 4000, generator=generator) for n in ("bass", "drums", "piano")}
    return Separation([stems], sum(stems.values()), 8000, settings={"seed": 0})


def test_select_keeps_the_order_asked_for(separation):
    assert list(separation.select(["piano", "bass"]).stems) == ["piano", "bass"]
    with pytest.raises(ValueError, match="no stem 'voice', there are bass, drums, piano"):
        separation.select(["voice"])


def test_two_stems_are_the_stem_and_the_others(separation):
    two = separation.two_stems("drums").stems
    assert list(two) == ["drums", "no_drums"]
    torch.testing.assert_close(two["no_drums"], separation.mixture - two["drums"])
    with pytest.raises(ValueError, match="voice"):
        separation.two_stems("voice")


def test_a_residual_stays_apart_from_the_others():
    stems = {name: torch.full((1, 4), value) for name, value in (("a", 1.0), ("b", 2.0))}
    stems["residual"] = torch.full((1, 4), 4.0)
    two = Separation([stems], torch.full((1, 4), 7.0), 8000).two_stems("a").stems
    assert {name: float(x.mean()) for name, x in two.items()} == {
        "a": 1.0,
        "no_a": 2.0,
        "residual": 4.0,
    }


def test_saving_loud_stems_scales_them_together_and_says_so(separation, tmp_path):
    loud = Separation([{n: 20 * x for n, x in separation.stems.items()}], separation.mixture, 8000)
    paths = loud.save(tmp_path, "wav16")
    peak = max(float(x.abs().max()) for x in loud.stems.values())
    assert loud.settings["scale"] == pytest.approx(0.999 / peak, rel=1e-4)
    for path, stem in zip(paths, loud.stems.values(), strict=True):
        np.testing.assert_allclose(
            soundfile.read(path)[0].T, stem * (0.999 / peak), atol=2**-16 * 1.01
        )
    loud.save(tmp_path / "float", "float32")
    assert loud.settings["scale"] == 1.0


def test_what_integers_in_a_float_file_are_turned_down_by_is_told(tmp_path):
    huge = {"bass": torch.full((1, 64), 8388607.0)}
    separation = Separation([huge], huge["bass"], 8000)
    separation.save(tmp_path, "wav16")
    assert separation.settings["scale"] == pytest.approx(0.999 / 8388607, rel=1e-3)


def test_a_number_may_have_a_format(separation, tmp_path):
    two = Separation(2 * separation.samples, separation.mixture, 8000)
    paths = two.paths(tmp_path, "flac", filename="{stem}-{sample:02d}.{ext}")
    assert [p.name for p in paths][:2] == ["bass-01.flac", "drums-01.flac"]
    assert two.paths(tmp_path, "flac")[0].name == "bass_1.flac"


def test_templates(separation, tmp_path):
    paths = separation.paths(tmp_path, "flac", filename="{track}-{stem}-{sample}.{ext}", track="t")
    assert [p.name for p in paths] == [f"t-{n}-1.flac" for n in ("bass", "drums", "piano")]


def test_an_unknown_format_lists_the_others(separation, tmp_path):
    for use in (separation.save, separation.paths):
        with pytest.raises(ValueError, match=r"unknown format 'wav', .* wav16, wav24, float32, fl"):
            use(tmp_path, "wav")


@pytest.mark.parametrize(
    "template", ["{stem.x}.{ext}", "{stem", "{stem:d}.{ext}", "{stem:{x}}.{ext}", "{artist}"]
)
def test_file_names_that_are_no_templates(separation, tmp_path, template):
    with pytest.raises(ValueError, match=r"the file name '{"):
        separation.save(tmp_path, filename=template)


def test_names_of_tracks_are_told_apart(tmp_path):
    tracks = [tmp_path / name for name in ("a/x.wav", "b/x.mp3", "x_2.wav", "y.wav", "c/X.ogg")]
    names = unique_names(tracks)
    assert len({name.casefold() for name in names}) == 5
    assert names[0] == "x"
    assert names[3] == "y"
    assert unique_names([tmp_path / "...wav"]) == ["track"]
    # Windows leaves out what these end in, and macOS takes both accents for the same.
    assert unique_names([tmp_path / "Song .wav", tmp_path / "So....wav"]) == ["Song", "So"]
    composed, apart = "caf\u00e9.wav", "cafe\u0301.wav"
    assert unique_names([tmp_path / composed, tmp_path / apart])[1] == "cafe\u0301_2"


def test_shares_of_uncertainty():
    spread, power = np.zeros((2, 3, 4)), np.ones((2, 3, 4))
    spread[1] = 0.25
    np.testing.assert_allclose(Uncertainty(spread, power, 8000).shares(), [0, 0.25])


def test_figure_has_a_row_for_each_signal(separation):
    pytest.importorskip("matplotlib")
    figure = separation.figure()
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels[:4] == ["mixture", "bass", "drums", "piano"]
    assert figure.axes[0].images[0].get_array().shape[1] > 2
