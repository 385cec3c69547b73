"""Ways to a wrong or a missing optical verdict, each met end to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from db import store
from db.engine import transaction
from detectors import weights
from detectors.errors import InvalidWeights
from detectors.types import Finding, Sensor, State, Tier
from flows import optical_imagery
from flows.confirming import confirm_due
from flows.steps import detect_due
from tests.optical_watch import DEBRIS, EVENT, OpticalWatch, drill_channel
from tests.optical_world import EVERYWHERE, clouds, region

DAY = timedelta(days=1)
#: Leaves the upper third of the slide clear; clouds are widened by six pixels.
LOWER_PART = (slice(74, 160), slice(0, 160))


def let_waits_end(world: OpticalWatch) -> None:
    with transaction(world.services.engine) as s:
        s.execute(text("UPDATE scarpwatch.optical_attempts SET retry_at = now()"))
        s.execute(text("UPDATE scarpwatch.looks SET retry_at = now() WHERE retry_at IS NOT NULL"))


def cloudy_again(world: OpticalWatch, *days: float) -> None:
    """Publish cloudy looks that share the files of one."""
    one = world.take(days[0], scl=clouds(EVERYWHERE))
    for number, day in enumerate(days):
        sensed = EVENT + day * DAY
        world.store(
            replace(one, item_id=f"cloudy-{number}", sensed_at=sensed, published_at=sensed + DAY)
        )


def test_an_optical_find_is_confirmed_by_what_the_second_look_itself_shows(watch_optically) -> None:
    world = watch_optically()
    world.see(3, DEBRIS)
    world.confirm(4)
    (found,) = world.landslides()
    assert found.source is Sensor.OPTICAL
    world.see(8, DEBRIS, scl=clouds(LOWER_PART))
    world.confirm(9)
    assert world.findings(found) == [Finding.NOT_SEEN]
    assert world.now(found).state is State.SUSPECTED


def test_looks_of_a_source_the_region_had_before_are_still_judged(watch_optically) -> None:
    world = watch_optically()
    landslide = world.suspect()
    world.see(4, DEBRIS)
    with transaction(world.services.engine) as s:
        elsewhere = ("local/opera-rtc-s1", "mirrors/sentinel-2-l2a")
        store.save_region(s, region(watch_from=EVENT, sources=elsewhere))
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED


def test_a_mirror_is_read_where_the_other_catalogue_s_files_are_broken(watch_optically) -> None:
    world = watch_optically()
    both = ("local/opera-rtc-s1", "local/sentinel-2-l2a", "local/mirror")
    with transaction(world.services.engine) as s:
        store.save_region(s, region(watch_from=EVENT, sources=both))
    landslide = world.suspect()
    good = world.take(4, DEBRIS)
    broken = {name: f"{href}.broken" for name, href in good.assets.items()}
    for href in broken.values():
        Path(href).write_bytes(b"II*\0 not much of a raster")
    world.store(replace(good, item_id="A", assets=broken))
    world.store(replace(good, item_id="B", source="local/mirror"))
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED


def test_an_old_look_that_is_gone_for_good_does_not_silence_new_ones(watch_optically) -> None:
    world = watch_optically()
    landslide = world.suspect()
    newest_before = world.stored[2]
    Path(newest_before.assets["red"]).unlink()
    world.see(4, DEBRIS)
    for _ in range(3):
        world.confirm(5)
        let_waits_end(world)
    assert world.now(landslide).state is State.CONFIRMED


def test_a_cloudy_month_before_is_looked_past(watch_optically) -> None:
    world = watch_optically(before=(-80,))
    cloudy_again(world, *(-13 - day for day in range(30)))
    landslide = world.suspect()
    world.see(4, DEBRIS)
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED


def test_the_same_season_of_the_year_before_is_reached(watch_optically) -> None:
    world = watch_optically(before=(-365,))
    cloudy_again(world, *(-13 - 5 * day for day in range(55)))
    landslide = world.suspect()
    world.see(4, DEBRIS)
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED


@pytest.mark.long
def test_a_late_look_is_judged_by_its_own_pixels_after_many_cloudy_ones(watch_optically) -> None:
    world = watch_optically()
    landslide = world.suspect()
    cloudy_again(world, *(1 + day for day in range(55)))
    world.confirm(57)
    world.see(58, DEBRIS)
    world.confirm(59)
    assert world.now(landslide).state is State.CONFIRMED


def test_ground_that_was_bared_weeks_before_does_not_confirm(watch_optically) -> None:
    world = watch_optically(before=(-40, -34, -27))
    for days in (-15, -13):
        world.see(days, DEBRIS)
    landslide = world.suspect()
    for days in (3, 8, 13, 18):
        world.see(days, DEBRIS)
    world.confirm(20)
    assert set(world.findings(landslide)) == {Finding.UNDECIDED}
    assert world.now(landslide).state is State.SUSPECTED


def test_halves_seen_weeks_apart_make_a_whole(watch_optically) -> None:
    world = watch_optically()
    landslide = world.suspect()
    world.see(2, scl=clouds((slice(0, 160), slice(81, 160))))
    cloudy_again(world, 3, 8, 13, 18)
    world.see(23, scl=clouds((slice(0, 160), slice(0, 70))))
    world.confirm(24)
    assert world.now(landslide).state is State.REFUTED


def test_ground_that_fails_again_long_after_is_told_again(watch_optically) -> None:
    world = watch_optically(channels=[drill_channel("everybody")])
    old = world.suspect(tier=Tier.WATCH)
    world.confirm(121)
    assert world.now(old).state is State.UNRESOLVED
    again = world.suspect(days=300)
    assert again.id != old.id
    assert world.kinds() == ["suspected"]


def test_what_was_refuted_is_not_alerted_again_by_the_next_radar_look(watch_optically) -> None:
    world = watch_optically(channels=[drill_channel("everybody")])
    refuted = world.suspect()
    world.see(4)
    world.confirm(5)
    assert world.now(refuted).state is State.REFUTED
    world.suspect(days=12)
    assert world.kinds() == ["suspected", "withdrawn"]
    world.see(14, DEBRIS)
    world.confirm(15)
    assert world.kinds() == ["suspected", "withdrawn", "confirmed"], "nothing is lost by waiting"


def test_weights_that_do_not_fit_cost_neither_checks_nor_looks(
    watch_optically, monkeypatch
) -> None:
    world = watch_optically()
    landslide = world.suspect()
    world.see(4, DEBRIS)
    with monkeypatch.context() as broken:

        def garbled(name: str, _folder: Path) -> None:
            raise InvalidWeights(f"{name} is garbled")

        broken.setattr(weights, "describe", garbled)
        outcome = world.confirm(5)
    assert outcome.checks[0].finding == "deferred"
    assert outcome.looks[0].state == "due"
    let_waits_end(world)
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED


def test_a_real_landslide_is_not_judged_by_made_up_pixels(watch_optically) -> None:
    world = watch_optically(simulated=False)
    landslide = world.suspect(simulated=False)
    world.see(4)
    world.confirm(5)
    assert world.findings(landslide) == []
    world.see(6, simulated=False)
    world.confirm(7)
    assert world.findings(landslide) == [], "only looks of a drill before"


def test_a_search_keeps_its_lease_from_look_to_look(watch_optically, monkeypatch) -> None:
    monkeypatch.setattr(optical_imagery, "BLOCK_PIXELS", 64)
    world = watch_optically()
    world.see(3, DEBRIS)
    blocks = []
    extend = store.extend_look

    def slowly(s, look_id, owner, until) -> None:
        extend(s, look_id, owner, until)
        blocks.append(until)

    monkeypatch.setattr(store, "extend_look", slowly)
    world.confirm(4)
    assert len(blocks) == 12 * 2 + 1, "twelve blocks, a look before each, one question"
    assert blocks == sorted(blocks)
    assert min(blocks) > datetime.now(UTC)


def test_a_search_whose_look_was_taken_over_stops_and_stores_nothing(
    watch_optically, monkeypatch
) -> None:
    monkeypatch.setattr(optical_imagery, "BLOCK_PIXELS", 64)
    world = watch_optically()
    world.see(3, DEBRIS)
    extend = store.extend_look

    def robbed(s, look_id, owner, until) -> None:
        s.execute(text("UPDATE scarpwatch.looks SET owner = 'faster' WHERE owner IS NOT NULL"))
        extend(s, look_id, owner, until)

    monkeypatch.setattr(store, "extend_look", robbed)
    (outcome,) = detect_due(world.services, "slope", limit=1, sensor=Sensor.OPTICAL)
    assert (outcome.state, outcome.reason) == ("due", "taken over by another worker")
    assert world.landslides() == []


def test_a_backlog_of_looks_to_search_does_not_hold_up_the_next_poll(watch_optically) -> None:
    world = watch_optically()
    for days in (3, 8, 13):
        world.see(days)
    world.clock.set(EVENT + 20 * DAY)
    landslide = world.suspect()
    soon = confirm_due(world.services, "slope", timedelta(microseconds=1))
    assert len(soon.looks) == 1
    assert world.now(landslide).state is State.REFUTED, "verdicts are not put off"
    assert len(confirm_due(world.services, "slope").looks) == 2
