"""Heights for looks: out of the first source that has them, and never at the price of a look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from detectors.conditions import Conditions
from detectors.errors import CatalogueUnavailable
from detectors.types import Grid, ScoreMap
from flows.catalogs.base import Catalogue, CatalogueSettings
from flows.catalogs.stac import StacCatalogue
from flows.heights import ConfiguredHeights, NoHeights
from flows.judging import SNOW, SNOW_ABOVE, advisories
from flows.settings import Settings
from tests.scenes import make_grid
from tests.unit.test_detectors_vectorize import score_map

GRID = make_grid(12, 14)


def nobody(name: str) -> Catalogue:
    raise AssertionError(name)


def written(path: Path, grid: Grid, metres: float) -> str:
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.height, width=grid.width, count=1,
        dtype="float32", crs=f"EPSG:{grid.epsg}", transform=grid.transform, nodata=-9999.0,
    ) as dataset:  # fmt: skip
        dataset.write(np.full(grid.shape, metres, dtype=np.float32), 1)
    return str(path)


def test_no_source_no_heights() -> None:
    assert NoHeights().on(GRID) == (None, None)
    assert ConfiguredHeights((), nobody).on(GRID) == (None, None)
    assert Settings().elevation == ()


def test_first_source_that_reaches_a_place_counts(tmp_path: Path) -> None:
    elsewhere = written(tmp_path / "far.tif", make_grid(12, 14, west=300_000.0), 1.0)
    here = written(tmp_path / "here.tif", GRID, 800.0)
    also = written(tmp_path / "also.tif", GRID, 5.0)
    metres, careful = ConfiguredHeights((elsewhere, here, also), nobody).on(GRID)
    assert metres is not None
    np.testing.assert_allclose(metres, 800.0)
    assert careful is None
    assert ConfiguredHeights((elsewhere,), nobody).on(GRID) == (None, None)


def test_what_cannot_be_read_is_said_and_costs_no_look(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"nothing")
    metres, careful = ConfiguredHeights((str(broken),), nobody).on(GRID)
    assert metres is None
    assert careful is not None
    assert careful.startswith("broken.tif: UnreadableRaster")
    assert str(tmp_path) not in careful
    # The next one stands in, and then nothing is missing.
    here = written(tmp_path / "here.tif", GRID, 800.0)
    metres, careful = ConfiguredHeights((str(broken), here), nobody).on(GRID)
    assert metres is not None
    assert careful is None


def test_a_catalogue_that_is_down_or_knows_no_elevation(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> object:
        raise CatalogueUnavailable("no answer")

    monkeypatch.setattr("flows.heights.fetch_elevation", down)
    stac = StacCatalogue("own", CatalogueSettings(kind="stac", url="http://127.0.0.1:1"))
    _, careful = ConfiguredHeights(("own/cop-dem-glo-30",), lambda _: stac).on(GRID)
    assert careful == "cop-dem-glo-30: CatalogueUnavailable: judged without elevation"
    _, careful = ConfiguredHeights(("own/dem",), lambda _: object()).on(GRID)  # type: ignore[arg-type,return-value]
    assert careful == "dem: ConfigurationError: judged without elevation"


@pytest.mark.parametrize(
    ("weather", "whole", "said"),
    [
        (Conditions(False, False, 1450.0, False), True, {SNOW_ABOVE.format(1450)}),
        (Conditions(False, False, 1450.0, False), False, set()),
        (Conditions(True, True, None, False), False, {SNOW}),
        (Conditions(False, False, None, False), True, set()),
    ],
)
def test_snow_is_told_of_the_look(weather: Conditions, whole: bool, said: set[str]) -> None:
    scores: ScoreMap = score_map(np.zeros((4, 4), dtype=np.float32))
    assert advisories(scores, weather, whole=whole) == said
