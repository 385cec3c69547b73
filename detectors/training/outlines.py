"""What becomes of outlines of a map, and how well they meet lines that people mapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from detectors.training.raster_recipes import Finish


@dataclass(frozen=True, slots=True)
class Overlap:
    """Outlines against mapped lines (thesis, Article VI, section 3.2.2)."""

    length_weighted: float | None
    """Share of the length of the lines that lies inside outlines; None without lines."""
    coverage: float | None
    """Share of the area of the outlines that belongs to ones a line meets; None without them."""
    outlines: int
    """How many there are."""


def finish(polygons: Sequence[BaseGeometry], rules: Finish) -> list[BaseGeometry]:
    """Widen outlines, join what touches, drop what is small.

    Args:
        polygons: in metres; of all classes and models where these merge.
        rules: of the recipe.

    Returns:
        Polygons that do not touch, by their westernmost point.
    """
    if not polygons:
        return []
    joined = shapely.union_all([one.buffer(rules.buffer_m) for one in polygons])
    parts = shapely.get_parts(joined)
    kept = [one for one in parts if one.area >= rules.least_m2]
    return sorted(kept, key=lambda one: one.bounds)


def overlap(polygons: Sequence[BaseGeometry], lines: Sequence[BaseGeometry]) -> Overlap:
    """Compare outlines with lines, both in metres; outlines must not overlap each other."""
    length = sum(line.length for line in lines)
    area = sum(one.area for one in polygons)
    tree = shapely.STRtree(list(polygons))
    inside, met = 0.0, set()
    for line in lines:
        for index in tree.query(line, predicate="intersects"):
            inside += polygons[index].intersection(line).length
            met.add(int(index))
    return Overlap(
        inside / length if length else None,
        sum(polygons[index].area for index in met) / area if area else None,
        len(polygons),
    )
