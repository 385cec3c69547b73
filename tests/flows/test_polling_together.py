"""Regions that ask together: each has what it has alone, and one's trouble stays its own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import shapely
from psycopg.types.json import Jsonb
from shapely.geometry import MultiPolygon, Polygon, box, mapping
from sqlalchemy import Engine, text

from db import costs, queries, store
from db.engine import make_engine, transaction
from detectors.types import Sensor, WatchedRegion
from flows.archive.manifest import iso
from flows.archive.publish import connection_arguments
from flows.catalogs.base import CatalogueSettings
from flows.costs import shares_of
from flows.ledger import keep_ledger
from flows.meter import Spent
from flows.polling import poll_region, poll_together
from tests.series import END
from tests.watching import Watch, landing_page, stored_rows

HOUR = timedelta(hours=1)
#: Middles of the regions: next to each other, far away, on both sides of 180 degrees.
MIDDLES = ((7.0, 46.0), (7.2, 46.1), (9.9, 46.0), (10.1, 46.0), (-70.0, -20.0), (180.0, -17.0))
WORLD = box(-180, -90, 180, 90)


def turned(area: Polygon) -> MultiPolygon:
    """Cut an area at 180 degrees."""
    return MultiPolygon([
        part
        for turn in (-360, 0, 360)
        for part in shapely.get_parts(shapely.affinity.translate(area, turn).intersection(WORLD))
        if part.area > 0
    ])  # fmt: skip


def lines(engine: Engine) -> list[tuple[Any, ...]]:
    """Return the ledger as it is kept."""
    told = text("SELECT region_id, track, expected_at, outcome, reason FROM analysts.ledger")
    with transaction(engine) as s:
        return sorted((tuple(row) for row in s.execute(told)), key=repr)


def around(draw: random.Random, side: float) -> MultiPolygon:
    """An area near one of the middles."""
    x, y = draw.choice(MIDDLES)
    x, y = x + draw.uniform(-0.5, 0.5), y + draw.uniform(-0.5, 0.5)
    return turned(Polygon([(x, y), (x + side, y + side / 3), (x + side / 2, y + side)]))


def item(name: str, collection: str, sensed: Any, published: Any, place: Any) -> dict[str, Any]:
    """A radar item without pixels; every tenth cannot be used."""
    broken = name.endswith("7")
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection,
        "geometry": mapping(place), "bbox": list(place.bounds), "links": [],
        "properties": {
            "datetime": iso(sensed), "published": iso(published), "platform": "sentinel-1a",
            "constellation": "sentinel-1", "sar:instrument_mode": "IW",
            "sar:product_type": "GRD" if broken else "RTC", "sar:polarizations": ["VV"],
            "sat:orbit_state": "ascending", "sat:relative_orbit": 44,
            "scarpwatch:simulated": True,
        },
        "assets": {"VV": {"href": f"http://127.0.0.1:9/{name}.tif", "roles": ["data"]}},
    }  # fmt: skip


def regions(draw: random.Random, source: str) -> Iterator[WatchedRegion]:
    for number in range(24):
        yield WatchedRegion(
            f"r{number}", f"R {number}", around(draw, draw.choice([0.02, 0.3, 2.0])), (source,),
            watch_from=END - timedelta(days=draw.choice([0, 1, 9, 40])), simulated=True,
            windows=draw.choice([(), ("11/02",), ("06",)]), paused=number == 5,
            sensors=draw.choice([(Sensor.SAR, Sensor.OPTICAL), (Sensor.OPTICAL,)]),
        )  # fmt: skip


@pytest.fixture
def elsewhere(make_database, template, url_of) -> Iterator[Engine]:
    """A second database."""
    made = make_engine(url_of(make_database(template)))
    yield made
    made.dispose()


@pytest.mark.parametrize(
    "published_property", [pytest.param("published", marks=pytest.mark.long), None]
)
def test_each_region_has_what_it_has_alone(watch, elsewhere, published_property) -> None:
    w = watch(paused=True, settings={"history": timedelta(days=20)})
    draw, (source,) = random.Random(5), w.region.sources
    settings = w.services.settings
    own = settings.catalogues["local"].model_copy(
        update={"published_property": published_property, "late": timedelta(days=3)}
    )
    settings = settings.model_copy(update={"catalogues": {"local": own}})
    together = replace(w.services, settings=settings, _catalogues={})
    alone = replace(w.services, settings=settings, engine=elsewhere, _catalogues={})
    watched = list(regions(draw, source))
    for services in (together, alone):
        with transaction(services.engine) as s:
            store.save_region(s, w.region)
            for region in watched:
                store.save_region(s, region)
    listed = []
    for number in range(300):
        sensed = END - timedelta(hours=draw.uniform(-5, 24 * 50))
        published = sensed + timedelta(hours=draw.uniform(1, 40))
        place = around(draw, draw.choice([0.1, 0.8, 2.0]))
        listed.append(item(f"S1A_{number}", w.archive.id, sensed, published, place))
    with psycopg.connect(**connection_arguments(w.stac.database_url)) as connection:
        connection.execute("SET search_path TO pgstac, public")
        for hours in (0, 1, 7, 30):
            now = END + hours * HOUR
            w.clock.set(now)
            shown = [one for one in listed if one["properties"]["published"] <= iso(now)]
            connection.execute("SELECT upsert_items(%s)", [Jsonb(shown)])
            connection.commit()
            if hours == 7:
                # Polled by hand: other marks than their neighbours have.
                for services in (together, alone):
                    for region in watched[:3]:
                        assert poll_region(services, region.id).errors == ()
                w.clock.set(now := now + HOUR)
            with transaction(elsewhere) as s:
                ids = [region.id for region in queries.list_regions(s)]
            one_by_one = {region_id: poll_region(alone, region_id) for region_id in ids}
            told = poll_together(together, watched)
            assert all(outcome == one_by_one[region_id] for region_id, outcome in told.items())
            assert watched[5].id not in told, "paused"
    assert keep_ledger(together, ids) == sum(keep_ledger(alone, [one]) for one in ids) > 5
    assert keep_ledger(together, ids) == 0, "nothing has changed since"
    assert lines(together.engine) == lines(elsewhere)
    assert stored_rows(together.engine) == stored_rows(elsewhere)
    rows = stored_rows(elsewhere)
    assert len(rows["looks"]) > 300
    assert len(rows["refused_items"]) > 20
    with w.open() as s, transaction(elsewhere) as other:
        spent = [
            sum(costs.spent_since(x, region.id, END.date()).requests for region in watched)
            for x in (s, other)
        ]
    assert spent[0] < spent[1] * 0.7


@pytest.fixture
def odd(watch, misbehaving, reply):
    """Four regions in two cells, of a catalogue that answers as it is told."""
    misbehaving.on("/", reply(landing_page(misbehaving.url)))
    misbehaving.on("/collections/any", reply({"type": "Collection", "id": "any"}))
    settings = CatalogueSettings(
        kind="stac", url=misbehaving.url, attempts=1, backoff_s=0, published_property="published"
    )
    w = watch(paused=True, catalogues={"odd": settings}, settings={"overlap": HOUR})
    w.clock.set(END)
    places = {"a": (7, 46), "b": (8, 46), "c": (7, 48), "far": (-70, -20)}
    watched = [
        WatchedRegion(name, name, MultiPolygon([box(x, y, x + 0.1, y + 0.1)]), ("odd/any",))
        for name, (x, y) in places.items()
    ]
    with w.open() as s:
        for region in watched:
            store.save_region(s, region)
            store.finish_polls(s, [region.id], "odd/any", END - HOUR, END - HOUR)
    return w, watched


def answered(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(items), "links": []}


def states(w: Watch) -> dict[str, tuple[Any, str | None]]:
    with w.open() as s:
        return {one.region_id: (one.watermark, one.error) for one in queries.list_polls(s)}


def areas(misbehaving: Any) -> list[int]:
    """How many corners each search had: a region's own outline has five, a cover more."""
    found = [json.loads(one.body)["intersects"] for one in misbehaving.asked_at("/search")]
    return [len(shapely.get_coordinates(shapely.geometry.shape(one))) for one in found]


def test_a_region_that_is_refused_costs_no_other_its_looks(odd, misbehaving, reply) -> None:
    w, watched = odd
    over_all = item("S1A_1", "any", END - HOUR, END - HOUR, box(6, 45, 9, 49))
    ok, refused = reply(answered(over_all)), reply({"detail": "odd polygon"}, status=400)
    # All three; far; then a alone, b and c together, b, c.
    misbehaving.on("/search", refused, reply(answered()), refused, ok)
    told = poll_together(w.services, watched)
    assert {name: one.new for name, one in told.items()} == {"a": 0, "b": 1, "c": 1, "far": 0}
    assert "400" in told["a"].errors[0]
    assert told["b"].errors == told["far"].errors == ()
    assert len(misbehaving.asked_at("/search")) == 4
    assert states(w)["a"][0] == END - HOUR
    assert states(w)["b"] == (END, None)


def test_an_outage_is_everybodys_and_nothing_is_lost(odd, misbehaving, reply) -> None:
    w, watched = odd
    misbehaving.on("/search", reply({"detail": "down"}, status=503))
    told = poll_together(w.services, watched)
    assert all("503" in one.errors[0] and one.unanswered for one in told.values())
    assert {one[0] for one in states(w).values()} == {END - HOUR}
    # Not asked in halves: nothing says that it would help.
    assert len(misbehaving.asked_at("/search")) == 2
    over_all = item("S1A_1", "any", END - HOUR, END - HOUR, box(6, 45, 9, 49))
    misbehaving.on("/search", reply(answered(over_all)))
    w.clock.set(END + HOUR)
    told = poll_together(w.services, watched)
    assert {name: one.new for name, one in told.items()} == {"a": 1, "b": 1, "c": 1, "far": 0}
    assert set(states(w).values()) == {(END + HOUR, None)}


def test_a_question_too_many_for_the_server_is_asked_in_halves(odd, misbehaving, reply) -> None:
    w, watched = odd
    slow, ok = reply({"detail": "took too long"}, status=504), reply(answered())
    misbehaving.on("/search", slow, ok)
    told = poll_together(w.services, watched)
    assert all(one.errors == () for one in told.values())
    assert len(misbehaving.asked_at("/search")) == 4, "all three, far, then the halves of three"
    assert set(areas(misbehaving)[:1]) != {5}


def test_a_source_that_refuses_everybody_is_not_asked_by_each(odd, misbehaving, reply) -> None:
    w, (region, *_) = odd
    many = [replace(region, id=f"r{number}") for number in range(100)]
    with w.open() as s:
        for one in many:
            store.save_region(s, one)
    misbehaving.on("/search", reply({"detail": "no token"}, status=401))
    told = poll_together(w.services, many)
    assert all("401" in one.errors[0] for one in told.values())
    assert len(misbehaving.asked_at("/search")) == 16


def test_an_item_the_database_refuses_costs_no_other(odd, misbehaving, reply) -> None:
    w, watched = odd
    good = item("S1A_1", "any", END - HOUR, END - HOUR, box(6, 45, 9, 49))
    bad = item("S1A_2", "any", END - HOUR, END - HOUR, box(6, 45, 9, 49))
    w.sql("ALTER TABLE acquisitions ADD CHECK (item_id <> 'S1A_2')")
    misbehaving.on("/search", reply(answered(good, bad)))
    told = poll_together(w.services, watched[:3])
    assert [(one.new, one.refused, one.errors) for one in told.values()] == [(1, 1, ())] * 3
    with w.open() as s:
        ((_, name, reason),) = queries.list_refusals(s, "a")
    assert name == "S1A_2"
    assert "refused" in reason


def test_what_is_spent_is_shared_out_to_the_last_byte() -> None:
    for payers in (1, 2, 3, 7, 200):
        shares = shares_of(Spent(5, 1_003, 0.7, 3.5), payers)
        assert sum(one.requests for one in shares) == 5
        assert sum(one.bytes for one in shares) == 1_003
        assert max(one.bytes for one in shares) - min(one.bytes for one in shares) <= 1
        assert sum(one.seconds for one in shares) == pytest.approx(3.5)
        assert sum(one.units for one in shares) == pytest.approx(0.7)
