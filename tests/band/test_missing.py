"""The recipe on missing stems, on a network that knows two tones and takes a third for another."""

import math

import soundfile
import torch
from click.testing import CliRunner
from torch import nn

from mgdm_audio.pretrained import NetworkDenoiser, Prior
from recipes.band import missing
from recipes.band.missing import told_or_not

RATE = 8000
SOURCES = ("bass", "guitar", "piano")


class TakesGuitarForPiano(nn.Module):
    """Bass below 600 Hz; most of what is above 1,250 Hz to the piano, whoever plays."""

    def __init__(self):
        super().__init__()
        self.any = nn.Parameter(torch.zeros(()))

    def forward(self, x, sigma, sigma_mix):
        spectrum = torch.fft.rfft(x.sum(1))
        frequency = torch.fft.rfftfreq(x.shape[-1], 1 / RATE)
        low = torch.fft.irfft(spectrum * (frequency < 600), x.shape[-1])
        high = torch.fft.irfft(spectrum * (frequency > 1250), x.shape[-1])
        return torch.stack([low, x.sum(1) - low - 0.8 * high, 0.8 * high], 1)


def toy():
    denoise = NetworkDenoiser(TakesGuitarForPiano(), torch.device("cpu"), True)
    return Prior(denoise, SOURCES, RATE, 6.0, (5e-4, 2.0), "", True, "toy")


def band():
    time = torch.arange(3 * RATE) / RATE
    tones = [torch.sin(2 * math.pi * f * time) for f in (220.0, 1000.0, 1500.0)]
    return torch.stack([tones[0], tones[1] + tones[2], tones[2]])


def test_the_guitar_gets_back_what_the_piano_is_known_not_to_play():
    found = told_or_not(toy(), [band()], "piano", "fast")
    assert [list(rows.shape) for rows in found] == [[1, 3], [1, 3]]
    not_told, told = (rows[0] for rows in found)
    assert not_told.isnan().tolist() == told.isnan().tolist() == [False, False, True]
    # A fifth of one of the guitar's two partials, against all of it.
    assert told[1] > not_told[1] + 10


def test_the_command_has_a_row_for_what_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(missing, "load_prior", lambda name, device: toy())
    folder = tmp_path / "songs" / "one"
    folder.mkdir(parents=True)
    for name, stem in zip(SOURCES, band(), strict=True):
        soundfile.write(folder / f"{name}.flac", 0.3 * stem.numpy(), RATE)
    options = [str(folder.parent), "--missing", "piano", "--quality", "fast"]
    result = CliRunner().invoke(missing.main, options)
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in result.output.splitlines()]
    rows = [row for row in rows if row[:1] == ["songs (1)"]]
    assert [row[1:3] for row in rows] == [["piano", "no"], ["piano", "yes"]]
    assert all(row[5] == "" for row in rows)  # the piano has nothing to score
    assert float(rows[1][4]) > float(rows[0][4]) + 10
    result = CliRunner().invoke(missing.main, [*options, "--missing", "banjo"])
    assert result.exit_code == 2
    assert "no stem 'banjo'" in result.output
