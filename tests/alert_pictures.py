"""SIMULATED cases of the picture of an alert, from a tiny landslide to a region without history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy import ndimage
from shapely import affinity
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from alerts import alert_picture as pictures
from alerts.alert_picture import AlertPicture, History, RadarSight, Sight
from detectors.projections import to_projected
from detectors.types import FloatArray, Kind, State, Unseen
from tests.optical_scene import EPSG, Scene, scene

BEFORE = datetime(2023, 1, 1, 1, 59, tzinfo=UTC)
LOOK = BEFORE + timedelta(days=12)
DRILL = "EXERCISE SIMULATED"


def speckle(shape: tuple[int, int], mean_db: float, seed: int) -> FloatArray:
    """Return hilly ground under speckle, dB."""
    random = np.random.default_rng(seed)
    relief = ndimage.gaussian_filter(random.normal(size=shape), 4) * 22
    grain = 10 * np.log10(random.gamma(8, 1 / 8, shape))
    made: FloatArray = (mean_db + relief + grain).astype(np.float32)
    return made


def radar(size_m: float = 200.0, rise_db: float = 4.3, kind: Kind = Kind.LANDSLIDE) -> RadarSight:
    """Return a round change of ``size_m`` across in the middle of its map."""
    half = max(1.5 * size_m, 450.0)
    pixels = round(2 * half / 30)
    bounds = (540_000.0, 4_200_000.0, 540_000.0 + 30 * pixels, 4_200_000.0 + 30 * pixels)
    middle = Point((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    outline = affinity.rotate(affinity.scale(middle.buffer(size_m / 2), 0.7, 1.2), 30)
    rows, columns = np.mgrid[:pixels, :pixels]
    away = np.hypot(rows - pixels / 2, columns - pixels / 2) * 30
    ground = speckle((pixels, pixels), -11.0, 5)
    after = speckle((pixels, pixels), -11.0, 5) + np.where(away < size_m / 2, rise_db, 0)
    after += np.random.default_rng(6).normal(0, 1.2, after.shape)
    unseen = np.zeros((pixels, pixels), dtype=np.uint8)
    unseen[: pixels // 8, : pixels // 3] = Unseen.LAYOVER
    line = pictures.WATER if kind is Kind.PONDING else pictures.SUSPECTED
    return RadarSight(
        bounds, ground, np.where(unseen, np.nan, after).astype(np.float32), unseen, {},
        ((outline, line),), "Sentinel-1 track 137, ascending",
        ("median of 10 looks", "2022-09-03 to 2023-01-01"),
        ("2023-01-13 01:59 UTC", "track 137, ascending"), "VV", 347.0, 77.0,
    )  # fmt: skip


def history(step_db: float = 4.3, *, water: bool = False) -> History:
    """Return ten quiet looks and two changed ones."""
    random = np.random.default_rng(1)
    moments = [BEFORE - timedelta(days=12 * n) for n in range(10)][::-1]
    moments += [LOOK, LOOK + timedelta(days=12)]
    shift = np.where(np.arange(12) >= 10, step_db, 0.0)
    series = {
        "VV": tuple(float(v) for v in -11 + shift + random.normal(0, 0.4, 12)),
        "VH": tuple(float(v) for v in -17.5 + 0.8 * shift + random.normal(0, 0.5, 12)),
    }
    return History(tuple(moments), series, {"VV": -15.5, "VH": -22.5} if water else {})


def suspected() -> AlertPicture:
    """Return what only radar has seen."""
    return AlertPicture(
        marks=DRILL, kind=Kind.LANDSLIDE, state=State.SUSPECTED, headline="Suspected landslide",
        standing="NOT CONFIRMED: only radar has seen it",
        facts=(
            ("Where", "San Rafael (drill); 37.97100, -122.52900 (lat, lon)"),
            ("Size", "3.1 ha; tier likely, 1 look"),
            ("When", "after 2023-01-01 01:59 UTC, before 2023-01-13 01:59 UTC"),
            ("Radar", "VV rose 4.3 dB against its surroundings; score 7.4 sigma, evidence 24.0"),
        ),
        radar=radar(), optical=None, history=history(), between=(BEFORE, LOOK),
        key="2f0b8c1e-5a6e-5f0e-9d7c-0d5f1f4b7a11",
        credit="Contains modified Copernicus Sentinel data 2022-2023; processed from NASA/JPL "
        "OPERA RTC-S1",
    )  # fmt: skip


def optical(on: Scene) -> Sight:
    """Return a simulated optical look."""
    pre, post = (np.moveaxis(c.reflectance[[2, 1, 0]], 0, -1) for c in (on.pre, on.post))
    blind = ~np.isfinite(post).all(axis=-1)
    unseen = np.where(blind, on.unseen, np.uint8(0)).astype(np.uint8)
    outlines: list[tuple[BaseGeometry, pictures.Line]] = [
        (to_projected(on.suspected, EPSG), pictures.SUSPECTED)
    ]
    if on.check.outline is not None:
        outlines.append((to_projected(on.check.outline, EPSG), pictures.DECIDED))
    hidden = {Unseen[name.upper()]: share for name, share in on.check.unseen.items()}
    window = np.s_[20:110, 20:110]
    west, _, _, north = on.post.grid.bounds
    bounds = (west + 200, north - 1100, west + 1100, north - 200)
    return Sight(
        bounds, pre[window], post[window], unseen[window], hidden, tuple(outlines),
        "Sentinel-2 tile T10SEG", ("2 looks", "2022-12-11 to 2022-12-21"),
        ("2023-01-11 18:45 UTC", "tile T10SEG"),
    )  # fmt: skip


def cases() -> dict[str, AlertPicture]:
    """Return every kind of picture that goes out."""
    first = suspected()
    agreed = scene(failed=True)
    refuted = scene(failed=False, clouds=0.1)
    cloudy = scene(failed=True, clouds=0.6, cloudy=True)
    much = radar()
    hidden = {Unseen.RADAR_SHADOW: 0.31, Unseen.LAYOVER: 0.22, Unseen.TOO_FEW_LOOKS: 0.04}
    codes = much.unseen.copy()
    codes[:, : codes.shape[1] // 2] = Unseen.RADAR_SHADOW
    codes[: codes.shape[0] // 3] = Unseen.LAYOVER
    codes[-3:, -9:] = Unseen.TOO_FEW_LOOKS
    much = replace(
        much, unseen=codes, hidden=hidden, post=np.where(codes, np.nan, much.post).astype("f4")
    )
    return {
        "radar": first,
        "confirmed": replace(
            first, state=State.CONFIRMED, headline="Confirmed landslide", optical=optical(agreed),
            standing="Confirmed by the optical look of 2023-01-11 18:45 UTC",
            facts=(*first.facts, ("Optical", "NDVI -0.47 against its surroundings; 0.83 of 1")),
        ),
        "refuted": replace(
            first, state=State.REFUTED, headline="Landslide alert WITHDRAWN",
            standing="Vegetation unchanged in the optical look of 2023-01-11 18:45 UTC",
            optical=optical(refuted),
        ),
        "ponding": replace(
            first, kind=Kind.PONDING, headline="New water, perhaps a blocked valley",
            standing="NOT CONFIRMED: danger DOWNSTREAM",
            radar=radar(400.0, -9.0, Kind.PONDING), history=history(-8.5, water=True),
        ),
        "unseen": replace(first, radar=much, optical=optical(cloudy)),
        "tiny": replace(first, marks="", radar=radar(75.0)),
        "large": replace(first, marks="EXERCISE", radar=radar(6_000.0)),
        "no-history": replace(
            first, marks="",
            history="3 earlier looks of track 137-ascending could be read, too few for a curve",
            radar="the look cannot be read any more: HTTP 404",
            optical="only clouds so far (2 looks, the last on 2023-01-11)",
        ),
    }  # fmt: skip
