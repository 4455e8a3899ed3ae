"""The commands as they are typed, on the stand-in."""

import re
import shutil

import click
import pytest
from click.testing import CliRunner

from mgdm_audio.errors import PriorError
from mgdm_audio.evaluation import EvaluationError
from recipes.slakh.__main__ import cli
from recipes.slakh.layout import LayoutError
from recipes.slakh.messages import run


def invoke(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if result.exit_code and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_prepare_separate_evaluate_table_plot(slakh, rows_file, tmp_path):
    data, runs, results = tmp_path / "data", tmp_path / "runs", tmp_path / "results"
    invoke("prepare", slakh, data, "--split", "test", "--allow-partial")
    assert (data / "test" / "SHA256SUMS").exists()
    rows = ("--rows", rows_file)
    for row in ("mgdm-r1", "mgdm-r2"):
        some = ("--row", row, "--out", runs, "--device", "cpu", "--allow-partial")
        for part in ("0/2", "1/2"):
            invoke("separate", data / "test", "--shard", part, *some, *rows)
    invoke("evaluate", data / "test", runs / "mgdm-r1", runs / "mgdm-r2", "--allow-partial")
    assert "MGDM, R = 2" in invoke("table", runs, "--out", results, *rows).output
    assert "gibbs.png" in invoke("plot", runs, "--out", results, *rows).output


def test_a_partial_split_is_refused_before_any_work(slakh, tmp_path):
    with pytest.raises(LayoutError, match="Use --allow-partial"):
        invoke("prepare", slakh, tmp_path, "--split", "test")
    assert not list(tmp_path.iterdir())


def test_all_splits_are_looked_at_before_any_work(slakh, tmp_path):
    """validation is not there: better known now than after hours of train."""
    with pytest.raises(LayoutError, match="validation: no tracks"):
        invoke(
            "prepare",
            slakh,
            tmp_path / "out",
            "--split",
            "test",
            "--split",
            "validation",
            "--allow-partial",
        )
    assert not (tmp_path / "out").exists()


def test_a_prior_that_is_not_converted_yet_is_named_with_the_command(slakh, tmp_path):
    arguments = ("separate", slakh / "test", "--row", "mgdm-r6", "--out", tmp_path / "runs")
    with pytest.raises(PriorError, match=r"mgdm_audio.convert CHECKPOINT\.\.\. .*priors/msdm"):
        invoke(*arguments, "--priors", tmp_path / "priors", "--allow-partial", "--device", "cpu")


ROW = '[[row]]\ndefault = "tiny"\nname = "{0}"\ntitle = "{0}"\nsampler = "{1}"\n{2}\n'


def test_all_priors_are_looked_for_before_any_work(slakh, rows_file, tmp_path):
    rows = tmp_path / "rows.toml"
    rows.write_text(rows_file.read_text() + ROW.format("last", "ddnm", 'prior = "isdm"'))
    arguments = ("all", slakh / "test", "--out", tmp_path / "runs", "--rows", rows)
    with pytest.raises(PriorError, match="priors/isdm"):
        invoke(*arguments, "--priors", tmp_path / "priors", "--allow-partial", "--device", "cpu")
    assert not (tmp_path / "runs").exists()


def test_a_row_that_diverges_ends_no_other(slakh, rows_file, tmp_path):
    rows, runs = tmp_path / "rows.toml", tmp_path / "runs"
    bad = ROW.format("bad", "msdm_gaussian", "levels = 60\noptions = { gamma = 1e-3 }")
    rows.write_text(rows_file.read_text() + bad)
    arguments = ("all", slakh / "test", "--out", runs, "--rows", rows, "--device", "cpu")
    result = invoke(*arguments, "--row", "bad", "--row", "dirac", "--allow-partial")
    assert result.exit_code
    assert re.search("error: bad: .*not finite", result.output)
    assert "| Dirac | include |" in (runs / "results" / "results.md").read_text()
    alone = invoke(*arguments, "--row", "bad", "--allow-partial")
    assert alone.exit_code
    assert re.search("error: bad: .*not finite", alone.output)


def test_a_missing_ffmpeg_is_said_before_any_work(slakh, rows_file, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    arguments = ("all", slakh / "test", "--out", tmp_path / "runs", "--rows", rows_file)
    with pytest.raises(EvaluationError, match="install ffmpeg"):
        invoke(*arguments, "--museval", "--allow-partial", "--device", "cpu")
    assert not (tmp_path / "runs").exists()


def test_all_is_for_one_process(slakh, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = invoke("all", slakh / "test", "--out", tmp_path, "--allow-partial")
    assert "many workers run separate" in result.output


@pytest.mark.parametrize("error", [LayoutError("x.flac: missing"), PriorError("no such prior")])
def test_what_a_user_can_mend_is_one_sentence(error):
    @click.command()
    def command():
        raise error

    with pytest.raises(SystemExit) as caught:
        run(command, [])
    assert caught.value.code == f"error: {error}"


def test_other_errors_keep_their_traceback():
    @click.command()
    def command():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(command, [])
