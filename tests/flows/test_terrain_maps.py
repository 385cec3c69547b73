"""What an elevation model looks like from one direction, as layers, files and a command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from scipy import ndimage
from typer.testing import CliRunner

from detectors import look_geometry, terrain
from detectors.errors import ConfigurationError, InvalidElevation
from detectors.look_geometry import Viewing
from detectors.types import Grid, OrbitState
from flows import terrain_layers
from flows.cli import app
from flows.elevation import Elevation, Vertical
from flows.terrain_layers import MISSING, look_at
from flows.terrain_maps import write_maps

TRANSFORM = Affine(30, 0, 500_000, 0, -30, 5_100_000)


def mountains(height: int, width: int, relief: float = 1_200.0) -> Elevation:
    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(height, width)), 10)
    metres = (1_500 + relief * noise / np.abs(noise).max()).astype(np.float32)
    metres[:20, :30] = np.nan
    return Elevation(Grid(32632, TRANSFORM, height, width), metres, Vertical.EGM2008, "made.tif")


def write_dem(path: Path, elevation: Elevation) -> Path:
    grid = elevation.grid
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.height, width=grid.width, count=1, dtype="float32",
        crs=f"EPSG:{grid.epsg}", transform=grid.transform,
    ) as dataset:  # fmt: skip
        dataset.write(np.nan_to_num(elevation.metres), 1)
    return path


@pytest.mark.parametrize("azimuth", [80.0, 280.0])
def test_blocks_give_what_the_whole_gives(azimuth: float, monkeypatch) -> None:
    elevation, look = mountains(150, 140, 1_100.0), Viewing(azimuth, 39.0)
    monkeypatch.setattr(terrain_layers, "BLOCK", 80)
    layers, metres = look_at(elevation, look), elevation.metres
    np.testing.assert_array_equal(layers.slope, terrain.slope(metres, 30))
    np.testing.assert_array_equal(layers.aspect, terrain.aspect(metres, 30))
    local = look_geometry.local_incidence(metres, 30, look)
    np.testing.assert_array_equal(layers.local_incidence, local)
    known = np.isfinite(metres)
    for mask, of in (
        (layers.layover, look_geometry.layover),
        (layers.shadow, look_geometry.radar_shadow),
    ):
        whole = of(metres, 30, look)
        # Lines of sight run between pixels, elsewhere in each block: edges may move by one.
        inner = np.zeros_like(known)
        inner[5:-5, 5:-5] = True
        square = np.ones((3, 3), dtype=bool)
        assert not ((mask == 1) & ~ndimage.binary_dilation(whole, square) & inner).any()
        assert not ((mask == 0) & ndimage.binary_erosion(whole, square) & inner).any()
        assert whole.any()
        np.testing.assert_array_equal(mask == MISSING, ~known)


def test_files_say_what_they_are(tmp_path) -> None:
    elevation = mountains(70, 90)
    report = write_maps(elevation, OrbitState.DESCENDING, 36.0, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(report.files)
    assert report.share_missing == pytest.approx(600 / 6_300)
    assert 0 < report.share_shadow < report.share_layover < 1
    for name in report.files:
        if name.endswith(".png"):
            assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
            continue
        with rasterio.open(tmp_path / "out" / name) as dataset:
            assert (dataset.crs.to_epsg(), dataset.transform) == (32632, TRANSFORM)
            assert dataset.tags()["VERTICAL"] == "egm2008"
            assert dataset.tags()["ORBIT_STATE"] == "descending"
            assert float(dataset.tags()["LOOK_AZIMUTH"]) == pytest.approx(report.azimuth, abs=0.01)
            assert dataset.read(1, masked=True).mask[:20, :30].all()
    with rasterio.open(tmp_path / "out" / "layover.tif") as dataset:
        laid_over = dataset.read(1, masked=True)
    assert laid_over.mean() == pytest.approx(report.share_layover)


def test_what_cannot_be_looked_at_is_named(tmp_path) -> None:
    elevation = mountains(40, 50)
    long = Grid(32632, Affine(30, 0, 500_000, 0, -20, 5_100_000), 40, 50)
    with pytest.raises(InvalidElevation, match="not square"):
        write_maps(
            Elevation(long, elevation.metres, Vertical.UNKNOWN, "a"), OrbitState.ASCENDING, 39,
            tmp_path,
        )  # fmt: skip
    pole = Grid(32632, Affine(30, 0, 500_000, 0, -30, 9_900_000), 40, 50)
    with pytest.raises(ConfigurationError, match="does not look at latitude 89"):
        write_maps(
            Elevation(pole, elevation.metres, Vertical.UNKNOWN, "a"), OrbitState.ASCENDING, 39,
            tmp_path,
        )  # fmt: skip


def test_the_command(tmp_path) -> None:
    dem = write_dem(tmp_path / "dem.tif", mountains(90, 110))
    run = CliRunner().invoke
    shown = run(app, ["terrain", str(dem), "--out", str(tmp_path / "a"), "--no-data", "0", "--json",
                      "--vertical", "egm96", "--orbit", "descending"])  # fmt: skip
    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert (document["vertical"], document["orbit_state"]) == ("egm96", "descending")
    assert document["grid"]["transform"] == list(TRANSFORM)[:6]
    assert 270 < document["azimuth"] < 290
    # The hole, and the pixels beside it.
    assert document["share_missing"] == pytest.approx(21 * 31 / (90 * 110))
    told = run(app, ["terrain", str(dem), "--out", str(tmp_path / "b")]).stdout
    for words in ("ascending, towards", "layover", "slope.tif", "heights", "unknown"):
        assert words in told
    assert "6% of the pixels are 0 m exactly" in told
    for wrong, why in ((["--orbit", "sideways"], "none of ascending, descending"),
                       (["--vertical", "sea"], "none of egm2008")):  # fmt: skip
        failed = run(app, ["terrain", str(dem), "--out", str(tmp_path / "c"), *wrong])
        assert failed.exit_code == 2
        assert why in failed.stderr
    (tmp_path / "no.tif").write_bytes(b"no")
    failed = run(app, ["terrain", str(tmp_path / "no.tif"), "--out", str(tmp_path / "c")])
    assert failed.exit_code == 1
    assert "no.tif: not a raster" in failed.stderr
