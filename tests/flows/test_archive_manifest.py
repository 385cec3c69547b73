"""The layout of archives on disk, and the one that ships."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from detectors.errors import InvalidArchive
from flows.archive.build import build
from flows.archive.cogs import is_cog
from flows.archive.manifest import open_archive

SHIPPED = Path(__file__).parents[2] / "infra" / "demo" / "archive"


def test_nothing_usable_is_an_error_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InvalidArchive, match="holds no GeoTIFF"):
        build(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a.tif").write_bytes(b"x")
    with pytest.raises(InvalidArchive, match="1 refused"):
        build(tmp_path / "in", tmp_path / "out")
    with pytest.raises(InvalidArchive, match="not a folder"):
        build(tmp_path / "nowhere", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_existing_folder_is_only_replaced_when_asked_and_an_archive(products, tmp_path):
    out = tmp_path / "out"
    build(products, out)
    with pytest.raises(InvalidArchive, match="exists already"):
        build(products, out)
    build(products, out, replace=True)
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "picture.png").write_bytes(b"x")
    with pytest.raises(InvalidArchive, match="will not be replaced"):
        build(products, other, replace=True)
    assert (other / "picture.png").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "archive.json").unlink(), "is no archive"),
        (lambda p: (p / "archive.json").write_text("{"), "cannot be read"),
        (lambda p: (p / "archive.json").write_text("[]"), "no JSON object"),
        (lambda p: (p / "archive.json").write_text('{"schema": "x/9"}'), "schema x/9"),
    ],
)
def test_damaged_archive_is_named(
    archive_folder: Path, damage: Callable[[Path], object], message: str
):
    damage(archive_folder)
    with pytest.raises(InvalidArchive, match=message):
        open_archive(archive_folder)


def test_missing_layer_or_file_is_named(archive_folder):
    archive = open_archive(archive_folder)
    item = archive.items()[0]
    with pytest.raises(InvalidArchive, match="has no HH"):
        archive.cog(item, "HH")
    archive.cog(item, "VV").unlink()
    with pytest.raises(InvalidArchive, match="is missing"):
        archive.cog(item, "VV")


def test_provenance_tells_source_licence_and_credit(archive_folder):
    text = (archive_folder / "PROVENANCE.md").read_text("utf-8")
    assert "Contains modified Copernicus Sentinel data 2022-2023." in text
    assert "Licence: Apache-2.0" in text
    assert "'downloads'" in text
    assert str(archive_folder.parent) not in text


def test_shipped_archive_is_what_it_says():
    archive = open_archive(SHIPPED)
    items = archive.items()
    assert len(items) == 110
    assert len(archive.manifest["bursts"]) == 5
    assert not archive.simulated
    size = sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file())
    assert size < 9_000_000
    text = (SHIPPED / "PROVENANCE.md").read_text("utf-8")
    assert "Apache-2.0" in text
    assert "Contains modified Copernicus Sentinel data 2021-2025" in text
    for item in items[::20]:
        for layer in ("VV", "VH"):
            assert is_cog(archive.cog(item, layer))


@pytest.mark.data
def test_shipped_archive_holds_the_original_pixels():
    source = Path(os.environ["SCARPWATCH_DATA"]) / "s1-rtc-opera-t137-california"
    originals = sorted(source.glob("OPERA_*.tif"))
    assert len(originals) == 220
    for original in originals:
        with rasterio.open(original) as one, rasterio.open(SHIPPED / "cogs" / original.name) as two:
            assert np.array_equal(one.read(1), two.read(1), equal_nan=True)
            assert (one.crs, one.transform) == (two.crs, two.transform)
