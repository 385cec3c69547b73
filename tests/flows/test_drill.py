"""The drill: what radar and optical looks show of the landslide and of its decoy."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box

from detectors.compositing import ndvi
from detectors.masks import from_scl
from detectors.simulate_ground import BANDS
from detectors.types import Unseen
from flows.archive.manifest import open_archive
from flows.archive.optical import Picture
from flows.demo.scene import ARCHIVE, CLOCK
from flows.drill import WHOLE, Drill, Planted, make_drill_archive
from flows.drill_optical import PASSES, pictures
from flows.optical_imagery import DILATE_M
from tests.judged import mask_of

DRILL = Drill()
FIRST_RADAR = "2023-11-21"


@pytest.fixture(scope="module")
def shown() -> list[Picture]:
    return list(pictures(open_archive(ARCHIVE), DRILL))


def of(shown: list[Picture], planted: Planted) -> dict[str, Picture]:
    """Return the pictures a planted change lies in, by day."""
    return {
        f"{one.sensed_at:%Y-%m-%d}": one
        for one in shown
        if planted.outline.within(box(*one.grid.bounds))
    }


def share_clear(picture: Picture, inside: np.ndarray) -> float:
    codes = from_scl(picture.scl, dilate_m=DILATE_M, pixel_m=20.0)
    fine = np.repeat(np.repeat(codes, 2, 0), 2, 1)
    return float((fine[inside] == Unseen.SEEN).mean())


def test_both_bursts_are_seen_in_every_pass(shown) -> None:
    assert len(shown) == 2 * len(PASSES)
    assert len({one.id for one in shown}) == len(shown)
    moments = [one.sensed_at for one in shown]
    assert moments == sorted(moments)


def test_only_the_landslide_bares_the_ground(shown) -> None:
    for planted, expected in ((DRILL.slide, -0.4), (DRILL.decoy, 0.0)):
        series = of(shown, planted)
        inside = mask_of(planted.outline, series["2023-12-22"].grid)
        green = [ndvi(series[day].reflectance, BANDS)[inside] for day in
                 ("2022-12-02", "2023-12-22")]  # fmt: skip
        assert float(np.median(green[0])) > 0.45
        assert float(np.median(green[1] - green[0])) == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize("planted", DRILL.planted)
def test_clouds_hide_both_until_their_day(shown, planted) -> None:
    series = of(shown, planted)
    for one in PASSES:
        inside = mask_of(planted.outline, series[one.day].grid)
        clear = share_clear(series[one.day], inside)
        if planted.hidden(one.sensed_at):
            assert clear < 0.2, one.day
        elif one.cloud < 0.5 or one.day > FIRST_RADAR:
            assert clear > 0.8, one.day


def test_the_look_that_shows_the_landslide_is_mostly_cloudy(shown) -> None:
    series = of(shown, DRILL.slide)
    picture = series["2023-12-02"]
    everywhere = np.ones(picture.grid.shape, dtype=bool)
    assert share_clear(picture, everywhere) < 0.3
    assert share_clear(picture, mask_of(DRILL.slide.outline, picture.grid)) > 0.8


def test_the_clock_stops_for_suspicion_and_then_for_verdicts() -> None:
    days = [f"{moment:%Y-%m-%d}" for moment in CLOCK]
    suspicion, verdicts = (next(d for d in days if d >= one) for one in (FIRST_RADAR, "2023-12-02"))
    assert days[days.index(suspicion) - 1] < FIRST_RADAR
    assert suspicion < "2023-11-27" < verdicts
    assert PASSES[-2].day == "2023-12-12" <= verdicts


def test_radar_shows_both(tmp_path: Path) -> None:
    report = make_drill_archive(ARCHIVE, tmp_path / "drill", DRILL)
    assert report.simulated
    edited = [
        (item["properties"]["opera:burst_id"], item["properties"]["datetime"][:10])
        for item in open_archive(tmp_path / "drill").items()
        if item["properties"]["scarpwatch:edited"]
    ]
    assert {burst for burst, _ in edited} == set(DRILL.bursts)
    assert min(day for _, day in edited) == FIRST_RADAR
    assert all(
        datetime.fromisoformat(f"{day}T00:00:00+00:00") > one.happened_at
        for _, day in edited
        for one in DRILL.planted
    )


def test_whole_drill_adds_one_under_clouds_and_one_that_dams_a_valley(tmp_path: Path) -> None:
    clouded, dam = WHOLE.others
    report = make_drill_archive(ARCHIVE, tmp_path / "whole", WHOLE)
    assert report.simulated
    whole = list(pictures(open_archive(ARCHIVE), WHOLE))
    series = of(whole, clouded)
    assert all(
        share_clear(series[one.day], mask_of(clouded.outline, series[one.day].grid)) < 0.2
        for one in PASSES
        if one.sensed_at >= clouded.happened_at
    )
    assert dam.pond is not None
    assert not dam.pond.intersects(dam.outline)
    last = of(whole, dam)["2023-12-22"]
    water = mask_of(dam.pond, last.grid)
    assert float(np.median(ndvi(last.reflectance, BANDS)[water])) < 0.0


def test_changes_lie_apart() -> None:
    for one in WHOLE.planted:
        for other in WHOLE.planted:
            assert one is other or one.outline.distance(other.outline) > 500.0
