"""Our greenest pixel against the best-available-pixel results of openeo-gfmap, Belgium."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from detectors.compositing import greenest, ndvi
from detectors.reflectance import plausible_offset
from detectors.types import Composite, OpticalLook, Unseen
from flows.optical_imagery import DILATE_M
from tests.data.conftest import Record
from tests.gfmap import classes, looks, variable

pytestmark = pytest.mark.data

#: Classes that a clear composite must not hold: shadow, cloud, cirrus.
HIDDEN = (2, 3, 8, 9, 10)


@pytest.fixture(scope="module")
def folder(data_folder: Path) -> Path:
    return data_folder / "s1s2-timeseries-gfmap-belgium"


def decades(times: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Return begin and end of the periods of the reference."""
    return list(zip(times, [*times[1:], times[-1] + timedelta(days=8)], strict=True))


def reference_dates(folder: Path, series: list[OpticalLook]) -> tuple[list[datetime], np.ndarray]:
    """Return the periods, and which look each reference pixel is; -1 = none of the series.

    The reference holds three bands of a pixel, which are compared number by number.
    """
    names = ("B02", "B03", "B04")
    quintads = np.stack([variable(folder / "bap_quintad_cdse.nc", n)[1] for n in names], axis=1)
    times = variable(folder / "bap_composited_cdse.nc", "B04")[0]
    made = np.stack([variable(folder / "bap_composited_cdse.nc", n)[1] for n in names], axis=1)
    date = np.full((len(times), *made.shape[2:]), -1)
    for k in range(len(times)):
        for number in range(len(series)):
            date[k][(quintads[number] == made[k]).all(axis=0)] = number
    return times, date


def percent(share: float) -> str:
    return f"{share:.0%}"


def ours_in(series: list[OpticalLook], begin: datetime, end: datetime) -> Composite:
    return greenest([look for look in series if begin <= look.sensed_at < end])


def test_greenest_pixel_against_best_available_pixel(folder: Path, record: Record) -> None:
    path = folder / "bap_quintad_cdse.nc"
    series, scl = looks(path, DILATE_M), classes(path)
    index = {look.sensed_at: number for number, look in enumerate(series)}
    times, theirs = reference_dates(folder, series)
    rows = []
    both = same = cloudy_theirs = known = cloudy_ours = clear_ours = 0
    differences = []
    for k, (begin, end) in enumerate(decades(times)):
        ours = ours_in(series, begin, end)
        chosen = np.array([index[moment] for moment in ours.sensed_at] + [-1])[ours.date]
        seen, named = chosen >= 0, theirs[k] >= 0
        classes_ours = np.take_along_axis(scl, np.maximum(chosen, 0)[None], 0)[0]
        classes_theirs = np.take_along_axis(scl, np.maximum(theirs[k], 0)[None], 0)[0]
        hidden = np.isin(classes_theirs, HIDDEN) & named
        cloudy_ours += int((np.isin(classes_ours, HIDDEN) & seen).sum())
        cloudy_theirs += int(hidden.sum())
        known += int(named.sum())
        clear_ours += int(seen.sum())
        shared = seen & named
        both += int(shared.sum())
        same += int((shared & (chosen == theirs[k])).sum())
        at_theirs = np.full(seen.shape, np.nan, np.float32)
        for number in np.unique(theirs[k][shared]):
            here = shared & (theirs[k] == number)
            at_theirs[here] = ndvi(series[number].reflectance, series[number].bands)[here]
        differences.append((ndvi(ours.reflectance, ours.bands) - at_theirs)[shared])
        mean = ndvi(ours.reflectance, ours.bands)[seen]
        rows.append([
            f"{begin:%Y-%m-%d}", percent(seen.mean()), percent(named.mean()),
            percent(hidden.sum() / max(named.sum(), 1)) if named.any() else "-",
            percent((chosen == theirs[k])[shared].mean()) if shared.any() else "-",
            f"{np.median(mean):.2f}" if seen.any() else "-",
        ])  # fmt: skip
    difference = np.concatenate(differences)
    winter = greenest(series)
    fog = winter.sensed_at.index(next(t for t in winter.sensed_at if t.month == 12 and t.day == 16))
    taken = np.bincount(winter.date[winter.date >= 0], minlength=len(winter.sensed_at))
    record(
        "Greenest pixel against best available pixel (Belgium)",
        """Data set `s1s2-timeseries-gfmap-belgium` (flat farmland, winter 2022/23, 66 x 64 pixels):
`bap_quintad_cdse.nc` as 20 looks, our composite per ten days against `bap_composited_cdse.nc`, the
best-available-pixel result of openeo-gfmap. The reference holds no near infrared; a pixel of it is
told by its three bands, number by number. It was made from all dates, the looks are one per five
days, so that some of its pixels are of no look. *Hidden* is what the scene classification of that
very look calls cloud, cirrus or shadow.""",
        ["ten days from", "ours: clear", "reference: of a known look", "of these: hidden",
         "same look, where both", "ours: median NDVI"],
        rows,
        f"""Where both took a pixel they took the same look in {percent(same / both)} of {both}
pixels (most periods offer one clear look; in the last, the rim of its clouds is left out by ours);
NDVI ours minus reference there: median {np.median(difference):+.3f}, largest
{np.max(difference):+.3f}. Of the {known} reference pixels of a known look
{percent(cloudy_theirs / known)} are hidden ones: it has to fill each period. Ours holds
{cloudy_ours} hidden ones of {clear_ours} and is empty elsewhere.

What the classification itself gets wrong, both take: the look of 2022-12-16 is fog that is called
bare ground (red reflects a quarter, NDVI 0.22), and that of 2022-12-06 is the mean of a clear and a
cloudy date, classes included, so that a class 7 comes out of it. The greenest pixel of the whole
winter takes {percent(taken[fog] / taken.sum())} of its pixels from the fog, and its median NDVI is
{np.nanmedian(ndvi(winter.reflectance, winter.bands)):.2f}.""",
    )  # fmt: skip
    assert cloudy_ours == 0
    assert same / both > 0.99
    assert (difference >= 0).all()
    assert taken[fog] < 0.01 * taken.sum()


def test_the_score_of_the_reference(folder: Path, record: Record) -> None:
    """Largest score and largest NDVI over all 47 dates."""
    path = folder / "bap_score_cdse.nc"
    times, score, _ = variable(path, "BAPSCORE")
    index = variable(path, "NDVI")[1]
    best = score.argmax(axis=0)
    at_best = np.take_along_axis(index, best[None], 0)[0]
    nought = [f"{t:%m-%d}" for t, layer in zip(times, score, strict=True) if (layer == 0).all()]
    clear = np.where(score == 0, index, -1).max(axis=0)
    record(
        "Score of the best available pixel as stored (Belgium)",
        """`bap_score_cdse.nc`: score and NDVI of 47 dates, same place.""",
        ["picked by", "median NDVI", "5th percentile"],
        [
            ["largest score", f"{np.median(at_best):.2f}", f"{np.percentile(at_best, 5):.2f}"],
            ["largest NDVI of dates scored 0", f"{np.median(clear):.2f}",
             f"{np.percentile(clear, 5):.2f}"],
        ],
        f"""The stored score is 0 on the whole of {len(nought)} dates ({", ".join(nought)}), the
green ones among them, and 0.65 to 0.68 on all others, cloud included: picking its maximum takes
cloud. It is no yardstick for the choice of dates; the composite above is.""",
    )  # fmt: skip
    assert np.median(at_best) < 0.1 < np.median(clear)


def test_dark_pixels_tell_that_the_offset_is_off_already(folder: Path) -> None:
    """The set says nothing of scale or offset; the pixels of every green look do."""
    for look in looks(folder / "bap_quintad_cdse.nc", DILATE_M):
        seen = look.unseen == Unseen.SEEN
        if seen.mean() > 0.5 and np.median(ndvi(look.reflectance, look.bands)[seen]) > 0.5:
            dark = float(np.percentile(look.reflectance[2][seen], 5)) * 10_000
            assert plausible_offset(dark, 1e-4, 0.0)
            assert not plausible_offset(dark, 1e-4, -0.1)
