"""The drill: changes that never happened, written into real radar looks of real steep ground.

On shrub slopes of the San Rafael mountains, California. A landslide of about 3 ha, which bares the
ground, so that optical looks show it too (``flows.drill_optical``). And ground that only turned
rougher to the radar, as after ploughing or rain on loose soil: it has to be suspected like the
first and refuted by the first clear optical look. The whole drill has two more: a landslide that
stays under clouds, and one that dams a valley. Every item, row and message that comes of any says
simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affine import Affine
from shapely.geometry import Point, Polygon

from detectors.simulate import CALM_WATER, Roughening, drown, roughen, slide_outline
from detectors.types import FloatArray, Grid
from flows.archive.derive import derive
from flows.archive.manifest import ArchiveReport, open_archive

#: Width of the deposit between a landslide's outline and the water behind it, m.
_DAM_M = 45.0


@dataclass(frozen=True, slots=True)
class Planted:
    """One change that never happened."""

    head: tuple[float, float]
    """Crown of the scarp, easting and northing in metres."""
    downslope_degrees: float
    """Direction of movement, clockwise from north."""
    bares: bool
    """Plants are gone afterwards: a landslide. False: only the radar sees a change."""
    clear_from: datetime | None
    """From when on no cloud hides it, UTC; clouds do from its day on until then. None: always."""
    area_m2: float = 30_000.0
    """Area of the outline, m2."""
    happened_at: datetime = datetime(2023, 11, 15, 6, 0, tzinfo=UTC)
    """When it would have happened, UTC."""
    how: Roughening = field(default_factory=Roughening)
    """What it does to backscatter."""
    pond_m2: float = 0.0
    """Area of the water behind it, m2; 0 = none."""

    @property
    def outline(self) -> Polygon:
        """Outline in the projected system."""
        return slide_outline(self.head, self.downslope_degrees, self.area_m2)

    @property
    def pond(self) -> Polygon | None:
        """Outline of the water, round and just up the valley from the deposit; None for none."""
        if not self.pond_m2:
            return None
        radius = math.sqrt(self.pond_m2 / math.pi)
        towards = math.radians(self.downslope_degrees)
        tip = max(
            self.outline.exterior.coords,
            key=lambda xy: xy[0] * math.sin(towards) + xy[1] * math.cos(towards),
        )
        away = radius + _DAM_M
        return Point(tip[0] + away * math.cos(towards), tip[1] - away * math.sin(towards)).buffer(
            radius
        )

    def hidden(self, moment: datetime) -> bool:
        """Tell whether clouds hide it then."""
        cleared = self.clear_from is not None and moment >= self.clear_from
        return moment >= self.happened_at and not cleared


@dataclass(frozen=True, slots=True)
class Drill:
    """What is planted, and where."""

    collection: str = "opera-rtc-s1-drill"
    """Id of the collection that shows it to the radar."""
    bursts: tuple[str, ...] = ("T137-292320-IW2", "T137-292321-IW2")
    """Steep bursts that are taken over."""
    epsg: int = 32611
    """Projected system of the outlines."""
    slide: Planted = Planted(
        (243_330.0, 3_833_850.0), 205.0, bares=True, clear_from=datetime(2023, 12, 2, tzinfo=UTC)
    )
    """The landslide."""
    decoy: Planted = Planted(
        (241_300.0, 3_851_350.0), 190.0, bares=False, clear_from=datetime(2023, 12, 12, tzinfo=UTC)
    )
    """The change that only the radar sees."""
    others: tuple[Planted, ...] = ()
    """What else is planted."""

    @property
    def planted(self) -> tuple[Planted, ...]:
        """All of it, the landslide first, then the decoy."""
        return self.slide, self.decoy, *self.others


#: The drill with a landslide that no optical look ever sees, and one that dams a valley. The first
#: landslide stays under clouds until a second radar look has seen it.
WHOLE = Drill(
    slide=replace(Drill().slide, clear_from=datetime(2023, 12, 12, tzinfo=UTC)),
    others=(
        Planted((241_050.0, 3_852_450.0), 190.0, bares=True, clear_from=None),
        Planted(
            (244_230.0, 3_834_550.0), 205.0, bares=True, pond_m2=40_000.0,
            clear_from=datetime(2023, 12, 12, tzinfo=UTC),
        ),
    )
)  # fmt: skip


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
                if one.pond is not None:
                    day = sensed_at.date().toordinal()
                    changed = {
                        layer: drown(gamma0, grid, one.pond, CALM_WATER[layer], day)
                        for layer, gamma0 in changed.items()
                    }
        untouched = all(changed[layer] is looks[layer] for layer in looks)
        return None if untouched else changed

    return derive(
        open_archive(archive),
        out,
        plant,
        collection=drill.collection,
        bursts=drill.bursts,
        changes=" ".join(map(_told, drill.planted)) + " None of it happened.",
        replace=True,
    )


def _told(one: Planted) -> str:
    what = "A landslide" if one.bares else "A change that is no landslide"
    pond = f" and a pond of {one.pond_m2 / 1e4:.1f} ha behind it" if one.pond_m2 else ""
    since = f"written into every look from {one.happened_at:%Y-%m-%d} on"
    return f"{what} of {one.area_m2 / 1e4:.1f} ha{pond}, {since}."
