"""README's way from nothing to one's own layer in QGIS, typed line by line as it stands there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import rasterio
from affine import Affine
from sqlalchemy import Engine
from typer.testing import CliRunner

from db import roles
from db.layers import MAPPED
from detectors.errors import ConfigurationError
from flows.cli import app
from tests.mapped import EPSG, E, N, inventory

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Your own layer in QGIS\n")[1].split("\n## ")[0]
#: What is tried elsewhere: it needs a drill, never ends, or asks for maps that nobody has set.
ELSEWHERE = (
    "SCARPWATCH_HOME=", "scarpwatch ogc serve", "scarpwatch stac serve",
    "scarpwatch landslides measure",
)  # fmt: skip


def typed() -> list[str]:
    """The commands of the section, in their order, without what this machine has already."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    return [line for line in lines if not line.startswith(("make ", "export ", "qgis "))]


def queries() -> list[str]:
    """The SQL of the section."""
    (block,) = re.findall(r"^```sql\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    return [query.strip() for query in block.split(";") if query.strip()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a new user types: with a file of landslides, and a picture of that ground."""
    monkeypatch.chdir(tmp_path)
    inventory(40).to_file(tmp_path / "mapped.shp")
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", height=200, width=200, count=1, dtype="uint8",
        crs=f"EPSG:{EPSG}", transform=Affine(10, 0, E, 0, -10, N + 2_000),
    ) as scene:  # fmt: skip
        scene.write(np.zeros((1, 200, 200), np.uint8))
    return tmp_path


@pytest.fixture
def login(engine: Engine) -> Iterator[str]:
    """The login that README makes; it goes with the test."""
    yield "kari"
    with suppress(ConfigurationError):
        roles.remove_login(engine, "kari")


def test_readme_leads_to_an_own_layer(
    folder: Path, engine: Engine, database_url: str, login: str, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)
    monkeypatch.setenv("SCARPWATCH_HOME", str(folder / "state"))
    lines = typed()
    assert [line for line in lines if not line.startswith(("scarpwatch ", *ELSEWHERE))] == []
    for line in lines:
        if line.startswith(ELSEWHERE):
            continue
        words = shlex.split(line, comments=True)[1:]
        ran = CliRunner().invoke(app, words)
        assert ran.exit_code == 0, f"{line}: {ran.output}"
    for name in ("landslides.qgs", "mask.tif", "statistics.png", "slides.gpkg", "mapped.parquet"):
        assert (folder / name).stat().st_size > 0, name
    theirs = database_url.replace("://postgres@", f"://{login}@")
    with psycopg.connect(theirs) as connection:
        found = [connection.execute(query.replace("'...'", "NULL")) for query in queries()]
        assert [answer.rowcount for answer in found] == [0, 0, 40, 0]
    _drawn(request.getfixturevalue("run_qgis"), folder)


def _drawn(run_qgis: Callable[..., dict[str, Any]], folder: Path) -> None:
    """Open the project in the real QGIS and look for the outlines."""
    picture = folder / "map.png"
    said = run_qgis("open_project.py", str(folder / "landslides.qgs"), str(picture))
    layer = said["layers"]["analysts_inventory_landslides"]
    assert layer["valid"], layer["error"]
    with rasterio.open(picture) as drawn:
        pixels = drawn.read([1, 2, 3]).reshape(3, -1).T
    assert np.any(np.all(pixels == MAPPED, axis=1)), "no outline of an imported landslide"
