"""Which stem is taken for which, on estimates that were mixed by known parts."""

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from mgdm_audio import load_prior
from mgdm_audio.evaluation import si_sdr_improvement
from recipes.band.confusion import main, shares, table
from recipes.band.tracks import tracks_of


def orthogonal():
    """Three stems that have nothing in common, and a silent one."""
    stems = torch.linalg.qr(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))[0].T
    return stems * torch.tensor([3.0, 0.1, 1.0, 0.0])[:, None]


def test_shares_are_the_parts_that_were_mixed():
    stems = orthogonal()
    mixed = torch.tensor([[0.7, 0.2, 0, 0], [0, 1, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 1.0]])
    found = shares(stems, mixed.T @ stems)
    torch.testing.assert_close(found[:3], mixed[:3], atol=1e-5, rtol=0)
    assert found[3].isnan().all()


def test_the_table_counts_only_where_a_stem_sounds():
    nan = float("nan")
    parts = [torch.eye(2), torch.tensor([[0.4, 0.6], [nan, nan]])]
    scores = [torch.tensor([5.0, -1.0]), torch.tensor([-3.0, nan])]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table("songs (2)", ("bass", "piano"), parts, scores).splitlines()
    ]
    assert rows[2] == ["bass", "0.70", "0.30", "1.00", "1 of 2", "5.00"]
    assert rows[3] == ["piano", "0.00", "1.00", "-1.00", "1 of 1", ""]
    assert len(rows) == 4


def test_a_stem_that_never_sounds_has_an_empty_row():
    nan = torch.full((1,), float("nan"))
    line = table("a (1)", ("bass",), [nan[:, None]], [nan]).splitlines()[2]
    assert line == "| bass |  |  | 0 of 0 |  |"


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_shares_do_not_depend_on_the_level(scale):
    stems = orthogonal()[:3]
    torch.testing.assert_close(
        shares(scale * stems, scale * stems), torch.eye(3), atol=1e-5, rtol=0
    )


def test_the_network_alone_is_asked_once_from_the_mean(tmp_path):
    """The same by hand: the stems at the highest level are all the mean, the mixture is known."""
    rng = np.random.default_rng(0)
    for stem in ("bass", "drums", "guitar", "piano"):
        (tmp_path / "song").mkdir(exist_ok=True)
        noise = 0.1 * rng.standard_normal(22050)
        soundfile.write(tmp_path / "song" / f"{stem}.wav", noise, 22050, subtype="FLOAT")
    result = CliRunner().invoke(main, [str(tmp_path), "--alone"], catch_exceptions=False)
    prior = load_prior("band", "cpu")
    (stems,) = tracks_of(tmp_path, prior.sources, 22050)
    state = stems.mean(0).expand(1, 4, -1)
    with torch.no_grad():
        estimates = prior.denoise.network(state, 2.0, 0.0)[0]
    scores = si_sdr_improvement(estimates, stems, 22050, silent="skip")
    rows = table(f"{tmp_path.name} (1)", prior.sources, [shares(stems, estimates)], [scores])
    assert result.output.strip() == rows.strip()
