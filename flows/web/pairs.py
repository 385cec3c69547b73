"""Before and after as two pictures of one grid and one stretch, pixel on pixel. For the slider."""

from __future__ import annotations

import base64
import io
import json
import uuid
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from alerts.alert_picture import RadarSight, Sight
from alerts.message import credit
from alerts.panels import VEILS, Line, scale_length, stretch
from alerts.rules import marks
from db import queries
from db.engine import transaction
from detectors.errors import ConfigurationError, NothingObserved
from detectors.types import Alert, BoolArray, FloatArray, Landslide, Sensor, Unseen
from flows.alert_sights import Sights, sights
from flows.services import Services

#: Longer side of a picture, pixels, at least; pixels of the ground stay squares.
_SIDE = 720
#: Brightens the dark, where forests are.
_GAMMA = 1 / 1.5
_BLIND = (217, 217, 217)
_HATCH = (120, 120, 120)


def draw_pair(services: Services, subject: tuple[uuid.UUID, Sensor]) -> bytes:
    """Draw what one eye saw of a landslide before and after.

    Returns:
        JSON: ``before`` and ``after`` (PNG, base64), ``about`` (what they show, in words).

    Raises:
        ScarpwatchError: there is no such landslide, or nothing of that kind can be shown.
    """
    landslide_id, eye = subject
    with transaction(services.engine) as s:
        landslide = queries.get_landslide(s, landslide_id)
        if landslide is None:
            raise ConfigurationError(f"no landslide {landslide_id}")
        region = queries.get_region(s, landslide.region_id, include_removed=True)
    now = services.clock.now()
    # As an alert of this moment would show it; nobody is told.
    alert = Alert(landslide, "updated", region.name, region.tags, "", now, now, exercise=True)
    exercise = services.settings.exercise or landslide.simulated
    marked = marks(exercise=exercise, simulated=landslide.simulated)
    found = sights(services, alert)
    sight, low, high, words = _stretched(found, eye)
    before, after = (_colours(side, low, high) for side in (sight.pre, sight.post))
    about: dict[str, Any] = {
        "marks": marked,
        "title": words,
        "before": ", ".join(filter(None, sight.pre_lines)),
        "after": ", ".join(filter(None, sight.post_lines)),
        "lines": [line.label for line in dict.fromkeys(line for _, line in sight.outlines)],
        "unseen": [VEILS[Unseen(code)].label for code in np.unique(sight.unseen) if code],
        "credit": _credit(landslide, found),
    }
    empty = np.zeros(sight.unseen.shape, dtype=bool)
    return json.dumps(
        {
            "before": _png(before, empty, sight, marked),
            "after": _png(after, sight.unseen != Unseen.SEEN, sight, marked),
            "about": about,
        }
    ).encode()


def _stretched(found: Sights, eye: Sensor) -> tuple[Sight, float, float, str]:
    """Return what an eye saw, the range that is drawn from black to white, and both in words."""
    if eye is Sensor.SAR:
        radar = found.radar
        if not isinstance(radar, RadarSight):
            raise NothingObserved(radar)
        low, high = stretch(
            radar.pre, radar.post, percentiles=(2, 98), least=6.0, empty=(-25.0, 0.0)
        )
        scale = f"black {low:.0f} dB, white {high:.0f} dB"
        return radar, low, high, f"Radar, {radar.geometry}, {radar.band}; {scale} on both sides"
    seen = found.optical
    if not isinstance(seen, Sight):
        raise NothingObserved(seen or "no optical look has been held against it so far")
    low, high = stretch(seen.pre, seen.post, percentiles=(1, 99), least=0.05, empty=(0.0, 0.3))
    return seen, low, high, f"Optical, {seen.geometry}; true colour, one stretch on both sides"


def _credit(landslide: Landslide, found: Sights) -> str:
    owed = [credit(landslide.not_before, one.sensed_at, one.item_id) for one in found.looks]
    return "; ".join(dict.fromkeys(owed))


def _colours(layer: FloatArray, low: float, high: float) -> NDArray[np.uint8]:
    """Return (y, x, 3) from 0 to 255; grey where there is nothing."""
    scaled = np.clip((layer - low) / (high - low), 0, 1)
    grey = scaled.ndim == 2
    scaled = np.repeat(scaled[..., None], 3, axis=-1) if grey else scaled**_GAMMA
    blind = ~np.isfinite(scaled).all(axis=-1)
    made: NDArray[np.uint8] = (np.nan_to_num(scaled) * 255).astype(np.uint8)
    made[blind] = _BLIND
    return made


def _png(colours: NDArray[np.uint8], blind: BoolArray, sight: Sight, marked: str) -> str:
    """Return a picture with outlines, hatches where the look was blind, scale and marks."""
    height, width = colours.shape[:2]
    times = max(1, -(-_SIDE // max(height, width)))
    fine = np.kron(colours, np.ones((times, times, 1), dtype=np.uint8))
    rows, columns = np.indices(fine.shape[:2])
    hatched = np.kron(blind, np.ones((times, times), dtype=bool)) & ((rows + columns) % 12 < 2)
    fine[hatched] = _HATCH
    image = Image.fromarray(fine)
    pen = ImageDraw.Draw(image)
    west, south, east, north = sight.bounds
    size = image.size
    for outline, line in sight.outlines:
        for ring in _rings(outline):
            points = [
                ((x - west) / (east - west) * size[0], (north - y) / (north - south) * size[1])
                for x, y in ring
            ]
            pen.line(points, fill="#202020", width=5, joint="curve")
            _trace(pen, points, line)
    _scale(pen, size, east - west)
    if marked:
        font = ImageFont.load_default(26)
        box = pen.textbbox((12, 10), marked, font=font)
        pen.rectangle((box[0] - 8, box[1] - 6, box[2] + 8, box[3] + 6), fill="#8a0f6b")
        pen.text((12, 10), marked, font=font, fill="white")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def _rings(outline: BaseGeometry) -> list[list[tuple[float, float]]]:
    parts = getattr(outline, "geoms", [outline])
    return [list(one.exterior.coords) for one in parts if isinstance(one, Polygon)]


def _trace(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], line: Line) -> None:
    """Draw a line, with gaps where it is a dashed one."""
    if line.dashes == "-":
        pen.line(points, fill=line.colour, width=3)
        return
    for (x0, y0), (x1, y1) in pairwise(points):
        length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
        for start in np.arange(0, length, 14):
            end = min(start + 8, length)
            pen.line(
                [
                    (x0 + (x1 - x0) * at / length, y0 + (y1 - y0) * at / length)
                    for at in (start, end)
                ],
                fill=line.colour, width=3,
            )  # fmt: skip


def _scale(pen: ImageDraw.ImageDraw, size: tuple[int, int], ground: float) -> None:
    """Draw a bar of a round length in the lower left corner."""
    length = scale_length(ground)
    long = size[0] * length / ground
    x, y = 16, size[1] - 20
    label = f"{length} m" if length < 1000 else f"{length // 1000} km"
    font = ImageFont.load_default(18)
    pen.rectangle((x - 8, y - 30, x + long + 8, y + 10), fill="#ffffff")
    pen.rectangle((x, y - 2, x + long, y + 2), fill="#111111")
    pen.text((x, y - 26), label, font=font, fill="#111111")
