"""Composites below a landslide's outline: which are there, where their tiles are, and why not.

A tile is asked for by item, layer, look and checksum, all of which are looked up; the file is that
of the row. Stretches are fixed, so that a pixel has one colour on every page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from shapely.geometry import mapping

from alerts.rules import marks
from db import composites
from db.engine import transaction
from db.records import CompositeRecord
from db.records import Layer as Kept
from detectors.types import Landslide, Sensor, Unseen
from flows.keeping import credits_of
from flows.services import Services
from flows.web import tiles
from flows.web.tiles import Colours

#: Kind of tiles.
KIND = "composite"
#: Hexadecimal digits of a file's checksum in the name of its tiles.
_DIGITS = 12
#: Looks that can be chosen from, at most.
_MOST = 40
_NAME = re.compile(rf"([A-Za-z0-9_-]{{1,120}})\.([a-z]+)\.([a-z]+)\.([0-9a-f]{{{_DIGITS}}})")
#: What is drawn from one end of the colours to the other: dB of gamma0, reflectance, sigma, 0 to 1.
RANGES: Mapping[str, tuple[float, float]] = {
    "VV": (-20.0, 0.0), "HH": (-20.0, 0.0), "VH": (-27.0, -7.0), "HV": (-27.0, -7.0),
    "red": (0.0, 0.2), "green": (0.0, 0.2), "blue": (0.0, 0.2), "nir": (0.0, 0.5),
    "score": (-8.0, 8.0), "ensemble": (0.0, 1.0),
}  # fmt: skip
#: Bands that become red, green and blue, or grey, and what people call that.
STYLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vv": ("VV, grey", ("VV",)),
    "hh": ("HH, grey", ("HH",)),
    "vvvh": ("VV and VH, in colour", ("VV", "VH", "VV")),
    "hhhv": ("HH and HV, in colour", ("HH", "HV", "HH")),
    "true": ("true colour", ("red", "green", "blue")),
    "nir": ("near infrared, false colour", ("nir", "red", "green")),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What one eye left of a landslide."""

    reason: str = ""
    """Why there is no map; empty where there is one."""
    styles: Mapping[str, str] = field(default_factory=dict)
    """Ways of drawing, by name: what people call them."""
    looks: tuple[str, ...] = ()
    """What can be chosen from, oldest first."""
    chosen: int = 0
    """Which of them is shown first."""
    score: str = ""
    """What the map of scores shows; empty where there is none."""
    marks: str = ""
    """EXERCISE, SIMULATED or nothing."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """For the script: outline and layers."""


class Composites:
    """Says what can be shown, and resolves names of tiles."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def shown(self, one: Landslide, eye: Sensor, kept: Sequence[CompositeRecord]) -> Shown:
        """Return what one eye left of a landslide.

        Args:
            one: the landslide.
            eye: whose looks.
            kept: all layers of the landslide, those of an item side by side.
        """
        settings = self._services.settings
        mine = [layer for layer in kept if layer.sensor is eye]
        found = [
            {layer.kind: layer for layer in layers}
            for _, layers in groupby(mine, lambda layer: layer.stac_id)
        ]
        there = [
            layers
            for layers in found
            if _style(layers) and all(self._file(one) for one in layers.values())
        ]
        if one.geometry.is_empty:
            return Shown("it has no outline")
        if not there:
            if mine:
                return Shown("the files of its composites are not there")
            if not settings.keep_composites_days:
                return Shown("no composites are kept here (keep_composites_days is 0)")
            return Shown(
                "no composites are there: none of its looks was judged since they are kept, or"
                f" they went after {settings.keep_composites_days} days"
            )
        # Radar's first look shows the change best: later ones are held against ground that slid.
        chosen = there[-_MOST:] if eye is Sensor.SAR else there[:_MOST]
        chosen.reverse()
        looks = [self._look(one, layers) for layers in chosen]
        number = 0 if eye is Sensor.SAR else len(looks) - 1
        drawn = [style for style in STYLES if any(style in look["before"] for look in looks)]
        scores = {look["scored"] for look in looks if look["score"]}
        return Shown(
            styles={style: STYLES[style][0] for style in drawn},
            looks=tuple(look["label"] for look in looks), chosen=number,
            score="; ".join(sorted(scores)),
            marks=next(filter(None, (look["marks"] for look in looks)), ""),
            data={"outline": mapping(one.geometry), "looks": looks},
        )  # fmt: skip

    def resolve(self, name: str) -> tiles.Layer | None:
        """Return the raster of a name: ITEM.LAYER.STYLE.CHECKSUM."""
        asked = _NAME.fullmatch(name)
        if asked is None:
            return None
        item, kind, style, digits = asked.groups()
        with transaction(self._services.engine) as s:
            layers = composites.items(s, [item]).get(item, [])
        for one in layers:
            if one.kind == kind and one.sha256[:_DIGITS] == digits and self._file(one):
                return self._drawn(one, style)
        return None

    def _drawn(self, one: CompositeRecord, style: str) -> tiles.Layer | None:
        path = self._services.settings.composites / one.path
        if one.kind is Kept.UNSEEN:
            return tiles.Layer(path, colours=UNSEEN, smooth=False) if style == "codes" else None
        if one.kind is Kept.SCORE:
            if style not in COLOURS or style not in one.bands:
                return None
            bands: tuple[str, ...] = (style,)
        else:
            if style not in styles(one):
                return None
            bands = STYLES[style][1]
        return tiles.Layer(
            path,
            tuple(one.bands.index(b) + 1 for b in bands),
            tuple((RANGES[b][0] / one.scale, RANGES[b][1] / one.scale) for b in bands),
            COLOURS.get(style),
        )

    def _file(self, one: CompositeRecord) -> bool:
        return (self._services.settings.composites / one.path).is_file()

    def _look(self, one: Landslide, layers: Mapping[Kept, CompositeRecord]) -> dict[str, Any]:
        pre, post = layers[Kept.PRE], layers[Kept.POST]
        score, unseen = layers.get(Kept.SCORE), layers.get(Kept.UNSEEN)
        band = next((name for name in COLOURS if score and name in score.bands), None)
        simulated = one.simulated or any(layer.simulated for layer in layers.values())
        items = (*pre.item_ids, *(item for item in post.item_ids if item not in pre.item_ids))
        west, south, east, north = post.geometry.bounds
        return {
            "label": f"{post.sensed_at:%Y-%m-%d %H:%M} UTC",
            "bounds": [[south, west], [north, east]],
            "before": {style: address(pre, style) for style in styles(pre)},
            "after": {style: address(post, style) for style in styles(post)},
            "words": {"before": _words(pre), "after": _words(post)},
            "score": address(score, band) if score and band else None,
            "scored": "" if band is None else _SAID[band],
            "unseen": address(unseen, "codes") if unseen else None,
            "credit": credits_of(items, (pre.begins_at, post.ends_at)),
            "marks": marks(exercise=self._services.settings.exercise, simulated=simulated),
        }


def address(one: CompositeRecord, style: str) -> str:
    """Return where the tiles of a layer are, drawn in one way."""
    return tiles.address(KIND, f"{one.stac_id}.{one.kind}.{style}.{one.sha256[:_DIGITS]}")


def styles(one: CompositeRecord) -> list[str]:
    """Return the ways in which before or after can be drawn."""
    return [name for name, (_, bands) in STYLES.items() if set(bands) <= set(one.bands)]


def _style(layers: Mapping[Kept, CompositeRecord]) -> bool:
    """Return whether both sides are there, and can be drawn in one way at least."""
    sides = [layers.get(kind) for kind in (Kept.PRE, Kept.POST)]
    drawn = [set(styles(side)) for side in sides if side is not None]
    return len(drawn) == 2 and bool(drawn[0] & drawn[1])


def _words(one: CompositeRecord) -> str:
    if one.looks == 1:
        return f"{one.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"{one.looks} looks, {one.begins_at:%Y-%m-%d} to {one.ends_at:%Y-%m-%d}"


def _ramp(red: int, green: int, blue: int, share: float) -> tuple[int, int, int, int]:
    return red, green, blue, round(235 * min(1.0, max(0.0, share)))


#: Blue where radar got darker, orange where brighter, clear below two sigma.
_CHANGE: Colours = {
    n: _ramp(*((178, 74, 0) if n > 127 else (0, 90, 160)), (abs(n - 127.5) / 127.5 - 0.25) / 0.5)
    for n in range(256)
}
#: Bands of score maps that are shown.
COLOURS: Mapping[str, Colours] = {
    "score": _CHANGE,
    "ensemble": {n: _ramp(178, 74, 0, (n / 255 - 0.1) / 0.7) for n in range(256)},
}
UNSEEN: Colours = {
    n: (90, 90, 90, 170) if Unseen.SEEN < n < 255 else (0, 0, 0, 0) for n in range(256)
}
_SAID = {
    "score": "orange brighter, blue darker than before, clear below 2 sigma, full from 6",
    "ensemble": "ensemble, clear below 0.1, full from 0.8; no probability of a landslide",
}
