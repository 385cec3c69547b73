"""Archives of simulated Sentinel-2: what is written is what a monitor reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from detectors.errors import InvalidArchive
from detectors.masks import Sun
from detectors.types import Acquisition, Grid, Unseen
from flows.archive.cogs import is_cog
from flows.archive.manifest import Archive, open_archive
from flows.archive.optical import Picture, write_optical_archive
from flows.archive.publish import publish
from flows.archive.server import ArchiveServer
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import make_catalogue
from flows.optical_imagery import read_optical

BANDS = ("blue", "green", "red", "nir")
GRID = Grid(32611, Affine(10, 0, 242_000, 0, -10, 3_835_000), 50, 41)
SENSED = datetime(2023, 11, 22, 18, 45, 9, tzinfo=UTC)


def picture(**fields: object) -> Picture:
    rng = np.random.default_rng(5)
    reflectance = rng.uniform(-0.01, 0.6, (4, *GRID.shape)).astype(np.float32)
    reflectance[:, 0, 0] = np.nan
    scl = np.full((25, 21), 4, np.uint8)
    scl[20:, 15:] = 9
    one = Picture(SENSED, "sentinel-2a", "11SKU", GRID, reflectance, scl, Sun(163, 33), False)
    return replace(one, **fields)  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    pictures = [picture(), picture(sensed_at=SENSED.replace(day=27), edited=True)]
    write_optical_archive(
        pictures, BANDS, tmp_path / "s2", collection="s2-drill", title="Made up", changes="A slide."
    )
    return open_archive(tmp_path / "s2")


def test_simulated_is_said_everywhere(archive) -> None:
    assert archive.simulated
    assert archive.collection["title"] == "SIMULATED: Made up"
    assert archive.collection["keywords"] == [
        "Sentinel-2", "L2A", "surface reflectance", "SIMULATED"
    ]  # fmt: skip
    provenance = (archive.path / "PROVENANCE.md").read_text("utf-8")
    assert "**SIMULATED." in provenance
    assert "nothing was observed" in provenance
    # Nobody's data is in it, so nobody is credited.
    assert "Copernicus" not in provenance
    for item in archive.items():
        assert item["id"].endswith("_L2A_SIM")
        assert item["properties"]["scarpwatch:simulated"] is True
    assert [i["properties"]["scarpwatch:edited"] for i in archive.items()] == [False, True]
    assert archive.manifest["bursts"] == []


def test_items_speak_as_earth_search_does(archive) -> None:
    item = archive.items()[0]
    assert item["id"] == "S2A_T11SKU_20231122T184509_L2A_SIM"
    assert list(item["assets"]) == [*BANDS, "scl"]
    properties = item["properties"]
    assert properties["published"] == "2023-11-22T23:45:09Z"
    assert properties["eo:cloud_cover"] == pytest.approx(5.71)
    assert not any("boa_offset_applied" in name for name in properties)
    (bands,) = item["assets"]["red"]["raster:bands"]
    assert (bands["scale"], bands["offset"], bands["nodata"]) == (1e-4, -0.1, 0)
    assert item["assets"]["scl"]["proj:shape"] == [25, 21]


def test_pixels_are_stored_as_esa_stores_them(archive) -> None:
    item = archive.items()[0]
    for name in (*BANDS, "scl"):
        assert is_cog(archive.cog(item, name))
    with rasterio.open(archive.cog(item, "red")) as dataset:
        values = dataset.read(1)
        assert (dataset.dtypes[0], dataset.nodata) == ("uint16", 0)
    expected = picture().reflectance[2]
    np.testing.assert_allclose(values[1:] * 1e-4 - 0.1, expected[1:], atol=6e-5)
    assert values[0, 0] == 0


def test_a_monitor_finds_and_reads_it(archive, database_url) -> None:
    with ArchiveServer(database_url, [archive.path]) as server:
        shown = publish(database_url, archive, SENSED.replace(day=24), server.url)
        assert shown == ["S2A_T11SKU_20231122T184509_L2A_SIM"]
        settings = CatalogueSettings(kind="stac", url=server.url, published_property="published")
        catalogue = make_catalogue("local", settings)
        (acquisition,) = catalogue.search(
            "s2-drill", box(-121, 34, -119, 36),
            sensed_after=SENSED.replace(day=1), until=SENSED.replace(day=25),
        )  # fmt: skip
        assert isinstance(acquisition, Acquisition)
        assert acquisition.tile == "T11SKU"
        assert acquisition.simulated
        assert set(acquisition.offset.values()) == {-0.1}
        look = read_optical([acquisition], GRID, catalogue)
    expected = picture().reflectance
    seen = look.unseen == Unseen.SEEN
    assert look.unseen[0, 0] == Unseen.NO_DATA
    assert look.unseen[45, 35] == Unseen.CLOUD
    assert seen[10:30, 5:20].all()
    np.testing.assert_allclose(look.reflectance[:, seen], expected[:, seen], atol=6e-5)


def test_an_archive_needs_pictures(tmp_path) -> None:
    with pytest.raises(InvalidArchive, match="needs pictures"):
        write_optical_archive([], BANDS, tmp_path / "s2", collection="x", title="x", changes="x")
    assert not (tmp_path / "s2").exists()
