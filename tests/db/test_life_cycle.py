"""What was known when: periods in valid and system time, and every step with its cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db import queries, schema, store
from db.engine import connection, make_engine, transaction
from detectors.errors import ConfigurationError, PermanentError
from detectors.types import Cause, Landslide, Review, State, Tier, Verdict
from tests.db.conftest import World
from tests.db.test_schema import FIRST_VERSION
from tests.records import DAY, START

#: Versions of a database before the life cycle: a look that lowers, a look that refutes.
OLDER = """
INSERT INTO scarpwatch.landslide_versions (landslide_id, revision, state, tier, geometry, area_m2,
    not_before, not_after, detections, looks, score_max, evidence, source, change_db, cause,
    simulated, kind, verdict_at)
SELECT landslide_id, next.revision, next.state, 'watch', geometry, area_m2, not_before, not_after,
    detections, looks, score_max, evidence, source, change_db, next.cause, simulated, kind,
    next.verdict_at
FROM scarpwatch.landslide_versions, (VALUES
    (2, 'suspected', 'lowered to watch by the look of 2023-02-13: 1 looked', NULL),
    (3, 'refuted', 'refuted by the look of 2023-03-01', '2023-03-01 10:00Z'::timestamptz),
    (4, 'unresolved', 'no look decided it', '2023-03-01 10:00Z')
) AS next (revision, state, cause, verdict_at);
INSERT INTO scarpwatch.radar_checks (landslide_id, acquisition_id, sensed_at, finding, reason,
    share_seen, unseen)
SELECT landslide_id, '00000000-0000-0000-0000-000000000001', '2023-02-13 02:00Z', 'disagrees', '',
    1, '{}' FROM scarpwatch.landslide_versions WHERE revision = 1;
"""


def moments(world: World) -> list[datetime]:
    """Return when each version was recorded, first to last."""
    with world.open() as s:
        return list(
            s.scalars(
                text(
                    "SELECT min(lower(system_time)) FROM scarpwatch.landslide_periods"
                    " GROUP BY revision ORDER BY revision"
                )
            )
        )


def believed(world: World, at: datetime, valid_at: datetime | None = None) -> Any:
    """Return the revision believed then, by the program and by SQL, which must agree."""
    with world.open() as s:
        found = [one.revision for one in queries.landslides_as_of(s, at, valid_at)]
        arguments: dict[str, Any] = {"at": at}
        call = "landslides_as_of(:at)"
        if valid_at is not None:
            arguments["of"] = valid_at
            call = "landslides_as_of(:at, :of)"
        said = s.scalars(text(f"SELECT revision FROM scarpwatch.{call}"), arguments).all()
    assert list(said) == found
    return found[0] if found else None


@pytest.fixture
def history(world: World) -> list[Landslide]:
    """Four versions; what the fourth tells was taken before the third, and came late."""
    first = world.landslide
    later = [
        replace(first, revision=2, tier=Tier.WATCH, valid_from=START + 12 * DAY, cause="lowered"),
        replace(
            first, revision=3, state=State.UNRESOLVED, valid_from=START + 120 * DAY,
            cause="window", cause_kind=Cause.WINDOW_OVER,
        ),
        replace(
            first, revision=4, state=State.REFUTED, valid_from=START + 6 * DAY, cause="late",
            cause_kind=Cause.OPTICAL_LOOK,
        ),
    ]  # fmt: skip
    for version in later:
        with world.open() as s:
            store.store_landslide(s, version)
    return [first, *later]


def test_what_was_known_at_any_past_moment_is_a_query(world, history) -> None:
    told = moments(world)
    assert believed(world, told[0] - timedelta(microseconds=1)) is None
    assert [believed(world, moment) for moment in told] == [1, 2, 3, 4]
    # Of one moment in the world, as believed before and after the late look.
    days = (-0.5, 3, 8, 40, 150)
    before = [believed(world, told[2], START + day * DAY) for day in days]
    after = [believed(world, told[3], START + day * DAY) for day in days]
    assert before == [None, 1, 1, 2, 3]
    assert after == [None, 1, 4, 4, 4]
    with world.open() as s:
        assert queries.landslide_timeline(s, world.landslide.id) == [history[0], history[3]]
        assert queries.landslide_history(s, world.landslide.id) == history
        for wrong in ({"state": State.CONFIRMED}, {"tier": Tier.WATCH}, {"region_id": "x"}):
            assert queries.landslides_as_of(s, told[3], **wrong) == []
        assert queries.landslides_as_of(s, told[1], tier=Tier.WATCH) == [history[1]]


def test_no_two_versions_hold_at_once(world, history) -> None:
    with world.open() as s:
        overlaps = s.scalar(
            text(
                "SELECT count(*) FROM scarpwatch.landslide_periods a"
                " JOIN scarpwatch.landslide_periods b USING (landslide_id)"
                " WHERE (a.revision, a.valid_time, a.system_time)"
                " < (b.revision, b.valid_time, b.system_time)"
                " AND a.valid_time && b.valid_time AND a.system_time && b.system_time"
            )
        )
    assert overlaps == 0
    with pytest.raises(PermanentError, match="ex_landslide_periods_times"), world.open() as s:
        s.execute(
            text(
                "INSERT INTO scarpwatch.landslide_periods SELECT id, 1,"
                " tstzrange('2023-01-02Z', '2023-01-03Z'), tstzrange(now(), NULL)"
                " FROM scarpwatch.landslides"
            )
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scarpwatch.landslide_periods SET valid_time = tstzrange('2020-01-01Z', NULL)",
        "UPDATE scarpwatch.landslide_periods SET system_time = tstzrange('2020-01-01Z', now())",
        "UPDATE scarpwatch.landslide_periods SET system_time = tstzrange(lower(system_time), NULL)",
        "DELETE FROM scarpwatch.landslide_periods",
        "TRUNCATE scarpwatch.landslide_periods",
        "UPDATE scarpwatch.reviews SET reason = 'another'",
        "DELETE FROM scarpwatch.reviews",
        "TRUNCATE scarpwatch.reviews",
    ],
)
def test_what_was_believed_cannot_be_changed(world, history, statement) -> None:
    review = Review(world.landslide.id, Verdict.REFUTE, "a quarry", "Kari", START)
    with world.open() as s:
        store.record_review(s, review)
        store.record_review(s, review)
        assert queries.list_reviews(s, [review.landslide_id]) == [review]
    with pytest.raises(PermanentError, match="append-only"), world.open() as s:
        s.execute(text(statement))


def test_a_clock_that_was_set_back_keeps_the_order(world, history) -> None:
    late = START + 1_000_000 * DAY
    with world.open() as s:
        # As if the last version had been written by a clock that runs ahead.
        s.execute(
            text("SELECT scarpwatch.keep_period(:id, 4, :since, :at)"),
            {"id": world.landslide.id, "since": START + 7 * DAY, "at": late},
        )
        store.store_landslide(s, replace(history[3], revision=5, valid_from=START + 8 * DAY))
    assert believed(world, late) == 4
    assert believed(world, late + timedelta(microseconds=1)) == 5


def test_every_step_tells_its_cause(world, history) -> None:
    with world.open() as s:
        steps = queries.list_transitions(s, world.landslide.id)
    assert [(one.revision, one.state_before, one.state, one.cause_kind) for one in steps] == [
        (1, None, State.SUSPECTED, Cause.RADAR_LOOK),
        (2, State.SUSPECTED, State.SUSPECTED, Cause.RADAR_LOOK),
        (3, State.SUSPECTED, State.UNRESOLVED, Cause.WINDOW_OVER),
        (4, State.UNRESOLVED, State.REFUTED, Cause.OPTICAL_LOOK),
    ]
    assert [one.tier_before for one in steps] == [None, Tier.LIKELY, Tier.WATCH, Tier.LIKELY]
    assert [one.valid_from for one in steps] == [one.valid_from for one in history]
    with world.open() as s:
        seen = replace(
            history[3], revision=5, cause="grown", acquisition_id=world.acquisition.id,
            valid_from=START + 7 * DAY,
        )  # fmt: skip
        store.store_landslide(s, seen)
        assert queries.list_transitions(s, world.landslide.id) == steps, "no step of state or tier"
        store.store_landslide(s, replace(seen, revision=6, tier=Tier.WATCH))
        assert queries.list_transitions(s, world.landslide.id)[-1].item_id == "item-0"


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    made = make_engine(empty_database_url)
    yield made
    made.dispose()


def test_what_was_stored_before_gets_its_periods(empty: Engine) -> None:
    schema.upgrade(empty, "0001")
    with connection(empty) as opened:
        opened.execute(text(FIRST_VERSION))
    schema.upgrade(empty, "0003")
    with connection(empty) as opened:
        opened.execute(text("DELETE FROM scarpwatch.radar_checks"))
        opened.execute(text(OLDER))
        held = opened.scalars(
            text(
                "SELECT (to_jsonb(v))::text FROM scarpwatch.landslide_versions v ORDER BY revision"
            )
        ).all()
    schema.upgrade(empty)
    with transaction(empty) as s:
        (landslide,) = queries.list_landslides(s)
        history = queries.landslide_history(s, landslide.id)
        recorded = list(
            s.scalars(
                text("SELECT recorded_at FROM scarpwatch.landslide_versions ORDER BY revision")
            )
        )
        known = [queries.landslides_as_of(s, at)[0].revision for at in recorded]
        now = s.scalars(
            text(
                "SELECT (to_jsonb(v) - ARRAY['valid_from', 'cause_kind', 'acquisition_id',"
                " 'reviewed_by', 'merged_into', 'merged_from', 'split_from', 'split_into',"
                " 'follows', 'drawn_by'])::text FROM scarpwatch.landslide_versions v"
                " ORDER BY revision"
            )
        ).all()
    assert known == [1, 2, 3, 4]
    assert [one.valid_from.isoformat()[:16] for one in history[:3]] == [
        "2023-02-01T00:00", "2023-02-13T02:00", "2023-03-01T10:00",
    ]  # fmt: skip
    assert history[3].valid_from == recorded[3]
    assert [one.cause_kind for one in history] == [
        Cause.RADAR_LOOK, Cause.RADAR_LOOK, Cause.OPTICAL_LOOK, Cause.WINDOW_OVER,
    ]  # fmt: skip
    assert now == held, "nothing that was believed has changed"
    schema.downgrade(empty, "0003")
    schema.upgrade(empty)


def test_what_people_decided_is_not_forgotten_on_the_way_down(world) -> None:
    with world.open() as s:
        store.record_review(s, Review(world.landslide.id, Verdict.CLOSE, "done", "Ola", START))
    with pytest.raises(ConfigurationError, match="1 rows tell what people decided"):
        schema.downgrade(world.engine, "0003")
    assert schema.current(world.engine) == schema.head()
