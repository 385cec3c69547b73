"""The radar bench counts what it says it counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, poisson

from bench.sar import filters, judging, planting, reliability, running
from bench.sar.figures import (
    Share,
    by_pixel,
    detected,
    false_rate,
    level_at_rate,
    likely,
    over,
    poisson_interval,
    poisson_upper,
    steady,
    watch,
)  # fmt: skip
from bench.sar.judging import SHIPPED, Peer, found, judge, peer_judge
from detectors import registry
from detectors.levels import Levels
from detectors.look_geometry import viewing
from detectors.normalise import normalise
from detectors.radiometry import to_db
from detectors.simulation.land import LandCover
from detectors.simulation.parameters import load_parameters
from detectors.types import OrbitState
from detectors.vectorize import outlines
from tests.judged import DETECTORS, REGION, peer_distance, peer_looks
from tests.scenes import SHIPPED as COGS
from tests.scenes import STEEP, crop, made_series, read_series, split


def patch(evidence: float, pixels: int = 20, **more: object) -> dict[str, object]:
    return {"evidence": evidence, "pixels": pixels, "true_pixels": 0, "slide": -1, "iou": 0.0,
            "alike": -1, **more}  # fmt: skip


def quiet(km2: float, *evidence: float) -> dict[str, object]:
    return {
        "kind": "quiet",
        "km2": km2,
        "wet": False,
        "snow": False,
        "patches": {SHIPPED: [patch(e) for e in evidence]},
    }


def test_level_lets_the_rate_through_and_no_more() -> None:
    looks = [quiet(1500.0, 9.0, 14.0), quiet(1500.0, 11.0, 10.0, 8.0)]
    level = level_at_rate(looks, SHIPPED)
    assert (level.allowed, level.km2) == (3, 3000.0)
    assert level.evidence == 9.0
    assert false_rate(looks, SHIPPED, level.evidence) == (3, 3000.0)
    assert level.least <= level.evidence <= level.most
    # Too little ground to allow one: over the highest. Nothing raised at all: any evidence.
    assert level_at_rate([quiet(900.0, 7.0, 12.0)], SHIPPED).evidence == 12.0
    assert level_at_rate([quiet(5000.0)], SHIPPED).evidence == 0.0
    # A look that a detector did not judge is no ground of its.
    assert level_at_rate([*looks, {**quiet(9999.0), "patches": {}}], SHIPPED) == level


def test_steady_looks_are_those_the_product_calls_so_and_without_snow() -> None:
    dry, wet = quiet(1.0), {**quiet(1.0), "wet": True}
    under_snow = {**quiet(1.0), "weather": "snow"}
    called = {**quiet(1.0), "weather": "dry", "snow": True}
    assert steady([dry, wet, under_snow, called]) == [dry]


def test_intervals_are_exact() -> None:
    low, high = Share(17, 20).interval
    assert binom.sf(16, 20, low) == pytest.approx(0.025, abs=1e-6)
    assert binom.cdf(17, 20, high) == pytest.approx(0.025, abs=1e-6)
    assert poisson.cdf(2, poisson_upper(2)) == pytest.approx(0.05)
    assert poisson_upper(0) == pytest.approx(2.9957, abs=1e-4)
    below, above = poisson_interval(4)
    assert poisson.sf(3, below) == pytest.approx(0.025)
    assert poisson.cdf(4, above) == pytest.approx(0.025)
    assert poisson_interval(0)[0] == 0.0
    assert str(Share(0, 0)) == "-"


def test_detected_counts_visible_landslides_once() -> None:
    slides = [{"visible": True}, {"visible": False}, {"visible": True}]
    look = {
        "slides": slides,
        "truth_pixels": 60,
        "patches": {SHIPPED: [
            patch(13.0, 20, slide=0, iou=0.5, true_pixels=15), patch(14.0, 10, slide=0, iou=0.2),
            patch(15.0, slide=1, iou=0.5), patch(20.0, slide=2, iou=0.05), patch(11.0, 10),
        ]},
    }  # fmt: skip

    def any_of(*_: object) -> bool:
        return True

    assert detected([look], SHIPPED, over(12.5), any_of) == Share(1, 2)
    assert detected([look], SHIPPED, over(14.5), any_of) == Share(0, 2)
    assert detected([look], "another", over(0.0), any_of) == Share(0, 0)
    # 20 pixels raised, 15 of them right, 60 true.
    assert by_pixel([look], SHIPPED, lambda p: p["evidence"] == 13.0) == pytest.approx(
        (2 * 15 / (20 + 60), 15 / 65)
    )
    assert watch(patch(12.8))
    assert not watch(patch(12.7))
    assert likely(patch(13.3, 12))
    assert not likely(patch(13.3, 11))


def test_patches_are_those_that_ship() -> None:
    """Evidence, size and number of patches as ``detectors.vectorize`` has them."""
    pre, post = split(crop(read_series(COGS, STEEP), slice(0, 64), slice(0, 64)), -1)
    stack, by_name = judging.scores(pre, post, None)
    scores = registry.judge(stack, DETECTORS)
    np.testing.assert_array_equal(by_name[SHIPPED], scores.score)
    low = Levels(grow=1.0, seed=1.5, watch=0.0, least_mean=1.2)
    everywhere = np.ones(scores.grid.shape, dtype=bool)
    expected = sorted(
        (o.evidence, o.area_m2 / 900)
        for o in outlines(scores, low, REGION.min_area_m2, everywhere, everywhere)
    )
    none = np.zeros(scores.grid.shape, dtype=int)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(judging, "LEVELS", low)
        ours = found(by_name[SHIPPED], 900.0, none, none)
    assert len(expected) > 5
    np.testing.assert_allclose(sorted((p.evidence, p.pixels) for p in ours), expected, atol=1e-3)


def test_a_patch_belongs_to_what_it_overlaps_best() -> None:
    strength = np.zeros((20, 20), dtype=np.float32)
    strength[2:6, 2:8] = -5.0
    truth = np.zeros((20, 20), dtype=int)
    truth[2:6, 4:12], truth[2:6, 2:4] = 1, 2
    alike = np.zeros((20, 20), dtype=int)
    alike[4:6, 2:8] = 3
    (one,) = found(strength, 900.0, truth, alike)
    assert (one.pixels, one.true_pixels, one.slide, one.alike) == (24, 24, 0, 2)
    assert one.iou == pytest.approx(16 / 40)
    # Cut at the ceiling; the peer's is not.
    assert one.evidence == pytest.approx(4 * np.sqrt(24), abs=1e-3)
    (peer,) = found(-strength, 900.0, truth, alike, peer_level=2.5)
    assert peer.evidence == pytest.approx(5 * np.sqrt(24), abs=1e-3)


def test_the_peer_is_the_peer() -> None:
    pre, post = split(crop(read_series(COGS, STEEP), slice(0, 64), slice(0, 64)), -1)
    before, (now,) = (peer_looks(stack, despeckled=False) for stack in (pre, post))
    theirs = peer_distance(before, now)
    np.testing.assert_allclose(Peer().distance(pre, post), theirs, atol=1e-3)


def test_despeckling_is_remembered_and_given_back() -> None:
    pre, post = split(made_series(8, 24, 24), -1)
    plain = normalise(pre, post)
    with judging.remembering():
        again = [normalise(pre, post) for _ in range(2)]
    with judging.remembering(filters.none):
        raw = normalise(pre, post)
    for one in again:
        np.testing.assert_array_equal(one.post_db, plain.post_db)
    assert np.nanmax(np.abs(raw.post_db - plain.post_db)) > 1
    np.testing.assert_array_equal(normalise(pre, post).post_db, plain.post_db)


@pytest.mark.parametrize("name", [name for name, own in filters.FILTERS.items() if own])
def test_filters_keep_gaps_level_and_edges(name: str) -> None:
    draw = np.random.default_rng(1)
    level = np.full((60, 60), -10.0)
    level[:, 30:] = -4.0
    speckle = draw.gamma(14, 1 / 14, level.shape)
    decibel = to_db((10 ** (level / 10) * speckle).astype(np.float32))
    decibel[10:14, 10:14] = np.nan
    function = filters.FILTERS[name]
    assert function is not None
    smooth = function(decibel)
    np.testing.assert_array_equal(np.isnan(smooth), np.isnan(decibel))
    for side, wanted in ((np.s_[:, 4:26], -10.0), (np.s_[:, 34:56], -4.0)):
        assert np.nanmean(smooth[side]) == pytest.approx(wanted, abs=0.35)
        if name != "none":
            assert np.nanstd(smooth[side]) < 0.8 * np.nanstd(decibel[side])


def test_planted_landslides_are_what_the_table_says() -> None:
    pre, post = split(made_series(8, 160, 160, seed=3), -1)
    seen_from = viewing(OrbitState.ASCENDING, 45.0, 39.0)
    ground = np.ones(post.grid.shape, dtype=bool)
    ground[:, 120:] = False
    again = []
    for _ in range(2):
        changed, slides, truth = planting.planted_look(
            pre, post, ground, LandCover.GRASS, seen_from, load_parameters(),
            np.random.default_rng(5),
        )  # fmt: skip
        again.append(changed.gamma0)
    np.testing.assert_array_equal(*again)
    assert len(slides) == sum(planting.PLANTED)
    assert {s.contrast for s in slides} == set(planting.CONTRASTS_DB)
    assert not truth[:, 120:].any()
    gain = to_db(changed.gamma0[0, 0]) - to_db(post.gamma0[0, 0])
    for number, slide in enumerate(slides, start=1):
        inside = truth == number
        assert inside.sum() == slide.pixels
        assert gain[inside].mean() == pytest.approx(slide.sign * slide.contrast, abs=0.1)
        assert slide.visible
    assert (truth > 0).mean() < 0.06


def test_kept_looks_are_not_judged_again(tmp_path: Path) -> None:
    runs = []
    job = running.Job("one", lambda: runs.append(1) or [{"kind": "quiet"}])
    for _ in range(2):
        assert running.done(job, tmp_path) == [{"kind": "quiet"}]
    assert len(runs) == 1
    running.done(job, tmp_path, again=True)
    assert len(runs) == 2
    assert json.loads((tmp_path / "one.json").read_bytes()) == [{"kind": "quiet"}]


def test_looks_of_the_peer_join_ours() -> None:
    def look(kind: str, number: int, **patches: object) -> dict[str, object]:
        return {"orbit": "ascending", "kind": kind, "look": number, "patches": patches}

    ours = [look("quiet", 1, own=[1]), look("quiet", 2, own=[]), look("planted", 1, own=[2])]
    theirs = [look("quiet", 1, peer=[3]), look("planted", 1, peer=[4]), look("planted", 9, peer=[])]
    joined = running.with_peer({"event-1": ours, "peer-event-1": theirs, "event-2": ours[:1]})
    assert [one["patches"] for one in joined["event-1"]] == [
        {"own": [1], "peer": [3]}, {"own": []}, {"own": [2], "peer": [4]},
    ]  # fmt: skip
    assert joined["event-2"] == ours[:1]


def test_what_look_alikes_raise_is_no_false_object_of_quiet_ground() -> None:
    look = quiet(2000.0, 9.0, 14.0)
    look["patches"] = {SHIPPED: [patch(14.0, alike=0), patch(9.0)]}
    assert false_rate([look], SHIPPED, 0.0) == (1, 2000.0)


def test_landslides_under_snow_are_not_visible() -> None:
    pre, post = split(made_series(8, 160, 160, seed=3), -1)
    everywhere = np.ones(post.grid.shape, dtype=bool)
    looks = [
        planting.planted_look(
            pre, post, everywhere, LandCover.GRASS, viewing(OrbitState.ASCENDING, 45.0, 39.0),
            load_parameters(), np.random.default_rng(5), hidden=hidden,
        )[1]
        for hidden in (None, everywhere)
    ]  # fmt: skip
    assert all(slide.visible for slide in looks[0])
    assert not any(slide.visible for slide in looks[1])


def test_seeds_never_meet() -> None:
    seeds = running.Plan().seeds()
    every = [seed for use in seeds.values() for seed in use]
    assert len(set(every)) == len(every)
    assert max(seeds["tuning"]) < 1000 <= min(seeds["calibration"])
    assert max(seeds["calibration"]) < 2000 <= min(seeds["held back"])


def test_a_look_is_judged_by_all() -> None:
    pre, post = split(made_series(8, 48, 48), -1)
    none = np.zeros((48, 48), dtype=int)
    judged = judge(pre, post, none)
    assert judged["km2"] == pytest.approx(48 * 48 * 9e-4)
    assert set(judged["patches"]) == set(judging.OWN)
    assert set(peer_judge(Peer(), pre, post, none)["patches"]) == set(judging.PEERS)
    unseen = np.zeros((48, 48), dtype=np.uint8)
    unseen[:12] = 7
    assert judge(pre, post, none, unseen=unseen)["km2"] == pytest.approx(36 * 48 * 9e-4)


def test_brier_skill() -> None:
    truth = np.array([True, False, False, True])
    assert reliability.brier_skill(truth.astype(float), truth, 0.5) == 1.0
    assert reliability.brier_skill(np.full(4, 0.5), truth, 0.5) == 0.0
    assert reliability.brier_skill(1 - truth.astype(float), truth, 0.5) < 0


def test_score_is_fitted_on_the_one_and_counted_on_the_other() -> None:
    draw = np.random.default_rng(2)

    def look(slides: int) -> dict[str, object]:
        real = [patch(e, slide=0, iou=0.4) for e in draw.normal(14, 2, slides)]
        clutter = [patch(e) for e in draw.normal(8, 1.5, 30)]
        return {"kind": "happened", "patches": {SHIPPED: [*real, *clutter]}}

    calibration, held_back = [look(10) for _ in range(20)], [look(10) for _ in range(20)]
    result = reliability.figures(calibration, held_back)
    assert result is not None
    assert result["prior_odds"] == pytest.approx(1 / 3, abs=1e-3)
    assert result["tiers"]["all patches"]["brier_skill"] > 0.6
    sure = next(line for line in result["lines"] if line["score"] == "0.9-1")
    assert sure["landslides"]["low"] <= sure["said"] <= sure["landslides"]["high"]
    # Planted looks are ours, not the simulator's mixture.
    planted = [{**r, "kind": "planted"} for r in held_back]
    assert reliability.figures(calibration, [*held_back, *planted]) == result
    assert reliability.figures([replace_kind(calibration[0], "planted")], held_back) is None


def replace_kind(look: dict[str, object], kind: str) -> dict[str, object]:
    return {**look, "kind": kind}


def test_plan_can_be_small() -> None:
    assert replace(running.Plan(), size=160).size == running.Plan.quick().size
