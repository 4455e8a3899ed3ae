"""Means, intervals, tables and plots of window scores made by hand."""

import csv
import io
import math

import numpy as np
import pytest
import torch

from mgdm_audio.evaluation import WindowScores, summarise
from mgdm_audio.evaluation.files import read_scores, write_scores
from mgdm_audio.evaluation.summary import Interval
from mgdm_audio.evaluation.tables import figure, markdown, summary_csv, summary_table
from recipes.interval import margin

NAMES = ("bass", "drums")


def scores(improvement, active):
    gain = torch.tensor(improvement)
    return WindowScores(torch.arange(len(gain)), gain, torch.tensor(active))


def test_windows_are_pooled_over_tracks_under_both_conventions():
    a = scores([[1.0, 100.0], [3.0, 5.0]], [[True, False], [True, True]])
    b = scores([[8.0, 7.0]], [[True, True]])
    skip = summarise([a, b], NAMES, "skip")
    include = summarise([a, b], NAMES, "include")
    assert skip.stems["bass"].mean == include.stems["bass"].mean == pytest.approx(4.0)
    assert skip.stems["drums"].mean == pytest.approx(6.0)
    assert include.stems["drums"].mean == pytest.approx(112 / 3)
    assert skip.overall.mean == pytest.approx(5.0)
    assert (skip.windows, skip.tracks) == (3, 2)


def test_interval_covers_like_the_central_limit_theorem():
    rng = np.random.default_rng(0)
    means = rng.normal(10.0, 2.0, 60)
    # ten equal windows a track: only tracks are independent
    tracks = [scores([[m, m]] * 10, [[True, True]] * 10) for m in means]
    interval = summarise(tracks, NAMES, "skip").stems["bass"]
    half = 1.96 * means.std() / math.sqrt(60)
    assert interval.mean == pytest.approx(means.mean(), abs=1e-4)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.15)


@pytest.mark.parametrize("count", [3, 8, 17])
def test_interval_of_few_tracks_is_that_of_students_t(count):
    """For one figure a track; the percentile interval alone has 0.38 to 0.88 of that width."""
    half, expected = [], []
    for seed in range(20):
        values = np.random.default_rng(seed).normal(10.0, 2.0, count)
        tracks = [scores([[value, 0.0]], [[True, True]]) for value in values]
        interval = summarise(tracks, NAMES, "skip").stems["bass"]
        half.append((interval.high - interval.low) / 2)
        expected.append(margin(values))
    assert np.mean(half) == pytest.approx(np.mean(expected), rel=0.06 if count > 3 else 0.15)


def test_a_stem_of_two_tracks_has_no_interval():
    """Resampled tracks that all hold the same value would give ± 0.00; two say next to nothing."""
    a = scores([[1.0, 4.0]], [[True, True]])
    b = scores([[3.0, 9.0]], [[True, False]])
    c = scores([[2.0, 6.0]], [[True, True]])
    summary = summarise([a, b, c], NAMES, "skip")
    assert summary.stems["drums"].mean == 5.0
    assert math.isnan(summary.stems["drums"].low)
    assert figure(summary.stems["drums"]) == "5.00"
    bass = summary.stems["bass"]
    assert bass.mean == 2.0
    assert bass.low < 1.0
    assert bass.high > 3.0
    assert summary.overall.mean == 3.5
    assert summary.overall.low < summary.overall.high  # of all stems, in whatever tracks


def test_what_is_not_there_is_nan():
    one = scores([[1.0, 2.0]], [[True, False]])
    summary = summarise([one], NAMES, "skip")
    assert math.isnan(summary.stems["drums"].mean)
    assert math.isnan(summary.stems["bass"].low)
    assert summary.overall.mean == 1.0


def test_tables():
    summaries = {"mgdm": {"skip": summarise([scores([[1.0, 2.5]], [[True, True]])], NAMES, "skip")}}
    assert summary_table(summaries, NAMES).splitlines()[2] == (
        "| mgdm | skip | 1.00 | 2.50 | 1.75 |"
    )
    rows = list(csv.DictReader(io.StringIO(summary_csv(summaries))))
    assert [(r["stem"], float(r["mean"])) for r in rows] == [
        ("bass", 1.0),
        ("drums", 2.5),
        ("all", 1.75),
    ]
    assert figure(Interval(1.0, 0.5, 2.5)) == "1.00 ± 1.00"
    assert figure(Interval(math.nan, math.nan, math.nan)) == "-"
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_scores_come_back_from_a_file(tmp_path):
    given = scores([[1.25, -3.5], [0.0, 109.0]], [[True, False], [True, True]])
    empty = WindowScores(*(x[:0] for x in given))
    for name, one in (("a.csv", given), ("b.csv", empty)):
        write_scores(one, NAMES, tmp_path / name)
        back = read_scores(tmp_path / name)
        assert [x.tolist() for x in back] == [x.tolist() for x in one]
        assert back.improvement.shape == one.improvement.shape


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    from mgdm_audio.evaluation.plots import plot_scaling

    one = scores([[1.0, 2.0], [3.0, 4.0]], [[True, True]] * 2)
    two = scores([[5.0, 2.0]], [[True, True]])
    points = {1: summarise([one, two], NAMES, "skip"), 2: summarise([two, two], NAMES, "skip")}
    path = tmp_path / "r.png"
    plot_scaling(points, NAMES, "Gibbs repetitions", path, published={1: 2.0, 2: 3.0})
    assert path.read_bytes().startswith(b"\x89PNG")
