"""The card's tables, on a network whose figures are known: untrained, it is the Wiener filter."""

import dataclasses

import pytest
import torch

from mgdm_audio.networks import build_network
from mgdm_audio.pretrained import NetworkDenoiser, Prior
from recipes.band.card import LEVELS, level_table

SOURCES = ("bass", "drums", "guitar", "piano")


@pytest.fixture
def prior():
    net = build_network("band", 4, window=256, bands=[[16, 8]], channels=[4, 4], heads=1, blocks=1)
    net.variance.fill_(0.3)
    denoise = NetworkDenoiser(net, torch.device("cpu"), conditional=True)
    return Prior(denoise, SOURCES, 8000, 6.0, (5e-4, 2.0), "", True, "toy")


def cells(table):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: values for name, *values in rows}


def test_levels_are_those_of_each_network_and_the_filter_is_one(prior):
    plain = dataclasses.replace(prior, sigmas=(5e-4, 5.0))
    both = dataclasses.replace(prior, load_plain=lambda: plain)
    torch.manual_seed(1)  # validation draws its noise from seed 0
    tracks = [0.3**0.5 * torch.randn(4, 50_000) for _ in range(2)]
    rows = cells(level_table(both, tracks))
    assert [float(level) for level in rows["sigma"]] == list(LEVELS)
    *known, beyond = rows["conditional"]
    assert beyond == ""  # above the highest level of that network
    for values in (known, rows["plain"], rows["plain, sums"]):
        assert [float(value) for value in values] == pytest.approx([1.0] * len(values), abs=0.02)
    assert len(known) + 1 == len(rows["plain"]) == len(LEVELS)
    slopes = [float(value) for name in SOURCES for value in rows[f"plain, too quiet by, {name}"]]
    assert slopes == pytest.approx([1.0] * len(slopes), abs=0.3)
    assert cells(level_table(prior, tracks))["plain"][-1] == ""
