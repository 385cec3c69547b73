"""What holds for every command: help, errors, exit status, JSON, start-up, logs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from detectors.errors import (
    CatalogueUnavailable,
    ConfigurationError,
    DatabaseUnavailable,
    InvalidRegion,
)
from detectors.types import Kind, State, Tier
from flows.cli import app
from flows.cli.errors import report
from flows.cli.options import KINDS, STATES, TIERS

HEAVY = {"prefect", "torch", "pystac", "pystac_client", "rasterio", "matplotlib", "stac_fastapi"}
ROOT = Path(__file__).resolve().parents[3]


def commands() -> Iterator[tuple[str, ...]]:
    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield path
            return
        for name, child in children.items():
            yield from walk(child, (*path, name))

    return walk(typer.main.get_command(app), ())


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_fits_a_terminal(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_the_word_that_was_meant_is_suggested() -> None:
    result = CliRunner().invoke(app, ["lanslides"])
    assert result.exit_code == 2
    assert "'landslides'" in result.stderr


def test_version(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "--version"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.startswith("scarpwatch ")


def test_words_of_options_are_those_of_the_records() -> None:
    for words, kinds in ((STATES, State), (TIERS, Tier), (KINDS, Kind)):
        assert sorted(words) == sorted(kinds)


def test_help_needs_no_large_library() -> None:
    loaded = python("import flows.cli, sys; print(*sys.modules)").stdout.split()
    assert not {*HEAVY, "sqlalchemy", "numpy", "shapely", "pydantic"} & set(loaded)


def test_reading_needs_neither_prefect_nor_torch(
    database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)
    code = (
        "import sys; from flows.cli import app\n"
        "try: app(['regions', 'list'])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = python(code)
    assert "No region is watched yet" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_a_poll_that_finds_nothing_loads_no_numerical_library() -> None:
    loaded = python("import flows.monitor, sys; print(*sys.modules)").stdout.split()
    assert not {"scipy", "skimage", "rasterio", "torch", "numba", "pandas"} & set(loaded)


@pytest.mark.parametrize(
    ("error", "status", "advice"),
    [
        (ConfigurationError("no channel [x] is set; write one"), 2, "write one"),
        (DatabaseUnavailable("gone"), 1, "scarpwatch db status"),
        (CatalogueUnavailable("429\nslow down"), 1, "try again later"),
        (InvalidRegion("a.geojson: redraw the outline"), 1, "redraw"),
    ],
)
def test_named_errors_are_one_line(
    error: Exception, status: int, advice: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "20")
    assert report(error) == status  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert str(error).replace("\n", " ") in told.err
    assert advice in told.err


def test_what_nobody_foresaw_keeps_its_traceback(home: Path) -> None:
    code = (
        "from flows.cli import app, options\n"
        "import flows.settings\n"
        "def broken(): raise ZeroDivisionError('unforeseen')\n"
        "flows.settings.load = broken\n"
        "app(['regions', 'list'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: unforeseen" in done.stderr


def test_settings_that_are_wrong(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_LEESE", "PT1M")
    assert "SCARPWATCH_LEESE" in cli("status", status=2).stderr


def test_names_cannot_forge_the_screen(cli: Any, read: Any, engine: Any, make_region: Any) -> None:
    from db import store
    from db.engine import transaction

    name = "[bold]A\x1b[2Jslope[/]\nerror: none \u202e"
    with transaction(engine) as s:
        store.save_region(s, make_region("slope", name=name))
    shown = cli("regions", "show", "slope").stdout
    assert "\x1b" not in shown
    assert "[bold]A [2Jslope[/] error: none" in shown
    assert read("regions", "show", "slope")["name"] == name


def test_missing_schema_is_explained(
    empty_database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", empty_database_url)
    for words in (["regions", "list"], ["status", "--json"], ["landslides", "show", "ab"]):
        result = CliRunner().invoke(app, words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "run: scarpwatch db upgrade" in result.stderr


def test_logs_go_to_standard_error(stored: Any, cli: Any) -> None:
    quiet = cli("poll", "san-rafael", status=1)
    assert quiet.stderr == ""
    loud = cli("poll", "-v", "san-rafael", "--json", status=1)
    assert json.loads(loud.stdout)
    assert "no catalogue 'local'" in loud.stdout


def test_what_is_logged(home: Path) -> None:
    code = (
        "import logging, structlog; from flows.cli.options import set_up_logging\n"
        "import sys; set_up_logging(int(sys.argv[1]))\n"
        "structlog.get_logger().info('ours spoke')\n"
        "logging.getLogger('db.place').info('ours, too')\n"
        "logging.getLogger('db.place').warning('ours warned')\n"
        "logging.getLogger('httpx').info('GET https://x?sig=hush')"
    )
    for verbosity, wanted in (("0", {"warned"}), ("1", {"warned", "spoke", "too"})):
        done = subprocess.run(
            [sys.executable, "-c", code, verbosity],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        assert done.stdout == ""
        assert {word for word in ("warned", "spoke", "too", "hush") if word in done.stderr} == (
            wanted
        )
