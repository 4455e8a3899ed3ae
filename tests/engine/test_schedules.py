"""Schedules: ends, order, spacing, and what is refused."""

import pytest
import torch

from mgdm_audio.engine import exponential_schedule, karras_schedule, sample
from mgdm_audio.engine.types import Sampler, Step


def test_karras_levels_are_even_in_the_power():
    levels = karras_schedule(9, 0.002, 80.0, 3.0)
    assert levels.dtype == torch.float64
    assert levels[0].item() == pytest.approx(80.0)
    assert levels[-1].item() == pytest.approx(0.002)
    steps = (levels ** (1 / 3)).diff()
    assert torch.allclose(steps, steps[:1].expand(8))


@pytest.mark.parametrize("levels", [10, 20, 30])
@pytest.mark.parametrize("tenths", range(1, 10))
def test_the_last_part_of_a_schedule_has_its_levels(levels, tenths):
    sigmas = tuple(karras_schedule(levels, 0.1, 1.0).tolist())
    last = sum(Step(i, sigmas, None).in_last(tenths / 10) for i in range(levels))
    assert last == tenths * levels // 10


def test_exponential_levels_have_a_constant_ratio():
    levels = exponential_schedule(6, 0.01, 10.0)
    ratios = levels[1:] / levels[:-1]
    assert torch.allclose(ratios, ratios[:1].expand(5))
    assert levels[-1].item() == pytest.approx(0.01)


def test_one_level_is_the_highest():
    assert karras_schedule(1, 0.1, 2.0, 7.0).tolist() == pytest.approx([2.0])


@pytest.mark.parametrize(
    "arguments", [(0, 0.1, 1.0), (3, 0.0, 1.0), (3, 2.0, 1.0), (3, 0.1, 1.0, -1.0)]
)
def test_impossible_schedules_are_refused(arguments):
    with pytest.raises(ValueError, match=r"level|sigma|rho"):
        karras_schedule(*arguments)


@pytest.mark.parametrize("levels", [[], [1.0, 1.0], [0.5, 1.0], [1.0, -0.1], [float("nan")]])
def test_the_loop_refuses_levels_that_do_not_fall(levels):
    untouched = Sampler(init=lambda x: pytest.fail("started"), step=None)
    with pytest.raises(ValueError, match="descending"):
        sample(untouched, levels, (1, 2, 3))
