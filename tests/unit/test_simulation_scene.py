"""Simulated events: the same every time, plausible, and with a truth that the pixels bear out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from detectors.simulation.land import Land, LandCover, make_land, scene_grid
from detectors.simulation.look_alikes import (
    LookAlikeKind,
    look_alike_change,
    place_look_alike,
)
from detectors.simulation.optics import optical_passes
from detectors.simulation.parameters import load_parameters
from detectors.simulation.placing import slide_on
from detectors.simulation.scene import Scene, simulate
from detectors.simulation.slides import Part
from detectors.simulation.tracks import view_of
from detectors.types import OrbitState, Unseen

FIGURES = load_parameters()
WHEN = datetime(2024, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """September, mostly dry: three landslides, one with a pond, and four look-alikes."""
    return simulate(15, size=120, looks_before=6, looks_after=3)


@pytest.fixture(scope="module")
def lands() -> list[Land]:
    return [make_land(scene_grid(200), seed, FIGURES) for seed in range(4)]


def test_same_seed_same_event(scene: Scene) -> None:
    again = simulate(15, size=120, looks_before=6, looks_after=3)
    for one, other in zip(scene.tracks, again.tracks, strict=True):
        np.testing.assert_array_equal(one.stack.gamma0, other.stack.gamma0)
        assert one.stack.sensed_at == other.stack.sensed_at
        assert one.looks == other.looks
    np.testing.assert_array_equal(scene.elevation, again.elevation)
    assert [s.views for s in scene.slides] == [s.views for s in again.slides]
    assert [a.outline for a in scene.look_alikes] == [a.outline for a in again.look_alikes]


def test_another_seed_another_event() -> None:
    one, other = (simulate(seed, size=60, looks_before=1, looks_after=1) for seed in (1, 2))
    assert one.happened_at != other.happened_at
    assert not np.array_equal(one.elevation, other.elevation)


def test_events_of_one_archive_do_not_touch() -> None:
    frames = [box(*scene_grid(160, number).bounds) for number in range(12)]
    assert all(
        a.distance(b) > 1_000 for k, a in enumerate(frames) for b in frames[k + 1 :]
    )  # fmt: skip


def test_a_stack_is_one_that_the_system_takes(scene: Scene) -> None:
    assert [track.orbit_state for track in scene.tracks] == list(OrbitState)
    assert len({track.name for track in scene.tracks}) == 2
    for track in scene.tracks:
        assert track.stack.track == track.name
        assert len(track.stack) == 9
        assert sum(t < scene.happened_at for t in track.stack.sensed_at) == 6
        assert all("SIMULATED" in name for names in track.stack.item_ids for name in names)
        hidden = track.unseen == Unseen.RADAR_SHADOW
        assert np.isnan(track.stack.gamma0[:, :, hidden]).all()
        assert np.isfinite(track.stack.gamma0[:, :, ~hidden]).all()
        assert (track.stack.gamma0[:, :, ~hidden] > 0).all()


def test_mountains_are_steep_and_grown_over(lands: list[Land]) -> None:
    slopes, reliefs, covers = [], [], np.zeros(8)
    for land in lands:
        slopes.append(np.median(land.slope))
        covers += np.bincount(land.cover.ravel(), minlength=8) / land.cover.size / len(lands)
        reliefs.append(np.ptp(land.elevation))
    assert 20 < np.mean(slopes) < 34
    assert 700 < np.mean(reliefs) < 1_800
    assert covers[LandCover.FOREST] > 0.2
    assert covers[LandCover.SHRUB] > 0.1
    assert covers[LandCover.GRASS] > 0.1
    assert all(covers[code] > 0.001 for code in LandCover)


@pytest.mark.parametrize("cover", [LandCover.FOREST, LandCover.SHRUB, LandCover.GRASS])
def test_levels_of_the_looks_are_those_of_the_cover(scene: Scene, cover: LandCover) -> None:
    """Within what wet looks, season, snow and slopes move: 1.5 dB."""
    track = scene.tracks[0]
    dry = [k for k, look in enumerate(track.looks) if not (look.wet or look.snow)][:4]
    clear = (scene.cover == cover) & (track.unseen == Unseen.SEEN)
    level = 10 * np.log10(track.stack.gamma0[dry][:, :, clear].mean(axis=(0, 2)))
    wanted = FIGURES.cover[cover.name.lower()].level_db
    np.testing.assert_allclose(level, wanted, atol=2.0)


def test_quiet_ground_scatters_as_the_real_looks_do(scene: Scene) -> None:
    """California, 12 days apart, VV: half the variance of differences 1.38 dB2 on even ground."""
    track = scene.tracks[0]
    calm = [k for k in range(5) if not any(w.wet or w.snow for w in track.looks[k : k + 2])]
    levels = 10 * np.log10(track.stack.gamma0[:, 0])
    still = np.isin(scene.cover, (LandCover.FOREST, LandCover.SHRUB)) & (track.unseen == 0)
    found = []
    for k in calm:
        step = (levels[k + 1] - levels[k])[still]
        found.append((1.4826 * np.median(np.abs(step - np.median(step)))) ** 2 / 2)
    assert calm
    assert np.mean(found) == pytest.approx(1.55, abs=0.25)


def test_the_truth_is_what_the_pixels_show(scene: Scene) -> None:
    """Means of many looks after against before: speckle and wandering leave a few tenths."""
    checked = 0
    for k, one in enumerate(scene.slides):
        for track in scene.tracks:
            view = one.views[track.name]
            dry = [not (look.wet or look.snow) for look in track.looks]
            after = np.array([t >= scene.happened_at for t in track.stack.sensed_at])
            if one.pixels < 60 or view.share_observable < 0.9 or not (after & dry).any():
                continue
            seen = track.unseen == Unseen.SEEN
            body = one.slide.body & seen
            around = np.isin(scene.cover, np.unique(scene.cover[body])) & seen
            for other in scene.slides:
                around &= other.slide.share == 0
            levels = 10 * np.log10(track.stack.gamma0[:, 0])
            rise = levels[after & dry].mean(axis=0) - levels[~after & dry].mean(axis=0)
            found = rise[body].mean() - np.median(rise[around])
            assert found == pytest.approx(view.change_db, abs=0.8), (k, track.name)
            checked += 1
    assert checked >= 1


def test_visible_means_observable_and_changed(scene: Scene) -> None:
    for one in scene.slides:
        for view in one.views.values():
            strongest = max((view.change_db, view.change_vh_db), key=abs)
            assert view.contrast_db == pytest.approx(strongest)
            assert view.visible == (view.share_observable >= 0.6 and abs(strongest) >= 1.5)
        assert one.visible == any(view.visible for view in one.views.values())


def test_what_lies_in_layover_cannot_be_seen(scene: Scene) -> None:
    slide = scene.slides[0].slide
    change = np.where(slide.body, -5.0, 0.0)[None].repeat(2, axis=0).astype(np.float32)
    clear = np.zeros(scene.grid.shape, dtype=np.uint8)
    assert view_of(slide, change, clear, FIGURES).visible
    hidden = np.full(scene.grid.shape, Unseen.LAYOVER, dtype=np.uint8)
    view = view_of(slide, change, hidden, FIGURES)
    assert (view.visible, view.share_observable, view.contrast_db) == (False, 0.0, 0.0)
    faint = view_of(slide, change * 0.28, clear, FIGURES)
    assert (faint.visible, faint.share_observable) == (False, 1.0)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_whatever_the_seed_events_hold_together(seed: int) -> None:
    scene = simulate(seed, size=90, looks_before=1, looks_after=1)
    frame = box(*scene.grid.bounds)
    least, most = FIGURES.slide.count
    assert 0 <= len(scene.slides) <= most
    assert least == 1
    taken = np.zeros(scene.grid.shape)
    for one in scene.slides:
        assert one.outline.within(frame)
        assert one.happened_at == scene.happened_at
        assert one.slide.slope_degrees >= FIGURES.slide.steepest_degrees[0]
        taken += one.slide.share > 0
    for alike in scene.look_alikes:
        assert alike.outline.is_valid
        taken += look_alike_change(alike, scene.land)[0] != 0
    # Ponds may reach further than what was kept free around their landslide.
    ponds = sum((one.slide.parts == Part.POND).sum() for one in scene.slides)
    assert (taken > 1).sum() <= ponds


def test_landslides_start_on_slopes_and_run_downhill() -> None:
    land = make_land(scene_grid(150), 4, FIGURES)
    free = np.ones(land.grid.shape, dtype=bool)
    falls, ponds = [], 0
    for seed in range(6):
        slide = slide_on(land, 50 * 900.0, WHEN, FIGURES, seed, free=free, to_valley=seed % 2 == 0)
        assert slide is not None
        scarp, deposit = (slide.parts == part for part in (Part.SCARP, Part.DEPOSIT))
        falls.append(land.elevation[scarp].mean() - land.elevation[deposit].mean())
        if slide.pond is not None:
            ponds += 1
            water = slide.parts == Part.POND
            assert np.ptp(land.elevation[water]) <= FIGURES.slide.dam_height_m + 40
    assert np.mean(np.array(falls) > 0) >= 0.8


@pytest.mark.parametrize("kind", list(LookAlikeKind))
def test_look_alikes_happen_where_they_belong(lands: list[Land], kind: LookAlikeKind) -> None:
    rules = FIGURES.look_alike[kind.value]
    free = np.ones((200, 200), dtype=bool)
    placed = 0
    for seed, land in enumerate(lands):
        one = place_look_alike(land, kind, WHEN, FIGURES, seed, free)
        if one is None:
            continue
        placed += 1
        change = look_alike_change(one, land)
        pixels = one.outline.area / 900.0
        assert rules.pixels[0] * 0.9 <= pixels <= rules.pixels[1] * 1.1
        where = change[0] != 0
        wanted = [LandCover[name.upper()] for name in rules.on]
        assert np.isin(land.cover[where], wanted).mean() > 0.6
    assert placed


def test_events_too_small_or_without_looks_are_refused() -> None:
    for wrong in ({"size": 50}, {"looks_before": 0}, {"looks_after": 0}):
        with pytest.raises(ValueError, match="60 pixels"):
            simulate(1, **wrong)


@pytest.fixture(scope="module")
def optical() -> tuple[Scene, list]:
    """An event in June, 60 pixels: pictures are quick."""
    scene = simulate(3, size=60, looks_before=1, looks_after=1)
    rules = replace(FIGURES.optical, before=2, after=3, cloud_shape=(0.1, 40.0))
    return scene, list(optical_passes(scene, replace(FIGURES, optical=rules)))


def test_optical_pictures_show_the_same_landslides(optical) -> None:
    scene, passes = optical
    before = [one for one in passes if one.sensed_at < scene.happened_at]
    after = [one for one in passes if one.sensed_at >= scene.happened_at]
    assert before
    assert after
    assert all(one.edited for one in after)
    assert passes[0].grid.shape == (180, 180)
    assert passes[0].reflectance.shape == (4, 180, 180)
    assert passes[0].scl.shape == (90, 90)
    # The first picture after the storm is behind clouds.
    assert after[0].cloud >= FIGURES.optical.cloud_after_event
