"""What `make check-data` keeps: a line per run, the newest figures, older ones with their date."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

INFRA = Path(__file__).resolve().parents[2] / "infra"


@pytest.fixture(scope="module")
def data_report() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(INFRA)
        return importlib.import_module("data_report")


def test_first_run_makes_the_report(data_report: ModuleType) -> None:
    text = data_report.updated("", "| one |", {"Quiet": "| a |"}, "Monday")
    assert text.startswith("# Checks on data that is not shipped\n")
    assert "| --- | --- | --- |\n| one |\n\n## Quiet\n\nMeasured Monday.\n\n| a |\n" in text


def test_newest_run_stands_on_top_and_replaces_its_sections(data_report: ModuleType) -> None:
    first = data_report.updated("", "| one |", {"Quiet": "first", "Other": "kept"}, "Monday")
    second = data_report.updated(first, "| two |", {"Quiet": "new"}, "Tuesday")
    assert "| two |\n| one |\n" in second
    assert "\n\nfirst\n" not in second
    assert "## Quiet\n\nMeasured Tuesday.\n\nnew\n" in second
    assert "## Other\n\nMeasured Monday.\n\nkept\n" in second


def test_run_without_figures_keeps_the_figures(data_report: ModuleType) -> None:
    first = data_report.updated("", "| one |", {"Quiet": "a\n\nb"}, "Monday")
    second = data_report.updated(first, "| broken |", {}, "Tuesday")
    assert second == first.replace("| one |", "| broken |\n| one |")


def test_report_is_the_same_shape_after_many_runs(data_report: ModuleType) -> None:
    text = ""
    for number in range(4):
        text = data_report.updated(text, f"| {number} |", {"Quiet": "a"}, "now")
    assert text.count("## ") == 2
    assert "\n\n\n" not in text
    assert text.index("| 3 |") < text.index("| 0 |")


def test_result_is_written_to_the_report(
    data_report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, report = tmp_path / "figures.json", tmp_path / "data.md"
    monkeypatch.setattr(data_report, "REPORT", report)
    figures.write_text('{"Quiet": "| 1 |"}', encoding="utf-8")
    data_report.main(str(figures), "2 passed", "abc123")
    # A run that broke off leaves an empty file.
    figures.write_text("", encoding="utf-8")
    data_report.main(str(figures), "no summary, exit 2", "abc123")
    text = report.read_text(encoding="utf-8")
    assert "| abc123 | no summary, exit 2 |" in text
    assert "| abc123 | 2 passed |" in text
    assert "at commit abc123.\n\n| 1 |" in text
