"""Waiting for clear pixels, on a real winter of Sentinel-2 (tests/recorded) with a planted change.

Of 20 dates the scene classification calls 6 clear in whole or part. One of these is white (fog or
frost) and called bare ground, and one is the mean of a clear and a cloudy date, classes included.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.simulate import slide_outline
from detectors.types import Finding, OpticalLook, State, Unseen
from flows.optical_imagery import DILATE_M
from tests.gfmap import looks
from tests.waiting import Heard, wait

SERIES = Path(__file__).parents[1] / "recorded" / "gfmap-belgium.nc"
#: Crowns of tongues of 1.2 ha in green fields, metres east and south of the north-west corner.
PLACES = ((200.0, 150.0), (420.0, 350.0))
#: Between the clear look of 11 November 2022 and the first cloudy one after it.
AFTER = 3
WHITE, MIXED, CLEAR = "2022-12-16", "2022-12-06", "2023-01-16"


@pytest.fixture(scope="module")
def series() -> list[OpticalLook]:
    return looks(SERIES, DILATE_M)


def heard(series: list[OpticalLook], place: tuple[float, float], *, bares: bool) -> list[Heard]:
    west, _, _, north = series[0].grid.bounds
    outline = slide_outline((west + place[0], north - place[1]), 150.0, 12_000.0)
    return list(wait(series, outline, AFTER, bares=bares))


def test_the_series_is_cloudy_as_winters_are(series) -> None:
    clear = [float((look.unseen == Unseen.SEEN).mean()) for look in series]
    assert len(series) == 20
    assert sum(share > 0.9 for share in clear) == 4
    assert sum(share < 0.05 for share in clear) == 15


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bares", [True, False])
def test_the_first_look_that_shows_its_own_pixels_decides(series, place, bares) -> None:
    *waiting, last = heard(series, place, bares=bares)
    assert last.day == CLEAR
    assert last.finding is (Finding.AGREES if bares else Finding.DISAGREES)
    assert last.state is (State.CONFIRMED if bares else State.REFUTED)
    assert len(waiting) == 10
    assert {one.state for one in waiting} == {State.SUSPECTED}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bares", [True, False])
def test_a_cloudy_look_only_says_why_it_saw_nothing(series, place, bares) -> None:
    waiting = heard(series, place, bares=bares)[:-1]
    cloudy = [one for one in waiting if one.day not in {WHITE, MIXED}]
    assert {one.finding for one in cloudy} == {Finding.NOT_SEEN}
    assert all("cloud" in one.reason or "no data" in one.reason for one in cloudy)


@pytest.mark.parametrize("place", PLACES)
def test_white_ground_that_passes_for_bare_refutes_nothing(series, place) -> None:
    """The mask says clear, the networks see nothing: there is no vegetation left to compare."""
    white = next(one for one in heard(series, place, bares=False) if one.day == WHITE)
    assert white.share_clear == 1
    assert white.finding is Finding.UNDECIDED
    assert "surroundings show little vegetation" in white.reason


def test_nobody_waits_for_a_region_without_clouds(series) -> None:
    """Clouds over all but the landslide and its neighbourhood: it is judged all the same."""
    grid = series[0].grid
    west, _, _, north = grid.bounds
    outline = slide_outline((west + 420, north - 350), 150.0, 12_000.0)
    cloudy = series[13]
    rows, columns = (slice(25, 60), slice(25, 64))
    unseen = cloudy.unseen.copy()
    unseen[:] = Unseen.CLOUD
    unseen[rows, columns] = cloudy.unseen[rows, columns]
    reflectance = cloudy.reflectance.copy()
    reflectance[:, unseen == Unseen.CLOUD] = float("nan")
    part = OpticalLook(grid, cloudy.bands, reflectance, unseen, cloudy.sensed_at, cloudy.item_ids)
    *_, last = wait([*series[:13], part], outline, AFTER, bares=True)
    assert last.region_clear < 0.4
    assert (last.day, last.state) == (CLEAR, State.CONFIRMED)
