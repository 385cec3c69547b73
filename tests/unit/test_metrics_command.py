"""``scarpwatch metrics`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app

GOOD = "ID,1,2\n1,8,1\n2,2,0\n"


def metrics(path: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["metrics", "--confusion", str(path), *more])


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "matrix.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_one_json_document(tmp_path: Path) -> None:
    result = metrics(written(tmp_path, GOOD), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["overall_accuracy"] == pytest.approx(8 / 11)
    assert document["classes"]["1"]["producers_accuracy"] == pytest.approx(0.8)
    assert document["classes"]["1"]["users_accuracy"] == pytest.approx(8 / 9)
    assert document["classes"]["2"]["specificity"] == pytest.approx(0.8)
    assert document["classes"]["2"]["f1"] == 0.0
    absent = metrics(written(tmp_path, "ID,1,2\n1,8,0\n2,0,0\n"), "--json")
    assert json.loads(absent.stdout)["classes"]["2"]["f1"] is None


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffID,1,2\r\n1,8,1\r\n2,2,0\r\n",
        "ID,1,2\r1,8,1\r2,2,0",
        ' ID , 1 ,"2"\n\n1, 8.0,1\n2,2,0\n,,\n',
        "ID,1,2\n2,2,0\n1,8,1\n",
    ],
    ids=["mark and CRLF", "CR alone", "blanks", "rows in another order"],
)
def test_what_spreadsheets_make_of_it(tmp_path: Path, content: str) -> None:
    expected = metrics(written(tmp_path, GOOD), "--json").stdout
    assert metrics(written(tmp_path, content), "--json").stdout == expected


def test_a_table_for_people(tmp_path: Path) -> None:
    result = metrics(written(tmp_path, GOOD))
    assert result.exit_code == 0, result.output
    assert "overall accuracy 72.73 %" in result.stdout
    assert "producer's" in result.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("\n,,\n", "empty"),
        ("ID\n", "lacks its class id"),
        ("ID,1,2\n", "0 rows and 2 columns"),
        ("ID,1,2\n1,8,1\n", "1 rows and 2 columns"),
        ("ID,1,2\n1,8\n2,2,0\n", "matrix.csv:2: 1 counts"),
        ("ID,1,2\n1,8,1,4\n2,2,0\n", "matrix.csv:2: 3 counts"),
        ("ID;1;2\n1;8;1\n2;2;0\n", "lacks its class id"),
        ("ID,1,2\n1,8,1\n3,2,0\n", "class '2' stands in rows or columns only"),
        ("ID,1,1\n1,8,1\n1,2,0\n", "class '1' comes twice"),
        ("ID,1,\n1,8,1\n2,2,0\n", "lacks its class id"),
        ("ID,1,2\n1,8,-1\n2,2,0\n", "-1 is no count"),
        ("ID,1,2\n1,8,nan\n2,2,0\n", "nan is no count"),
        ("ID,1,2\n1,8,inf\n2,2,0\n", "inf is no count"),
        ("ID,1,2\n1,8,\n2,2,0\n", "'' is no number"),
        ("ID,1,2\n1,8,many\n2,2,0\n", "'many' is no number"),
        (GOOD.encode("utf-16"), "not UTF-8"),
        (b"II*\0\1\0\0\0", "not text"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str | bytes, words: str) -> None:
    result = metrics(written(tmp_path, content), "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = metrics(tmp_path / "none.csv")
    assert result.exit_code == 1
    assert "not there" in result.stderr
