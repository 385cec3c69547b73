"""The drill: changes that never happened, written into real radar looks of real steep ground.

Two of them, on shrub slopes of the San Rafael mountains, California. A landslide of about 3 ha,
which bares the ground, so that optical looks show it too (``flows.drill_optical``). And ground that
only turned rougher to the radar, as after ploughing or rain on loose soil: it has to be suspected
like the first and refuted by the first clear optical look. Every item, row and message that comes
of either says simulated.
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
class Planted:
    """One change that never happened."""

    head: tuple[float, float]
    """Crown of the scarp, easting and northing in metres."""
    downslope_degrees: float
    """Direction of movement, clockwise from north."""
    bares: bool
    """Plants are gone afterwards: a landslide. False: only the radar sees a change."""
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


@dataclass(frozen=True, slots=True)
class Drill:
    """What is planted, and where."""

    collection: str = "opera-rtc-s1-drill"
    """Id of the collection that shows it to the radar."""
    bursts: tuple[str, ...] = ("T137-292320-IW2", "T137-292321-IW2")
    """Steep bursts that are taken over."""
    epsg: int = 32611
    """Projected system of the outlines."""
    slide: Planted = Planted((243_330.0, 3_833_850.0), 205.0, bares=True)
    """The landslide."""
    decoy: Planted = Planted((241_300.0, 3_851_350.0), 190.0, bares=False)
    """The change that only the radar sees."""

    @property
    def planted(self) -> tuple[Planted, ...]:
        """Both."""
        return self.slide, self.decoy


def make_drill_archive(archive: Path, out: Path, drill: Drill) -> ArchiveReport:
    """Write the radar archive the drill region is polled from.

    Raises:
        InvalidArchive: the real archive lacks the bursts.
    """

    def plant(
        item: dict[str, Any], looks: dict[str, FloatArray]
    ) -> Mapping[str, FloatArray] | None:
        properties = item["properties"]
        sensed_at = datetime.fromisoformat(properties["datetime"])
        height, width = properties["proj:shape"]
        grid = Grid(drill.epsg, Affine(*properties["proj:transform"]), height, width)
        changed = dict(looks)
        for one in drill.planted:
            if sensed_at >= one.happened_at:
                changed = {
                    layer: roughen(gamma0, grid, one.outline, one.how)
                    for layer, gamma0 in changed.items()
                }
        untouched = all(changed[layer] is looks[layer] for layer in looks)
        return None if untouched else changed

    slide, decoy = drill.planted
    return derive(
        open_archive(archive),
        out,
        plant,
        collection=drill.collection,
        bursts=drill.bursts,
        changes=(
            f"One landslide of {slide.area_m2 / 1e4:.1f} ha was written into every look from "
            f"{slide.happened_at:%Y-%m-%d} on, and one change of {decoy.area_m2 / 1e4:.1f} ha that "
            f"is no landslide from {decoy.happened_at:%Y-%m-%d} on; neither happened."
        ),
        replace=True,
    )
