"""Outlines of a map against lines that people mapped, from files."""

from __future__ import annotations

from pathlib import Path

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from detectors.errors import InvalidSamples
from detectors.training.outlines import Overlap, overlap
from flows.hostile import vector_file
from flows.stacks import read_vectors


def compare(lines: Path, outlines: Path) -> Overlap:
    """Compare lines of any coordinate system with outlines in metres.

    Raises:
        InvalidSamples: a file cannot be read, or holds something else.
    """
    try:
        crs = CRS.from_string(pyogrio.read_info(vector_file(outlines))["crs"])
    except (DataSourceError, DataLayerError, TypeError) as error:
        raise InvalidSamples(f"{outlines}: cannot be read ({error})") from None
    polygons = _parts(outlines, crs, "Polygon")
    return overlap(polygons, _parts(lines, crs, "LineString"))


def _parts(path: Path, crs: CRS, kind: str) -> list[BaseGeometry]:
    frame = read_vectors(path, crs)
    parts = [one for one in frame.geometry.dropna().explode() if one.geom_type == kind]
    if not parts and len(frame):
        raise InvalidSamples(f"{path}: holds no {kind}")
    return parts
