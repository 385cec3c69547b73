"""A small valley with everything in it, drawn in metres: SIMULATED, no such place exists.

A river runs east (its line is drawn that way), a road crosses the slope north of it, and a village
lies downstream. ``E`` and ``N`` are the south-west corner of the landslide's outline.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

EPSG = 32632
E, N = 430_000.0, 6_790_000.0


def at(east: float, north: float) -> tuple[float, float]:
    return (E + east, N + north)


def outline(west: float, south: float, east: float, north: float) -> MultiPolygon:
    """Return a box in metres from the corner as what is stored, EPSG:4326."""
    shape = geopandas.GeoSeries([box(*at(west, south), *at(east, north))], crs=EPSG)
    return MultiPolygon([shape.to_crs(4326).iloc[0]])


#: 120 m wide, 200 m high, on the slope: road and rail run through, the river does not reach it.
SLOPE = (0.0, 0.0, 120.0, 200.0)
#: Runs down into the river.
INTO_THE_RIVER = (0.0, -350.0, 120.0, 200.0)

ROWS: list[tuple[BaseGeometry, dict[str, Any]]] = [
    # Two pieces that meet inside the outline are one road.
    (LineString([at(-3000, 100), at(60, 100)]), {"highway": "secondary", "ref": "Fv53"}),
    (LineString([at(60, 100), at(3000, 100)]), {"highway": "secondary", "ref": "Fv53"}),
    (LineString([at(-3000, 110), at(3000, 110)]), {"highway": "footway", "name": "Sti"}),
    (LineString([at(-500, -60), at(500, -60)]), {"highway": "track"}),
    (LineString([at(-3000, -300), at(3000, -300)]), {"waterway": "river", "name": "Utla"}),
    (LineString([at(3000, -300), at(8000, -300)]), {"waterway": "river", "name": "Utla"}),
    # Joins the river half-way: it is upstream of nothing.
    (LineString([at(-1000, -2000), at(-1000, -300)]), {"waterway": "stream", "name": "Bekken"}),
    (LineString([at(5000, -1000), at(5000, 900)]), {"highway": "primary", "name": "Brua"}),
    (LineString([at(-2000, -1000), at(-2000, 900)]), {"highway": "primary", "name": "Ovafor"}),
    *(
        (Polygon([at(x, 150), at(x + 10, 150), at(x + 10, 160), at(x, 160)]), {"building": "yes"})
        for x in (150.0, 180.0, 210.0, 400.0)
    ),
    *((box(*at(x, -290), *at(x + 10, -280)), {"building": "house"}) for x in (5000.0, 5100.0)),
    (box(*at(-2500, -290), *at(-2490, -280)), {"building": "house"}),
    # North-west of it: the slope lies south-east of the village.
    (Point(at(-990, 990)), {"place": "village", "name": "Årdal"}),
    (Point(at(6000, -200)), {"place": "village", "name": "Nedre"}),
]


def valley(more: tuple[tuple[BaseGeometry, dict[str, Any]], ...] = ()) -> geopandas.GeoDataFrame:
    """Return the valley with the columns of OpenStreetMap."""
    rows = [*ROWS, *more]
    return geopandas.GeoDataFrame(
        [tags for _, tags in rows], geometry=[shape for shape, _ in rows], crs=EPSG
    ).to_crs(4326)


@pytest.fixture
def valley_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the valley as a file of any vector format."""

    def make(name: str = "valley.gpkg", **more: Any) -> Path:
        path = tmp_path / name
        frame = valley(**more)
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_file(path)
        return path

    return make
