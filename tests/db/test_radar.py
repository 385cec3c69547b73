"""What radar looks could see, and what they say of landslides, as PostGIS keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from db import queries, radar, schema, store
from detectors.errors import ConfigurationError, PermanentError
from detectors.fusion import sighting
from detectors.observability import Coverage
from detectors.types import Finding, Kind, OrbitState, Tier
from tests.records import DAY


def see(s: Any, world: Any, look: Any, share: float, **unseen: float) -> None:
    radar.record_observability(
        s, world.region.id, look.id, Coverage(100.0, share, unseen), simulated=False
    )


def test_what_a_look_could_see_is_kept_once(world: Any) -> None:
    for share, water in ((0.5, 0.5), (0.9, 0.1)):
        with world.open() as s:
            see(s, world, world.acquisition, share, water=water)
    with world.open() as s:
        (look,) = queries.list_looks(s)
    assert look.coverage == Coverage(100.0, 0.9, {"water": 0.1})


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(world: Any, share: float) -> None:
    with pytest.raises(PermanentError), world.open() as s:
        see(s, world, world.acquisition, share)


def test_the_best_look_of_each_track_over_the_last_repeat_cycle(world: Any, make: Any) -> None:
    other = {"orbit_state": OrbitState.DESCENDING, "relative_orbit": 42, "burst_id": None}
    looks = [
        make.acquisition(20), make.acquisition(26), make.acquisition(30),
        make.acquisition(29, item_id="d", **other), make.acquisition(28.0, item_id="none"),
    ]  # fmt: skip
    with world.open() as s:
        store.record_acquisitions(s, world.region, looks)
        for look, share in zip(looks, (0.8, 0.7, 0.6, 0.9, 0.1), strict=True):
            see(s, world, look, share)
        see(s, world, world.acquisition, 1.0)
        found = radar.region_coverage(s, world.region.id)
        assert radar.region_coverage(s, "elsewhere") == []
    assert [(one.relative_orbit, one.item_id) for one in found] == [(42, "d"), (137, "item-20")]
    assert [one.coverage.share_seen for one in found] == [0.9, 0.8]


def test_a_look_that_is_judged_again_speaks_anew(world: Any) -> None:
    one = sighting(world.landslide, world.detections[0])
    other = replace(
        one, finding=Finding.DISAGREES, reason="looked", score_mean=None, evidence=None, tier=None,
        unseen={"layover": 0.25},
    )  # fmt: skip
    for check in (one, one, other):
        with world.open() as s:
            radar.record_radar_checks(s, [check])
    with world.open() as s:
        assert radar.radar_checks(s, [world.landslide.id]) == {world.landslide.id: [other]}
        assert radar.radar_checks(s, []) == {}


def test_kinds_are_kept(world: Any, make: Any) -> None:
    pond = make.detection(world.acquisition, 5, kind=Kind.PONDING)
    landslide = make.landslide(pond, kind=Kind.PONDING)
    with world.open() as s:
        store.store_detections(s, [pond])
        store.store_landslide(s, landslide)
    with world.open() as s:
        assert queries.get_landslide(s, landslide.id) == landslide
        (found,) = queries.landslide_detections(s, landslide.id)
        assert found == pond
        assert pond.id != replace(pond, kind=Kind.LANDSLIDE).id


def test_later_looks_are_reopened_for_a_landslide_they_were_not_asked_about(
    world: Any, make: Any
) -> None:
    later, much_later, earlier = make.acquisition(6), make.acquisition(300), make.acquisition(-6)
    with world.open() as s:
        store.record_acquisitions(s, world.region, [later, much_later, earlier])
    for _ in range(4):
        with world.open() as s:
            look = store.claim_look(s, world.region.id, make.now, "me", DAY)
            assert look is not None
            store.finish_look(s, look.id, "me", "processed", None, 1.0, None, make.now)
    with world.open() as s:
        assert radar.reopen_later_looks(s, world.landslide, 120 * DAY) == 1
        (due,) = queries.list_looks(s, state="due")
        assert due.acquisition.id == later.id
        asked = replace(sighting(world.landslide, world.detections[0]), acquisition_id=later.id)
        radar.record_radar_checks(s, [asked])
    with world.open() as s:
        assert radar.reopen_later_looks(s, world.landslide, 120 * DAY) == 0


def test_the_way_down_forgets_nothing_a_look_has_told(world: Any) -> None:
    with world.open() as s:
        see(s, world, world.acquisition, 1.0)
    with pytest.raises(ConfigurationError, match="1 rows tell what looks could see"):
        schema.downgrade(world.engine, "0002")
    assert schema.current(world.engine) == schema.head()


def test_what_detections_say_is_heard_on_the_way_up(world: Any) -> None:
    schema.downgrade(world.engine, "0002")
    schema.upgrade(world.engine)
    with world.open() as s:
        (said,) = radar.radar_checks(s, [world.landslide.id])[world.landslide.id]
    assert (said.finding, said.tier) == (Finding.AGREES, Tier.LIKELY)
    assert said.evidence == world.detections[0].evidence
