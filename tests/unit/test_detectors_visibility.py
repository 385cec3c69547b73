"""What the looks after a mapped landslide could see of it, as far as shares of a region tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from detectors.visibility import LookSeen, sights

START = datetime(2023, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEST, EAST = box(0, 0, 1, 1), box(1, 0, 2, 1)
ALL = np.ones(6, bool)


def look(day: float, share: float | None, ground: object = WEST, **unseen: float) -> LookSeen:
    return LookSeen(START + day * DAY, ground, share, unseen)


def test_the_best_look_after_each_counts() -> None:
    looks = [
        look(-2, 1.0),  # before all
        look(3, 0.6, layover=0.3, water=0.1),
        look(9, 0.8, layover=0.2),
        look(12, None, EAST),
        look(50, 1.0),  # too late
        look(52, 0.0, EAST, cloud=1.0),
    ]
    places = shapely.points([(0.5, 0.5), (0.5, 0.5), (1.5, 0.5), (3, 3), (1.5, 0.5), (0.2, 0.2)])
    days = (0, 5, 0, 0, 51, None)
    ends = [None if day is None else START + day * DAY for day in days]
    found = sights(places, ends, looks, 30 * DAY)
    assert found.share.tolist() == [0.8, 0.8, 0, 0, 0, 1.0]
    assert found.look.tolist() == [2, 2, -2, -1, 5, 0]
    nothing = np.zeros(6, bool)
    told = found.count(nothing, ALL)
    assert (told.seen, told.partly, told.unseen) == (1, 2, 3)
    assert told.visible == pytest.approx(2.6)
    assert told.reasons == pytest.approx(
        {"no_look": 1, "not_judged": 1, "cloud": 1, "layover": 0.4}
    )
    # What was found could be seen, whatever the shares say.
    detected = np.array([True, False, False, True, False, False])
    told = found.count(detected, ALL)
    assert (told.seen, told.partly, told.unseen) == (3, 1, 2)
    assert told.visible == pytest.approx(3.8)
    assert found.count(detected, np.array([False, True] + [False] * 4)).visible == 0.8


def test_nothing_mapped_and_nothing_looked() -> None:
    none = sights(shapely.points(np.empty((0, 2))), [], [look(1, 1.0)], DAY)
    told = none.count(np.zeros(0, bool), np.zeros(0, bool))
    assert (told.seen, told.visible, told.reasons) == (0, 0.0, {})
    told = sights(shapely.points([(0, 0)]), [None], [], DAY).count(~ALL[:1], ALL[:1])
    assert (told.unseen, told.reasons) == (1, {"no_look": 1.0})


SHARES = st.one_of(st.none(), st.floats(0, 1))


@given(
    st.lists(st.tuples(st.integers(0, 60), SHARES, st.sampled_from([WEST, EAST])), max_size=6),
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 60)), min_size=1, max_size=6),
    st.randoms(),
)
def test_every_landslide_is_in_one_class_and_no_order_matters(told, mapped, random) -> None:
    looks = [look(day + 0.5, s, g, **({} if s is None else {"cloud": 1 - s})) for day, s, g in told]
    places = shapely.points([(x, 0.5) for x, _ in mapped])
    ends = [START + day * DAY for _, day in mapped]
    detected = np.zeros(len(mapped), bool)
    one = sights(places, ends, looks, 20 * DAY).count(detected, ALL[: len(mapped)])
    assert one.seen + one.partly + one.unseen == len(mapped)
    assert one.seen <= one.visible <= len(mapped) - one.unseen + 1e-9
    assert sum(one.reasons.values()) == pytest.approx(len(mapped) - one.visible)
    random.shuffle(looks)
    other = sights(places, ends, looks, 20 * DAY).count(detected, ALL[: len(mapped)])
    assert other.visible == pytest.approx(one.visible)
