"""Real mountains: our slope against the slope its makers gave with the elevation model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from detectors import look_geometry, terrain
from detectors.types import OrbitState, Unseen
from flows.elevation import read_elevation
from flows.terrain_layers import look_at

pytestmark = pytest.mark.data


def test_jiuzhaigou(data_folder: Path, record) -> None:
    folder = data_folder / "dem-mountain-jiuzhaigou"
    elevation = read_elevation(folder / "DEM_030.tif", missing=0)
    metres, pixel_m = elevation.metres, 30.0
    assert 0.3 < np.isnan(metres).mean() < 0.4
    with rasterio.open(folder / "DEM_030_SLOPE.tif") as dataset:
        theirs = dataset.read(1, masked=True).filled(np.nan)
    inner = ndimage.binary_erosion(np.isfinite(metres), iterations=3)
    apart = np.abs(terrain.slope(metres, pixel_m) - theirs)[inner]
    assert apart.max() < 0.1
    rows = []
    hidden = []
    for orbit in OrbitState:
        seen_from = look_geometry.viewing_on(elevation.grid, orbit, 39.0)
        layers = look_at(elevation, seen_from)
        codes = look_geometry.unseen_ground(metres, pixel_m, seen_from)
        # The whole at once and block by block, whose lines of sight run between other pixels.
        both = (layers.layover == 1) | (layers.shadow == 1)
        known = np.isfinite(metres)
        assert ((codes != Unseen.SEEN) != both)[known].mean() < 0.01
        assert np.abs(layers.local_incidence[known] - 39).mean() > 10
        hidden.append(both)
        rows.append(
            (
                orbit.value,
                f"{seen_from.azimuth:.1f}",
                f"{(layers.layover == 1)[known].mean():.1%}",
                f"{(layers.shadow == 1)[known].mean():.1%}",
                f"{both[known].mean():.1%}",
            )
        )
        assert 0.02 < both[known].mean() < 0.4
    from_both = (hidden[0] & hidden[1])[known].mean()
    # Two look directions cure most of it (SCIENCE section 3).
    assert from_both < 0.25 * min(one[known].mean() for one in hidden)
    record(
        "What a radar sees of Jiuzhaigou",
        f"30 m elevation model, {known.sum() * pixel_m**2 / 1e6:.0f} km2 with heights, incidence "
        f"39 degrees. Our slope differs from the slope file of the same source by "
        f"{apart.max():.4f} degrees at most.",
        ("direction", "azimuth", "layover", "shadow", "not seen"),
        rows,
        f"Seen from neither direction: {from_both:.1%}.",
    )
