"""What the looks of an alert show: small windows around the landslide, read again. Nothing stored.

Only what was published when the alert's own look was counts, so that a picture drawn later is the
picture that went out. No detector is asked: the alert says what they said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rasterio import features
from shapely.geometry.base import BaseGeometry

from alerts.alert_picture import (
    DECIDED,
    FIRST_OPTICAL,
    SUSPECTED,
    WATER,
    History,
    RadarSight,
    Sight,
)
from alerts.explaining import crop_around, true_colour
from db import optical, queries
from db.engine import transaction
from detectors.errors import NothingObserved, ScarpwatchError
from detectors.look_geometry import viewing_on
from detectors.medians import median_of_looks
from detectors.normalise import MAXIMUM_LOOKS, normalise
from detectors.ponding import PondingLevels
from detectors.projections import to_projected
from detectors.radiometry import Power, to_db
from detectors.types import (
    MINIMUM_LOOKS,
    SAME_PASS,
    Acquisition,
    Alert,
    BoolArray,
    Detection,
    Finding,
    FloatArray,
    Grid,
    Kind,
    Landslide,
    OpticalCheck,
    OrbitState,
    Sensor,
    Unseen,
    WatchedRegion,
)
from flows.catalogs.base import Catalogue, charges
from flows.confirming import around
from flows.examining import Pair, look_at
from flows.histories import SPARE_PASSES
from flows.imagery import GAMMA0, group_passes, read_mask, read_pass, stack_looks
from flows.kept_open import keeping_open, reading_ahead
from flows.rasters import product_grid
from flows.services import Services

#: Sentinel-1's middle angle to the vertical, degrees; hardly turns the direction of the look.
INCIDENCE = 39.0
#: Passes after the look that the history shows at most.
LATER_PASSES = 10


@dataclass(frozen=True, slots=True)
class Sights:
    """All that the picture of an alert is drawn from."""

    radar: RadarSight | str
    """Before and after by radar, or why there is nothing to show."""
    optical: Sight | str | None
    """Likewise by optical looks; None where none has been held against it."""
    history: History | str
    """Backscatter of its own ground, or why there is none."""
    looks: tuple[Acquisition, ...]
    """The looks that the maps show."""


@dataclass(frozen=True, slots=True)
class _Passes:
    """Radar passes of one track over one landslide, on a small grid."""

    grid: Grid
    """Around the landslide."""
    before: tuple[Sequence[Acquisition], ...]
    """Passes before the look that could be read, oldest first."""
    gamma0: tuple[FloatArray, ...]
    """(polarisation, y, x) of each of them."""
    post: FloatArray
    """(polarisation, y, x), the look."""
    after: tuple[tuple[Acquisition, FloatArray], ...]
    """Later looks of the track, oldest first."""


@keeping_open()
def sights(services: Services, alert: Alert) -> Sights:
    """Read what an alert's picture shows; a part that cannot be had says why.

    Raises:
        DatabaseUnavailable: nothing can be looked up.
    """
    landslide = alert.landslide
    with transaction(services.engine) as s:
        region = queries.get_region(s, landslide.region_id, include_removed=True)
        found = [
            one
            for one in queries.landslide_detections(s, landslide.id)
            if one.not_after <= alert.sensed_at
        ]
    looks: list[Acquisition] = []
    radar, history = _radar(services, alert, region, found, looks)
    seen = _optical(services, alert, region, found, looks)
    return Sights(radar, seen, history, tuple(looks))


def _radar(
    services: Services,
    alert: Alert,
    region: WatchedRegion,
    found: Sequence[Detection],
    looks: list[Acquisition],
) -> tuple[RadarSight | str, History | str]:
    by_radar = [one for one in found if one.source is Sensor.SAR]
    if not by_radar:
        return "radar has not seen it", "radar has not seen it"
    detection = max(by_radar, key=lambda one: one.evidence)
    try:
        with transaction(services.engine) as s:
            look = queries.get_acquisition(s, detection.acquisition_id)
        passes = _read(services, alert, region, look)
        looks.append(look)
        return _radar_sight(alert.landslide, detection, look, passes, services), _history(
            alert.landslide, look, passes
        )
    except (ScarpwatchError, LookupError) as error:
        return _unreadable(error), "no look could be read"


def _unreadable(error: Exception) -> str:
    """Return why a look is not shown; an item may lack what it was judged by (``LookupError``)."""
    why = str(error) if isinstance(error, ScarpwatchError) else "it lacks a band"
    return f"the look cannot be read just now: {why}"


def _read(services: Services, alert: Alert, region: WatchedRegion, look: Acquisition) -> _Passes:
    """Read the passes of a track before a look, the look, and those after it."""
    landslide = alert.landslide
    catalogue = services.catalogue_of(look)
    with transaction(services.engine) as s:
        earlier = queries.previous_acquisitions(
            s, look, look.sensed_at - SAME_PASS, MAXIMUM_LOOKS + SPARE_PASSES, alert.published_at
        )
        later = queries.looks_over(
            s, landslide.geometry, Sensor.SAR, since=look.sensed_at + SAME_PASS,
            until=alert.sensed_at, published_until=alert.published_at,
            sources={*region.sources, look.source},
        )  # fmt: skip
    grid = _window(look, landslide, catalogue)
    bands = look.polarisations
    post = read_pass([look], bands, grid, catalogue)
    same = [one for one in earlier if set(bands) <= set(one.polarisations)]
    read = list(_readable(group_passes(same)[::-1], bands, grid, catalogue, MAXIMUM_LOOKS))[::-1]
    follow = [
        one
        for one in later
        if (one.track, one.source) == (look.track, look.source)
        and set(bands) <= set(one.polarisations)
    ]
    after = _readable(group_passes(follow), bands, grid, catalogue, LATER_PASSES)
    return _Passes(
        grid, tuple(items for items, _ in read), tuple(gamma0 for _, gamma0 in read), post,
        tuple((items[0], gamma0) for items, gamma0 in after),
    )  # fmt: skip


def _readable(
    passes: Sequence[Sequence[Acquisition]],
    bands: Sequence[str],
    grid: Grid,
    catalogue: Catalogue,
    enough: int,
) -> Iterator[tuple[Sequence[Acquisition], FloatArray]]:
    """Read the first passes that can be read; the picture does without the others."""
    read = partial(read_pass, polarisations=bands, grid=grid, catalogue=catalogue)
    sure = 0 if charges(catalogue) else enough
    count = 0
    with reading_ahead(read, passes, sure) as reads:
        for items, look in zip(passes, reads, strict=True):
            if count == enough:
                return
            try:
                gamma0 = look()
            except ScarpwatchError:
                continue
            count += 1
            yield items, gamma0


def _window(look: Acquisition, landslide: Landslide, catalogue: Catalogue) -> Grid:
    """Return the part of a product's grid around a landslide.

    Raises:
        NothingObserved: the product no longer covers it.
    """
    whole = product_grid(look, look.polarisations[0], GAMMA0, catalogue)
    outline = to_projected(landslide.geometry, whole.epsg)
    bounds, rows, columns = crop_around(whole, [outline])
    if rows.stop <= rows.start or columns.stop <= columns.start:
        raise NothingObserved(f"{look.item_id} does not cover it")
    transform = whole.transform @ whole.transform.translation(columns.start, rows.start)
    del bounds
    return Grid(whole.epsg, transform, rows.stop - rows.start, columns.stop - columns.start)


def _own(outline: BaseGeometry, grid: Grid) -> BoolArray:
    """Return the pixels (y, x) of an outline, at least one where it lies on the grid."""
    for touched in (False, True):
        own: BoolArray = features.geometry_mask(
            [outline], grid.shape, grid.transform, invert=True, all_touched=touched
        )
        if own.any():
            break
    return own


def _radar_sight(
    landslide: Landslide,
    detection: Detection,
    look: Acquisition,
    passes: _Passes,
    services: Services,
) -> RadarSight:
    grid = passes.grid
    outline = to_projected(landslide.geometry, grid.epsg)
    clean = [
        number
        for number, items in enumerate(passes.before)
        if items[0].sensed_at <= detection.not_before
    ] or list(range(len(passes.before)))
    shape = (0, *grid.shape)
    stack = np.stack([passes.gamma0[n][0] for n in clean]) if clean else np.zeros(shape, np.float32)
    codes = _unseen(look, passes, services)
    moments = [passes.before[number][0].sensed_at for number in clean]
    spans = f"{moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d}" if moments else "no look"
    state = look.orbit_state or OrbitState.ASCENDING
    azimuth = viewing_on(grid, state, INCIDENCE).azimuth
    track = f"track {look.relative_orbit}, {state.value}"
    line = WATER if landslide.kind is Kind.PONDING else SUSPECTED
    if landslide.source is Sensor.OPTICAL or landslide.verdict_at is not None:
        # By now the outline is that of an optical look; radar's own is the detection's.
        outline = to_projected(detection.polygon, grid.epsg)
    post_db = to_db(Power(passes.post[0]))
    return RadarSight(
        bounds=grid.bounds,
        pre=median_of_looks(to_db(Power(stack))),
        post=np.where(codes == Unseen.SEEN, post_db, np.float32(np.nan)),
        unseen=codes,
        hidden=_hidden(codes, _own(outline, grid)),
        outlines=((outline, line),),
        geometry=f"{_mission(look)} {track}",
        pre_lines=(f"median of {len(clean)} looks", spans),
        post_lines=(f"{look.sensed_at:%Y-%m-%d %H:%M} UTC", track),
        band=look.polarisations[0],
        flight=(azimuth - 90.0) % 360,
        look=azimuth,
    )


def _mission(look: Acquisition) -> str:
    """Return the platform as people write it."""
    return look.platform.replace("sentinel", "Sentinel").upper().replace("SENTINEL", "Sentinel")


def _unseen(look: Acquisition, passes: _Passes, services: Services) -> NDArray[np.uint8]:
    """Return why pixels (y, x) of a look could not be judged, codes of ``Unseen``."""
    mask = read_mask(look, passes.grid, services.catalogue_of(look))
    if len(passes.before) >= MINIMUM_LOOKS:
        bands, grid = look.polarisations, passes.grid
        pre = stack_looks(passes.gamma0, passes.before, bands, grid)
        post = stack_looks([passes.post], [[look]], bands, grid)
        try:
            return normalise(pre, post, mask).unseen
        except NothingObserved as error:
            if error.unseen is not None:
                return error.unseen
    codes = np.where(np.isfinite(passes.post).all(axis=0), Unseen.SEEN, Unseen.NO_DATA)
    return (codes if mask is None else np.where(mask == Unseen.SEEN, codes, mask)).astype(np.uint8)


def _hidden(codes: NDArray[np.uint8], own: BoolArray) -> Mapping[Unseen, float]:
    """Return the share of the outline's pixels that could not be seen, by reason."""
    if not own.any():
        return {}
    found, counts = np.unique(codes[own], return_counts=True)
    total = int(counts.sum())
    return {Unseen(c): int(n) / total for c, n in zip(found, counts, strict=True) if c}


def _history(landslide: Landslide, look: Acquisition, passes: _Passes) -> History | str:
    """Return the mean backscatter of the landslide's own pixels, look by look."""
    own = _own(to_projected(landslide.geometry, passes.grid.epsg), passes.grid)
    looks = [(items[0], gamma0) for items, gamma0 in zip(passes.before, passes.gamma0, strict=True)]
    looks += [(look, passes.post), *passes.after]
    if len(looks) < 3 or not own.any():
        return f"{len(looks)} looks of this track could be read, too few for a curve"
    water = PondingLevels().water_db if landslide.kind is Kind.PONDING else ()
    return History(
        tuple(one.sensed_at for one, _ in looks),
        {
            name: tuple(_mean_db(gamma0[band][own]) for _, gamma0 in looks)
            for band, name in enumerate(look.polarisations)
        },
        dict(zip(look.polarisations, water, strict=False)),
    )


def _mean_db(gamma0: FloatArray) -> float:
    """Return the mean power of pixels in dB, NaN where most of them are missing."""
    seen = np.isfinite(gamma0)
    if seen.mean() < 0.5:
        return math.nan
    return float(to_db(Power(gamma0[seen].mean(keepdims=True)))[0])


def _optical(
    services: Services,
    alert: Alert,
    region: WatchedRegion,
    found: Sequence[Detection],
    looks: list[Acquisition],
) -> Sight | str | None:
    """Read the optical look that decided, else the last clear one, else the one that found it."""
    landslide = alert.landslide
    with transaction(services.engine) as s:
        versions = {one.revision: one for one in queries.landslide_history(s, landslide.id)}
        checks = [
            one
            for one in optical.optical_checks(s, landslide.id)
            if one.sensed_at <= alert.sensed_at and one.revision <= landslide.revision
        ]
        said = _telling(landslide, checks)
        first = next((one for one in found if one.source is Sensor.OPTICAL), None)
        shown = said or first
        if shown is None:
            return _clouded(checks)
        look = queries.get_acquisition(s, shown.acquisition_id)
    judged = landslide if said is None else versions[said.revision]
    try:
        before, after = around(services, region, judged, look)
        pair = look_at(judged, look, before, after, services.catalogue_of, forgiving=True)
    except (ScarpwatchError, LookupError) as error:
        return _unreadable(error)
    looks.append(look)
    return _optical_sight(judged, said, look, pair)


def _telling(landslide: Landslide, checks: Sequence[OpticalCheck]) -> OpticalCheck | None:
    """Return the check that decided, else the last that saw something."""
    decided = [one for one in checks if one.sensed_at == landslide.verdict_at]
    clear = [one for one in checks if one.finding is not Finding.NOT_SEEN]
    return next(iter([*decided, *clear[::-1]]), None)


def _clouded(checks: Sequence[OpticalCheck]) -> str | None:
    """Return why no optical look is shown, None where there was none."""
    if not checks:
        return None
    last = checks[-1]
    reasons = " and ".join(name.replace("_", " ") for name in last.unseen) or "nothing clear"
    looks = "1 look" if len(checks) == 1 else f"{len(checks)} looks"
    return f"could not be seen so far ({looks}, the last {last.sensed_at:%Y-%m-%d}: {reasons})"


def _optical_sight(
    judged: Landslide, said: OpticalCheck | None, look: Acquisition, pair: Pair
) -> Sight:
    grid = pair.grid
    first = FIRST_OPTICAL if judged.source is Sensor.OPTICAL else SUSPECTED
    if judged.kind is Kind.PONDING:
        first = WATER
    outlines = [(to_projected(judged.geometry, grid.epsg), first)]
    if said is not None and said.outline is not None:
        outlines.append((to_projected(said.outline, grid.epsg), DECIDED))
    bounds, rows, columns = crop_around(grid, [outline for outline, _ in outlines])
    pre, post = (true_colour(one)[rows, columns] for one in (pair.pre, pair.post))
    blind = ~np.isfinite(post).all(axis=-1)
    codes = np.where(blind, pair.unseen[rows, columns], np.uint8(Unseen.SEEN)).astype(np.uint8)
    after = sorted({*pair.post.sensed_at, look.sensed_at})
    several = f", and {len(after) - 1} earlier" if len(after) > 1 else ""
    tile = look.tile or "unknown"
    return Sight(
        bounds=bounds,
        pre=pre,
        post=post,
        unseen=codes,
        hidden=_hidden(pair.unseen, pair.own),
        outlines=tuple(outlines),
        geometry=f"{_mission(look)} tile {tile}",
        pre_lines=_dates(pair),
        post_lines=(f"{look.sensed_at:%Y-%m-%d %H:%M} UTC", f"tile {tile}{several}"),
    )


def _dates(pair: Pair) -> tuple[str, str]:
    """Return how many looks there were before, and when."""
    moments = sorted(set(pair.pre.sensed_at))
    if not moments:
        return "no clear look", ""
    count = "1 look" if len(moments) == 1 else f"greenest of {len(moments)} looks"
    first, last = f"{moments[0]:%Y-%m-%d}", f"{moments[-1]:%Y-%m-%d}"
    return count, first if first == last else f"{first} to {last}"
