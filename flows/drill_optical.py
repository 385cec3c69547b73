"""What Sentinel-2 would have seen of the drill: simulated pictures of both steep bursts.

The landslide is bare ground from its day on; the decoy stays as green as it was. Storm clouds hide
both while the radar already suspects them. The first look to show the landslide is one of a mostly
cloudy region, and it must do: nobody waits for a sky without clouds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio import features
from shapely.geometry import Polygon, box

from detectors.masks import sun_at
from detectors.projections import to_lonlat
from detectors.simulate_ground import BANDS, WATER, Ground, altered, fail, landscape
from detectors.simulate_optical import Sky, Spot, look
from detectors.types import Grid
from flows.archive.manifest import Archive, ArchiveReport, open_archive
from flows.archive.optical import Picture, write_optical_archive
from flows.drill import Drill, Planted

COLLECTION = "sentinel-2-l2a-drill"
TILE = "11SKU"
#: Radar pixels are 30 m, optical ones 10 m.
_FINER = 3
#: How far around a planted change clouds come or stay away, m.
_AROUND_M = 450.0
_SEED = 10


@dataclass(frozen=True, slots=True)
class Pass:
    """The sky of one date."""

    day: str
    """ISO date."""
    cloud: float
    """Share of each picture behind clouds."""

    @property
    def sensed_at(self) -> datetime:
        """When Sentinel-2 comes over, UTC."""
        return datetime.fromisoformat(f"{self.day}T18:45:09+00:00")


PASSES = (
    Pass("2022-11-17", 0.05),
    Pass("2022-12-02", 0.1),
    Pass("2023-10-08", 0.03),
    Pass("2023-10-23", 0.2),
    Pass("2023-11-07", 0.1),
    Pass("2023-11-17", 0.97),
    Pass("2023-11-22", 0.75),
    Pass("2023-11-27", 0.5),
    Pass("2023-12-02", 0.65),
    Pass("2023-12-12", 0.15),
    Pass("2023-12-22", 0.04),
)
#: The fleet comes every five days, its two satellites in turn.
_EVERY = timedelta(days=5)
_FIRST = datetime(2022, 11, 17, tzinfo=UTC)


def make_optical_archive(archive: Path, out: Path, drill: Drill) -> ArchiveReport:
    """Write the optical archive the drill region is polled from.

    Raises:
        InvalidArchive: the radar archive lacks the bursts.
    """
    return write_optical_archive(
        pictures(open_archive(archive), drill),
        BANDS,
        out,
        collection=COLLECTION,
        title="Sentinel-2 over the drill",
        changes=" ".join(
            f"A landslide of {one.area_m2 / 1e4:.1f} ha shows from {one.happened_at:%Y-%m-%d} on."
            for one in drill.planted
            if one.bares
        ),
        replace=True,
    )


def pictures(archive: Archive, drill: Drill) -> Iterator[Picture]:
    """Take every picture, oldest first; of one pass the northern one first, seconds earlier."""
    frames = sorted(_grids(archive, drill), key=lambda grid: -grid.transform.f)
    shown = [_Place(grid, drill, _SEED + number) for number, grid in enumerate(frames)]
    for one in PASSES:
        turn = (one.sensed_at - _FIRST) // _EVERY % 2
        for number, place in enumerate(shown):
            grid = place.grid
            sensed_at = one.sensed_at + timedelta(seconds=3 * number)
            middle = to_lonlat(box(*grid.bounds), grid.epsg).centroid
            sun = sun_at(sensed_at, middle.x, middle.y)
            sky = Sky(one.cloud, spots=tuple(_spot(each, sensed_at) for each in drill.planted))
            ground = place.as_of(sensed_at)
            reflectance, scl = look(ground, sensed_at, sun, sky, place.seed)
            yield Picture(
                sensed_at=sensed_at,
                platform=f"sentinel-2{'ab'[turn]}",
                tile=TILE,
                grid=grid,
                reflectance=reflectance,
                scl=scl,
                sun=sun,
                edited=ground is not place.before,
            )


def _grids(archive: Archive, drill: Drill) -> set[Grid]:
    """Return the ground of each burst, in optical pixels."""
    grids = set()
    for item in archive.items():
        properties = item["properties"]
        if properties["opera:burst_id"] in drill.bursts:
            height, width = properties["proj:shape"]
            transform = Affine(*properties["proj:transform"]) @ Affine.scale(1 / _FINER)
            grids.add(Grid(drill.epsg, transform, height * _FINER, width * _FINER))
    return grids


class _Place:
    """What one burst shows, whatever the weather."""

    def __init__(self, grid: Grid, drill: Drill, seed: int) -> None:
        frame = box(*grid.bounds)
        self.grid, self.seed = grid, seed
        self._here = [one for one in drill.planted if one.outline.within(frame)]
        self.before = landscape(grid, seed, self._here[0].downslope_degrees)
        self._known: dict[tuple[Planted, ...], Ground] = {(): self.before}

    def as_of(self, moment: datetime) -> Ground:
        """Return the ground with what has happened by then; ``before`` where nothing shows."""
        happened = tuple(one for one in self._here if one.bares and one.happened_at <= moment)
        if happened not in self._known:
            ground = self.before
            for one in happened:
                ground = fail(ground, one.outline, one.downslope_degrees, self.seed)
                if one.pond is not None:
                    ground = _drowned(ground, one.pond)
            self._known[happened] = ground
        return self._known[happened]


def _drowned(ground: Ground, pond: Polygon) -> Ground:
    share = features.rasterize(
        [pond], ground.grid.shape, transform=ground.grid.transform, dtype="uint8"
    )
    return altered(ground, share.astype(np.float32), 0.0, WATER)


def _spot(planted: Planted, moment: datetime) -> Spot:
    middle = planted.outline.centroid
    return Spot(middle.x, middle.y, _AROUND_M, planted.hidden(moment))
