"""The commands as they are typed, on the stand-in."""

import click
import pytest
from click.testing import CliRunner

from mgdm_audio.errors import PriorError
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
