"""What the picture of an optical verdict shows, out of records and pixels. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from alerts import wording
from alerts.message import credit
from alerts.optical_pictures import ExplainedOptical
from alerts.panels import Bounds, Line
from alerts.rules import marks
from detectors.projections import to_projected
from detectors.types import Composite, FloatArray, Grid, Landslide, OpticalCheck, Sensor, Unseen

#: Ground shown around the outlines, as a multiple of their size, and at least so far from their
#: middle, metres.
_MARGIN_SHARE, _LEAST_HALF_M = 0.8, 300.0
_COLOURS = ("red", "green", "blue")
_OPTICAL = Line("outline of the optical look", "#ff5a3c")


def explain_optical(
    landslide: Landslide,
    check: OpticalCheck,
    suspected: BaseGeometry,
    pre: Composite,
    post: Composite,
    unseen: NDArray[np.uint8],
    change: FloatArray | None,
    *,
    region_name: str,
    exercise: bool,
) -> ExplainedOptical:
    """Gather what one picture shows.

    Args:
        landslide: Its latest version.
        check: What the look said.
        suspected: Outline that was judged, EPSG:4326, lon/lat.
        pre: Before.
        post: After, on the same grid.
        unseen: uint8 (y, x), why the judged look could not see a pixel.
        change: (y, x), NDVI change against the surroundings; None where nothing was compared.
        region_name: What people call the region.
        exercise: Drawn for an exercise; a simulated landslide is one anyway.

    Raises:
        ValueError: a composite lacks red, green or blue.
    """
    grid = post.grid
    eye = "radar" if landslide.source is Sensor.SAR else "first optical look"
    first = Line(f"outline of the {eye}", "#ffd54a", "--")
    outlines = [(to_projected(suspected, grid.epsg), first)]
    if check.outline is not None:
        outlines.append((to_projected(check.outline, grid.epsg), _OPTICAL))
    bounds, rows, columns = crop_around(grid, [outline for outline, _ in outlines])
    before, after = (true_colour(one)[rows, columns] for one in (pre, post))
    blind = ~np.isfinite(after).all(axis=-1)
    relative = np.full(grid.shape, np.nan, dtype=np.float32) if change is None else change
    marked = marks(exercise=exercise, simulated=landslide.simulated)
    what = wording.finding(landslide.kind)
    return ExplainedOptical(
        title=f"{marked}{': ' if marked else ''}{landslide.state.value} {what}",
        facts=_facts(landslide, region_name),
        bounds=bounds,
        pre=before,
        post=after,
        unseen=np.where(blind, unseen[rows, columns], np.uint8(Unseen.SEEN)),
        change=relative[rows, columns],
        outlines=tuple(outlines),
        pre_line=_dates(pre.sensed_at, clock=False),
        post_line=_dates((*post.sensed_at, check.sensed_at), clock=True),
        finding=check.finding,
        figures=_figures(check),
        credit=credit(
            min((*pre.sensed_at, landslide.not_before)), check.sensed_at, check.item_ids[-1]
        ),
    )


def true_colour(composite: Composite) -> FloatArray:
    """Return red, green and blue along the last axis."""
    chosen = [composite.bands.index(name) for name in _COLOURS]
    return np.moveaxis(composite.reflectance[chosen], 0, -1)


def crop_around(grid: Grid, outlines: Sequence[BaseGeometry]) -> tuple[Bounds, slice, slice]:
    """Return the square around the outlines, as far as there are pixels: its bounds and pixels."""
    boxes = np.array([outline.bounds for outline in outlines])
    (left, low), (right, high) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    half = max(max(right - left, high - low) * (0.5 + _MARGIN_SHARE), _LEAST_HALF_M)
    x, y = (left + right) / 2, (low + high) / 2
    first, top = ~grid.transform @ (x - half, y + half)
    last, bottom = ~grid.transform @ (x + half, y - half)
    rows = slice(max(0, round(top)), min(grid.height, round(bottom)))
    columns = slice(max(0, round(first)), min(grid.width, round(last)))
    west, north = grid.transform @ (columns.start, rows.start)
    east, south = grid.transform @ (columns.stop, rows.stop)
    return (west, south, east, north), rows, columns


def _facts(landslide: Landslide, region_name: str) -> str:
    """Return where it is, how large, and what radar saw."""
    point = wording.place(landslide.geometry)
    where = "place unknown" if point is None else f"{point[1]:.5f}, {point[0]:.5f} (lat, lon)"
    radar = f"Radar: backscatter {wording.change(landslide.change_db)}"
    if landslide.change_db is None:
        radar = "Radar has not seen it"
    return (
        f"{wording.one_line(region_name, 40)}: {where}; {wording.area(landslide.area_m2)}\n"
        f"{radar}; tier {landslide.tier.value}"
    )


def _dates(moments: tuple[datetime, ...], *, clock: bool) -> str:
    """Return when looks were taken: their number, and the first and last of them."""
    looks = sorted(set(moments))
    if not looks:
        return "no clear look"
    last = wording.moment(looks[-1]) if clock else f"{looks[-1]:%Y-%m-%d}"
    if len(looks) == 1:
        return last
    return f"{len(looks)} looks, {looks[0]:%Y-%m-%d} to {last}"


def _figures(check: OpticalCheck) -> tuple[tuple[str, str], ...]:
    """Return the numbers of a check, in words; those that are not known are left out."""
    figures = [("clear", f"{check.share_clear:.0%} of its pixels")]
    if check.unseen:
        hidden = ", ".join(f"{name} {share:.0%}" for name, share in check.unseen.items())
        figures.append(("hidden", wording.one_line(hidden, 34)))
    if check.ndvi_before is not None:
        figures.append(("NDVI before", wording.hundredths(check.ndvi_before)))
    if check.d_ndvi is not None:
        shift = wording.hundredths(check.d_ndvi, signed=True)
        figures.append(("NDVI change", f"{shift} to surroundings"))
    if check.share_changed is not None:
        figures.append(("changed", f"{check.share_changed:.0%} of its clear pixels"))
    if check.ensemble_score is not None:
        figures.append(("ensemble", f"{wording.hundredths(check.ensemble_score)} of 1, a score"))
    return tuple(figures)
