"""In whatever order looks arrive, the same landslides come of them; on real PostGIS.

What each look shows is made up; claiming, judging again, storing, checking and alerting are real.
Everything of one order happens in one transaction, which is rolled back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from shapely.geometry import MultiPolygon, Polygon, box
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from alerts.records import Channel
from db import optical, outbox, queries, store
from db.engine import make_engine
from detectors.fusion import weighed
from detectors.observability import Coverage
from detectors.types import (
    SAME_PASS,
    Acquisition,
    Detection,
    Finding,
    Landslide,
    OpticalCheck,
    RadarCheck,
    Sensor,
    State,
    Tier,
)
from flows.believing import Books
from flows.clock import FileClock
from flows.confirming import expire_in
from flows.judging import Judgement
from flows.services import Services
from flows.settings import Settings
from flows.storing import known_changes, work_in
from tests.records import Make

MAKE = Make()
SOURCE = "local/opera-rtc-s1"
FIRST = datetime(2024, 1, 10, 2, tzinfo=UTC)
END = FIRST + timedelta(days=400)
WINDOW = timedelta(days=120)
#: Two orders of five looks take a second or so.
EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "12"))


@dataclass(frozen=True)
class Shown:
    """What one look shows; places are columns of one slope, some metres wide each."""

    day: int
    optical: bool
    finding: Finding
    patches: tuple[tuple[int, int, int], ...]
    """West, width, evidence of each; apart from each other."""

    @property
    def look(self) -> Acquisition:
        make = MAKE.optical if self.optical else MAKE.acquisition
        sensed = FIRST + timedelta(days=self.day, hours=9 if self.optical else 0)
        return make(
            item_id=f"{'tile' if self.optical else 'item'}-{self.day}", sensed_at=sensed,
            published_at=sensed + timedelta(hours=5), source=SOURCE,
        )  # fmt: skip

    def detections(self) -> tuple[Detection, ...]:
        if self.optical:
            return ()
        return tuple(
            MAKE.detection(
                self.look, polygon=ground(west, width), area_m2=1_000.0 * width,
                evidence=float(evidence), score_max=5.0 + evidence / 100,
                tier=Tier.LIKELY if evidence >= 14 else Tier.WATCH,
            )
            for west, width, evidence in self.patches
        )  # fmt: skip


def ground(west: int, width: int) -> Polygon:
    return box(-119.7 + west / 1000, 34.5, -119.7 + (west + width) / 1000, 34.502)


WEST, EAST, BOTH, BRIDGE, FAR = (0, 8), (12, 8), (0, 20), (5, 10), (40, 6)
#: What a radar look may show: bodies apart, bodies as one, and less than that.
LAYOUTS = ((), (WEST,), (EAST,), (WEST, EAST), (BOTH,), (BRIDGE,), (WEST, FAR), (BOTH, FAR))


@st.composite
def shown(draw: Any) -> list[Shown]:
    days = draw(st.permutations(range(0, 60, 12)))[: draw(st.integers(2, 5))]
    made = []
    for day in days:
        if draw(st.integers(0, 3)) == 0:
            finding = draw(st.sampled_from([Finding.AGREES, Finding.DISAGREES, Finding.NOT_SEEN]))
            made.append(Shown(day, True, finding, ()))
            continue
        finding = draw(st.sampled_from([Finding.DISAGREES, Finding.UNDECIDED]))
        patches = tuple(
            (*place, draw(st.sampled_from([12, 16, 30])))
            for place in draw(st.sampled_from(LAYOUTS))
        )
        made.append(Shown(day, False, finding, patches))
    return made


class World:
    """A region in one transaction, and looks that show what they are told to."""

    def __init__(self, services: Services, s: Session, all_shown: Sequence[Shown]) -> None:
        self.services, self.s = services, s
        self.region = MAKE.region(sources=(SOURCE,), tags=("valley",))
        self.by_look = {one.look.id: one for one in all_shown}
        store.save_region(s, self.region)

    def arrive(self, one: Shown) -> None:
        store.record_acquisitions(self.s, self.region, [one.look])
        for _ in range(100):
            if not (self._judge_next() or self._check_next()):
                return
        raise AssertionError("the looks never come to rest")

    def _judge_next(self) -> bool:
        owner, lease = self.services.owner, timedelta(hours=1)
        for sensor in Sensor:
            claimed = store.claim_look(
                self.s, self.region.id, datetime.now(UTC), owner, lease, sensor
            )
            if claimed is not None:
                told = self.by_look[claimed.acquisition.id]
                known = known_changes(self.s, self.region, told.look)
                checks = () if told.optical else tuple(self._asked(told, known))
                judged = Judgement(told.detections(), Coverage(1.0, 1.0), None, (), checks)
                work_in(self.services, self.s, self.region, claimed, judged)
                return True
        return False

    def _asked(self, told: Shown, known: Sequence[Landslide]) -> Iterator[RadarCheck]:
        for one in known:
            if weighed(one) and told.look.sensed_at - one.not_after > SAME_PASS:
                seen = any(one.geometry.intersects(d.polygon) for d in told.detections())
                yield RadarCheck(
                    one.id, told.look.id, told.look.sensed_at,
                    Finding.UNDECIDED if seen else told.finding, "as told", 1.0, {}, 1.0, 5.0,
                )  # fmt: skip

    def _check_next(self) -> bool:
        pending = optical.optical_pending(
            self.s, self.region.id, END, datetime.now(UTC), WINDOW, limit=1
        )
        for landslide, look in pending:
            told = self.by_look[look.id]
            agrees = told.finding is Finding.AGREES
            # The ground that is bare does not depend on who asks.
            bare = MultiPolygon([ground(0, 40)]) if agrees else None
            check = OpticalCheck(
                landslide.id, landslide.revision, look.id, look.sensed_at, told.finding, "as told",
                1.0, {}, 0.7, -0.5, 0.9, 0.8, 0.1, bare, 40_000.0 if agrees else None,
                (look.item_id,), "none", "c",
            )  # fmt: skip
            assert optical.record_optical_check(self.s, check)
            Books(self.services, self.s, self.region, look).seen(check, landslide)
            return True
        return False

    def believed(self) -> set[Any]:
        """Return what is believed, by what it is made of instead of by identities."""
        expire_in(self.services, self.s, self.region.id)
        every = {one.id: one for one in queries.list_landslides(self.s)}
        lines = {one: queries.landslide_timeline(self.s, one) for one in every}
        # What a late look showed never to have been one of its own stands for no time at all.
        real = {
            one: found for one, found in every.items()
            if found.merged_into is None or len(lines[one]) > 1
        }  # fmt: skip

        def name(one: Any) -> Any:
            found = None if one is None else lines[one][0]
            return found and (found.not_after, frozenset(found.detections))

        return {
            (
                name(one), found.state, self._tier(found), found.geometry.normalize().wkb,
                found.not_before, found.not_after, frozenset(found.detections), found.looks,
                found.verdict_at, name(found.merged_into), name(found.split_from),
                name(found.follows), frozenset(map(name, found.split_into)),
                frozenset(name(other) for other in found.merged_from if other in real),
            )
            for one, found in real.items()
        }  # fmt: skip

    @staticmethod
    def _tier(found: Landslide) -> Tier | None:
        """What was refuted before a late radar look came is not asked about by that look, so that
        its tier stays as it was; nobody acts on it any more.
        """
        return None if found.state is State.REFUTED else found.tier

    def told(self) -> None:
        """Insist that nobody was told anything twice, or left with what is not true."""
        records = outbox.list_alerts(self.s)[::-1]
        assert len({record.alert.id for record in records}) == len(records)
        for landslide in queries.list_landslides(self.s):
            kinds = [r.alert.kind for r in records if r.alert.landslide.id == landslide.id]
            assert kinds.count("suspected") <= 1
            if landslide.state is State.REFUTED and kinds:
                assert kinds[-1] == "withdrawn"
            if landslide.state is State.CONFIRMED:
                assert kinds[-1] == "confirmed"


@pytest.fixture(scope="module")
def services(
    make_database: Any, template: str, url_of: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    home: Path = tmp_path_factory.mktemp("order")
    clock = FileClock(home / "clock")
    clock.set(END)
    engine: Engine = make_engine(url_of(make_database(template)))
    channel = Channel("team", SecretStr("file:/dev/null"), False, ())
    yield Services(Settings(home=home), engine, clock, (channel,))
    engine.dispose()


def run(services: Services, order: Sequence[Shown]) -> set[Any]:
    with Session(services.engine, expire_on_commit=False) as s:
        world = World(services, s, order)
        for one in order:
            world.arrive(one)
        found = world.believed()
        world.told()
        s.rollback()
    return found


@settings(
    deadline=None,
    max_examples=EXAMPLES,
    # The same few each time; asked for more, others each time.
    derandomize="ORDER_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(looks=shown(), mixed=st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_in_the_same_landslides(
    services: Services, looks: list[Shown], mixed: Any
) -> None:
    in_order = sorted(looks, key=lambda one: one.look.sensed_at)
    other = list(in_order)
    mixed.shuffle(other)
    assert run(services, other) == run(services, in_order)
