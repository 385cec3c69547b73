"""Reading rasters that cannot be read: each failure has a name, and says of which item."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from detectors.errors import ImageryUnavailable, UnreadableRaster
from flows.archive.cogs import Raster, write_cog
from flows.imagery import plan_blocks, read_pass
from tests.rasters import EPSG, NORTH, TRANSFORM, WEST, Signing, grid, look, region, speckle, write

HERE = region(-9, 40, 40, -9)


@pytest.fixture
def catalogue() -> Signing:
    return Signing()


def plan(item, catalogue):
    return next(plan_blocks(item, HERE, catalogue))


def read(item, catalogue, size: int = 30):
    return read_pass([item], ("VV",), grid(size, size), catalogue)


def refuse_both(item, catalogue, reason: str, error: type[Exception] = UnreadableRaster) -> None:
    for use in (plan, read):
        with pytest.raises(error, match=reason):
            use(item, catalogue)


# --- files that put pixels in the wrong place or mean something else


def test_degrees(tmp_path, catalogue) -> None:
    transform = Affine(0.0003, 0, -119.8, 0, -0.0003, 34.6)
    path = write(tmp_path / "a.tif", speckle(30, 30), crs="EPSG:4326", transform=transform)
    refuse_both(look(path), catalogue, "item VV: EPSG:4326 is not an EPSG system in metres")


def test_feet(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", speckle(30, 30), crs="EPSG:2229")
    refuse_both(look(path), catalogue, "EPSG:2229 is not an EPSG system in metres")


def test_no_coordinate_system(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", speckle(30, 30), crs=None)
    refuse_both(look(path), catalogue, "item VV: no coordinate reference system$")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_ground_range_with_control_points_only(tmp_path, catalogue) -> None:
    points = [
        GroundControlPoint(row, column, -119.8 + column / 3_000, 34.6 - row / 3_000)
        for row in (0, 30) for column in (0, 30)
    ]  # fmt: skip
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=30, width=30, count=1, dtype="float32"
    ) as dataset:
        dataset.write(speckle(30, 30), 1)
        dataset.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
    reason = r"only ground control points: not terrain-corrected"
    refuse_both(look(path), catalogue, reason)


@pytest.mark.parametrize(
    "transform",
    [
        TRANSFORM @ Affine.rotation(12),
        Affine(30, 0, WEST, 0, 30, NORTH - 900),
        Affine(-30, 0, WEST + 900, 0, -30, NORTH),
    ],
    ids=["rotated", "upside down", "mirrored"],
)
def test_not_north_up(tmp_path, catalogue, transform) -> None:
    path = write(tmp_path / "a.tif", speckle(30, 30), transform=transform)
    refuse_both(look(path), catalogue, "item VV: rotated or upside down")


def test_integers(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", np.full((30, 30), 70, np.uint16), nodata=0)
    refuse_both(look(path), catalogue, "item VV: uint16 is not linear gamma0 in float")


# --- files that are broken


def cog(path: Path, size: int = 30) -> Path:
    write_cog(path, Raster(speckle(size, size), EPSG, TRANSFORM, {}))
    return path


def cut_off(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_no_raster(tmp_path, catalogue) -> None:
    path = tmp_path / "a.tif"
    path.write_text("<html>Service unavailable</html>")
    refuse_both(look(path), catalogue, "item VV: not a raster")


def test_an_empty_file(tmp_path, catalogue) -> None:
    path = tmp_path / "a.tif"
    path.touch()
    refuse_both(look(path), catalogue, "item VV: not a raster")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated(tmp_path, catalogue, share) -> None:
    item = look(cut_off(cog(tmp_path / "a.tif", 400), share))
    with pytest.raises(UnreadableRaster, match=r"item VV: (not a raster|truncated or damaged)"):
        read(item, catalogue, 400)


def test_a_file_that_is_not_there(tmp_path, catalogue) -> None:
    item = look(tmp_path / "none.tif")
    refuse_both(item, catalogue, "item VV: the file is not there", ImageryUnavailable)


# --- over HTTP


@pytest.fixture
def remote(files):
    """Puts a COG on the server; returns the item that points at it."""

    def make(size: int = 30):
        cog(files.root / "a.tif", size)
        return look(f"{files.url}/a.tif")

    return make


def test_pixels_come_over_http_as_they_are(remote, catalogue) -> None:
    assert np.array_equal(read(remote(), catalogue)[0], speckle(30, 30))


def test_only_the_part_that_is_needed_is_fetched(files, remote, catalogue) -> None:
    item = remote(1_500)
    whole = (files.root / "a.tif").stat().st_size
    read(item, catalogue)
    assert 0 < files.sent() < whole / 5


def test_not_there_yet_and_then_there(files, remote, catalogue) -> None:
    """An early announcement must not be remembered as missing."""
    item = remote()
    (files.root / "a.tif").rename(files.root / "later.tif")
    refuse_both(item, catalogue, "item VV: HTTP 404", ImageryUnavailable)
    (files.root / "later.tif").rename(files.root / "a.tif")
    assert np.isfinite(read(item, catalogue)).all()


def test_a_file_replaced_in_place_is_read_anew(files, remote, catalogue) -> None:
    item = remote()
    read(item, catalogue)
    write_cog(files.root / "b.tif", Raster(2 * speckle(30, 30), EPSG, TRANSFORM, {}))
    shutil.move(files.root / "b.tif", files.root / "a.tif")
    assert np.array_equal(read(item, catalogue)[0], 2 * speckle(30, 30))


def test_a_signature_that_ran_out_is_renewed_once(files, remote, catalogue) -> None:
    item = remote()
    files.rules({"match": "a.tif", "unless": "token=new", "status": 403})
    assert plan(item, catalogue).grid == grid(30, 30)
    assert catalogue.renewed == 1
    assert np.isfinite(read(item, catalogue)).all()
    assert catalogue.renewed == 1


def test_a_host_that_answers_no_head(files, remote, catalogue) -> None:
    item = remote()
    files.rules({"match": "^HEAD", "status": 403})
    assert np.isfinite(read(item, catalogue)).all()


def test_a_signature_that_is_refused_again(files, remote, catalogue) -> None:
    item = remote()
    files.rules({"match": "a.tif", "status": 403})
    with pytest.raises(ImageryUnavailable, match="item VV: HTTP 403") as refused:
        plan(item, catalogue)
    assert catalogue.renewed == 1
    assert "token" not in str(refused.value)


@pytest.mark.parametrize("status", [401, 410])
def test_refused(files, remote, catalogue, status) -> None:
    item = remote()
    files.rules({"match": "a.tif", "status": status})
    refuse_both(item, catalogue, f"item VV: HTTP {status}", ImageryUnavailable)


def test_a_server_in_trouble_is_asked_again(files, remote, catalogue) -> None:
    item = remote()
    files.rules({"match": "a.tif", "status": 503, "times": 1})
    assert np.isfinite(read(item, catalogue)).all()
    assert len([asked for asked in files.seen() if "a.tif" in asked]) > 1


def test_a_server_that_stays_in_trouble(files, remote, catalogue) -> None:
    item = remote()
    files.rules({"match": "a.tif", "status": 503})
    with pytest.raises(ImageryUnavailable, match="item VV: HTTP 503"):
        read(item, catalogue)


def test_a_connection_that_breaks(files, remote, catalogue) -> None:
    item = remote()
    files.rules({"match": "a.tif", "cut": True})
    with pytest.raises(
        ImageryUnavailable, match=r"item VV: (what came is not a raster|the transfer broke off)"
    ):
        read(item, catalogue)


def test_a_connection_that_breaks_in_the_middle_of_the_pixels(files, remote, catalogue) -> None:
    item = remote(600)
    block = plan(item, catalogue)
    files.rules({"match": "GET /a.tif", "after": 1, "cut": True})
    with pytest.raises(ImageryUnavailable, match="item VV: the transfer broke off"):
        read_pass([item], ("VV",), block.grid, catalogue)


def test_a_remote_file_that_is_cut_short(files, remote, catalogue) -> None:
    """Nobody can tell it from a transfer that broke off: another try may help."""
    item = remote(600)
    cut_off(files.root / "a.tif", 0.5)
    with pytest.raises(ImageryUnavailable, match="the file is cut short"):
        read(item, catalogue, 600)


def test_a_remote_file_that_is_no_raster(files, remote, catalogue) -> None:
    item = remote()
    (files.root / "a.tif").write_text("<html>Please log in</html>")
    refuse_both(item, catalogue, "item VV: what came is not a raster", ImageryUnavailable)


def test_nobody_listens(catalogue) -> None:
    item = look("http://127.0.0.1:1/a.tif")
    with pytest.raises(ImageryUnavailable, match="item VV: "):
        read(item, catalogue)
