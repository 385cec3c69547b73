"""SIMULATED ground of the full chain: small regions, what slides in them, what is seen of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from affine import Affine
from scipy import ndimage
from shapely.geometry import MultiPolygon, Polygon, box

from bench.year.sky import BEGIN, CYCLE, DAY
from detectors.masks import sun_at
from detectors.projections import to_lonlat
from detectors.simulate import Roughening, roughen
from detectors.simulate_ground import BANDS, fail, landscape
from detectors.simulate_optical import Sky, Spot, look
from detectors.types import Grid, OrbitState, WatchedRegion
from flows.archive.optical import Picture, write_optical_archive
from flows.archive.simulated import RadarLook, write_radar_archive
from flows.drill import Planted
from flows.replay import CATALOGUE

RADAR, OPTICAL = "opera-rtc-s1-year", "sentinel-2-l2a-year"
EPSG, SIDE = 32611, 100
#: Passes before the first day, and how often Sentinel-2 brings a picture that is worth reading.
BEFORE, PICTURES = 8 * CYCLE, 30 * DAY
LOOKS_OF_SPECKLE = 4.4
#: Clouds stay over what happened for so long: two radar passes see it first.
HIDDEN = timedelta(days=32)
#: What is confirmed is closed after so long, and what nobody could see is given up.
ENDS = timedelta(days=125)
#: Passes that never come out where nothing happens: silence is told.
GONE = (12, 13, 20)
#: By region what happens and on which day: landslides, changes that are none, one under clouds
#: for good.
HAPPENS = (
    ("landslide", 40), ("decoy", 70), ("hidden", 80), ("nothing", 0), ("landslide", 110),
    ("landslide", 190), ("decoy", 160), ("landslide", 250), ("decoy", 220), ("nothing", 0),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """One region and what happens there."""

    number: int
    what: str
    planted: Planted | None

    @property
    def id(self) -> str:
        """Of the region."""
        return f"c{self.number:02d}"

    @property
    def grid(self) -> Grid:
        """Radar pixels."""
        west, north = 300_000.0 + 15_000 * self.number, 3_840_000.0
        return Grid(EPSG, Affine(30, 0, west, 0, -30, north), SIDE, SIDE)

    @property
    def area(self) -> Polygon:
        """All of it, lon/lat."""
        wanted = to_lonlat(box(*self.grid.bounds).buffer(-60), EPSG)
        assert isinstance(wanted, Polygon)
        return wanted

    @property
    def changed(self) -> Polygon | None:
        """Where something was planted, lon/lat."""
        return None if self.planted is None else to_lonlat(self.planted.outline, EPSG)

    @property
    def region(self) -> WatchedRegion:
        """As it is watched."""
        return WatchedRegion(
            self.id, f"SIMULATED {self.what} {self.number}", MultiPolygon([self.area]),
            (f"{CATALOGUE}/{RADAR}", f"{CATALOGUE}/{OPTICAL}"), simulated=True, watch_from=BEGIN,
            detectors=("sar_log_ratio",), poll_every=DAY,
        )  # fmt: skip


def places(number: int) -> list[Place]:
    """Return the regions."""
    made = []
    for index in range(number):
        what, day = HAPPENS[index % len(HAPPENS)]
        bare = Place(index, what, None)
        if what == "nothing":
            made.append(bare)
            continue
        west, south, east, north = bare.grid.bounds
        head = (0.55 * west + 0.45 * east, 0.45 * south + 0.55 * north)
        happened = BEGIN + day * DAY
        made.append(Place(index, what, Planted(
            head, 200.0, bares=what != "decoy",
            clear_from=None if what == "hidden" else happened + HIDDEN,
            happened_at=happened, area_m2=40_000.0,
        )))  # fmt: skip
    return made


def write_archives(folder: Path, shown: Sequence[Place], days: int) -> list[Path]:
    """Write what the satellites see of the places; return the folders."""
    changes = "Landslides and changes that are none are planted."
    write_radar_archive(
        _radar(shown, days), folder / "radar", collection=RADAR, title="a year", changes=changes
    )
    write_optical_archive(
        _optical(shown, days), BANDS, folder / "optical", collection=OPTICAL, title="a year",
        changes=changes,
    )  # fmt: skip
    return [folder / "radar", folder / "optical"]


def _radar(shown: Sequence[Place], days: int) -> Iterator[RadarLook]:
    for place in shown:
        draw = np.random.default_rng([31, place.number])
        relief = ndimage.gaussian_filter(draw.normal(size=(SIDE, SIDE)), 6)
        relief = 2.0 * relief / relief.std()
        first = BEGIN - BEFORE + place.number * DAY + timedelta(hours=14)
        for number in range((BEGIN + days * DAY - first) // CYCLE + 1):
            sensed = first + number * CYCLE
            if place.planted is None and number in GONE:
                continue
            speckle = draw.gamma(LOOKS_OF_SPECKLE, 1 / LOOKS_OF_SPECKLE, (2, SIDE, SIDE))
            level = relief + np.array([-10.0, -16.5])[:, None, None]
            gamma0 = (10 ** (level / 10) * speckle).astype(np.float32)
            if place.planted is not None and sensed >= place.planted.happened_at:
                gamma0 = np.stack([
                    roughen(band, place.grid, place.planted.outline, Roughening())
                    for band in gamma0
                ])  # fmt: skip
            orbit = 100 + place.number
            yield RadarLook(
                sensed, f"T{orbit}-{900_000 + place.number}-IW2", OrbitState.ASCENDING, place.grid,
                gamma0, ("VV", "VH"), np.zeros((SIDE, SIDE), np.uint8), {},
            )  # fmt: skip


def _optical(shown: Sequence[Place], days: int) -> Iterator[Picture]:
    for place in shown:
        grid = Grid(EPSG, place.grid.transform @ Affine.scale(1 / 3), 3 * SIDE, 3 * SIDE)
        middle = place.area.centroid
        before, seed = landscape(grid, 40 + place.number, 200.0), 40 + place.number
        planted = place.planted
        after = before
        if planted is not None and planted.bares:
            after = fail(before, planted.outline, 200.0, seed)
        sensed, number = BEGIN - 4 * PICTURES + timedelta(hours=18.5), 0
        while sensed < BEGIN + days * DAY:
            spots: tuple[Spot, ...] = ()
            if planted is not None:
                at = planted.outline.centroid
                spots = (Spot(at.x, at.y, 450.0, planted.hidden(sensed)),)
            ground = after if planted and sensed >= planted.happened_at else before
            sun = sun_at(sensed, middle.x, middle.y)
            cloud = (0.05, 0.3, 0.15)[number % 3]
            reflectance, scl = look(ground, sensed, sun, Sky(cloud, spots=spots), seed)
            yield Picture(
                sensed, f"sentinel-2{'ab'[number % 2]}", f"11S{chr(ord('A') + place.number)}U",
                grid, reflectance, scl, sun, ground is not before,
            )  # fmt: skip
            sensed, number = sensed + PICTURES, number + 1


def told(place: Place, kinds: Sequence[str], end: datetime) -> list[str]:
    """Return what is wrong about the alerts of a place.

    Args:
        place: where.
        kinds: of all its alerts.
        end: of the year: what cannot be certain yet may be told, once.
    """
    at = place.planted.happened_at if place.planted is not None else end
    seen, clear = at + 2 * CYCLE, at + HIDDEN + 2 * PICTURES
    by = {
        "nothing": {},
        "landslide": {"suspected": seen, "confirmed": clear, "closed": clear + ENDS},
        "decoy": {"suspected": seen, "withdrawn": clear},
        "hidden": {"suspected": seen, "unresolved": seen + ENDS},
    }[place.what]
    wrong = []
    for kind in ("suspected", "confirmed", "withdrawn", "unresolved", "closed"):
        count, certain = kinds.count(kind), kind in by and by[kind] < end
        if count > (kind in by) or (certain and not count):
            wrong.append(f"{place.id} ({place.what}): {kind} told {count} times")
    return wrong
