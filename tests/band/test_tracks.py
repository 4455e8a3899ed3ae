"""Tracks of a set at the prior's rate, and what commands say of a folder that holds none."""

import click
import numpy as np
import pytest
import soundfile

from mgdm_audio.training.validate import load_tracks
from recipes.band.tracks import tracks_of

from .conftest import RATE


def test_tracks_are_read_in_the_order_of_their_names_and_what_is_missing_is_named(tmp_path):
    for number, track in enumerate(("b", "a", "c")):
        (tmp_path / track).mkdir()
        for stem in ("bass", "drums"):
            level = np.full(100, 0.1 * (number + 1) + 0.05 * (stem == "drums"))
            soundfile.write(tmp_path / track / f"{stem}.flac", level, RATE)
    first, second = tracks_of(tmp_path, ("bass", "drums"), RATE, 2)
    assert first[:, 0].tolist() == pytest.approx([0.2, 0.25], abs=1e-3)
    assert second[:, 0].tolist() == pytest.approx([0.1, 0.15], abs=1e-3)
    with pytest.raises(click.ClickException, match=r"a: no piano\.flac or piano\.wav"):
        tracks_of(tmp_path, ("bass", "piano"), RATE)
    with pytest.raises(click.ClickException, match="no TRACK/"):
        tracks_of(tmp_path / "a", ("bass", "drums"), RATE)


def write_tones(folder, rate: int, seconds: float = 1.5):
    """Two stems of 200 and 300 Hz in a folder of files of `rate`."""
    time = np.arange(round(seconds * rate)) / rate
    (folder / "song").mkdir(parents=True)
    for stem, hertz in (("bass", 200), ("drums", 300)):
        audio = 0.5 * np.sin(2 * np.pi * hertz * time)
        soundfile.write(folder / "song" / f"{stem}.wav", audio, rate, subtype="FLOAT")


@pytest.mark.parametrize("rate", [2 * RATE, 48000, RATE])
def test_files_of_another_rate_are_resampled(tmp_path, rate):
    write_tones(tmp_path, rate)
    (stems,) = tracks_of(tmp_path, ("bass", "drums"), RATE)
    assert stems.shape == (2, round(1.5 * RATE))
    time = np.arange(round(1.5 * RATE)) / RATE
    for stem, hertz in zip(stems.numpy(), (200, 300), strict=True):
        inside = slice(300, -300)  # the filter rings at the ends
        np.testing.assert_allclose(
            stem[inside], 0.5 * np.sin(2 * np.pi * hertz * time)[inside], atol=2e-3
        )
    (short,) = load_tracks(tmp_path, ("bass", "drums"), RATE, seconds=0.5)
    assert short.shape == (2, RATE // 2)
    np.testing.assert_allclose(short, stems[:, : RATE // 2], atol=2e-3)


def test_stems_that_do_not_fit_together_are_named(tmp_path):
    write_tones(tmp_path, RATE)
    drums = tmp_path / "song" / "drums.wav"
    soundfile.write(drums, np.zeros(1000), RATE)
    with pytest.raises(
        click.ClickException, match=r"drums\.wav has 1000 samples and bass\.wav 33075"
    ):
        tracks_of(tmp_path, ("bass", "drums"), RATE)
    soundfile.write(drums, np.zeros(round(1.5 * RATE)), 44100)
    with pytest.raises(click.ClickException, match=r"drums\.wav has 44100 Hz and bass\.wav 22050"):
        tracks_of(tmp_path, ("bass", "drums"), RATE)
    drums.write_bytes(b"no sound at all")
    with pytest.raises(click.ClickException, match=r"drums\.wav: cannot be read"):
        tracks_of(tmp_path, ("bass", "drums"), RATE)
