"""Pictures that explain: everything that must be drawn is handed over, and a PNG comes out."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import box

from alerts.explaining import explain_optical
from alerts.optical_pictures import ExplainedOptical, draw_optical
from alerts.pictures import _OUTLINE, _WATER, Explained, draw
from detectors.types import Finding, Grid, Kind, State, Unseen
from tests.optical_scene import Scene, scene

_AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)


def _explain(on: Scene, *, exercise: bool = False) -> ExplainedOptical:
    change = on.compared.change
    return explain_optical(
        on.landslide, on.check, on.suspected, on.pre, on.post, on.unseen,
        None if change is None else change.relative, region_name="San Rafael", exercise=exercise,
    )  # fmt: skip


def _pixels(png: bytes) -> NDArray[np.float32]:
    picture: NDArray[np.float32] = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    assert picture.shape == (1230, 1095, 3)
    return picture


@pytest.fixture(scope="module")
def confirmed() -> Scene:
    on = scene(failed=True)
    assert on.landslide.state is State.CONFIRMED
    return on


def test_a_confirmed_landslide_is_explained(confirmed: Scene) -> None:
    shown = _explain(confirmed)
    assert shown.title == "EXERCISE SIMULATED: confirmed landslide"
    labels = [line.label for _, line in shown.outlines]
    assert labels == ["outline of the radar", "outline of the optical look"]
    assert shown.pre_line == "2 looks, 2022-12-11 to 2022-12-21"
    assert shown.post_line == "2023-01-11 18:45 UTC"
    assert shown.credit == "Contains modified Copernicus Sentinel data 2022-2023"
    assert ("ensemble", "0.83 of 1, a score") in shown.figures
    west, south, east, north = shown.bounds
    rows, columns = shown.change.shape
    assert (east - west, north - south) == (10 * columns, 10 * rows)
    for outline, _ in shown.outlines:
        assert box(*shown.bounds).contains(outline)


def test_clouds_are_hatched_and_clear_ground_is_not(confirmed: Scene) -> None:
    shown = _explain(confirmed)
    hatched = shown.unseen != Unseen.SEEN
    assert hatched.any()
    assert np.isnan(shown.post[hatched]).any(axis=-1).all()
    assert set(np.unique(shown.unseen)) <= {Unseen.SEEN, Unseen.CLOUD, Unseen.CLOUD_SHADOW}


def test_the_landslide_is_bright_after_and_green_before(confirmed: Scene) -> None:
    picture = _pixels(draw_optical(_explain(confirmed)))
    # The middle of the two upper panels, between the outlines' lines.
    before, after = picture[395:410, 275:290], picture[395:410, 808:823]
    assert before[..., 1].mean() > before[..., 0].mean()
    assert after.mean() > before.mean() + 0.2


def test_a_refuted_one_has_one_outline() -> None:
    on = scene(failed=False, clouds=0.1)
    assert on.landslide.state is State.REFUTED
    shown = _explain(on)
    assert (shown.finding, len(shown.outlines)) == (Finding.DISAGREES, 1)
    _pixels(draw_optical(shown))


def test_nothing_seen_is_a_picture_too() -> None:
    on = scene(failed=True, clouds=0.6, cloudy=True)
    assert on.check.finding is Finding.NOT_SEEN
    shown = _explain(on)
    assert ("hidden", "cloud 100%") in shown.figures
    assert np.isnan(shown.change).all()
    _pixels(draw_optical(shown))


def test_every_reason_can_be_drawn(confirmed: Scene) -> None:
    shown = _explain(confirmed)
    codes = np.resize(np.array(list(Unseen), dtype=np.uint8), shown.unseen.shape)
    _pixels(draw_optical(replace(shown, unseen=codes, post=np.full_like(shown.post, np.nan))))


def test_a_real_picture_is_not_marked_and_an_exercise_is(confirmed: Scene) -> None:
    real = replace(confirmed, landslide=replace(confirmed.landslide, simulated=False))
    assert _explain(real).title == "confirmed landslide"
    assert _explain(real, exercise=True).title == "EXERCISE: confirmed landslide"


def test_what_radar_has_not_seen_is_said(confirmed: Scene) -> None:
    seen = replace(confirmed, landslide=replace(confirmed.landslide, change_db=None))
    assert "Radar has not seen it" in _explain(seen).facts


def _radar_picture(**fields: Any) -> NDArray[np.float32]:
    grid = Grid(32610, Affine(30, 0, 540_000, 0, -30, 4_205_000), 40, 40)
    quiet = np.full(grid.shape, -12.0, dtype=np.float32)
    history = [(_AT - timedelta(days=12 * look), (-12.0, -18.0)) for look in (2, 1, 0)]
    shown = Explained(
        title="EXERCISE: suspected landslide", grid=grid, pre_db=quiet, post_db=quiet + 4,
        score=np.zeros_like(quiet), outline=box(540_300, 4_204_200, 540_600, 4_204_500),
        pre_span=(_AT - timedelta(days=24), _AT - timedelta(days=12)), post_at=_AT,
        look_azimuth=78.0, history=history, polarisations=("VV", "VH"), facts="facts",
        credit="credit",
    )  # fmt: skip
    return _pixels(draw(replace(shown, **fields)))


def test_the_radar_picture() -> None:
    picture = _radar_picture()
    assert picture[395:410, 808:823].mean() > picture[395:410, 275:290].mean() + 0.3


def _share(picture: NDArray[np.float32], colour: str) -> float:
    wanted = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return float((np.abs(picture - wanted).max(axis=-1) < 0.02).mean())


def test_new_water_is_outlined_in_blue_and_named() -> None:
    slide, water = _radar_picture(), _radar_picture(kind=Kind.PONDING, water_db=(-15.5, -22.5))
    blue, red = _WATER.colour, _OUTLINE
    # Red still marks the time of the look in the history.
    assert _share(slide, blue) == 0 < _share(water, blue)
    assert _share(water, red) < _share(slide, red)
    # The legend stands on the panel of the look, the levels of water in the history.
    legend, history = np.s_[560:625, 830:1035], np.s_[690:1040, 560:1060]
    assert _share(water[legend], blue) > 0
    assert np.abs(water[history] - slide[history]).max() > 0.5


def test_the_optical_picture_names_what_it_is(confirmed: Scene) -> None:
    water = replace(confirmed, landslide=replace(confirmed.landslide, kind=Kind.PONDING))
    assert _explain(water).title == "EXERCISE SIMULATED: confirmed new water"
