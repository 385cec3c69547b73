"""A suspected landslide, waiting over a real optical series for its own pixels to be clear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from detectors.compositing import pair
from detectors.ensemble import EnsembleMap
from detectors.optical import OpticalRule, compare, judge, measure
from detectors.projections import to_lonlat
from detectors.types import Finding, Landslide, OpticalLook, State, Unseen
from detectors.verdicts import decide
from tests.judged import mask_of
from tests.records import Make

RULE = OpticalRule()
#: As many looks after as ``flows.examining`` takes.
POST_LOOKS = 3
#: What fresh debris reflects, by band.
DEBRIS = {"blue": 0.09, "green": 0.125, "red": 0.165, "nir": 0.235}
#: Farmland that reflects more red than this in the median lies under snow, frost or fog, and so
#: does whatever slid there.
WHITE = 0.15
THRESHOLD = 0.5


@dataclass(frozen=True)
class Heard:
    """What one look said."""

    day: str
    finding: Finding
    reason: str
    share_clear: float
    """Of the landslide's own pixels."""
    region_clear: float
    """Of the whole picture."""
    state: State
    """Of the landslide now."""


def wait(
    series: Sequence[OpticalLook], outline: BaseGeometry, after: int, *, bares: bool
) -> Iterator[Heard]:
    """Judge a suspicion by each look from ``after`` on, until one decides.

    The networks are stood in for: they were never trained on farmland, and what is asked here is
    when a look may speak at all. They see a landslide where one was planted and nothing elsewhere.

    Args:
        series: real looks, oldest first.
        outline: in the grid's coordinates.
        after: number of the first look after the event.
        bares: the ground is bare from then on; False: nothing happened that an eye could see.
    """
    grid = series[0].grid
    inside = mask_of(outline, grid)
    networks = EnsembleMap(
        mean=np.full(grid.shape, 0.9 if bares else 0.1, np.float32),
        spread=np.full(grid.shape, 0.05, np.float32),
        threshold=THRESHOLD,
        version="stand-in",
    )
    before = series[:after][::-1]
    landslide = suspected(series, outline, after)
    shown: list[OpticalLook] = []
    for look in series[after:]:
        shown.append(bared(look, inside) if bares else look)
        pre, post = pair(before, shown[::-1][:POST_LOOKS])
        compared = compare(landslide.geometry, pre, post, look.unseen, RULE)
        evidence = measure(compared, networks, RULE)
        since = look.sensed_at - landslide.not_after
        finding, reason = judge(evidence, THRESHOLD, since, RULE)
        check = Make().check(
            landslide, Make().optical(), sensed_at=look.sensed_at, finding=finding,
            reason=reason, outline=evidence.outline, outline_area_m2=evidence.area_m2,
        )  # fmt: skip
        landslide = decide(landslide, check) or landslide
        clear = float((look.unseen == Unseen.SEEN).mean())
        own = float((look.unseen[inside] == Unseen.SEEN).mean())
        yield Heard(f"{look.sensed_at:%Y-%m-%d}", finding, reason, own, clear, landslide.state)
        if landslide.state is not State.SUSPECTED:
            return


def suspected(series: Sequence[OpticalLook], outline: BaseGeometry, after: int) -> Landslide:
    """Return what the radar suspected between two looks."""
    place = MultiPolygon([to_lonlat(outline, series[0].grid.epsg)])
    detection = Make().detection(Make().acquisition())
    return Make().landslide(
        detection, geometry=place, area_m2=outline.area,
        not_before=series[after - 1].sensed_at,
        not_after=series[after].sensed_at - timedelta(days=1),
    )  # fmt: skip


def bared(look: OpticalLook, inside: np.ndarray) -> OpticalLook:
    """Plant debris in what a look shows, unless white lies on everything."""
    red = look.reflectance[look.bands.index("red")]
    seen = red[np.isfinite(red)]
    if seen.size and float(np.median(seen)) > WHITE:
        return look
    rng = np.random.default_rng(20221120)
    debris = np.array([DEBRIS[band] for band in look.bands])[:, None]
    reflectance = look.reflectance.copy()
    textured = debris * (1 + 0.1 * rng.normal(size=int(inside.sum())))
    reflectance[:, inside] = np.where(np.isfinite(reflectance[:, inside]), textured, np.nan)
    return replace(look, reflectance=reflectance)
