"""What recipes leave on disk while they run."""

import pytest

from recipes.gmm import report
from recipes.results import write_text


def test_results_are_whole_or_as_they_were(tmp_path):
    path = tmp_path / "new" / "rows.json"
    write_text(path, "[1]")
    with pytest.raises(UnicodeEncodeError):  # as a full disk would, in the middle of it
        write_text(path, "[1, 2" + 10_000 * " " + "\udc80")
    assert path.read_text() == "[1]"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (("2026-11-24", "2026-11-24"), ["The tables are from before."]),
        (("2026-11-24", "2026-12-01"), ["sums are from before."]),
        (("2026-12-01", "2026-12-01"), []),
    ],
)
def test_tables_say_what_they_are_older_than(monkeypatch, days, told):
    made = {"sums": f"2 x a processor, {days[0]}", "smc": f"2 x a processor, {days[1]}"}
    monkeypatch.setattr(report, "machines", lambda: made)
    monkeypatch.setattr(report, "CHANGES", [("2026-11-28", "all is otherwise.")])
    paragraphs = report._outdated()
    assert len(paragraphs) == len(told)
    for paragraph, end in zip(paragraphs, told, strict=True):
        assert paragraph.rstrip().endswith(f" {end}")
