"""What people and the program ask of many detections and landslides, at places drawn at random."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import morecantile
import psycopg
from shapely.geometry import box as box_of
from sqlalchemy import Engine

from bench.asking import catalogue, program_says, tipg_says
from db import evidence, pages, queries

WEB = morecantile.tms.get("WebMercatorQuad")
PLACES = 5
MONTH = timedelta(days=30)
#: As of when landslides are asked about: later than all of them were recorded.
NOW = datetime(2100, 1, 1, tzinfo=UTC)
#: What QGIS draws a layer by.
_QGIS = """SELECT ST_AsBinary(geometry, 'NDR'), id::text, source, tier, simulated
FROM analysts.detections WHERE geometry && ST_MakeEnvelope({}, {}, {}, {}, 4326)"""
_AS_OF = """SELECT id, state, tier, geometry FROM analysts.landslides_as_of('{}', '{}')
WHERE geometry && ST_MakeEnvelope({}, {}, {}, {}, 4326)"""

#: Looking collections up, as tipg does every five minutes, with extents and without.
EXTENTS: dict[str, Callable[[str], object]] = {
    "collections_with_extents_s": partial(catalogue, extents=True),
    "collections_s": partial(catalogue, extents=False),
}


def questions(url: str, engine: Engine) -> dict[str, list[list[str]]]:
    """Return by name the statements of a question, for each of some places."""
    draw = random.Random(1)
    asked: dict[str, list[list[str]]] = {}

    def ask(name: str, statements: list[str]) -> None:
        asked.setdefault(name, []).append(statements)

    for _ in range(PLACES):
        west, south = draw.uniform(0, 9.8), draw.uniform(40.2, 49.6)
        box = (west, south, west + 0.1, south + 0.1)
        since = datetime(2015, 6, 1, tzinfo=UTC) + timedelta(days=draw.uniform(0, 3_800))
        when = [since.isoformat(), (since + MONTH).isoformat()]
        during = f"BETWEEN '{when[0]}' AND '{when[1]}'"
        here = _QGIS.format(*box)
        ask("box, a month, QGIS", [f"{here} AND not_after {during}"])
        ask("box, a month by the look's time, QGIS", [f"{here} AND sensed_at {during}"])
        ask("box, all times, QGIS", [here])
        for column in ("sensed_at", "not_after"):
            ask(f"box, a month, items of the OGC API by {column}", tipg_says(
                url, lambda found, opened, by=column, at=box, d=when: found.features(
                    opened, bbox_filter=list(at), datetime_filter=d, dt=by, limit=100)
            ))  # fmt: skip
        for zoom in (12, 6):
            tile = WEB.tile(west, south, zoom)
            for times, name in ((when, "a month"), (None, "all times")):
                ask(f"tile at zoom {zoom}, {name}", tipg_says(
                    url, lambda found, opened, t=tile, d=times: found.get_tile(
                        opened, tms=WEB, tile=t, datetime_filter=d, dt="not_after")
                ))  # fmt: skip
        ask("looks that found nothing, a month", [
            f"SELECT count(*) FROM analysts.negative_reports WHERE sensed_at {during}"
        ])  # fmt: skip
        ask("as of, box", [_AS_OF.format(NOW, since, *box[:2], west + 0.3, south + 0.3)])
        ask("as of, a region", program_says(engine, lambda s, at=since: queries.landslides_as_of(
            s, NOW, at, region_id="r3")))  # fmt: skip
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT landslide_id, acquisition_id, d.region_id, d.not_after, lon, lat"
                " FROM scarpwatch.landslide_detections JOIN scarpwatch.detections d"
                " ON d.id = detection_id JOIN scarpwatch.landslide_marks USING (landslide_id)"
                " WHERE landslide_id = md5('l' || %s)::uuid LIMIT 1",
                [str(draw.randrange(1, 400))],
            ).fetchone()
        assert row is not None
        landslide, look, region, seen, lon, lat = row
        ask("detections of a landslide", program_says(
            engine, lambda s, key=landslide: queries.landslide_detections(s, key)))  # fmt: skip
        ask("a look judged again", program_says(engine, partial(_judged, region, look, seen)))
        ground = box_of(lon, lat, lon + 0.001, lat + 0.001)
        ask("late evidence at a place", program_says(
            engine, lambda s, r=region, g=ground: evidence.places(s, r, [g])))  # fmt: skip
        ask("web map, all of it", program_says(
            engine, lambda s: pages.heaps(s, pages.Wanted(), (-1, 39, 11, 51), 0.5)))  # fmt: skip
        ask("web map, a valley", program_says(engine, lambda s, b=box: pages.spots(
            s, pages.Wanted(), b, 2_000, outlines=True)))  # fmt: skip
    return asked


def _judged(region: str, look: uuid.UUID, seen: datetime, s: Any) -> None:
    evidence.supersede(s, region, look, [])
    evidence.anything_since(s, region, seen, look)
