"""Pictures of long signals are made in blocks, and are those of the whole."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from mgdm_audio.audio import spectra


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 30000])
@pytest.mark.parametrize("columns", [3, 1200])
def test_a_picture_in_blocks_is_that_of_the_whole(monkeypatch, length, columns):
    monkeypatch.setattr(spectra, "BLOCK", 7)
    x = torch.randn(2, length, generator=torch.Generator().manual_seed(0))
    power = spectra.band_power(x, 44100).mean(0).numpy()
    edges = np.arange(min(columns, power.shape[1]) + 1) * power.shape[1]
    edges //= min(columns, power.shape[1])
    expected = [power[:, a:b].mean(1) for a, b in pairwise(edges)]
    found = spectra.picture_power(x, 44100, columns)
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-4)
