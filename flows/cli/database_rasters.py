"""Kept composites as layers of the ready QGIS project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.errors import ConfigurationError

if TYPE_CHECKING:
    from db.rasters import Codes, Ramp, Raster, Stretch
    from db.records import CompositeRecord
    from flows.services import Services

#: Zoom of tiles beyond which QGIS magnifies.
_DEEPEST = 17


def rasters(services: Services, newest: int, page: str) -> tuple[Raster, ...]:
    """Return the layers of the newest looks that left some: score, after, before, not seen.

    Args:
        services: whose composites.
        newest: looks, at most.
        page: address of ``scarpwatch web``, whose tiles are shown; empty: files of this machine.

    Raises:
        ConfigurationError: an address that is none.
    """
    from alerts.rules import marks
    from db import composites, queries
    from db.engine import transaction
    from db.rasters import Raster, tiles_source
    from db.records import Layer
    from flows.stac_items import SAYS
    from flows.web.composites import address

    if page and not page.startswith(("http://", "https://")):
        raise ConfigurationError(f"--page {page}: write the address of the page, http://...")
    with transaction(services.engine) as s:
        found = composites.list_composites(s, limit=newest) if newest else []
        exercises = {
            one.id for one in queries.list_regions(s, include_removed=True) if one.simulated
        }
    made: list[Raster] = []
    order = (Layer.SCORE, Layer.POST, Layer.PRE, Layer.UNSEEN)
    found.sort(key=lambda one: (-one.sensed_at.timestamp(), one.stac_id, order.index(one.kind)))
    for one in found:
        path, style = (services.settings.composites / one.path).absolute(), _style(one)
        if style is None or not path.is_file():
            continue
        mark = marks(exercise=one.region_id in exercises, simulated=one.simulated)
        look = f"{one.region_id}, {one.sensor}, {one.sensed_at:%Y-%m-%d %H:%M} UTC"
        tiles = f"{page.rstrip('/')}{address(one, style)}"
        newest_shown = not made or made[0].group == f"{mark} {look}".strip()
        made.append(
            Raster(
                id=f"composite_{one.stac_id}_{one.kind}",
                title=f"{mark} {SAYS[one.kind]}".strip(),
                group=f"{mark} {look}".strip(),
                source=tiles_source(tiles, _DEEPEST) if page else str(path),
                epsg=3857 if page else one.epsg,
                drawn=None if page else _drawn(one, style),
                shown=newest_shown and one.kind in (Layer.SCORE, Layer.POST),
            )
        )
    return tuple(made)


def _style(one: CompositeRecord) -> str | None:
    """Return the way of drawing a layer, as the page names them; None: there is none."""
    from db.records import Layer
    from flows.web.composites import COLOURS, styles

    if one.kind is Layer.UNSEEN:
        return "codes"
    known = (
        [name for name in COLOURS if name in one.bands] if one.kind is Layer.SCORE else styles(one)
    )
    return known[0] if known else None


def _drawn(one: CompositeRecord, style: str) -> Stretch | Ramp | Codes:
    """Return how a file is drawn: as its tiles are."""
    from db.rasters import Codes, Ramp, Stretch
    from db.records import Layer
    from detectors.types import Unseen
    from flows.web.composites import COLOURS, RANGES, STYLES, UNSEEN

    if one.kind is Layer.UNSEEN:
        return Codes(
            tuple((code, UNSEEN[code], code.name.lower().replace("_", " ")) for code in Unseen)
        )
    if one.kind is Layer.SCORE:
        low, high = RANGES[style]
        colours = COLOURS[style]
        steps = range(0, 256, 15)
        return Ramp(
            one.bands.index(style) + 1,
            tuple((low + (high - low) * step / 255, colours[step]) for step in steps),
        )
    bands = STYLES[style][1]
    return Stretch(
        tuple(one.bands.index(band) + 1 for band in bands), tuple(RANGES[band] for band in bands)
    )
