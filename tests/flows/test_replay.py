"""Replays: past looks, watched as if it were then, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from rich.console import Console
from shapely.geometry import Polygon, mapping

from db.cluster import Cluster
from detectors.errors import InvalidArchive
from detectors.masks import Sun
from detectors.projections import to_lonlat, to_projected
from detectors.types import Landslide, State, Tier, WatchedRegion
from flows.archive.manifest import open_archive
from flows.archive.optical import Picture, write_optical_archive
from flows.cli.output import THEME
from flows.cli.replay_view import print_skill
from flows.replay import ReplayReport, ReplayStep, clear_killed, replay, whole_archive
from flows.replay_skill import judge, quantiles, read_truth
from flows.settings import Settings
from tests.optical_world import BANDS, debris_over, ground
from tests.series import DAYS, EPSG, HAPPENED, OUTLINE, STEEP, WATCH_FROM, day, footprint, part_of

FIRST, SECOND = "2023-11-21", "2023-12-03"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A state folder with a private cluster; the user the server runs as must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-own-"))
    folder.chmod(0o755)
    yield folder / "state"
    Cluster(folder / "state").stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    with pytest.MonkeyPatch.context() as operator:
        for name in [name for name in os.environ if name.startswith("SCARPWATCH_")]:
            operator.delenv(name)
        operator.setenv("SCARPWATCH_HOME", str(home))
        return Settings(home=home)


def left_behind(home: Path) -> list[str]:
    with psycopg.connect(Cluster(home).url("postgres")) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'replay%'")
        databases = [row[0] for row in found]
    return databases + [path.name for path in (home / "replays").iterdir()]


def iou(landslide: Landslide) -> float:
    found = to_projected(landslide.geometry, EPSG)
    return float(found.intersection(OUTLINE).area / found.union(OUTLINE).area)


@pytest.fixture(scope="module")
def shown() -> list[ReplayStep]:
    return []


@pytest.fixture(scope="module")
def played(
    settings: Settings, slide_series: Path, quiet_series: Path, shown: list[ReplayStep]
) -> ReplayReport:
    """Both archives, all of them, with every detector."""
    return replay(settings, [slide_series, quiet_series], None, WATCH_FROM, None, shown.append)


def test_the_planted_landslide_is_found_and_quiet_ground_stays_quiet(played) -> None:
    assert [region.id for region in played.regions] == ["slide", "quiet"]
    (landslide,) = played.landslides
    assert landslide.region_id == "slide"
    assert landslide.tier is Tier.LIKELY
    assert iou(landslide) >= 0.4
    assert landslide.not_before < HAPPENED < landslide.not_after
    assert day(landslide.not_after) == FIRST
    assert [one.alert.kind for one in played.alerts] == ["updated", "suspected"]
    assert all(one.alert.exercise and one.deliveries == () for one in played.alerts)


def test_the_report_counts_what_was_looked_at(played) -> None:
    assert played.counts.acquisitions == 10 + 17
    assert played.counts.regions["slide"].looks == {"baseline": 6, "processed": 4}
    # The water at sea is seen once after the watching begins.
    assert played.counts.regions["quiet"].looks == {"baseline": 12, "processed": 4, "skipped": 1}
    assert len(played.looks) == 27


def test_how_soon_it_was_told_and_what_that_was_worth(played, tmp_path) -> None:
    truth = tmp_path / "truth.geojson"
    there = to_lonlat(OUTLINE, EPSG)
    elsewhere = Polygon([(x + 0.004, y) for x, y in there.exterior.coords])
    happened = {"date": HAPPENED.isoformat()}
    write_features(truth, [(to_lonlat(OUTLINE, EPSG), happened), (elsewhere, happened)])
    mapped, source = read_truth(truth, [])
    table = judge(played, mapped, source)
    (one,) = table.told
    (found,) = played.landslides
    assert (one.landslide, one.tier, source) == (found, Tier.LIKELY, "truth.geojson")
    assert day(one.sensed_at) == FIRST
    # The first poll after the publication finds it: no sooner, and half an hour later at most.
    assert timedelta(0) <= one.after_publication <= timedelta(minutes=30)
    assert one.after_event == one.told_at - HAPPENED
    assert one.iou == pytest.approx(iou(found), abs=0.01)
    told, everything = table.skill
    assert (told.mapped, told.detected, told.found, told.false) == (2, 1, 1, 0)
    assert (told.pod, told.false_per_1000_km2) == (0.5, 0.0)
    assert everything.iou == pytest.approx(one.iou)
    assert played.days_a_second > 1
    console = Console(file=StringIO(), theme=THEME, width=80)
    print_skill(console, played, table)
    said = console.file.getvalue()
    for words in ("SIMULATED", "happened", "told", "from publication: median", "50 %", "a second",
                  f"IoU {one.iou:.2f}"):  # fmt: skip
        assert words in said, words

    # Told against the truth of another place, or another time, the same finding is a false one.
    late = tmp_path / "late.geojson"
    write_features(late, [(to_lonlat(OUTLINE, EPSG), {"date": "2023-12-02"})])
    wrong = judge(played, *read_truth(late, []))
    assert (wrong.told[0].happened_at, wrong.told[0].iou) == (None, None)
    assert [(row.detected, row.false) for row in wrong.skill] == [(0, 1), (0, 1)]
    assert judge(played, *read_truth(None, [])).skill == ()
    assert quantiles([]) is None


def write_features(path: Path, features: list[tuple[Any, dict[str, str]]]) -> None:
    path.write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "features": [
                    {"type": "Feature", "geometry": mapping(shape), "properties": said}
                    for shape, said in features
                ],
            }
        )
    )


def test_landslides_come_out_as_geojson(played) -> None:
    collection = played.feature_collection()
    (found,) = collection["features"]
    (landslide,) = played.landslides
    assert (found["id"], found["properties"]["region"]) == (str(landslide.id), "slide")
    assert found["properties"]["simulated"] is True
    unknown = [found["properties"][name] for name in ("d_ndvi", "ensemble_score", "verdict_at")]
    assert (found["properties"]["source"], unknown) == ("sar", 3 * [None])
    assert found["properties"]["not_after"].startswith(FIRST)
    assert "Copernicus Sentinel data" in collection["credit"]


def test_progress_tells_where_the_clock_is(played, shown) -> None:
    # Both archives show the same passes, so one poll sees both.
    assert [step.number for step in shown] == list(range(1, shown[-1].of + 1))
    assert [step.clock for step in shown] == sorted(step.clock for step in shown)
    assert sum(step.published for step in shown) == 27
    first = next(step for step in shown if step.suspected)
    assert day(first.clock) == FIRST
    assert (shown[-1].suspected, shown[-1].confirmed, shown[-1].refuted) == (1, 0, 0)


def test_nothing_is_left_behind(played, home) -> None:
    assert left_behind(home) == []


def test_optical_verdicts_are_counted(settings, slide_series, slope, tmp_path) -> None:
    grid, debris = debris_over(OUTLINE, EPSG)
    seen = datetime(2023, 11, 26, 18, tzinfo=UTC)
    pictures = [
        Picture(
            moment, "sentinel-2a", "11SKU", grid, ground(number, *patches),
            np.full((grid.height // 2, grid.width // 2), 4, np.uint8), Sun(163, 33), bool(patches),
        )
        for number, (moment, patches) in enumerate(
            [(datetime(2023, 10, n, 18, tzinfo=UTC), ()) for n in (1, 8)] + [(seen, (debris,))]
        )
    ]  # fmt: skip
    optical = tmp_path / "optical"
    write_optical_archive(
        pictures, BANDS, optical, collection="s2-drill", title="Made up", changes="A slide."
    )
    steps: list[ReplayStep] = []
    report = replay(settings, [slide_series, optical], [slope], progress=steps.append)
    (landslide,) = report.landslides
    assert landslide.state is State.CONFIRMED
    assert [(s.suspected, s.confirmed, s.refuted) for s in steps if s.clock > seen][-1] == (0, 1, 0)
    assert any(step.suspected for step in steps)
    assert report.counts.landslides("confirmed") == 1
    assert report.counts.regions["slope"].checks == {"agrees": 1}
    assert [record.alert.kind for record in report.alerts] == ["confirmed", "suspected"]
    (found,) = report.feature_collection()["features"]
    told = found["properties"]
    assert (told["state"], told["source"]) == ("confirmed", "sar")
    assert told["verdict_at"] == seen.isoformat()
    assert told["d_ndvi"] < -0.15 < 0 < told["ensemble_score"]


@pytest.fixture
def slope(slide_series: Path) -> WatchedRegion:
    """The steep burst, judged by the quick detector; its source is what it usually watches."""
    return WatchedRegion(
        "slope", "Slope", footprint(open_archive(slide_series), STEEP), ("live/any",),
        detectors=("sar_log_ratio",), watch_from=WATCH_FROM, paused=True,
    )  # fmt: skip


def test_a_replay_knows_no_future(settings, slide_series, slope, tmp_path) -> None:
    """The look before the landslide came out weeks late, the second one after it not at all."""
    before = "2023-11-09"

    def late(item):
        sensed = item["properties"]["datetime"]
        if sensed.startswith(before):
            item["properties"]["published"] = "2023-11-30T12:00:00Z"
        return True

    archive = part_of(slide_series, tmp_path / "late", late)
    published = {
        Path(asset["href"]).name: datetime.fromisoformat(item["properties"]["published"])
        for item in open_archive(archive).items()
        for asset in item["assets"].values()
    }
    steps: list[ReplayStep] = []
    asked: dict[str, datetime] = {}

    def look_back(step: ReplayStep) -> None:
        """What the catalogue's own server was asked for, by the clock at which it was."""
        steps.append(step)
        for path in (tmp_path / "requests").read_text().splitlines():
            asked.setdefault(Path(path).name, step.clock)

    end = datetime(2023, 12, 1, tzinfo=UTC)
    report = replay(
        settings, [archive], [slope], end=end, progress=look_back, requests=tmp_path / "requests"
    )
    read = {name: at for name, at in asked.items() if name in published}
    assert len(read) == 2 * 9  # VV and VH of every look that came out in time, and "search"
    assert "search" in asked
    assert all(published[name] <= at for name, at in read.items())
    assert min(read[name] for name in read if f"_{before.replace('-', '')}T" in name) > end - (
        timedelta(days=1)
    )
    (landslide,) = report.landslides
    assert (day(landslide.not_before), day(landslide.not_after)) == ("2023-10-28", FIRST)
    assert landslide.revision == 1
    looks = {day(look.acquisition.sensed_at): look for look in reversed(report.looks)}
    assert list(looks) == [*DAYS[:9]]
    assert looks[before].state == "processed"
    assert looks[FIRST].finished_at < looks[before].finished_at
    assert steps[-1].clock <= end


def test_what_a_killed_replay_leaves_the_next_one_clears(settings, home, slide_series) -> None:
    played = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "replay", str(slide_series)],
        env={**os.environ, "SCARPWATCH_HOME": str(home)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while len(left_behind(home)) < 3:
            assert played.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        cluster = Cluster(home)
        assert clear_killed(cluster, home / "replays") == []  # it runs
    finally:
        played.kill()
        played.wait()
    (name,) = {left.partition(".")[0] for left in left_behind(home)}
    assert clear_killed(cluster, home / "replays") == [name]
    assert left_behind(home) == []


def test_nothing_is_left_behind_when_it_breaks_off(settings, home, slide_series, slope) -> None:
    class Enough(Exception):
        pass

    seen = []

    def stop(step: ReplayStep) -> None:
        seen.append(len(left_behind(home)))
        raise Enough

    with pytest.raises(Enough):
        replay(settings, [slide_series], [slope], progress=stop)
    assert seen == [3]  # a database, a clock and a lock
    assert left_behind(home) == []


def test_what_cannot_be_replayed(settings, slide_series, slope, tmp_path) -> None:
    with pytest.raises(InvalidArchive, match="is no archive"):
        replay(settings, [tmp_path])
    with pytest.raises(InvalidArchive, match="nothing that was published"):
        replay(settings, [slide_series], [slope], end=datetime(2020, 1, 1, tzinfo=UTC))


def test_the_region_of_a_whole_archive(quiet_series, tmp_path) -> None:
    archive = open_archive(quiet_series)
    region = whole_archive(archive)
    assert not region.simulated
    assert len(region.geometry.geoms) == 2  # the slope and the sea
    (tmp_path / "items").mkdir()
    item = {**archive.items()[0], "collection": "OPERA_RTC.S1 v1"}
    (tmp_path / "items" / "one.json").write_text(json.dumps(item))
    named = {**archive.collection, "id": item["collection"]}
    odd = replace(archive, path=tmp_path, collection=named)
    assert whole_archive(odd).id == "opera-rtc-s1-v1"
