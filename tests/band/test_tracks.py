"""What commands say of a folder that holds no set."""

import click
import numpy as np
import pytest
import soundfile

from recipes.band.tracks import tracks_of

from .conftest import RATE


def test_tracks_are_read_in_the_order_of_their_names_and_what_is_missing_is_named(tmp_path):
    for number, track in enumerate(("b", "a", "c")):
        (tmp_path / track).mkdir()
        for stem in ("bass", "drums"):
            level = np.full(100, 0.1 * (number + 1) + 0.05 * (stem == "drums"))
            soundfile.write(tmp_path / track / f"{stem}.flac", level, RATE)
    first, second = tracks_of(tmp_path, ("bass", "drums"), 2)
    assert first[:, 0].tolist() == pytest.approx([0.2, 0.25], abs=1e-3)
    assert second[:, 0].tolist() == pytest.approx([0.1, 0.15], abs=1e-3)
    with pytest.raises(click.ClickException, match=r"a: no piano\.flac or piano\.wav"):
        tracks_of(tmp_path, ("bass", "piano"))
    with pytest.raises(click.ClickException, match="no TRACK/"):
        tracks_of(tmp_path / "a", ("bass", "drums"))
