"""Small archives of real looks for tests, cut from the one that ships.

64 x 64 pixels of a steep burst in ten passes, and of a burst at sea in seven. In ``slide_series``
3 ha slid before the ninth pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window
from shapely.geometry import MultiPolygon, Polygon, shape

from detectors.simulate import Roughening, roughen, slide_outline
from detectors.types import Grid
from flows.archive.build import build
from flows.archive.derive import derive
from flows.archive.manifest import Archive, open_archive

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "infra" / "demo" / "archive"
STEEP, WATER = "T137-292320-IW2", "T137-292318-IW1"
EPSG = 32611
#: Six passes that only feed stacks, then four that are judged; the last two show the landslide.
DAYS = (
    "2022-11-14", "2022-11-26", "2022-12-08", "2022-12-20", "2023-10-04", "2023-10-16",
    "2023-10-28", "2023-11-09", "2023-11-21", "2023-12-03",
)  # fmt: skip
WATCH_FROM = datetime(2023, 10, 20, tzinfo=UTC)
HAPPENED = datetime(2023, 11, 15, tzinfo=UTC)
END = datetime(2024, 1, 1, tzinfo=UTC)
OUTLINE = slide_outline((243_330.0, 3_833_850.0), 205.0, 30_000.0)


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


@pytest.fixture(scope="session")
def quiet_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of real looks, small: ten passes of the steep burst, seven of the sea."""
    return cut_series(tmp_path_factory.mktemp("cut"), tmp_path_factory.mktemp("archives") / "quiet")


def cut_series(cut: Path, out: Path) -> Path:
    """Write the quiet archive; ``cut`` is a folder for the pieces."""
    shipped = open_archive(SHIPPED)
    for item in shipped.items():
        burst, sensed = item["properties"]["opera:burst_id"], item["properties"]["datetime"][:10]
        if (burst == STEEP and sensed in DAYS) or (burst == WATER and sensed in DAYS[:7]):
            for layer in ("VV", "VH"):
                _cut(shipped.cog(item, layer), cut / f"{item['id']}_{layer}.tif")
    return build(cut, out, collection="quiet", licence="Apache-2.0").path


def _cut(source: Path, target: Path) -> None:
    window = Window(18, 18, 64, 64)
    with rasterio.open(source) as dataset:
        profile = {
            "driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "float32",
            "crs": dataset.crs, "transform": dataset.window_transform(window), "nodata": np.nan,
        }  # fmt: skip
        with rasterio.open(target, "w", **profile) as out:
            out.write(dataset.read(1, window=window), 1)


@pytest.fixture(scope="session")
def slide_series(quiet_series: Path) -> Path:
    """The same passes of the steep burst, with the landslide in those after it happened."""
    return let_slide(quiet_series)


def let_slide(quiet_series: Path) -> Path:
    """Write the archive with the landslide beside the quiet one."""

    def plant(item: dict[str, Any], looks: Mapping[str, Any]) -> Mapping[str, Any] | None:
        properties = item["properties"]
        if datetime.fromisoformat(properties["datetime"]) < HAPPENED:
            return None
        grid = Grid(EPSG, Affine(*properties["proj:transform"]), *properties["proj:shape"])
        return {name: roughen(look, grid, OUTLINE, Roughening()) for name, look in looks.items()}

    return derive(
        open_archive(quiet_series), quiet_series.with_name("slide"), plant, collection="slide",
        changes="3 ha slid.", bursts=[STEEP],
    ).path  # fmt: skip


def footprint(archive: Archive, burst: str = STEEP) -> MultiPolygon:
    """Return where a burst of an archive is."""
    shapes = (
        shape(item["geometry"])
        for item in archive.items()
        if item["properties"]["opera:burst_id"] == burst
    )
    outline = next(shapes)
    assert isinstance(outline, Polygon)
    return MultiPolygon([outline])


def part_of(archive: Path, out: Path, keep: Callable[[dict[str, Any]], Any]) -> Path:
    """Copy an archive with the items that ``keep`` wants; it may change them, not their COGs."""
    (out / "items").mkdir(parents=True)
    (out / "cogs").symlink_to(archive / "cogs")
    for name in ("archive.json", "collection.json"):
        (out / name).write_bytes((archive / name).read_bytes())
    for path in (archive / "items").iterdir():
        item = json.loads(path.read_bytes())
        if keep(item):
            (out / "items" / path.name).write_text(json.dumps(item))
    return out
