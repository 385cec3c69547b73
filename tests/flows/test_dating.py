"""When a landslide happened: by what all looks said, and by the history of its own pixels."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from db import queries, store
from detectors.errors import ConfigurationError
from detectors.types import OrbitState, derive_id
from flows.cli import dating_view as view
from flows.cli.output import THEME
from flows.dating import EARLIER, LandslideDate, bracket_of, date_landslide, plan_dating
from tests.series import DAYS, END, day

QUIET, FIRST, SECOND = DAYS[7:]


@pytest.fixture
def dated(watch: Any) -> Any:
    """A region in which radar has found the landslide of 21 November."""
    w = watch()
    w.run()
    w.reach(END)
    return w


def the_landslide(w: Any) -> Any:
    with w.open() as s:
        (landslide,) = queries.list_landslides(s, w.region.id)
    return landslide


def test_the_bracket_lies_between_the_last_clean_look_and_the_first_that_saw_it(dated: Any) -> None:
    plan = plan_dating(dated.services, the_landslide(dated).id)
    assert plan.bracket is not None
    assert plan.bracket.not_before is not None
    assert (day(plan.bracket.not_before), day(plan.bracket.not_after)) == (QUIET, FIRST)
    assert (plan.bracket.conflicts, plan.bracket.blind) == ((), ())
    ((track, passes),) = plan.passes.items()
    assert track == "137-ascending-T137-292320-IW2"
    assert [day(items[0].sensed_at) for items in passes] == list(DAYS)
    assert plan.total == 10


def test_a_detection_of_another_track_narrows_it(dated: Any) -> None:
    landslide = the_landslide(dated)
    with dated.open() as s:
        first, _ = queries.landslide_detections(s, landslide.id)
        look = queries.get_acquisition(s, first.acquisition_id)
        clean, seen = (first.not_after + timedelta(days=d) for d in (-5, 1))
        other = replace(
            look, item_id="other", relative_orbit=64, orbit_state=OrbitState.DESCENDING,
            burst_id=None, sensed_at=seen,
        )  # fmt: skip
        store.record_acquisitions(s, dated.region, [other])
        again = replace(
            first, acquisition_id=other.id, not_before=clean, not_after=seen, item_ids=("other",)
        )
        store.store_detections(s, [again])
        together = (*landslide.detections, again.id)
        store.store_landslide(
            s, replace(landslide, revision=landslide.revision + 1, detections=together, looks=3)
        )
        between = bracket_of(s, landslide.id)
    assert between is not None
    assert (between.not_before, between.not_after) == (clean, first.not_after)


def test_the_history_holds_the_landslides_own_pixels(dated: Any) -> None:
    done: list[None] = []
    plan = plan_dating(dated.services, the_landslide(dated).id)
    found = date_landslide(dated.services, plan, lambda: done.append(None))
    assert len(done) == 10
    (track,) = found.tracks
    assert (track.dated, track.unknown) == (None, "10 looks; a step is dated from 12 on")
    assert [day(moment) for moment in track.series.sensed_at] == list(DAYS)
    level = track.series.level_db()
    assert np.isfinite(level).all()
    assert (level[8:].mean(axis=0) - level[:8].mean(axis=0) > 2.0).all()


def test_a_long_history_dates_the_step(dated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.step_dates.MINIMUM_LOOKS", 10)
    found = date_landslide(dated.services, plan_dating(dated.services, the_landslide(dated).id))
    (track,) = found.tracks
    assert track.dated is not None
    assert found.landslide.not_before - EARLIER <= track.dated.not_before
    assert track.dated.best <= datetime(2023, 11, 22, tzinfo=UTC)
    assert track.dated.step_db[0] > 1.0


def test_a_landslide_nobody_knows(dated: Any) -> None:
    with pytest.raises(ConfigurationError, match="no landslide"):
        plan_dating(dated.services, derive_id("nothing"))
    with dated.open() as s:
        assert bracket_of(s, derive_id("nothing")) is None


def test_what_cannot_be_read_is_left_out(served: Any, slide_series: Path, tmp_path: Path) -> None:
    own = shutil.copytree(slide_series, tmp_path / "own")
    w = served(archive=own)
    w.run()
    w.reach(END)
    first = min(w.archive.items(), key=lambda item: str(item["properties"]["datetime"]))
    Path(w.archive.cog(first, "VV")).write_bytes(b"no raster")
    found = date_landslide(w.services, plan_dating(w.services, the_landslide(w).id))
    assert [day(moment) for moment in found.tracks[0].series.sensed_at] == list(DAYS[1:])
    assert found.tracks[0].left_out == 1


def test_what_people_and_programs_read(dated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_dating(dated.services, the_landslide(dated).id)
    found = date_landslide(dated.services, plan)
    shown = printed(found)
    for words in ("SIMULATED", "after  2023-11-09 01:59 UTC", "by     2023-11-21 01:59 UTC",
                  "T137-292320-IW2, 10 looks", "unknown: 10 looks"):  # fmt: skip
        assert words in shown, shown
    with pytest.raises(ConfigurationError, match="leave --png out"):
        view.draw(found)
    (track,) = view.document(found)["tracks"]
    assert (track["known"], track["looks"]) == (False, 10)

    monkeypatch.setattr("detectors.step_dates.MINIMUM_LOOKS", 10)
    found = date_landslide(dated.services, plan)
    assert "step      VV +" in printed(found)
    assert view.draw(found).startswith(b"\x89PNG")
    document = json.loads(json.dumps(view.document(found)))
    assert document["bracket"]["not_after"] == "2023-11-21T01:59:11Z"
    assert document["tracks"][0]["step_db"]["VV"] > 1.0


def printed(found: LandslideDate) -> str:
    console = Console(width=100, theme=THEME, record=True, file=io.StringIO())
    view.print_dated(console, found)
    return console.export_text()
