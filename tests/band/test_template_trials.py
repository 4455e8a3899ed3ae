"""Trials of template settings: what they say, what is scored, and the command."""

from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from mgdm_audio.audio.templates import ADAPTIVE, FitSettings, refit
from mgdm_audio.evaluation import si_sdr_improvement
from recipes.band.templates import Excerpt, Trial, main, misfits, parse_trial, score, table

RATE = 22050
PRIOR = SimpleNamespace(sources=["bass", "guitar"], samplerate=RATE)
ROUNDS = ((1024, 2048),)


def test_settings_are_read_and_the_rest_stays():
    trial = parse_trial("share=0.5 updates=3/4 section=65536 rounds=1024+2048/4096", ROUNDS)
    assert trial.rounds == ((1024, 2048), (4096,))
    assert (trial.settings.share, trial.settings.updates) == (0.5, (3, 4))
    assert trial.settings.section == 65536
    assert trial.settings.trust == ADAPTIVE.trust
    assert parse_trial("again=0.1/0.2", ROUNDS).settings.again == (0.1, 0.2)
    assert parse_trial("", ROUNDS) == Trial("as shipped", ROUNDS, ADAPTIVE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shares=0.5", "unknown setting 'shares=0.5', expected .*share.*rounds"),
        ("share", "unknown setting 'share', expected"),
        ("share=much", "could not convert string to float: 'much'"),
        ("rounds=a", "invalid literal for int"),
        ("updates=3", "not enough values"),
    ],
)
def test_bad_settings_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_trial(text, ROUNDS)


def excerpt(names, channels=2):
    generator = torch.Generator().manual_seed(0)
    stems = torch.randn(channels, 2, 3 * RATE, generator=generator)
    stems[:, 0, : 2 * RATE] *= 0.3
    other = stems.flip(1)
    return Excerpt(stems, names, 0.8 * stems + 0.2 * other)


def test_every_known_stem_counts_as_the_package_scores_it():
    both = excerpt(("bass", "guitar"))
    expected = si_sdr_improvement(both.estimate.mean(0), both.known.mean(0), RATE, silent="skip")
    assert score(Trial("", (), ADAPTIVE), both, PRIOR) == pytest.approx(float(expected.mean()))
    fitted = refit(both.estimate, both.known.sum(1), ROUNDS)
    expected = si_sdr_improvement(fitted.mean(0), both.known.mean(0), RATE, silent="skip")
    assert score(parse_trial("", ROUNDS), both, PRIOR) == pytest.approx(float(expected.mean()))


def test_only_the_known_stem_counts():
    """The guitar comes first in such recordings, and second in the prior."""
    all_known = excerpt(("bass", "guitar"))
    known = Excerpt(all_known.known.flip(1), ("guitar",), all_known.estimate)
    expected = si_sdr_improvement(
        all_known.estimate.mean(0), all_known.known.mean(0), RATE, silent="skip"
    )
    value = score(Trial("", (), ADAPTIVE), known, PRIOR)
    assert value == pytest.approx(float(expected[1]), abs=1e-3)


def test_misfits_are_those_that_further_rounds_go_by():
    one, windows = excerpt(("bass", "guitar")), (512, 1024)
    (error,) = misfits([one], windows)
    mixture, rounds = one.known.sum(1), 2 * (windows,)
    once, twice = (refit(one.estimate, mixture, rounds[:count]) for count in (1, 2))
    for limits, expected in (((0.0, 0.999 * error), once), ((1.001 * error, 2.0), twice)):
        found = refit(one.estimate, mixture, rounds, FitSettings(again=limits))
        torch.testing.assert_close(found, expected)
    assert not torch.allclose(once, twice, atol=1e-2)


def test_a_row_for_each_trial():
    sets = {"songs": [excerpt(("bass", "guitar"))], "others": [excerpt(("bass", "guitar"), 1)]}
    trials = [Trial("none", (), ADAPTIVE), parse_trial("share=0.1", ROUNDS)]
    lines = table(trials, sets, PRIOR).splitlines()
    assert lines[0] == "| fits | songs (1) | others (1) |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| none", "| share=0.1"]
    value = score(trials[1], sets["songs"][0], PRIOR)
    assert f"{value:.2f}" in lines[3]


def test_the_command_names_what_is_wrong(tmp_path):
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert "nothing to measure" in result.output
    result = CliRunner().invoke(main, [str(tmp_path), "--try", "depth=3"])
    assert result.exit_code == 2
    assert "unknown setting 'depth=3'" in result.output
