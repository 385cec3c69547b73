"""Looks and suspicions that become known in any order: where the end is the same, where not."""

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
    # Radar that comes after two optical looks have confirmed has nothing to suspect any more.
    assert world.kinds() in (["suspected", "confirmed"], ["confirmed"])
    assert world.kinds() == ["suspected", "confirmed"] or order.index(RADAR) > 1


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[1]], ids="-".join)
def test_a_false_alarm_is_withdrawn_in_any_order(arrive, order) -> None:
    world = arrive(order, **{name: (*look, False) for name, look in LOOKS.items()})
    assert states(world) == {State.REFUTED}
    assert world.kinds() == ["suspected", "withdrawn"]


def test_looks_that_contradict_each_other_are_taken_as_they_come(arrive) -> None:
    """The first look that decides does: an unchanged one known late reopens nothing."""
    looks = {"green": (4, None, False), "bare": (11, None, True)}
    assert states(arrive((RADAR, "bare", "green"), **looks)) == {State.CONFIRMED}
    # In order of sensing the bare ground is something new, for a further look to confirm.
    world = arrive((RADAR, "green", "bare"), **looks)
    refuted, found = sorted(world.landslides(), key=lambda one: one.source != Sensor.SAR)
    assert (refuted.source, refuted.state) == (Sensor.SAR, State.REFUTED)
    assert (found.source, found.state) == (Sensor.OPTICAL, State.SUSPECTED)
    assert world.kinds() == ["suspected", "withdrawn"]


def test_an_optical_find_with_its_looks_backwards_waits_for_a_later_one(arrive) -> None:
    """What was sensed before the find is no second look after it: slower, never wrong."""
    looks = {name: (days, None, True) for name, days in (("one", 4), ("two", 9), ("three", 14))}
    assert states(arrive(("one", "two"), **looks)) == {State.CONFIRMED}
    world = arrive(("two", "one"), **looks)
    assert states(world) == {State.SUSPECTED}
    world.see(14, DEBRIS)
    world.confirm(LATER)
    assert states(world) == {State.CONFIRMED}
    assert world.kinds() == ["confirmed"]
