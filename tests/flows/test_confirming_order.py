"""Looks and suspicions that become known in any order: the end is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from db.engine import make_engine
from detectors.types import Sensor, State
from tests.optical_watch import DEBRIS, OpticalWatch
from tests.optical_world import Patch, clouds

#: Half of the landslide under clouds, and all of it.
HALF: Patch = (slice(40, 110), slice(40, 75))
ALL: Patch = (slice(40, 110), slice(40, 110))
#: Looks that become known one by one, in order of sensing: day, and clouds.
LOOKS = {"cloudy": (3, clouds(ALL)), "half": (6, clouds(HALF)), "clear": (11, None)}
RADAR = "radar"
#: Some of the 24 orders: as sensed, backwards, and the radar's suspicion in the midst.
ORDERS = [
    (RADAR, "cloudy", "half", "clear"),
    ("clear", "half", "cloudy", RADAR),
    ("half", RADAR, "clear", "cloudy"),
    ("clear", "cloudy", RADAR, "half"),
]
LATER = 20


@pytest.fixture
def arrive(
    watch_optically: Callable[..., OpticalWatch], make_database: Callable[[str], str],
    template: str, url_of: Callable[[str], str],
) -> Iterator[Callable[..., OpticalWatch]]:  # fmt: skip
    """Lets things become known one after the other, each followed by a run."""
    engines = []

    def arrive(order: tuple[str, ...], **after: tuple[float, object, bool]) -> OpticalWatch:
        engines.append(make_engine(url_of(make_database(template))))
        world = watch_optically(engine=engines[-1])
        for name in order:
            if name == RADAR:
                world.suspect()
            else:
                days, scl, slid = after[name]
                world.see(days, *([DEBRIS] if slid else []), scl=scl)
            world.confirm(LATER)
        return world

    yield arrive
    for engine in engines:
        engine.dispose()


def states(world: OpticalWatch) -> set[State]:
    """Return what is believed, and insist that no version is missing."""
    found = world.landslides()
    for landslide in found:
        revisions = [version.revision for version in world.history(landslide)]
        assert revisions == list(range(1, len(revisions) + 1))
    return {landslide.state for landslide in found}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_landslide_is_confirmed_in_any_order(arrive, order) -> None:
    world = arrive(order, **{name: (*look, True) for name, look in LOOKS.items()})
    assert states(world) == {State.CONFIRMED}
    assert len(world.landslides()) == 1
    # What two optical looks have confirmed is nothing that radar could suspect afterwards.
    assert world.kinds() in (["suspected", "confirmed"], ["confirmed"])
    assert world.kinds() == ["suspected", "confirmed"] or order.index(RADAR) > 1


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[1]], ids="-".join)
def test_a_false_alarm_is_withdrawn_in_any_order(arrive, order) -> None:
    world = arrive(order, **{name: (*look, False) for name, look in LOOKS.items()})
    assert states(world) == {State.REFUTED}
    assert world.kinds() == ["suspected", "withdrawn"]


def kept(world: OpticalWatch, *, since: bool = True) -> set[tuple[object, ...]]:
    """What is believed, without identities and numbers; what became part of another left out.

    Args:
        world: where.
        since: with the last look before, too.
    """
    return {
        (one.state, one.tier, one.source, one.geometry.wkb, one.not_before if since else None,
         one.not_after,
         one.verdict_at, one.kind)
        for one in world.landslides()
        if one.merged_into is None
    }  # fmt: skip


def test_looks_that_contradict_each_other_are_judged_as_of_their_own_time(arrive) -> None:
    """Green on day 4 was no landslide; what is bare on day 11 happened later, and is another."""
    looks = {"green": (4, None, False), "bare": (11, None, True)}
    in_order = arrive((RADAR, "green", "bare"), **looks)
    refuted, found = sorted(in_order.landslides(), key=lambda one: one.source != Sensor.SAR)
    assert (refuted.source, refuted.state) == (Sensor.SAR, State.REFUTED)
    assert (found.source, found.state) == (Sensor.OPTICAL, State.SUSPECTED)
    assert found.follows == refuted.id
    assert in_order.kinds() == ["suspected", "withdrawn"]
    late = arrive((RADAR, "bare", "green"), **looks)
    # An optical look that was searched before an older one came is not searched again: its finds
    # keep the look that was the last one before when they were found.
    assert kept(late, since=False) == kept(in_order, since=False)
    # It was confirmed meanwhile, and whoever was told so is told that it is not so.
    assert late.kinds() == ["suspected", "confirmed", "withdrawn"]
    (told,) = [one for one in late.landslides() if one.state is State.REFUTED]
    assert [v.state for v in late.history(told)] == [
        State.SUSPECTED, State.CONFIRMED, State.REFUTED,
    ]  # fmt: skip


def test_an_optical_find_with_its_looks_backwards_is_the_same(arrive) -> None:
    looks = {name: (days, None, True) for name, days in (("one", 4), ("two", 9))}
    in_order = arrive(("one", "two"), **looks)
    assert states(in_order) == {State.CONFIRMED}
    backwards = arrive(("two", "one"), **looks)
    assert kept(backwards) == kept(in_order)
    assert backwards.kinds() == in_order.kinds() == ["confirmed"]
