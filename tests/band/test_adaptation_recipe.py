"""The recipe on learning tracks: its columns are what separators give, its rows are in order."""

import pytest
import soundfile
import torch
from click.testing import CliRunner

from mgdm_audio import Separator, adaptation
from mgdm_audio.evaluation import si_sdr_improvement
from mgdm_audio.networks import build_network
from mgdm_audio.pretrained import NetworkDenoiser, Prior
from recipes.band import adaptation as recipe

RATE = 8000
SOURCES = ("bass", "drums", "guitar", "piano")


@pytest.fixture
def prior():
    torch.manual_seed(0)
    net = build_network("band", 4, window=256, bands=[[16, 8]], channels=[4, 4], heads=1, blocks=1)
    net.variance.copy_(torch.rand(net.variance.shape) ** 4)
    denoise = NetworkDenoiser(net, torch.device("cpu"), True)
    return Prior(denoise, SOURCES, RATE, 6.0, (5e-4, 2.0), "", True, "toy")


def write(folder, seed):
    generator = torch.Generator().manual_seed(seed)
    stems = 0.1 * torch.randn(4, 2 * RATE, generator=generator)
    folder.mkdir(parents=True)
    for name, stem in zip(SOURCES, stems, strict=True):
        soundfile.write(folder / f"{name}.wav", stem, RATE, subtype="FLOAT")
    return stems


def test_tracks_are_told_by_growing_misfit(prior, tmp_path, monkeypatch):
    tracks = [write(tmp_path / "songs" / name, seed) for seed, name in enumerate("ab")]
    monkeypatch.setattr(recipe, "load_prior", lambda *_: prior)
    monkeypatch.setattr(adaptation, "RATE", 0.1)
    arguments = [str(tmp_path / "songs"), "--quality", "fast", "--steps", "2"]
    outcome = CliRunner().invoke(recipe.main, arguments)
    lines = [line for line in outcome.stdout.splitlines() if line.startswith("| songs")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    misfits = [float(row[1]) for row in rows]
    assert len(rows) == 2
    assert misfits == sorted(misfits)
    for name, misfit, kept, before, after, gain in rows:
        stems = tracks[int(name[-1])]
        found = Separator(prior, quality="fast", adapt=0).separate(stems.sum(0), RATE)
        estimate = torch.cat([found.stems[source] for source in SOURCES])
        expected = si_sdr_improvement(estimate, stems, RATE).mean().item()
        assert float(before) == pytest.approx(expected, abs=0.01)
        separator = Separator(prior, quality="fast", adapt=2, adapt_always=True)
        found = separator.separate(stems.sum(0), RATE)
        estimate = torch.cat([found.stems[source] for source in SOURCES])
        expected = si_sdr_improvement(estimate, stems, RATE).mean().item()
        assert float(after) == pytest.approx(expected, abs=0.01)
        assert after != before
        assert float(gain) == pytest.approx(float(after) - float(before), abs=0.011)
        assert float(kept) == pytest.approx(adaptation.worth(float(misfit)), abs=0.01)


def test_no_track_is_a_wrong_use():
    assert CliRunner().invoke(recipe.main, []).exit_code == 2
