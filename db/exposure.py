"""Maps of what could be hit, and what of them lies where ground moved, by one query in metres."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import bindparam, delete, func, insert, select, text
from sqlalchemy.exc import DataError, InternalError, ProgrammingError
from sqlalchemy.orm import Session

from db import convert, tables
from detectors import exposure as rules
from detectors.errors import ConfigurationError, PermanentError
from detectors.exposure import Exposed, Exposure, NearPlace, OnRiver, Thing

#: Rows sent to the server at a time.
BATCH = 2_000

#: Lengths and distances are of type geography: metres on the ellipsoid, across the antimeridian.
#: A river is walked line by line from where it meets the outline: to the end of the line where that
#: is drawn the way the water flows, else to both ends. UNION drops what was walked before, so that
#: a braided river ends; the reach is as the crow flies, so that the walk is bounded.
_QUERY = """
WITH RECURSIVE
ground AS (
    SELECT CAST(:outline AS geometry) AS geom, CAST(:outline AS geometry)::geography AS place
),
maps AS (
    SELECT map.id, map.credit, map.recorded_at, map.counts
    FROM scarpwatch.exposure_maps AS map, ground
    WHERE ST_Intersects(map.extent, ground.geom)
),
near AS (
    SELECT thing.id, thing.kind, thing.name, thing.what, thing.flows, thing.place,
        ST_Distance(thing.place, ground.place) AS distance
    FROM scarpwatch.exposure_features AS thing, ground
    WHERE ST_DWithin(thing.place, ground.place, :near) AND thing.kind <> 'place'
),
crossed AS (
    -- The pieces of one road are one road; what has no name is told by its class.
    SELECT near.kind, near.name, CASE WHEN near.name = '' THEN near.what ELSE '' END AS class,
        min(near.what) AS what, min(near.distance) AS distance,
        coalesce(sum(ST_Length(ST_Intersection(near.place::geometry, ground.geom)::geography))
            FILTER (WHERE near.distance = 0), 0) AS length
    FROM near, ground WHERE near.kind IN ('road', 'rail', 'river')
    GROUP BY 1, 2, 3
),
nearest AS (
    SELECT thing.name, ST_Distance(thing.place, ground.place) AS distance,
        ST_Azimuth(ST_Centroid(thing.place), ST_Centroid(ground.place)) AS azimuth
    FROM scarpwatch.exposure_features AS thing, ground
    WHERE thing.kind = 'place' AND thing.name <> ''
        AND ST_DWithin(thing.place, ground.place, :farthest)
    ORDER BY 2, 1 LIMIT 1
),
walk AS (
    SELECT near.id, near.name, near.flows,
        CASE WHEN near.flows THEN ST_LineSubstring(near.place::geometry, ST_LineLocatePoint(
            near.place::geometry, ST_ClosestPoint(near.place::geometry, ground.geom)), 1)
        ELSE near.place::geometry END AS part
    FROM near, ground
    WHERE near.kind = 'river' AND near.distance <= :feeds
        AND GeometryType(near.place::geometry) = 'LINESTRING'
    UNION
    SELECT river.id, river.name, river.flows,
        CASE WHEN river.flows THEN ST_LineSubstring(river.place::geometry, ST_LineLocatePoint(
            river.place::geometry,
            ST_ClosestPoint(river.place::geometry, ST_EndPoint(walk.part))), 1)
        ELSE river.place::geometry END AS part
    FROM walk, ground, scarpwatch.exposure_features AS river
    WHERE river.kind = 'river' AND river.id <> walk.id
        AND GeometryType(river.place::geometry) = 'LINESTRING'
        AND ST_DWithin(river.place, (CASE WHEN walk.flows AND ST_NPoints(walk.part) > 1
            THEN ST_EndPoint(walk.part) ELSE walk.part END)::geography, 5)
        AND ST_DWithin(river.place, ground.place, :reach)
),
path AS (
    SELECT bool_and(walk.flows) AS known,
        array_agg(DISTINCT walk.name) FILTER (WHERE walk.name <> '') AS rivers
    FROM walk HAVING count(*) > 0
),
-- Short pieces, since the index looks at boxes: that of a whole river is a county.
pieces AS MATERIALIZED (
    SELECT ST_Subdivide(walk.part, 32)::geography AS place
    FROM walk WHERE GeometryType(walk.part) = 'LINESTRING'
),
beside AS MATERIALIZED (
    SELECT thing.id, thing.kind, thing.name, thing.what, thing.place
    FROM pieces, scarpwatch.exposure_features AS thing
    WHERE thing.kind NOT IN ('river', 'place') AND ST_DWithin(thing.place, pieces.place, :bank)
    UNION ALL
    SELECT thing.id, thing.kind, thing.name, thing.what, thing.place
    FROM pieces, scarpwatch.exposure_features AS thing
    WHERE thing.kind = 'place' AND ST_DWithin(thing.place, pieces.place, :town)
),
measured AS MATERIALIZED (
    SELECT DISTINCT ON (beside.id) beside.kind, beside.name, beside.what,
        ST_Distance(beside.place, ground.place) AS distance,
        ST_Azimuth(ST_Centroid(beside.place), ST_Centroid(ground.place)) AS azimuth
    FROM beside, ground ORDER BY beside.id
),
along AS (
    -- What lies in or beside the outline is told by itself.
    SELECT * FROM measured WHERE distance <= :reach AND (kind = 'place' OR distance > :near)
)
SELECT
    (SELECT json_agg(json_build_object('id', id, 'credit', credit, 'counts', counts,
        'loaded', recorded_at) ORDER BY id) FROM maps) AS maps,
    (SELECT json_agg(json_build_object('kind', kind, 'name', name, 'what', what,
        'length', length, 'distance', distance)
        ORDER BY length DESC, distance, kind, name, what) FROM crossed) AS things,
    (SELECT count(*) FROM near WHERE kind = 'building' AND distance = 0) AS inside,
    (SELECT count(*) FROM near WHERE kind = 'building' AND distance > 0) AS beside,
    (SELECT row_to_json(nearest) FROM nearest) AS place,
    (SELECT json_build_object('known', known, 'rivers', coalesce(rivers, '{}')) FROM path) AS path,
    (SELECT count(*) FROM along WHERE kind = 'building') AS bank_buildings,
    (SELECT count(*) FROM along WHERE kind = 'rail') AS bank_rails,
    (SELECT coalesce(array_agg(DISTINCT coalesce(nullif(name, ''), nullif(what, ''), 'a road')),
        '{}') FROM along WHERE kind = 'road') AS bank_roads,
    (SELECT json_agg(json_build_object('name', name, 'distance', distance, 'azimuth', azimuth)
        ORDER BY distance, name) FROM along WHERE kind = 'place' AND name <> '') AS bank_places
"""


@dataclass(frozen=True, slots=True)
class MapFeature:
    """One feature on its way into the database."""

    kind: Thing
    """What it is."""
    name: str
    """What people call it, may be empty."""
    what: str
    """The map's own class, may be empty."""
    flows: bool
    """RIVER: its line runs the way the water does."""
    geometry: BaseGeometry
    """EPSG:4326, lon/lat; a river's line in one piece."""


@dataclass(frozen=True, slots=True)
class ExposureMap:
    """A loaded map."""

    id: str
    """Its name."""
    file: str
    """File and layer it was read from."""
    sha256: str
    """Checksum of the file and of how it was read."""
    credit: str
    """Whose data they are and under which licence."""
    counts: Mapping[str, int]
    """Features by kind."""
    extent: tuple[float, float, float, float]
    """West, south, east, north, degrees."""
    loaded_at: datetime
    """When it was loaded, UTC."""


def store_map(
    s: Session,
    map_id: str,
    *,
    file: str,
    sha256: str,
    credit: str,
    extent: BaseGeometry,
    features: Sequence[MapFeature],
) -> None:
    """Store a map in place of what its name held before."""
    counts: dict[str, int] = {}
    for feature in features:
        counts[feature.kind.value] = counts.get(feature.kind.value, 0) + 1
    s.execute(delete(tables.ExposureMap).where(tables.ExposureMap.id == map_id))
    s.execute(
        insert(tables.ExposureMap).values(
            id=map_id, file=file, sha256=sha256, credit=credit, counts=counts,
            extent=convert.geometry_value(extent),
        )
    )  # fmt: skip
    for rows in _batches(features):
        s.execute(
            insert(tables.ExposureFeature).values(
                place=func.geography(func.ST_GeomFromWKB(bindparam("shape"), 4326))
            ),
            [
                {
                    "map_id": map_id, "kind": one.kind.value, "name": one.name, "what": one.what,
                    "flows": one.flows, "shape": one.geometry.wkb,
                }
                for one in rows
            ],
        )  # fmt: skip


def _batches(features: Sequence[MapFeature]) -> Iterable[Sequence[MapFeature]]:
    return (features[start : start + BATCH] for start in range(0, len(features), BATCH))


def list_maps(s: Session) -> list[ExposureMap]:
    """Return the loaded maps by name."""
    row = tables.ExposureMap
    box = (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)
    query = select(row, *(edge(row.extent) for edge in box)).order_by(row.id)
    return [
        ExposureMap(
            one.id, one.file, one.sha256, one.credit, one.counts,
            (edges[0], edges[1], edges[2], edges[3]), one.recorded_at,
        )
        for one, *edges in s.execute(query, execution_options={"populate_existing": True})
    ]  # fmt: skip


def remove_map(s: Session, map_id: str) -> int:
    """Forget a map; alerts keep what they said of it.

    Returns:
        How many features it held.

    Raises:
        ConfigurationError: there is no such map; the message names those there are.
    """
    known = {one.id: one for one in list_maps(s)}
    if map_id not in known:
        names = ", ".join(known) or "none yet"
        raise ConfigurationError(f"no map {map_id!r} is loaded; known: {names}")
    s.execute(delete(tables.ExposureMap).where(tables.ExposureMap.id == map_id))
    return sum(known[map_id].counts.values())


def exposure_of(s: Session, outline: BaseGeometry) -> Exposure | None:
    """Return what lies inside an outline, near it, and along the river that it touches.

    Args:
        s: Session.
        outline: EPSG:4326, lon/lat.

    Returns:
        None where no loaded map reaches the place: nothing is known, rather than nothing there.

    Raises:
        PermanentError: the maps cannot be asked; the caller's transaction goes on.
    """
    asked = {
        "outline": f"SRID=4326;{outline.wkt}",
        "near": rules.NEAR_M, "feeds": rules.FEEDS_M, "reach": rules.REACH_M,
        "bank": rules.BANK_M, "town": rules.TOWN_M, "farthest": rules.FARTHEST_PLACE_M,
    }  # fmt: skip
    try:
        with s.begin_nested():  # a map that PostGIS stumbles over must not cost an alert
            # Compiling it would take longer than running it.
            s.execute(text("SET LOCAL jit = off"))
            found = s.execute(text(_QUERY), asked).one()
    except (InternalError, DataError, ProgrammingError) as error:
        raise PermanentError(f"the maps cannot be asked: {error.orig}") from error
    if not found.maps:
        return None
    return Exposure(
        mapped=tuple(kind for kind in Thing if any(kind in one["counts"] for one in found.maps)),
        things=tuple(
            Exposed(Thing(one["kind"]), one["name"], one["what"], one["length"], one["distance"])
            for one in found.things or ()
        ),
        buildings_inside=found.inside,
        buildings_near=found.beside,
        place=None if found.place is None else _place(found.place),
        downstream=None if found.path is None else _on_river(found),
        credits=tuple(dict.fromkeys(one["credit"] for one in found.maps if one["credit"])),
        loaded_at=min(datetime.fromisoformat(one["loaded"]) for one in found.maps).astimezone(UTC),
    )


def _place(row: Mapping[str, Any]) -> NearPlace:
    # An outline around a place has no direction from it.
    return NearPlace(row["name"], row["distance"], math.degrees(row["azimuth"] or 0.0) % 360.0)


def _on_river(found: Any) -> OnRiver:
    return OnRiver(
        known=found.path["known"],
        rivers=tuple(found.path["rivers"]),
        buildings=found.bank_buildings,
        roads=tuple(found.bank_roads),
        rails=found.bank_rails,
        places=tuple(_place(one) for one in found.bank_places or ()),
    )
