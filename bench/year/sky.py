"""The SIMULATED sky of a year: which passes there are, and what goes wrong with each.

Everything is drawn before anything is asked, so that what the books must say is known without
reading them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, box, mapping

from bench.polling import BELTS, COLLECTION_ID
from detectors.types import WatchedRegion
from flows.archive.manifest import iso
from flows.replay import CATALOGUE

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
CYCLE, DAY = timedelta(days=12), timedelta(days=1)
#: How far a first poll looks back: five passes of each track.
HISTORY = timedelta(days=60)
#: Places with steep ground, each 2 by 2 degrees and 4 products to a pass.
AREAS = 4
#: Sentinel-1C takes the descending tracks, and fails for a month.
FAILS = (BEGIN + timedelta(days=150), BEGIN + timedelta(days=180))
#: Days after which a region is added that knows the track by three passes and the gap.
BACK = 188
#: Shares of what goes wrong: passes that never come out, and that come out days late; products
#: that are late, that never come out, that are listed again, that are made again under a new name.
GONE, LATE = 0.02, 0.03
LATE_PRODUCT, GONE_PRODUCT, AGAIN, REMADE = 0.02, 0.01, 0.03, 0.03
#: Products that cannot be judged here.
BROKEN = 0.01
#: What a product takes to come out. With the times of day of the passes no deadline of an alarm
#: lies within three hours of a poll, which is at 00:00 UTC.
USUAL = (3.0, 6.0)
TIMES = {"ascending": timedelta(hours=14.5), "descending": timedelta(hours=2.5)}


@dataclass(frozen=True)
class Product:
    """One item of a pass, as the catalogue lists it."""

    name: str
    place: shapely.Polygon
    sensed: datetime
    published: datetime | None
    """None: missing upstream."""
    listed: datetime | None
    """When the catalogue takes it in: later than ``published`` where it is listed again."""
    broken: bool
    """Cannot be judged here."""


@dataclass(frozen=True)
class Pass:
    """One flight over one area."""

    track: str
    orbit: int
    direction: str
    number: int
    """Whole cycles since the track's first pass."""
    planned: datetime
    products: tuple[Product, ...]


def sky(days: int) -> list[Pass]:
    """Return all passes, those of the history before the first day included."""
    passes = []
    for area in range(AREAS):
        corner = _corner(area)
        for side, direction in enumerate(TIMES):
            draw = np.random.default_rng([21, area, side])
            first = BEGIN - HISTORY + int(draw.integers(12)) * DAY + TIMES[direction]
            first += timedelta(minutes=3 * area)
            number = 0
            while first + number * CYCLE < BEGIN + days * DAY:
                planned = first + number * CYCLE
                # Real passes are some seconds off.
                sensed = planned + timedelta(seconds=int(draw.integers(-5, 6)))
                passes.append(Pass(
                    f"{10 * area + side + 1:03d}-{direction}", 10 * area + side + 1, direction,
                    number, planned, tuple(_products(draw, corner, area, direction, sensed)),
                ))  # fmt: skip
                number += 1
    return passes


def _corner(area: int) -> tuple[float, float]:
    """Return the south-west corner of an area: the beginning of a mountain belt."""
    x, y = BELTS[area][0]
    return float(min(max(x, -170), 170)), float(y)


def _products(
    draw: np.random.Generator, corner: tuple[float, float], area: int, direction: str,
    sensed: datetime,
) -> list[Product]:  # fmt: skip
    fate = draw.random()
    failing = direction == "descending" and FAILS[0] <= sensed < FAILS[1]
    # Drawn even where it is not used, so that one fate does not move the others.
    wait = timedelta(hours=float(draw.uniform(30, 140)))
    made = []
    for index in range(4):
        x, y = corner[0] + index % 2, corner[1] + index // 2
        place = box(x - 0.05, y - 0.05, x + 1.05, y + 1.05)
        at = sensed + timedelta(seconds=3 * (index // 2))
        own, delay = draw.random(6), timedelta(hours=float(draw.uniform(*USUAL)))
        if GONE <= fate < GONE + LATE:
            delay += wait
        elif own[0] < LATE_PRODUCT:
            delay += timedelta(days=float(draw.uniform(2, 20)))
        out = None if failing or fate < GONE or own[1] < GONE_PRODUCT else at + delay
        name = f"SIMULATED_{area}{index}_{direction[0].upper()}_{at:%Y%m%dT%H%M%S}"
        made.append(Product(name, place, at, out, out, own[2] < BROKEN))
        if out is None:
            continue
        later = out + timedelta(days=float(draw.uniform(1, 10)))
        if own[3] < AGAIN:
            made.append(Product(name, place, at, out, later, made[-1].broken))
        if own[4] < REMADE:
            made.append(Product(f"{name}_R", place, at, later, later, own[5] < BROKEN))
    return made


def item_of(one: Pass, product: Product, url: str) -> dict[str, Any]:
    """Return the product in the words of STAC; its assets lie nowhere."""
    assert product.listed is not None
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": product.name,
        "collection": COLLECTION_ID, "geometry": mapping(product.place),
        "bbox": list(product.place.bounds), "links": [],
        "properties": {
            "datetime": iso(product.sensed), "published": iso(product.listed),
            "platform": f"sentinel-1{'ac'[one.direction == 'descending']}",
            "constellation": "sentinel-1", "sar:instrument_mode": "IW", "sar:product_type": "RTC",
            "sar:polarizations": ["VV", "VH"], "sat:orbit_state": one.direction,
            "sat:relative_orbit": one.orbit, "scarpwatch:simulated": True,
        },
        "assets": {
            band: {"href": f"{url}/{product.name}_{band}.tif", "roles": ["data"]}
            for band in ("VV", "VH")
        },
    }  # fmt: skip


def regions_of(number: int, days: int) -> list[WatchedRegion]:
    """Return the regions; one in five is added in the course of the year, one of them when the
    satellite that failed has just come back.

    One in ten is polled daily, the others every other day: half by interval, half by cron.
    """
    draw, made = np.random.default_rng(22), []
    for index in range(number):
        x, y = _corner(index % AREAS)
        side = float(draw.uniform(0.05, 0.3))
        west, south = x + draw.uniform(0, 2 - side), y + draw.uniform(0, 2 - side)
        turned = shapely.affinity.rotate(
            box(west, south, west + side, south + side), draw.random() * 90
        )
        added = int(draw.integers(days)) if draw.random() < 0.2 else 0
        if index == 6 and days > BACK:
            added = BACK
        often = 1 if index % 10 == 3 else 2
        made.append(WatchedRegion(
            f"r{index:03d}", f"SIMULATED {index}", MultiPolygon([turned]),
            (f"{CATALOGUE}/{COLLECTION_ID}",), simulated=True, watch_from=BEGIN + added * DAY,
            poll_every=often * DAY, poll_cron="0 0 */2 * *" if index % 2 == 0 else None,
        ))  # fmt: skip
    return made
