"""Outlines of one landslide as SVG: every version, and what optical looks drew. No script."""

from __future__ import annotations

from dataclasses import dataclass

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from alerts.panels import scale_length
from detectors.projections import to_projected
from flows.dossiers import Dossier

_WIDTH, _HEIGHT = 640, 420
_MARGIN = 46
#: Metres of ground shown at least, from side to side.
_LEAST_M = 240.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One outline."""

    path: str
    """``d`` of an SVG path."""
    kind: str
    """``now``, ``before`` or ``optical``: its class."""
    title: str
    """What it is."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """All outlines on one sheet."""

    width: int
    """Of the view box."""
    height: int
    """Likewise."""
    traces: tuple[Trace, ...]
    """From below to above."""
    bar: float
    """Length of the scale bar in the view box."""
    bar_label: str
    """What it is in metres."""


def sketch(known: Dossier) -> Sketch | None:
    """Return the outlines of a landslide, None where it has none."""
    latest = known.latest
    if latest.geometry.is_empty:
        return None
    middle = latest.geometry.representative_point()
    epsg = (32600 if middle.y >= 0 else 32700) + int((middle.x + 180) // 6) % 60 + 1
    drawn: list[tuple[BaseGeometry, str, str]] = []
    seen: set[bytes] = {latest.geometry.normalize().wkb}
    for version in known.versions[:-1]:
        shape = version.geometry.normalize().wkb
        if shape not in seen:
            seen.add(shape)
            drawn.append((version.geometry, "before", f"version {version.revision}"))
    drawn += [
        (check.outline, "optical", f"optical look of {check.sensed_at:%Y-%m-%d}")
        for check in known.checks
        if check.outline is not None
    ]
    drawn.append((latest.geometry, "now", f"version {latest.revision}, now"))
    shapes = [(to_projected(shape, epsg), kind, title) for shape, kind, title in drawn]
    bounds = [shape.bounds for shape, _, _ in shapes]
    west, south = (min(b[k] for b in bounds) for k in (0, 1))
    east, north = (max(b[k] for b in bounds) for k in (2, 3))
    inner = (_WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN)
    metres = max((east - west) / inner[0], (north - south) / inner[1], _LEAST_M / _WIDTH)
    x0, y0 = (west + east) / 2, (south + north) / 2

    def path(shape: BaseGeometry) -> str:
        rings = []
        for part in getattr(shape, "geoms", [shape]):
            if isinstance(part, Polygon):
                for ring in (part.exterior, *part.interiors):
                    points = (
                        f"{_WIDTH / 2 + (x - x0) / metres:.1f} "
                        f"{_HEIGHT / 2 - (y - y0) / metres:.1f}"
                        for x, y in ring.coords
                    )
                    rings.append("M" + "L".join(points) + "Z")
        return "".join(rings)

    length = scale_length(_WIDTH * metres)
    return Sketch(
        _WIDTH, _HEIGHT, tuple(Trace(path(shape), kind, title) for shape, kind, title in shapes),
        length / metres, f"{length} m" if length < 1000 else f"{length // 1000} km",
    )  # fmt: skip
