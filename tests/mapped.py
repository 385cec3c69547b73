"""A SIMULATED inventory in the hills of the drill: no such landslide exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from shapely.affinity import rotate, scale
from shapely.geometry import Point

EPSG = 32611
#: South-west corner, metres: inside the regions of ``tests.flows.cli.conftest``.
E, N = 236_000.0, 3_833_500.0


def inventory(count: int = 60, seed: int = 7) -> geopandas.GeoDataFrame:
    """Return ellipses whose areas follow a power law of exponent 2.4 from 900 m2 on, in UTM."""
    random = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    shapes, rows = [], []
    for number in range(count):
        area = 900.0 * (1 - random.random()) ** (-1 / 1.4)
        radius = np.sqrt(min(area, 60_000.0) / np.pi)
        centre = Point(E + 150 + 300 * (number % side), N + 150 + 300 * (number // side))
        shape = scale(centre.buffer(radius, 8), 1.5, 1 / 1.5)
        shapes.append(rotate(shape, random.uniform(0, 180)))
        rows.append(
            {
                "NUMMER": f"L{number:04d}",
                "EVENT_DATE": f"2023-{1 + number % 12:02d}-{1 + number % 28:02d}",
                "ART": ("debris flow", "rock fall")[number % 2],
                "AUSLÖSER": "rain",
                "GENAU": ("exact", "1km", "unknown")[number % 3],
            }
        )
    return geopandas.GeoDataFrame(rows, geometry=shapes, crs=EPSG)


@pytest.fixture
def inventory_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the inventory, or a frame, in the format its name tells."""

    def write(name: str = "slides.gpkg", frame: Any = None, **options: Any) -> Path:
        path = tmp_path / name
        (inventory() if frame is None else frame).to_file(path, **options)
        return path

    return write
