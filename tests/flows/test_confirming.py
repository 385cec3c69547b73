"""Optical verdicts end to end: real files, real PostGIS, the shipped ensemble."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import MultiPolygon
from sqlalchemy import text

from db import optical, store
from db.engine import transaction
from detectors.types import Finding, Sensor, State, Tier
from flows.confirming import confirmations_due
from tests.optical_watch import DEBRIS, EVENT, OpticalWatch, drill_channel
from tests.optical_world import EVERYWHERE, SLIDE, clouds, outline, region


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    """Three clear looks before, nothing after."""
    return watch_optically(channels=(drill_channel("team", "valley"), drill_channel("everybody")))


def test_cloudy_stays_suspected_and_the_first_clear_look_confirms(world: OpticalWatch) -> None:
    landslide = world.suspect()
    over = (slice(40, 110), slice(40, 110))
    world.see(2, DEBRIS, scl=clouds(EVERYWHERE))
    world.see(5, DEBRIS, scl=clouds(over))
    assert world.confirm(6).alerts == 0
    assert world.now(landslide).state is State.SUSPECTED
    assert world.findings(landslide) == [Finding.NOT_SEEN] * 2
    # The region is mostly cloudy, the landslide's own pixels are not.
    rest = [(slice(0, 30), slice(0, 160)), (slice(115, 160), slice(0, 160))]
    world.see(9, DEBRIS, scl=clouds(*rest))
    world.confirm(10)
    latest = world.now(landslide)
    assert latest.state is State.CONFIRMED, latest.cause
    truth = outline()
    assert latest.geometry.intersection(truth).area / latest.geometry.union(truth).area > 0.8
    assert latest.d_ndvi is not None
    assert latest.d_ndvi < -0.4
    assert [kind for kind, _ in world.alerts()] == ["suspected"] * 2 + ["confirmed"] * 2


def test_unchanged_vegetation_refutes_and_withdraws_in_the_same_channels(
    world: OpticalWatch,
) -> None:
    landslide = world.suspect()
    world.see(4)
    with transaction(world.services.engine) as s:
        # Tags that change meanwhile must not leave anybody with an alert that is no longer true.
        store.save_region(s, region(watch_from=EVENT, tags=("elsewhere",)))
    world.confirm(5)
    assert world.now(landslide).state is State.REFUTED
    told = world.alerts()
    assert sorted(told) == [
        ("suspected", "everybody"), ("suspected", "team"),
        ("withdrawn", "everybody"), ("withdrawn", "team"),
    ]  # fmt: skip


def test_a_refuted_watch_landslide_is_nobodys_business(world: OpticalWatch) -> None:
    landslide = world.suspect(tier=Tier.WATCH)
    world.see(4)
    world.confirm(5)
    assert world.now(landslide).state is State.REFUTED
    assert world.alerts() == []


def test_confirming_a_watch_landslide_alerts(world: OpticalWatch) -> None:
    landslide = world.suspect(tier=Tier.WATCH)
    assert world.alerts() == []
    world.see(4, DEBRIS)
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED
    assert {kind for kind, _ in world.alerts()} == {"confirmed"}


@pytest.mark.parametrize(
    "name",
    [
        "soil",
        pytest.param("rock", marks=pytest.mark.long),
        "water",
        pytest.param("debris", marks=pytest.mark.long),
    ],
)
def test_what_was_bare_before_is_neither_confirmed_nor_refuted(
    world: OpticalWatch, name: str
) -> None:
    """Bare fields, quarries, water and old scars."""
    for days in (-14, -13, -12.5):
        world.see(days, (SLIDE, name))
    landslide = world.suspect()
    for days in (3, 8, 13):
        world.see(days, (SLIDE, name))
    world.confirm(20)
    assert world.now(landslide).state is State.SUSPECTED
    findings = world.findings(landslide)
    assert len(findings) == 3
    assert set(findings) <= {Finding.UNDECIDED, Finding.NOT_SEEN}


def test_a_flood_does_not_confirm(world: OpticalWatch) -> None:
    landslide = world.suspect()
    world.see(4, (SLIDE, "water"))
    world.confirm(5)
    assert world.now(landslide).state is State.SUSPECTED


def test_a_harvested_field_neither_confirms_nor_is_found(world: OpticalWatch) -> None:
    landslide = world.suspect()
    for days in (4, 9):
        world.see(days, (SLIDE, "stubble"))
    world.confirm(10)
    assert world.now(landslide).state is State.SUSPECTED
    assert set(world.findings(landslide)) == {Finding.UNDECIDED}
    assert len(world.landslides()) == 1


def test_waiting_ends_unresolved_and_says_nothing(world: OpticalWatch) -> None:
    landslide = world.suspect(tier=Tier.WATCH)
    world.see(4, scl=clouds(EVERYWHERE))
    outcome = world.confirm(121)
    assert world.now(landslide).state is State.UNRESOLVED
    assert outcome.checks[-1].finding == "expired"
    assert world.alerts() == []


def test_running_twice_changes_nothing(world: OpticalWatch) -> None:
    landslide = world.suspect()
    world.see(4, DEBRIS)
    world.confirm(5)
    latest, told = world.now(landslide), world.alerts()
    again = world.confirm(5)
    assert (again.checks, again.looks) == ((), ())
    assert (world.now(landslide), world.alerts()) == (latest, told)
    assert not confirmations_due(world.services, "slope")


def test_an_optical_find_waits_for_a_second_look(world: OpticalWatch) -> None:
    world.see(3, DEBRIS)
    first = world.confirm(4)
    (found,) = world.landslides()
    assert (found.state, found.source, found.tier) == (State.SUSPECTED, Sensor.OPTICAL, Tier.WATCH)
    assert found.change_db is None
    assert world.alerts() == []
    assert first.alerts == 0
    world.see(8, DEBRIS)
    world.confirm(9)
    (found,) = world.landslides()
    assert found.state is State.CONFIRMED
    assert {kind for kind, _ in world.alerts()} == {"confirmed"}


def test_quiet_looks_find_nothing(world: OpticalWatch) -> None:
    for days in (3, 8, 13):
        world.see(days, brighter=1 + days / 100)
    outcome = world.confirm(20)
    assert [look.state for look in outcome.looks] == ["processed"] * 3
    assert world.landslides() == []


def test_a_broken_file_is_parked_and_the_next_look_decides(world: OpticalWatch) -> None:
    landslide = world.suspect()
    broken = world.see(3, DEBRIS)
    (world.folder / f"{broken}_red.tif").write_bytes(b"II*\0 not much of a raster")
    world.see(6, DEBRIS)
    outcome = world.confirm(7)
    assert [check.finding for check in outcome.checks][:2] == ["given up", "agrees"]
    assert world.now(landslide).state is State.CONFIRMED


def test_a_missing_file_is_tried_again(world: OpticalWatch) -> None:
    landslide = world.suspect()
    name = world.see(3, DEBRIS)
    path = world.folder / f"{name}_nir.tif"
    away = path.rename(path.with_suffix(".away"))
    outcome = world.confirm(4)
    assert outcome.checks[0].finding == "deferred"
    away.rename(path)
    assert world.confirm(4).checks == (), "not before its time"
    with transaction(world.services.engine) as s:
        s.execute(text("UPDATE scarpwatch.optical_attempts SET retry_at = now()"))
    assert world.confirm(4).checks[0].finding == "agrees"
    assert world.now(landslide).state is State.CONFIRMED


def test_a_landslide_that_changed_meanwhile_is_judged_again(world: OpticalWatch) -> None:
    landslide = world.suspect()
    world.see(4, DEBRIS)
    from flows import confirming

    with transaction(world.services.engine) as s:
        ((version, look),) = optical.optical_pending(
            s, "slope", EVENT + timedelta(days=5), datetime.now(UTC), timedelta(days=120)
        )
    world.clock.set(EVENT + timedelta(days=5))
    check = confirming.examine_pair(world.services, version, look).check
    with transaction(world.services.engine) as s:
        grown = replace(
            landslide, revision=2, geometry=MultiPolygon([outline().buffer(1e-4)]), cause="grown"
        )
        store.store_landslide(s, grown)
    outcome = confirming._store(world.services, region(), look, check, ())
    assert outcome.finding == "deferred"
    assert world.findings(landslide) == []
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED
