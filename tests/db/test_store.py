"""Regions, polls, looks, detections and landslides go in and come out, and twice is once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import MultiPolygon, Polygon, box
from sqlalchemy import text

from db import counts, optical, queries, store
from db.engine import transaction
from detectors.errors import ConfigurationError, LeaseLost, PermanentError
from detectors.types import Finding, Sensor, State, Tier

LEASE = timedelta(minutes=10)
HOUR = timedelta(hours=1)


def test_a_region_is_stored_changed_removed_and_watched_again(engine, make) -> None:
    region = make.region(tags=("drill", "kust"), name="Sjöberg 山")
    changed = replace(region, paused=True, min_area_m2=9_000.0)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.save_region(s, region)
        assert queries.list_regions(s) == [region]
        store.save_region(s, changed)
        assert queries.get_region(s, region.id) == changed
        store.set_paused(s, region.id, False)
        assert not queries.get_region(s, region.id).paused
        store.remove_region(s, region.id)
        assert queries.list_regions(s) == []
        assert [r.id for r in queries.list_regions(s, include_removed=True)] == [region.id]
        assert queries.get_region(s, region.id, include_removed=True).name == region.name
        store.save_region(s, region)
        assert queries.list_regions(s) == [region]


def test_urgent_regions_come_first(engine, make) -> None:
    with transaction(engine) as s:
        for region_id, priority in (("b", 5), ("a", 5), ("late", 100), ("urgent", 1)):
            store.save_region(s, make.region(region_id, priority=priority))
        assert [r.id for r in queries.list_regions(s)] == ["urgent", "a", "b", "late"]


def test_an_unknown_region_is_answered_with_the_known_ones(engine, make) -> None:
    with transaction(engine) as s:
        with pytest.raises(ConfigurationError, match="none yet"):
            queries.get_region(s, "nowhere")
        store.save_region(s, make.region("here"))
        store.save_region(s, make.region("there"))
        for ask in (
            lambda: queries.get_region(s, "nowhere"),
            lambda: store.set_paused(s, "nowhere", True),
            lambda: store.remove_region(s, "nowhere"),
        ):
            with pytest.raises(ConfigurationError, match=r"'nowhere'.*here, there"):
                ask()


def test_a_drill_never_becomes_a_real_region(engine, make) -> None:
    with transaction(engine) as s:
        store.save_region(s, make.region("drill", simulated=True))
        store.save_region(s, make.region("real"))
        with pytest.raises(ConfigurationError, match="is a drill and stays so"):
            store.save_region(s, make.region("drill"))
        with pytest.raises(ConfigurationError, match="is no drill and stays so"):
            store.save_region(s, make.region("real", simulated=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"geometry": MultiPolygon([Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])])},
        {"geometry": MultiPolygon()},
        {"sources": ()},
        {"detectors": ()},
        {"name": ""},
        {"name": "nul \x00"},
        {"min_area_m2": -1.0},
        {"min_area_m2": float("nan")},
        {"poll_every": timedelta(0)},
    ],
)
def test_a_region_nobody_could_watch_is_refused(engine, make, wrong) -> None:
    with pytest.raises(PermanentError), transaction(engine) as s:
        store.save_region(s, make.region("wrong", **wrong))
    with transaction(engine) as s:
        assert queries.list_regions(s, include_removed=True) == []


def test_a_watermark_only_moves_forward_and_not_on_errors(engine, make) -> None:
    region, source = make.region(), "local/opera-rtc-s1"
    early, late = make.start, make.start + HOUR
    with transaction(engine) as s:
        store.save_region(s, region)
        assert queries.poll_watermarks(s, source, [region.id]).get(region.id) is None
        store.finish_polls(s, [region.id], source, None, early, error="503 from the catalogue")
        assert queries.poll_watermarks(s, source, [region.id]).get(region.id) is None
        store.finish_polls(s, [region.id], source, late, late)
        store.finish_polls(s, [region.id], source, early, late)
        store.finish_polls(s, [region.id], source, None, late)
        assert queries.poll_watermarks(s, source, [region.id]).get(region.id) == late
        for _ in range(2):
            store.finish_polls(s, [region.id], source, late + HOUR, late + HOUR, error="timed out")
        assert queries.poll_watermarks(s, source, [region.id]).get(region.id) == late
        (poll,) = queries.list_polls(s, only=[region.id])
        assert (poll.failures, poll.error, poll.succeeded_at) == (2, "timed out", late)
        store.finish_polls(s, [region.id], source, late + HOUR, late + 2 * HOUR)
        (poll,) = queries.list_polls(s)
        assert (poll.failures, poll.error, poll.watermark) == (0, None, late + HOUR)


def test_only_items_new_to_the_region_come_back(engine, make) -> None:
    near, far = make.region("near"), make.region("far", watch_from=make.start + timedelta(days=5))
    items = [make.acquisition(day) for day in (12, 0, 6)]
    with transaction(engine) as s:
        store.save_region(s, near)
        store.save_region(s, far)
        assert store.record_acquisitions(s, near, []) == []
        oldest_first = [items[1].id, items[2].id, items[0].id]
        assert store.record_acquisitions(s, near, [*items, items[0]]) == oldest_first
        assert store.record_acquisitions(s, near, items) == []
        assert store.record_acquisitions(s, near, [*items, make.acquisition(18)]) == [
            make.acquisition(18).id
        ]
        assert store.record_acquisitions(s, far, items) == oldest_first
        assert [look.state for look in queries.list_looks(s, region_id="far")] == [
            "due",
            "due",
            "baseline",
        ]
        assert {look.state for look in queries.list_looks(s, region_id="near")} == {"due"}
        assert queries.get_acquisition(s, items[0].id) == items[0]
        assert counts.summary(s).acquisitions == 4


def test_a_known_item_follows_the_catalogue_in_where_it_lies_only(engine, make) -> None:
    region, first = make.region(), make.acquisition()
    moved = replace(
        first,
        assets={"VV": "https://elsewhere/vv.tif"},
        checksums={"VV": "1220ab"},
        processing_version="1.1",
        scale={"red": 0.0001},
        offset={"red": -0.1},
        published_at=first.published_at + HOUR,
        platform="sentinel-1x",
        simulated=True,
    )
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [first])
        store.record_acquisitions(s, region, [moved])
        expected = replace(moved, published_at=first.published_at, platform=first.platform)
        assert queries.get_acquisition(s, first.id) == expected
        store.record_acquisitions(s, region, [replace(moved, simulated=False)])
        assert queries.get_acquisition(s, first.id).simulated


@pytest.mark.parametrize(
    "wrong",
    [
        {"orbit_state": None},
        {"relative_orbit": None},
        {"polarisations": ()},
        {"relative_orbit": 176},
    ],
)
def test_a_radar_look_without_its_geometry_is_refused(engine, make, wrong) -> None:
    with transaction(engine) as s:
        store.save_region(s, make.region())
        store.record_acquisitions(s, make.region(), [make.acquisition()])
    columns = ", ".join(f"{name} = :{name}" for name in wrong)
    values = {key: list(value) if value == () else value for key, value in wrong.items()}
    with pytest.raises(PermanentError), transaction(engine) as s:
        s.execute(text(f"UPDATE scarpwatch.acquisitions SET {columns}"), values)


@pytest.mark.parametrize("cloud_cover", [-1.0, 100.5, float("nan")])
def test_a_cloud_cover_outside_0_to_100_is_refused(engine, make, cloud_cover) -> None:
    region = make.region()
    with transaction(engine) as s:
        store.save_region(s, region)
    with pytest.raises(PermanentError, match="cloud_cover"), transaction(engine) as s:
        store.record_acquisitions(s, region, [make.optical(cloud_cover=cloud_cover)])


def test_refusals_are_stored_once_with_their_latest_reason(engine, make) -> None:
    region = make.region()
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_refusals(s, region.id, "a/b", [("x", "no VV"), ("y", "no footprint")])
        store.record_refusals(s, region.id, "a/b", [("x", "not terrain-corrected")])
        store.record_refusals(s, region.id, "a/b", [])
        assert queries.list_refusals(s, region.id) == [
            ("a/b", "x", "not terrain-corrected"),
            ("a/b", "y", "no footprint"),
        ]


def test_waiting_looks_follow_a_changed_start_of_watching(engine, make) -> None:
    items = [make.acquisition(day) for day in range(4)]
    from_day = [replace(make.region(), watch_from=item.sensed_at) for item in items]
    with transaction(engine) as s:
        store.save_region(s, from_day[2])
        store.record_acquisitions(s, from_day[2], items)
        look = store.claim_look(s, "san-rafael", make.now, "w1", LEASE)
        assert look is not None
        store.finish_look(s, look.id, "w1", "processed", None, 1.0, None, make.now)
        states = []
        for region in (from_day[1], from_day[3], from_day[2]):
            store.save_region(s, region)
            states.append([waiting.state for waiting in reversed(queries.list_looks(s))])
    assert states == [
        ["baseline", "due", "processed", "due"],
        ["baseline", "baseline", "processed", "due"],
        ["baseline", "baseline", "processed", "due"],
    ]


def test_a_source_can_be_read_from_the_beginning_again(engine, make) -> None:
    region = make.region()
    with transaction(engine) as s:
        store.save_region(s, region)
        store.finish_polls(s, [region.id], "a/b", make.now, make.now)
        store.forget_watermarks(s, region.id)
        assert queries.poll_watermarks(s, "a/b", [region.id]).get(region.id) is None
        store.finish_polls(s, [region.id], "a/b", make.start, make.now)
        assert queries.poll_watermarks(s, "a/b", [region.id]).get(region.id) == make.start


def test_an_item_that_became_usable_is_no_longer_refused(engine, make) -> None:
    region, item = make.region(), make.acquisition()
    with transaction(engine) as s:
        store.save_region(s, region)
        refusals = [(item.item_id, "asset VV is missing"), ("other", "no footprint")]
        store.record_refusals(s, region.id, item.source, refusals)
        store.record_acquisitions(s, region, [item])
        assert queries.list_refusals(s, region.id) == [(item.source, "other", "no footprint")]


def test_the_oldest_look_is_claimed_first_and_finished(engine, make) -> None:
    region, items = make.region(), [make.acquisition(day) for day in (6, 0)]
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, items)
        look = store.claim_look(s, region.id, make.now, "w1", LEASE)
        assert look is not None
        assert (look.acquisition, look.attempts) == (items[1], 1)
        assert look.lease_until == make.now + LEASE
        store.finish_look(s, look.id, "w1", "processed", None, 0.75, "wet scene", make.now + HOUR)
        (stored,) = queries.list_looks(s, state="processed")
        assert (stored.share_seen, stored.advisory) == (0.75, "wet scene")
        assert stored.finished_at == make.now + HOUR
        other = store.claim_look(s, region.id, make.now, "w1", LEASE)
        assert other is not None
        assert other.acquisition == items[0]
        assert store.claim_look(s, region.id, make.now, "w1", LEASE) is None
        with pytest.raises(LeaseLost):
            store.finish_look(s, look.id, "w1", "processed", None, 0.75, None, make.now)


def test_one_look_can_be_claimed_by_its_id(engine, make) -> None:
    region, items = make.region(), [make.acquisition(day) for day in range(3)]
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, items)
        (wanted,) = queries.list_looks(s, item_id=items[2].item_id)
        look = store.claim_look(s, region.id, make.now, "w1", LEASE, look_id=wanted.id)
        assert look is not None
        assert look.acquisition == items[2]
        assert store.claim_look(s, region.id, make.now, "w2", LEASE, look_id=wanted.id) is None
        assert store.claim_look(s, "other", make.now, "w2", LEASE, look_id=wanted.id) is None


def test_a_look_to_be_retried_waits(engine, make) -> None:
    region = make.region()
    later = make.now + HOUR
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [make.acquisition()])
        look = store.claim_look(s, region.id, make.now, "w1", LEASE)
        assert look is not None
        store.retry_look(s, look.id, "w1", "503", later)
        assert store.claim_look(s, region.id, make.now + HOUR / 2, "w2", LEASE) is None
        (waiting,) = queries.list_looks(s)
        assert (waiting.state, waiting.reason, waiting.retry_at) == ("due", "503", later)
        again = store.claim_look(s, region.id, later, "w2", LEASE)
        assert again is not None
        assert again.attempts == 2


def test_a_lease_that_ran_out_is_taken_over_and_the_first_owner_stores_nothing(world, make) -> None:
    with world.open() as s:
        look = store.claim_look(s, world.region.id, make.now, "w1", LEASE)
        assert look is not None
    with world.open() as s:
        assert store.claim_look(s, world.region.id, make.now + LEASE / 2, "w2", LEASE) is None
    with world.open() as s:
        taken = store.claim_look(s, world.region.id, make.now + LEASE, "w2", LEASE)
        assert taken is not None
        assert (taken.id, taken.attempts) == (look.id, 2)
    late = make.detection(world.acquisition, 7)
    for give_up in (
        lambda s: store.finish_look(s, look.id, "w1", "processed", None, 1.0, None, make.now),
        lambda s: store.retry_look(s, look.id, "w1", "slow", make.now),
        lambda s: store.extend_look(s, look.id, "w1", make.now + LEASE),
    ):
        with pytest.raises(LeaseLost), world.open() as s:  # noqa: PT012 - both or none
            store.store_detections(s, [late])
            give_up(s)
    with world.open() as s:
        assert late not in queries.list_detections(s, world.region.id)
        store.finish_look(s, look.id, "w2", "skipped", "no pre stack", None, None, make.now)
        (stored,) = queries.list_looks(s)
        assert (stored.state, stored.reason) == ("skipped", "no pre stack")


def test_a_lease_can_be_kept_longer(world, make) -> None:
    with world.open() as s:
        look = store.claim_look(s, world.region.id, make.now, "w1", LEASE)
        assert look is not None
        store.extend_look(s, look.id, "w1", make.now + 3 * LEASE)
        assert store.claim_look(s, world.region.id, make.now + 2 * LEASE, "w2", LEASE) is None


def test_a_look_can_be_judged_again(world, make) -> None:
    with world.open() as s:
        look = store.claim_look(s, world.region.id, make.now, "w1", LEASE)
        assert look is not None
        store.reopen_look(s, look.id)
        assert queries.list_looks(s)[0].state == "processing"
        store.finish_look(s, look.id, "w1", "failed", "truncated", None, None, make.now)
        store.reopen_look(s, look.id)
        (again,) = queries.list_looks(s, item_id=world.acquisition.item_id)
        assert (again.state, again.reason, again.finished_at) == ("due", None, None)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(world, make, share) -> None:
    with world.open() as s:
        look = store.claim_look(s, world.region.id, make.now, "w1", LEASE)
    with pytest.raises(PermanentError, match="share_seen"), world.open() as s:
        store.finish_look(s, look.id, "w1", "processed", None, share, None, make.now)


def test_an_unknown_look_state_is_refused(world, make) -> None:
    with world.open() as s:
        look = store.claim_look(s, world.region.id, make.now, "w1", LEASE)
    with pytest.raises(PermanentError), world.open() as s:
        store.finish_look(s, look.id, "w1", "done", None, None, None, make.now)


def test_naive_times_are_refused(world, make) -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    region_id = world.region.id
    for store_it in (
        lambda s: store.claim_look(s, region_id, naive, "w1", LEASE),
        lambda s: store.finish_polls(s, [region_id], "a/b", naive, make.now),
        lambda s: store.save_region(s, make.region(watch_from=naive)),
        lambda s: store.store_landslide(s, replace(world.landslide, revision=2, not_before=naive)),
    ):
        with pytest.raises(PermanentError, match="no time zone"), world.open() as s:
            store_it(s)


def test_earlier_looks_of_the_same_track_come_newest_first(engine, make) -> None:
    region = make.region()
    new = make.acquisition(60)
    passes = [make.acquisition(day) for day in (0, 12, 24, 36, 48)]
    others = [
        make.acquisition(25, source="other/source"),
        make.acquisition(26, burst_id="T137-292322-IW2"),
        make.acquisition(27, relative_orbit=64),
        make.acquisition(28, footprint=box(10, 10, 11, 11)),
        make.acquisition(29, published_at=make.start + timedelta(days=99)),
        make.acquisition(61),
    ]
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [new, *passes, *others])

        def previous(**changed):
            asked = {
                "before": new.sensed_at,
                "limit_passes": 10,
                "published_until": new.published_at,
            }
            return queries.previous_acquisitions(s, new, **(asked | changed))

        assert previous() == passes[::-1]
        assert previous(limit_passes=2) == passes[:2:-1]
        assert previous(limit_passes=0) == []
        assert previous(before=passes[2].sensed_at) == passes[1::-1]
        assert previous(published_until=passes[1].published_at) == passes[1::-1]


def test_slices_of_one_pass_count_as_one_pass(engine, make) -> None:
    def scene(day, second):
        sensed = make.start + timedelta(days=day, seconds=second)
        return make.acquisition(
            day, item_id=f"scene-{day}-{second}", burst_id=None, sensed_at=sensed
        )

    new = scene(24, 0)
    earlier = [scene(day, second) for day in (12, 0) for second in (25, 0)]
    with transaction(engine) as s:
        store.save_region(s, make.region())
        store.record_acquisitions(s, make.region(), [new, *earlier])
        until = new.published_at
        found = queries.previous_acquisitions(s, new, new.sensed_at, 1, until)
        assert found == earlier[:2]
        assert queries.previous_acquisitions(s, new, new.sensed_at, 2, until) == earlier


def test_a_self_intersecting_footprint_is_kept_and_still_matches(engine, make) -> None:
    bow_tie = Polygon([(-119.9, 34.1), (-119.1, 34.9), (-119.1, 34.1), (-119.9, 34.9)])
    old, new = make.acquisition(0, footprint=bow_tie), make.acquisition(12, footprint=bow_tie)
    with transaction(engine) as s:
        store.save_region(s, make.region())
        store.record_acquisitions(s, make.region(), [old, new])
        found = queries.previous_acquisitions(s, new, new.sensed_at, 5, new.published_at)
        assert found == [old]
        assert found[0].footprint == bow_tie


def test_detections_are_stored_once_and_only_for_known_looks(world, make) -> None:
    first, second = world.detections
    with world.open() as s:
        store.store_detections(s, [])
        store.store_detections(s, [first, second])
        store.store_detections(s, [second])
        found = queries.list_detections(s, world.region.id, world.acquisition.id)
        assert {d.id: d for d in found} == {first.id: first, second.id: second}
    stray = make.detection(make.acquisition(99))
    with pytest.raises(PermanentError, match="foreign key"), world.open() as s:
        store.store_detections(s, [stray])


@pytest.mark.parametrize(
    "wrong",
    [
        {"area_m2": 0.0},
        {"score_max": float("nan")},
        {"change_db": float("-inf")},
        {"change_db": None},
        {"source": Sensor.OPTICAL, "d_ndvi": -2.5},
        {"source": Sensor.OPTICAL, "ensemble_score": 1.5},
        {"evidence": -1.0},
        {"not_before": datetime(2025, 1, 1, tzinfo=UTC)},
        {"polygon": Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])},
    ],
)
def test_a_detection_that_cannot_be_is_refused(world, make, wrong) -> None:
    with pytest.raises(PermanentError), world.open() as s:
        store.store_detections(s, [make.detection(world.acquisition, 5, **wrong)])


def test_versions_are_appended_and_the_same_twice_is_once(world) -> None:
    first = world.landslide
    second = replace(first, revision=2, tier=Tier.WATCH, cause="seen again")
    closed = replace(second, revision=3, state=State.CLOSED, cause="window over")
    with world.open() as s:
        store.store_landslide(s, first)
        store.store_landslide(s, second)
        store.store_landslide(s, second)
        store.store_landslide(s, first)
        assert queries.landslide_history(s, first.id) == [first, second]
        assert queries.get_landslide(s, first.id) == second
        assert queries.open_landslides(s, world.region.id) == [second]
        store.store_landslide(s, closed)
        assert queries.open_landslides(s, world.region.id) == []
        assert queries.get_landslide(s, closed.id) == closed
        assert {d.id for d in queries.landslide_detections(s, first.id)} == set(first.detections)


def test_other_content_under_a_stored_revision_is_refused(world) -> None:
    first = world.landslide
    for wrong in (
        replace(first, cause="another story"),
        replace(first, area_m2=first.area_m2 + 1e-9),
        replace(first, revision=3),
        replace(first, revision=0),
    ):
        with pytest.raises(PermanentError), world.open() as s:
            store.store_landslide(s, wrong)
    with world.open() as s:
        assert queries.landslide_history(s, first.id) == [first]


def test_a_landslide_stays_in_its_region(world, make) -> None:
    with world.open() as s:
        store.save_region(s, make.region("elsewhere"))
    for revision in (1, 2):
        with (
            pytest.raises(PermanentError, match=r"other content|is in "),
            world.open() as s,
        ):
            store.store_landslide(
                s, replace(world.landslide, revision=revision, region_id="elsewhere")
            )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scarpwatch.landslide_versions SET cause = 'rewritten'",
        "DELETE FROM scarpwatch.landslide_versions",
        "TRUNCATE scarpwatch.landslide_versions CASCADE",
        "TRUNCATE scarpwatch.regions CASCADE",
        "UPDATE scarpwatch.region_versions SET changed_by = 'nobody'",
    ],
)
def test_history_is_not_rewritten(world, statement) -> None:
    with pytest.raises(PermanentError, match="append-only"), world.open() as s:
        s.execute(text(statement))
    with world.open() as s:
        assert queries.get_landslide(s, world.landslide.id) == world.landslide


def test_landslides_are_listed_by_region_state_tier_and_time(world, make) -> None:
    with world.open() as s:
        store.save_region(s, make.region("other"))
        later = make.acquisition(12)
        store.record_acquisitions(s, make.region("other"), [later])
        seen = make.detection(later, region_id="other")
        store.store_detections(s, [seen])
        watched = make.landslide(seen, tier=Tier.WATCH)
        store.store_landslide(s, watched)
        first = world.landslide
        assert queries.list_landslides(s) == [first, watched]
        assert queries.list_landslides(s, region_id="other") == [watched]
        assert queries.list_landslides(s, tier="likely") == [first]
        assert queries.list_landslides(s, tier=Tier.WATCH) == [watched]
        assert queries.list_landslides(s, state=State.CONFIRMED) == []
        assert queries.list_landslides(s, since=later.sensed_at) == [watched]
        assert queries.get_landslide(s, make.detection(later, 4).id) is None


def test_the_view_shows_the_latest_version(world) -> None:
    second = replace(world.landslide, revision=2, cause="seen again")
    with world.open() as s:
        store.store_landslide(s, second)
        view = s.execute(text("SELECT * FROM scarpwatch.landslides_current")).mappings().one()
        assert (view["id"], view["revision"], view["cause"]) == (second.id, 2, "seen again")
        assert (view["region_id"], view["region_name"]) == ("san-rafael", "San Rafael")
        registered = s.execute(
            text(
                "SELECT type, srid FROM geometry_columns"
                " WHERE f_table_schema = 'scarpwatch' AND f_table_name = 'landslides_current'"
            )
        ).one()
        assert tuple(registered) == ("MULTIPOLYGON", 4326)


def test_counts(world, make) -> None:
    with world.open() as s:
        store.save_region(s, make.region("empty"))
        store.record_refusals(s, world.region.id, "a/b", [("x", "no VV")])
        found = counts.summary(s)
    assert found.acquisitions == 1
    region = found.regions[world.region.id]
    assert (region.looks, region.refused) == ({"due": 1}, 1)
    assert region.landslides == {"suspected": {"likely": 1}}
    assert (found.looks("due"), found.landslides("suspected"), found.alerts) == (1, 1, 0)
    assert found.deliveries("due") == 0
    assert found.regions["empty"].looks == {}


def test_counts_of_the_optical_half(world, make) -> None:
    cloudy, clear, broken = (make.optical(day) for day in (5, 10, 15))
    first = world.landslide
    with world.open() as s:
        store.record_acquisitions(s, world.region, [cloudy, clear, broken])
        for look, finding in ((cloudy, Finding.NOT_SEEN), (clear, Finding.AGREES)):
            optical.record_optical_check(s, make.check(first, look, finding=finding))
        optical.defer_optical_check(s, first.id, broken.id, "truncated", None)
        store.store_landslide(s, replace(first, revision=2, state=State.CONFIRMED))
        found = counts.summary(s)
    region = found.regions[world.region.id]
    assert (region.looks, region.optical) == ({"due": 4}, {"due": 3})
    assert region.landslides == {"confirmed": {"likely": 1}}
    assert region.checks == {"not seen": 1, "agrees": 1}
    assert (region.parked, found.parked) == (1, 1)
