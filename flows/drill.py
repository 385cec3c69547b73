"""The drill: one landslide that never happened, written into real looks of real steep ground.

About 3 ha on a shrub slope of the San Rafael mountains, California. Every look from the event on
shows it, every item, row and message that comes of it says simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affine import Affine
from shapely.geometry import Polygon

from detectors.simulate import Roughening, roughen, slide_outline
from detectors.types import FloatArray, Grid
from flows.archive.derive import derive
from flows.archive.manifest import ArchiveReport, open_archive


@dataclass(frozen=True, slots=True)
class Drill:
    """One planted landslide."""

    collection: str = "opera-rtc-s1-drill"
    """Id of the collection that shows it."""
    bursts: tuple[str, ...] = ("T137-292320-IW2", "T137-292321-IW2")
    """Steep bursts that are taken over."""
    epsg: int = 32611
    """Projected system of the outline."""
    head: tuple[float, float] = (243_330.0, 3_833_850.0)
    """Crown of the scarp, easting and northing in metres."""
    downslope_degrees: float = 205.0
    """Direction of movement, clockwise from north."""
    area_m2: float = 30_000.0
    """Area of the outline, m2."""
    happened_at: datetime = datetime(2023, 11, 15, 6, 0, tzinfo=UTC)
    """When it would have happened, UTC."""
    how: Roughening = field(default_factory=Roughening)
    """What it does to backscatter."""

    @property
    def outline(self) -> Polygon:
        """Outline in the projected system."""
        return slide_outline(self.head, self.downslope_degrees, self.area_m2)


def make_drill_archive(archive: Path, out: Path, drill: Drill) -> ArchiveReport:
    """Write the archive the drill region is polled from.

    Raises:
        InvalidArchive: the real archive lacks the bursts.
    """
    outline = drill.outline

    def plant(
        item: dict[str, Any], looks: dict[str, FloatArray]
    ) -> Mapping[str, FloatArray] | None:
        properties = item["properties"]
        if datetime.fromisoformat(properties["datetime"]) < drill.happened_at:
            return None
        height, width = properties["proj:shape"]
        grid = Grid(drill.epsg, Affine(*properties["proj:transform"]), height, width)
        changed = {
            layer: roughen(gamma0, grid, outline, drill.how) for layer, gamma0 in looks.items()
        }
        untouched = all(changed[layer] is looks[layer] for layer in looks)
        return None if untouched else changed

    return derive(
        open_archive(archive),
        out,
        plant,
        collection=drill.collection,
        bursts=drill.bursts,
        changes=(
            f"One landslide of {drill.area_m2 / 1e4:.1f} ha was written into every look from "
            f"{drill.happened_at:%Y-%m-%d} on; it never happened."
        ),
        replace=True,
    )
