"""Time and memory by length, with a tiny prior and tiny lengths."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

from recipes.bench import scaling
from recipes.bench.__main__ import main
from recipes.bench.scaling import Row, fit, markdown, write_noise
from tests.product.conftest import make_prior


def row(minutes, **changes):
    values = {
        "prior": "p", "quality": "fast", "device": "cpu", "minutes": minutes,
        "seconds": 2 + 5 * minutes, "cpu": 3 + 9 * minutes, "peak": 500 + 100 * minutes,
        "stages": {}, "others": 0.02, "machine": "M", "threads": 2, "date": "2026-01-01",
    }  # fmt: skip
    return Row(**{**values, **changes})


def test_a_straight_line_is_found_and_a_curve_is_seen():
    minutes = [1 / 6, 1, 10, 60]
    found = fit(minutes, [2 + 5 * m for m in minutes])
    assert found == pytest.approx((2, 5, 0), abs=1e-9)
    assert fit(minutes, [2 + 5 * m + m**2 for m in minutes]).error > 0.2
    assert fit(minutes[:2], [1, 2]) is None


def test_table_tells_fits_and_circumstances():
    table = markdown([row(m) for m in (10, 1 / 6, 1)])
    lengths = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert lengths[2:] == ["10 s", "1 min", "10 min"]
    assert "- time = 2.00 + 5.00 x minutes (s), at most 0 % off" in table
    assert "- peak memory = 500.00 + 100.00 x minutes (MiB)" in table
    assert table.count("M, 2 threads, 2026-01-01") == 1
    assert "too long" not in table
    assert "1.20 cores meanwhile: wall-clock times are too long" in markdown([row(1, others=1.2)])
    assert "unknown" in markdown([row(1, others=None)])


def test_noise_has_its_length(tmp_path):
    write_noise(tmp_path / "a.wav", 50_000)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.frames, info.samplerate, info.channels) == (50_000, 44100, 2)


def test_command_measures_what_is_missing(tmp_path):
    prior = str(make_prior(tmp_path / "tiny"))
    out = tmp_path / "bench" / "scaling.json"

    def run(*lengths):
        arguments = ["scaling", "--prior", prior, "--out", str(out)]
        for seconds in lengths:
            arguments += ["--minutes", str(seconds / 60)]
        return CliRunner().invoke(main, arguments, catch_exceptions=False)

    run(0.5)
    (first,) = json.loads(out.read_text())
    assert set(first["stages"]) == {"import", "load", "separate", "write"}
    assert sum(first["stages"].values()) <= first["seconds"]
    assert first["cpu"] > 0
    assert first["peak"] > 50
    shown = run(0.5, 1).output
    again, second = json.loads(out.read_text())
    assert again == first
    assert second["minutes"] == pytest.approx(1 / 60)
    assert "| 0.5 s |" in shown
    assert "1 lengths measured now; 1 not measured now but read from" in shown
    assert out.with_suffix(".md").read_text() in shown
    assert out.with_suffix(".png").stat().st_size > 1000


@pytest.fixture
def pretended(monkeypatch):
    """Measurements that take no time, on a machine and with weights that a test may change."""
    place = {"weights": "w1", "machine": "M", "threads": 2}
    measured = []

    def measure(prior, quality, device, minutes, weights):
        measured.append(minutes)
        return row(minutes, prior=prior, quality=quality, device=device, **place)

    monkeypatch.setattr(scaling, "measure", measure)
    monkeypatch.setattr(scaling, "find_place", lambda prior, device: scaling.Place(**place))
    return place, measured


@pytest.mark.parametrize("change", [{"weights": "w2"}, {"machine": "N"}, {"threads": 8}])
def test_rows_of_other_weights_or_another_machine_are_not_taken_for_these(
    pretended, tmp_path, change
):
    place, measured = pretended
    out = tmp_path / "scaling.json"

    def run(*options):
        arguments = ["scaling", "--minutes", "1", "--minutes", "2", "--out", str(out), *options]
        return CliRunner().invoke(main, arguments, catch_exceptions=False).output

    run()
    assert measured == [1, 2]
    shown = run()
    assert measured == [1, 2]
    assert "0 lengths measured now; 2 not measured now but read from" in shown
    assert "(2026-01-01)" in shown
    place |= change
    shown = run()
    assert measured == [1, 2, 1, 2]
    assert "2 rows are of other weights or another machine" in shown
    assert shown.count("| 2 min |") == 2  # a table each
    shown = run("--again")
    assert shown.count("| 2 min |") == 1
    assert len(json.loads(out.read_text())) == 2


def test_rows_from_before_weights_were_noted_are_shown_and_never_taken(pretended, tmp_path):
    _, measured = pretended
    out = tmp_path / "scaling.json"
    scaling.write([row(1.0), row(2.0)], out)
    rows = json.loads(out.read_text())
    for old in rows:
        del old["weights"]
    out.write_text(json.dumps(rows))
    arguments = ["scaling", "--prior", "p", "--minutes", "1", "--out", str(out)]
    shown = CliRunner().invoke(main, arguments, catch_exceptions=False).output
    assert measured == [1]
    assert "prior `p` (weights not noted), cpu" in shown
    assert "prior `p` (weights w1), cpu" in shown


@pytest.mark.parametrize("name", ["scaling", "songs", "published"])
def test_tables_of_the_documentation_are_those_of_their_rows(name, tmp_path):
    """And the command that writes them says that it measured nothing."""
    docs = Path(__file__).parents[2] / "docs" / "bench"
    file = Path(shutil.copy(docs / f"{name}.json", tmp_path))
    shown = CliRunner().invoke(main, ["table", str(file)], catch_exceptions=False).output
    assert "nothing was measured" in shown
    assert file.with_suffix(".md").read_text() == (docs / f"{name}.md").read_text()
    assert file.with_suffix(".png").stat().st_size > 1000
