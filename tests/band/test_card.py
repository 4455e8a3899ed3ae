"""The card's tables, on a network whose figures are known: untrained, it is the Wiener filter."""

import pytest
import torch

from mgdm_audio.networks import build_network
from mgdm_audio.pretrained import NetworkDenoiser, Prior
from recipes.band.card import LEVELS, level_table

SOURCES = ("bass", "drums", "guitar", "piano")


def toy(conditional, top):
    net = build_network("band", 4, window=256, bands=[[16, 8]], channels=[4, 4], heads=1, blocks=1)
    net.variance.fill_(0.3)
    denoise = NetworkDenoiser(net, torch.device("cpu"), conditional)
    return Prior(denoise, SOURCES, 8000, 6.0, (5e-4, top), "", conditional, "toy")


def cells(table):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: values for name, *values in rows}


@pytest.mark.parametrize(("conditional", "top"), [(True, 2.0), (False, 5.0)])
def test_levels_are_the_network_s_and_the_filter_is_one(conditional, top):
    torch.manual_seed(1)  # validation draws its noise from seed 0
    tracks = [0.3**0.5 * torch.randn(4, 50_000) for _ in range(2)]
    rows = cells(level_table(toy(conditional, top), tracks))
    known = [level for level in LEVELS if level <= top]
    assert [float(level) for level in rows["sigma"]] == list(LEVELS)
    assert ("conditional" in rows) == conditional
    for name in set(rows) - {"sigma", "---"}:
        values, beyond = rows[name][: len(known)], rows[name][len(known) :]
        assert not any(beyond)
        close = 0.3 if "quiet" in name else 0.02
        assert [float(value) for value in values] == pytest.approx([1.0] * len(known), abs=close)
