"""What is asked of the service, and what that costs; pure.

Three recipes, each one request per tile:

- radar: terrain-corrected gamma0 in linear power, float32, with the shadow mask in the same answer;
- reflectance: 16-bit numbers of our own making, stored = round(10000 x reflectance) + 1000;
- masks: classes and cloud probability, nearest pixel, 8 bit.

Why reflectance is encoded so: with ``harmonizeValues`` on, which is the default, the service clamps
what is negative to 0, and dark ground is negative after the atmospheric correction. As plain ``DN``
with it off, the numbers mean something else from baseline 04.00 on, and a scene that was processed
again would come 0.1 off without a word. Reflectance with it off is neither clamped nor ambiguous,
but wants float32, which costs twice; adding 1000 keeps it above 0 in 16 bits. Nothing is lost: the
source has steps of 0.0001, and cannot fall below -0.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shapely.geometry.base import BaseGeometry

from detectors.errors import UnreadableRaster
from detectors.types import Acquisition, Grid, OrbitState, Sensor

S1, S2 = "sentinel-1-grd", "sentinel-2-l2a"
#: Reflectance = stored x SCALE + OFFSET; see above.
SCALE, OFFSET = 1e-4, -0.1

POLARISATIONS = ("VV", "VH", "HH", "HV")
#: Our names of what comes beside the backscatter.
ANGLE, SHADOW = "lia", "shadow"
_REFLECTANCES = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
_MASKS = {"scl": ("SCL", "DN"), "cloud": ("CLD", "PERCENT")}

#: Names of the two parts of an answer.
VALUES, FLAGS = "values", "flags"
#: Items tell sensing times to the second; neighbouring passes are half an hour away at least.
_AROUND = timedelta(seconds=3)
_UNIT_PIXELS, _UNIT_BANDS = 512 * 512, 3
_LEAST_AREA, _LEAST_UNITS = 0.01, 0.005
_FLOAT_FACTOR, _TERRAIN_FACTOR = 2.0, 2.5

_SCRIPT = """//VERSION=3
function setup() {{
  return {{
    input: [{{bands: [{bands}], units: [{units}]}}],
    output: [{outputs}]
  }};
}}
function evaluatePixel(s) {{
  return {{{returns}}};
}}
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One raster of an answer."""

    name: str
    """``values`` or ``flags``."""
    layers: tuple[str, ...]
    """Our names of its layers; ``seen`` is the data mask."""
    dtype: str
    """numpy name of its numbers."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One kind of request for one acquisition."""

    collection: str
    """Data type at the service."""
    script: str
    """Evalscript."""
    parts: tuple[Part, ...]
    """What comes back; several parts come as one tar."""
    data_filter: dict[str, Any]
    """Which scenes may answer."""
    processing: dict[str, Any]
    """How they are processed."""
    source_bands: int
    """Bands that are charged."""
    factor: float
    """What is charged beyond pixels and bands."""

    def units(self, grid: Grid) -> float:
        """Return what one request for a grid is charged, processing units (CDSE documentation)."""
        area = max(_LEAST_AREA, grid.height * grid.width / _UNIT_PIXELS)
        return max(_LEAST_UNITS, area * self.source_bands / _UNIT_BANDS * self.factor)


def recipes(acquisition: Acquisition, bands: Sequence[str], dem: str) -> list[Recipe]:
    """Return the requests that bands of an acquisition take.

    Args:
        acquisition: of one of the two collections.
        bands: see ``Renderer.render``.
        dem: elevation model of the terrain correction.

    Raises:
        UnreadableRaster: a band that the acquisition does not have.
    """
    radar = acquisition.sensor is Sensor.SAR
    known = {*acquisition.polarisations, ANGLE, SHADOW} if radar else {*_REFLECTANCES, *_MASKS}
    if unknown := [name for name in bands if name not in known]:
        raise UnreadableRaster(f"{acquisition.item_id} has no {', '.join(unknown)}")
    if radar:
        return [_radar(acquisition, [b for b in bands if b != SHADOW], dem)]
    smooth = [name for name in bands if name in _REFLECTANCES]
    classes = [name for name in bands if name in _MASKS]
    found = [_reflectance(acquisition, smooth)] if smooth else []
    return [*found, _masks(acquisition, classes)] if classes else found


def _radar(acquisition: Acquisition, bands: Sequence[str], dem: str) -> Recipe:
    # Without a polarisation the service has no look to say shadow of.
    layers = tuple(bands) or acquisition.polarisations[:1]
    names = {ANGLE: "localIncidenceAngle"}
    sources = [names.get(layer, layer) for layer in layers]
    units = ["DN" if layer == ANGLE else "LINEAR_POWER" for layer in layers]
    direction = "ASCENDING" if acquisition.orbit_state is OrbitState.ASCENDING else "DESCENDING"
    return Recipe(
        collection=S1,
        script=_script(
            [*sources, "shadowMask", "dataMask"],
            [*units, "DN", "DN"],
            {
                VALUES: ("FLOAT32", [f"s.{source}" for source in sources]),
                FLAGS: ("UINT8", ["s.dataMask", "s.shadowMask"]),
            },
        ),
        parts=(Part(VALUES, layers, "float32"), Part(FLAGS, ("seen", SHADOW), "uint8")),
        data_filter={
            "timeRange": _time_range(acquisition),
            "acquisitionMode": "IW",
            "resolution": "HIGH",
            "orbitDirection": direction,
            "mosaickingOrder": "mostRecent",
        },
        # GAMMA0_TERRAIN counts only where the image is orthorectified; the service's defaults are
        # the ellipsoid and no rectification, which is useless on slopes.
        processing={
            "backCoeff": "GAMMA0_TERRAIN",
            "orthorectify": True,
            "demInstance": dem,
            "upsampling": "BILINEAR",
        },
        source_bands=len(sources) + 1,
        factor=_FLOAT_FACTOR * _TERRAIN_FACTOR,
    )


def _reflectance(acquisition: Acquisition, bands: Sequence[str]) -> Recipe:
    sources = [_REFLECTANCES[name] for name in bands]
    encoded = [f"Math.min(65535, Math.max(0, Math.round(10000 * s.{b}) + 1000))" for b in sources]
    return Recipe(
        collection=S2,
        script=_script(
            [*sources, "dataMask"],
            ["REFLECTANCE"] * len(sources) + ["DN"],
            {VALUES: ("UINT16", [*encoded, "s.dataMask"])},
        ),
        parts=(Part(VALUES, (*bands, "seen"), "uint16"),),
        data_filter=_scene(acquisition),
        processing={
            "harmonizeValues": False, "upsampling": "BILINEAR", "downsampling": "BILINEAR",
        },
        source_bands=len(sources),
        factor=1.0,
    )  # fmt: skip


def _masks(acquisition: Acquisition, bands: Sequence[str]) -> Recipe:
    sources = [_MASKS[name][0] for name in bands]
    return Recipe(
        collection=S2,
        script=_script(
            [*sources, "dataMask"],
            [*(_MASKS[name][1] for name in bands), "DN"],
            {VALUES: ("UINT8", [*(f"s.{source}" for source in sources), "s.dataMask"])},
        ),
        parts=(Part(VALUES, (*bands, "seen"), "uint8"),),
        data_filter=_scene(acquisition),
        # A class between two classes is a third one that nobody saw.
        processing={"upsampling": "NEAREST", "downsampling": "NEAREST"},
        source_bands=len(sources),
        factor=1.0,
    )


def _scene(acquisition: Acquisition) -> dict[str, Any]:
    return {"timeRange": _time_range(acquisition), "mosaickingOrder": "mostRecent"}


def _time_range(acquisition: Acquisition) -> dict[str, str]:
    start, end = acquisition.sensed_at - _AROUND, acquisition.sensed_at + _AROUND
    return {"from": f"{start:%Y-%m-%dT%H:%M:%S}Z", "to": f"{end:%Y-%m-%dT%H:%M:%S}Z"}


def _script(
    bands: Sequence[str], units: Sequence[str], outputs: dict[str, tuple[str, list[str]]]
) -> str:
    """Write an evalscript; outputs are type and expressions by name."""
    return _SCRIPT.format(
        bands=", ".join(f'"{band}"' for band in bands),
        units=", ".join(f'"{unit}"' for unit in units),
        outputs=", ".join(
            f'{{id: "{name}", bands: {len(layers)}, sampleType: "{kind}"}}'
            for name, (kind, layers) in outputs.items()
        ),
        returns=", ".join(f"{name}: [{', '.join(v)}]" for name, (_, v) in outputs.items()),
    )


def search_units(area: BaseGeometry, span: timedelta) -> float:
    """Return what one page of a search is charged, processing units (CDSE documentation).

    Args:
        area: EPSG:4326, lon/lat.
        span: of sensing times.
    """
    west, south, east, north = area.bounds
    middle = math.radians((south + north) / 2)
    km2: float = (east - west) * (north - south) * 111.32**2 * math.cos(middle)
    return min(1.0, max(0.01, km2 / 1e6) * max(1, math.ceil(span / timedelta(days=31))))
