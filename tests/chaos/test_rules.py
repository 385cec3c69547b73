"""Every rule can say no: a check that never does would pass whatever is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.chaos.rounds import alone
from bench.chaos.stage import Stage
from bench.chaos.world import REGION, STEPS, STOPS, World
from db import invariants
from db.invariants import RULES, Leases

LEASES = Leases(timedelta(minutes=15), timedelta(minutes=2), timedelta(hours=1))
#: By rule what breaks it.
BREACHES = {
    "a judged look says what it could see": "DELETE FROM scarpwatch.observability",
    "what was found is of a look that was judged": """
        UPDATE scarpwatch.looks SET state = 'due', share_seen = NULL, finished_at = NULL""",
    "what was found is of the time of its look": """
        UPDATE scarpwatch.detections SET not_after = not_after + interval '1 s'""",
    "a look that ended without a judgement says why": """
        UPDATE scarpwatch.looks SET state = 'skipped', reason = '', finished_at = now()""",
    "a look is held for one lease at most": """
        UPDATE scarpwatch.looks SET state = 'processing', owner = 'x', finished_at = NULL,
        lease_until = now() + interval '1 day'""",
    "a message is held for one lease at most": """
        UPDATE scarpwatch.deliveries SET state = 'sending', owner = 'x',
        lease_until = now() + interval '1 day'""",
    "what waits for another try has a time for it": """
        UPDATE scarpwatch.looks SET state = 'due', finished_at = NULL,
        retry_at = now() + interval '1 year'""",
    "versions of a landslide are numbered without a gap": """
        DELETE FROM scarpwatch.landslide_versions WHERE revision = 1""",
    "versions of a region are numbered without a gap": "DELETE FROM scarpwatch.region_versions",
    "maps show the newest version": "DELETE FROM scarpwatch.landslide_marks",
    "evidence of a version is linked with its landslide": """
        DELETE FROM scarpwatch.landslide_detections""",
    "a verdict by a look has what the look said": """
        WITH found AS (DELETE FROM scarpwatch.detections WHERE source = 'optical')
        DELETE FROM scarpwatch.optical_checks""",
    "what we believe of a landslide has no gap in time": """
        DELETE FROM scarpwatch.landslide_periods WHERE upper_inf(system_time)""",
    "every version held at some time": "DELETE FROM scarpwatch.landslide_periods",
    "an alert is decided after its version was stored": """
        UPDATE scarpwatch.alerts SET recorded_at = '2000-01-01Z'""",
    "an alert is of its landslide's region": "UPDATE scarpwatch.alerts SET region_id = 'x'",
    "a delivered message has a receipt": "DELETE FROM scarpwatch.receipts",
    "a receipt is of an attempt that was made": "UPDATE scarpwatch.receipts SET attempt = 99",
    "kept rasters of a look are all there": """
        DELETE FROM scarpwatch.composites WHERE kind = (SELECT min(kind) FROM scarpwatch.composites)
    """,
}


@pytest.fixture(scope="module")
def lived(on: Stage) -> Iterator[World]:
    """A world after all steps, in which nothing is broken."""
    with on.world() as world:
        world.reach(STOPS[-1])
        assert [wrong for name in STEPS for wrong in alone(world, name)] == []
        assert world.broken(sweep=True) == []
        yield world


def _told(s: Session) -> set[str]:
    return {one.rule for one in invariants.broken(s, datetime.now(UTC), LEASES)}


def test_every_rule_of_the_books(lived: World) -> None:
    assert set(BREACHES) == set(RULES)
    with lived.services() as services:
        for rule, breach in BREACHES.items():
            with Session(services.engine) as s:
                # As if a fault of ours had got by what the database refuses.
                s.execute(text("SET LOCAL session_replication_role = replica"))
                changed = s.execute(text(breach)).rowcount
                assert changed, rule
                assert rule in _told(s), rule
                s.rollback()
        with Session(services.engine) as s:
            assert _told(s) == set()


def test_every_rule_of_messages(lived: World) -> None:
    lines = lived.received()
    assert lines
    other = [{**one, "receipt": "x"} for one in lines]
    wrong = {
        "what is told was decided": [{**one, "key": "x"} for one in lines],
        "what is told was stored before": [
            {**one, "received_at": "2000-01-01T00:00:00Z"} for one in lines
        ],
        "a repeated message is known by its key": [*lines, *other],
        "a repeated message says the same": [*lines, *({**one, "body": {}} for one in lines)],
        "what was delivered has arrived": [],
        "an attempt sends one message": lines * 3,
    }
    with lived.services() as services, Session(services.engine) as s:
        assert invariants.messages(s, lines, lived.inboxes) == []
        for rule, taken in wrong.items():
            assert rule in {one.rule for one in invariants.messages(s, taken, lived.inboxes)}


def test_an_item_that_was_overlooked(lived: World) -> None:
    source = f"local/{lived.archive.id}"
    with lived.services() as services, Session(services.engine) as s:
        s.execute(text("SET LOCAL session_replication_role = replica"))
        s.execute(text("DELETE FROM scarpwatch.looks WHERE state = 'processed'"))
        assert invariants.overlooked(s, REGION, source, lived.published())
