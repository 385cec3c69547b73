"""Whatever a record holds comes back as it was, and storing it twice is storing it once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db import optical, outbox, queries, store, tables
from db.engine import make_engine, transaction
from detectors.types import (
    Acquisition,
    Alert,
    Detection,
    Finding,
    Kind,
    Landslide,
    Level,
    OpticalCheck,
    OrbitState,
    Sensor,
    State,
    Tier,
    Unseen,
    WatchedRegion,
    derive_id,
)
from tests.records import Make

# PostgreSQL text holds every character but NUL; lone surrogates are no characters.
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NAMES = WORDS.filter(bool)
IDS = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)
TIMES = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 - the zone comes with timezones
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)
NOT_NEGATIVE = st.floats(0, allow_infinity=False)
SHARES = st.floats(0, 1)
CHANGES = st.none() | st.floats(-2, 2)
OPTIONAL = st.none() | WORDS
HREFS = st.dictionaries(NAMES, WORDS, max_size=3)


@st.composite
def polygons(draw: st.DrawFn, west: int = 0) -> Polygon:
    """A valid polygon inside one degree, with up to two holes, at any place on earth."""
    inside = st.floats(0.01, 0.19)
    x, y = draw(st.integers(-179, 170)) + west, draw(st.integers(-89, 88))
    corners = [
        (x + draw(inside), y + draw(inside)),
        (x + 1 - draw(inside), y + draw(inside)),
        (x + 1 - draw(inside), y + 1 - draw(inside)),
        (x + draw(inside), y + 1 - draw(inside)),
    ]
    holes = [
        box(x + left, y + 0.3, x + left + 0.1 + draw(inside) / 2, y + 0.4 + draw(inside)).exterior
        for left in draw(st.sets(st.sampled_from([0.25, 0.5]), max_size=2))
    ]
    return Polygon(corners, holes)


@st.composite
def multipolygons(draw: st.DrawFn) -> MultiPolygon:
    """One to three valid polygons that do not touch."""
    parts = draw(st.lists(polygons(), min_size=1, max_size=3, unique_by=lambda p: int(p.bounds[0])))
    apart = [p for n, p in enumerate(parts) if all(p.disjoint(q) for q in parts[:n])]
    return MultiPolygon(apart)


@st.composite
def brackets(draw: st.DrawFn) -> dict[str, datetime]:
    not_before = draw(TIMES)
    later = draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=4000)))
    return {"not_before": not_before, "not_after": not_before + later}


REGIONS = st.builds(
    WatchedRegion,
    id=IDS,
    name=NAMES,
    geometry=multipolygons(),
    sources=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    detectors=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    watch_from=TIMES,
    min_area_m2=NOT_NEGATIVE,
    poll_every=st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
    priority=st.integers(-(2**31), 2**31 - 1),
    paused=st.booleans(),
    simulated=st.booleans(),
    tags=st.lists(WORDS, max_size=3).map(tuple),
    requests_a_month=st.none() | st.integers(1, 2**63 - 1),
    bytes_a_month=st.none() | st.integers(1, 2**63 - 1),
    units_a_month=st.none() | POSITIVE,
    poll_cron=st.none() | NAMES,
    windows=st.lists(st.sampled_from(["05/10", "11/02", "04-15/05-31", "02-29"]), max_size=3).map(
        tuple
    ),
    sensors=st.sampled_from([(Sensor.SAR,), (Sensor.OPTICAL,), tuple(Sensor)]),
    alert_from=st.sampled_from(Level),
)
ANY_SENSOR: dict[str, st.SearchStrategy[Any]] = {
    "source": NAMES,
    "item_id": NAMES,
    "platform": WORDS,
    "sensed_at": TIMES,
    "published_at": TIMES,
    "footprint": polygons() | multipolygons(),
    "assets": HREFS,
    "processing_version": OPTIONAL,
    "checksums": HREFS,
    "created_at": st.none() | TIMES,
    "simulated": st.booleans(),
}
RADAR = st.builds(
    Acquisition,
    sensor=st.just(Sensor.SAR),
    orbit_state=st.sampled_from(OrbitState),
    relative_orbit=st.integers(1, 175),
    polarisations=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    burst_id=st.none() | NAMES,
    **ANY_SENSOR,
)
OPTICAL = st.builds(
    Acquisition,
    sensor=st.just(Sensor.OPTICAL),
    orbit_state=st.none() | st.sampled_from(OrbitState),
    relative_orbit=st.none() | st.integers(1, 175),
    polarisations=st.just(()),
    tile=st.none() | NAMES,
    cloud_cover=st.none() | st.floats(0, 100),
    scale=st.dictionaries(NAMES, NUMBERS, max_size=4),
    offset=st.dictionaries(NAMES, NUMBERS, max_size=4),
    **ANY_SENSOR,
)
MAKE = Make()
REGION = MAKE.region()
ACQUISITION = MAKE.acquisition()
LOOK = MAKE.optical()
#: What only an optical look tells, and what only a radar look must.
BY_SENSOR = st.fixed_dictionaries(
    {"source": st.just(Sensor.SAR), "change_db": NUMBERS}
) | st.fixed_dictionaries(
    {
        "source": st.just(Sensor.OPTICAL),
        "change_db": st.none() | NUMBERS,
        "d_ndvi": CHANGES,
        "ensemble_score": st.none() | SHARES,
    }
)


def detections(**fixed: Any) -> st.SearchStrategy[Detection]:
    return st.tuples(
        st.builds(
            dict,
            polygon=polygons(),
            area_m2=POSITIVE,
            score_max=NUMBERS,
            score_mean=NUMBERS,
            evidence=NOT_NEGATIVE,
            tier=st.sampled_from(Tier),
            item_ids=st.lists(WORDS, max_size=4).map(tuple),
            detector=NAMES,
            weights_version=WORDS,
            config_hash=WORDS,
            advisory=OPTIONAL,
            simulated=st.booleans(),
            kind=st.sampled_from(Kind),
        ),
        brackets(),
        BY_SENSOR,
    ).map(lambda parts: Detection(**(parts[0] | parts[1] | parts[2] | fixed)))


DETECTIONS = detections(region_id=REGION.id, acquisition_id=ACQUISITION.id)


@st.composite
def landslides(draw: st.DrawFn) -> tuple[list[Detection], Landslide]:
    made_of = draw(st.lists(DETECTIONS, min_size=1, max_size=3, unique_by=lambda d: d.id))
    landslide = Landslide(
        id=derive_id(draw(WORDS)),
        region_id=REGION.id,
        revision=1,
        state=draw(st.sampled_from(State)),
        tier=draw(st.sampled_from(Tier)),
        geometry=draw(multipolygons()),
        area_m2=draw(POSITIVE),
        detections=tuple(d.id for d in made_of),
        looks=draw(st.integers(1, len(made_of))),
        score_max=draw(NUMBERS),
        evidence=draw(NOT_NEGATIVE),
        cause=draw(WORDS),
        verdict_at=draw(st.none() | TIMES),
        advisory=draw(OPTIONAL),
        simulated=draw(st.booleans()),
        kind=draw(st.sampled_from(Kind)),
        **draw(brackets()),
        **draw(BY_SENSOR),
    )
    return made_of, landslide


@st.composite
def checks(draw: st.DrawFn, landslide: Landslide) -> OpticalCheck:
    outline = draw(st.none() | multipolygons())
    return OpticalCheck(
        landslide_id=landslide.id,
        revision=landslide.revision,
        acquisition_id=LOOK.id,
        sensed_at=draw(TIMES),
        finding=draw(st.sampled_from(Finding)),
        reason=draw(WORDS),
        share_clear=draw(SHARES),
        unseen=draw(st.dictionaries(st.sampled_from([u.name.lower() for u in Unseen]), SHARES)),
        ndvi_before=draw(st.none() | NUMBERS),
        d_ndvi=draw(CHANGES),
        share_changed=draw(st.none() | SHARES),
        ensemble_score=draw(st.none() | SHARES),
        ensemble_spread=draw(st.none() | NOT_NEGATIVE),
        outline=outline,
        outline_area_m2=None if outline is None else draw(POSITIVE),
        item_ids=tuple(draw(st.lists(WORDS, max_size=4))),
        weights_version=draw(WORDS),
        config_hash=draw(WORDS),
    )


@pytest.fixture(scope="module")
def shared(
    make_database: Callable[[str], str], template: str, url_of: Callable[[str], str]
) -> Iterator[Engine]:
    """One database for all examples, holding one region and one look of each kind."""
    engine = make_engine(url_of(make_database(template)))
    with transaction(engine) as s:
        store.save_region(s, REGION)
        store.record_acquisitions(s, REGION, [ACQUISITION, LOOK])
    yield engine
    engine.dispose()


class Undo(Exception):
    pass


def examples(test: Callable[..., None]) -> Callable[..., None]:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=60, deadline=None, suppress_health_check=slow)(test)


def undone(engine: Engine, check: Callable[[Session], None]) -> None:
    with pytest.raises(Undo), transaction(engine) as s:  # noqa: PT012 - one transaction
        check(s)
        raise Undo


def rows(s: Session, table: type[tables.Base]) -> int:
    return s.scalar(select(func.count()).select_from(table)) or 0


@examples
@given(region=REGIONS.filter(lambda region: region.id != REGION.id))
def test_regions(shared, region) -> None:
    def check(s: Session) -> None:
        store.save_region(s, region)
        store.save_region(s, region)
        assert queries.get_region(s, region.id) == region
        assert rows(s, tables.Region) == 2

    undone(shared, check)


@examples
@given(acquisition=RADAR | OPTICAL)
def test_acquisitions(shared, acquisition) -> None:
    def check(s: Session) -> None:
        assert store.record_acquisitions(s, REGION, [acquisition]) == [acquisition.id]
        assert store.record_acquisitions(s, REGION, [acquisition]) == []
        stored = queries.get_acquisition(s, acquisition.id)
        assert stored == acquisition
        assert {type(n) for n in (*stored.scale.values(), *stored.offset.values())} <= {float}
        assert rows(s, tables.Look) == 3

    undone(shared, check)


@examples
@given(detection=DETECTIONS)
def test_detections(shared, detection) -> None:
    def check(s: Session) -> None:
        store.store_detections(s, [detection])
        store.store_detections(s, [detection, detection])
        (stored,) = queries.list_detections(s, REGION.id)
        assert stored == detection
        assert (stored.id, hash(stored)) == (detection.id, hash(detection))

    undone(shared, check)


@examples
@given(story=landslides())
def test_landslides(shared, story) -> None:
    made_of, landslide = story

    def check(s: Session) -> None:
        store.store_detections(s, made_of)
        store.store_landslide(s, landslide)
        store.store_landslide(s, landslide)
        assert queries.landslide_history(s, landslide.id) == [landslide]
        assert {d.id for d in queries.landslide_detections(s, landslide.id)} == {
            d.id for d in made_of
        }

    undone(shared, check)


@examples
@given(data=st.data())
def test_checks(shared, data) -> None:
    made_of, landslide = data.draw(landslides())
    check = data.draw(checks(landslide))

    def check_it(s: Session) -> None:
        store.store_detections(s, made_of)
        store.store_landslide(s, landslide)
        assert optical.record_optical_check(s, check)
        assert not optical.record_optical_check(s, check)
        (stored,) = optical.optical_checks(s, landslide.id)
        assert stored == check
        assert stored.id == check.id

    undone(shared, check_it)


@examples
@given(
    story=landslides(),
    told=st.builds(
        dict,
        kind=NAMES,
        region_name=WORDS,
        tags=st.lists(WORDS, max_size=3).map(tuple),
        item_id=WORDS,
        sensed_at=TIMES,
        published_at=TIMES,
        exercise=st.just(True),
        references=st.lists(st.uuids(), max_size=2).map(tuple),
    ),
    channel=WORDS,
)
def test_alerts(shared, story, told, channel) -> None:
    made_of, landslide = story
    alert = Alert(landslide=landslide, **told)

    def check(s: Session) -> None:
        store.store_detections(s, made_of)
        store.store_landslide(s, landslide)
        outbox.enqueue(s, alert, [channel])
        outbox.enqueue(s, alert, [channel])
        (stored,) = outbox.list_alerts(s)
        assert stored.alert == alert
        assert stored.alert.id == alert.id
        assert [delivery.channel for delivery in stored.deliveries] == [channel]

    undone(shared, check)
