"""Later looks at a landslide: seen again, not seen again, in whatever order they come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from affine import Affine

from db import outbox, queries, radar
from detectors.simulate import Roughening, roughen
from detectors.types import Finding, Grid, State, Tier
from flows.archive.derive import derive
from flows.archive.manifest import open_archive
from tests.series import DAYS, END, EPSG, OUTLINE, STEEP, day, part_of

QUIET, FIRST, SECOND = DAYS[7:]


@pytest.fixture(scope="module")
def once(quiet_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The passes of the steep burst, of which only the ninth shows something."""

    def plant(item: dict[str, Any], looks: Mapping[str, Any]) -> Mapping[str, Any] | None:
        properties = item["properties"]
        if not properties["datetime"].startswith(FIRST):
            return None
        grid = Grid(EPSG, Affine(*properties["proj:transform"]), *properties["proj:shape"])
        return {name: roughen(look, grid, OUTLINE, Roughening()) for name, look in looks.items()}

    return derive(
        open_archive(quiet_series), tmp_path_factory.mktemp("once") / "once", plant,
        collection="once", changes="3 ha were rough for one pass.", bursts=[STEEP],
    ).path  # fmt: skip


def the_landslide(w: Any) -> Any:
    with w.open() as s:
        (landslide,) = queries.list_landslides(s, w.region.id)
        said = radar.radar_checks(s, [landslide.id])[landslide.id]
        return landslide, {day(one.sensed_at): one for one in said}, outbox.list_alerts(s)


def test_a_later_look_is_held_against_what_was_before_the_landslide(watch: Any) -> None:
    w = watch()
    w.run()
    landslide, said, alerts = the_landslide(w)
    assert (landslide.looks, landslide.tier) == (2, Tier.LIKELY)
    assert [one.alert.kind for one in alerts] == ["updated", "suspected"]
    with w.open() as s:
        first, second = queries.landslide_detections(s, landslide.id)
    assert [day(first.not_before), day(second.not_before)] == [QUIET, QUIET]
    # As strong as at first: the first look is no part of the history it is held against.
    assert second.evidence > 0.8 * first.evidence
    assert {date: one.finding for date, one in said.items()} == {
        FIRST: Finding.AGREES, SECOND: Finding.AGREES,
    }  # fmt: skip
    (support,) = w.sql("SELECT track, saw, missed, undecided, not_seen FROM landslide_support")
    assert tuple(support) == ("137-ascending-T137-292320-IW2", 2, 0, 0, 0)


def test_what_is_not_seen_again_is_lowered_and_told(served: Any, once: Path) -> None:
    w = served(archive=once)
    outcomes = w.run()
    assert [(one.detections, one.alerts) for one in outcomes[-2:]] == [(1, 1), (0, 1)]
    landslide, said, alerts = the_landslide(w)
    assert (landslide.tier, landslide.state, landslide.revision) == (
        Tier.WATCH, State.SUSPECTED, 2,
    )  # fmt: skip
    assert f"lowered to watch by the look of {SECOND}" in landslide.cause
    assert said[SECOND].finding is Finding.DISAGREES
    assert [one.alert.kind for one in alerts] == ["updated", "suspected"]
    stored = w.rows()
    w.detect()
    assert w.rows() == stored


def test_the_order_in_which_looks_come_makes_no_difference(
    served: Any, once: Path, tmp_path: Path
) -> None:
    late = datetime(2023, 12, 10, tzinfo=UTC)

    def publish_late(item: dict[str, Any]) -> bool:
        if item["properties"]["datetime"].startswith(FIRST):
            item["properties"]["published"] = f"{late:%Y-%m-%dT%H:%M:%SZ}"
        return True

    w = served(archive=part_of(once, tmp_path / "late", publish_late))
    w.run(datetime(2023, 12, 5, tzinfo=UTC))
    assert w.looks()[SECOND].state == "processed"
    # The late one suspects a landslide that the look after it has not been asked about.
    outcomes = w.run(late)
    assert [one.item_id for one in outcomes] == [w.item(FIRST), w.item(SECOND)]
    landslide, said, _ = the_landslide(w)
    assert (landslide.tier, said[SECOND].finding) == (Tier.WATCH, Finding.DISAGREES)
    assert set(w.states().values()) == {"baseline", "processed"}


def test_looks_that_had_too_few_before_are_judged_when_older_ones_come(
    watch: Any, tmp_path: Path
) -> None:
    late = datetime(2023, 12, 20, tzinfo=UTC)

    def publish_late(item: dict[str, Any]) -> bool:
        if item["properties"]["datetime"][:10] in DAYS[:3]:
            item["properties"]["published"] = f"{late:%Y-%m-%dT%H:%M:%SZ}"
        return True

    w = watch()
    w.archive = open_archive(part_of(w.archive.path, tmp_path / "late", publish_late))
    w.run(datetime(2023, 12, 15, tzinfo=UTC))
    assert [w.states()[date] for date in DAYS[6:]] == [*3 * ["skipped"], "processed"]
    w.run()
    assert {w.states()[date] for date in DAYS[6:]} == {"processed"}
    landslide, _, _ = the_landslide(w)
    assert day(landslide.not_after) == FIRST


def test_what_could_be_seen_is_stored_with_the_look(watch: Any) -> None:
    w = watch()
    w.reach(END)
    w.poll()
    w.detect(limit=1)
    look = w.looks()[DAYS[6]]
    assert look.coverage is not None
    assert look.coverage.share_seen == look.share_seen
    assert look.coverage.km2 == pytest.approx(64 * 64 * 900 / 1e6, rel=0.05)
    assert look.coverage.share_seen + sum(look.coverage.unseen.values()) == pytest.approx(1.0)
    with w.open() as s:
        (track,) = radar.region_coverage(s, w.region.id)
    assert (track.item_id, track.coverage) == (w.item(DAYS[6]), look.coverage)
