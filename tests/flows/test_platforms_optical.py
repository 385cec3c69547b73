"""A new optical satellite decides nothing until three clear looks agree with the known one's."""

from __future__ import annotations

import pytest

from db import optical
from db.engine import transaction
from detectors.types import State
from flows.confirming import confirmations_due
from flows.deciding import decide_platform
from flows.platforms import PlatformState, Standing, states
from tests.optical_watch import DEBRIS, QUIET, OpticalWatch, drill_channel
from tests.optical_world import EVERYWHERE, clouds, region

NEW = {"platform": "sentinel-2d"}


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    """Six clear looks of the known satellite before, nothing after."""
    before = (-70, -60, -50, *QUIET)
    return watch_optically(channels=(drill_channel("team", "valley"),), before=before)


def newcomer(world: OpticalWatch) -> PlatformState:
    with transaction(world.services.engine) as s:
        known = states(world.services, s, region())
    (found,) = (one for one in known if one.platform == "sentinel-2d")
    return found


def test_it_confirms_once_it_has_passed(world: OpticalWatch) -> None:
    landslide = world.suspect()
    world.see(2, DEBRIS, **NEW)
    world.see(5, DEBRIS, scl=clouds(EVERYWHERE), **NEW)
    world.see(7, DEBRIS, **NEW)
    told = world.confirm(8)
    assert {check.finding for check in told.checks} == {"held"}
    assert "alerts held: sentinel-2d" in told.checks[0].reason
    assert world.now(landslide).state is State.SUSPECTED
    assert world.findings(landslide) == []
    assert newcomer(world).standing is Standing.CHECKING
    assert newcomer(world).comparison.words.endswith(
        "reflectance on stable ground over 2 of 3 passes"
    )
    assert not confirmations_due(world.services, "slope"), "nothing that counts waits"

    # The third clear look: it has passed, and what waited is judged in the same run, oldest first.
    third = world.see(12, DEBRIS, **NEW)
    told = world.confirm(13)
    assert newcomer(world).standing is Standing.PASSED
    assert abs(newcomer(world).comparison.offset) < 0.01
    assert world.now(landslide).state is State.CONFIRMED
    assert world.kinds() == ["suspected", "confirmed"]
    assert third not in [check.item_id for check in told.checks if check.finding == "agrees"]


def test_one_that_is_off_decides_nothing_until_a_person_says_so(world: OpticalWatch) -> None:
    landslide = world.suspect()
    # The offset of baseline 04.00 forgotten is a tenth; this is a third of the near infrared.
    for days in (2, 7, 12):
        world.see(days, brighter=1.3, **NEW)
    world.confirm(13)
    assert newcomer(world).standing is Standing.FAILED
    assert newcomer(world).comparison.offset == pytest.approx(0.09, abs=0.02)
    assert world.now(landslide).state is State.SUSPECTED, "unchanged vegetation would have refuted"
    # The known satellite decides as ever, and by its own looks alone.
    world.see(14)
    world.confirm(15)
    assert world.now(landslide).state is State.REFUTED
    with transaction(world.services.engine) as s:
        (check,) = optical.optical_checks(s, landslide.id)
        held = [look.item_id for look in world.stored if look.platform == "sentinel-2d"]
    assert not set(held) & set(check.item_ids)
    why = {"reason": "seen beside the others", "by": "Kari"}
    decide_platform(world.services, "sentinel-2d", "approved", **why)
    assert newcomer(world).standing is Standing.APPROVED
