"""From stored numbers to reflectance: which offset counts for one asset, and what the pixels say.

Reflectance = stored number x scale + offset. Since processing baseline 04.00 ESA adds 1000 to every
number, so that the offset is -0.1; some producers take that off again when they copy a product.
The sensing date tells nothing: old scenes are reprocessed (Collection-1).

What is believed, in this order (``scaling``):

1. the producer says that it applied the offset: 0, even where the raster metadata beside it still
   say -0.1 (Earth Search writes both). The opposite word is not believed: it is known to be wrong;
2. the raster metadata of the very asset, where they are within reason;
3. the processing baseline;
4. nothing of these: the asset is refused, because a guess would be wrong by 0.1, which is more than
   vegetation reflects in red.

All of them have been wrong in public catalogues. So the pixels have the last word at every read
(``settle``): an offset applied twice makes dark ground negative wholesale; one that was left out
lets vegetation reflect more than a tenth in every visible band.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from detectors.errors import UnusableItem

#: Reflectance per stored number (quantification value 10000).
SCALE = 1e-4
#: Offset of reflectance since ``OFFSET_SINCE`` (BOA_ADD_OFFSET and RADIO_ADD_OFFSET, -1000).
OFFSET = -0.1
#: First processing baseline with an offset, major and minor.
OFFSET_SINCE = (4, 0)
#: Offsets outside are no offsets of reflectance, whatever the metadata say.
_BELIEVED = (-0.25, 0.0)
#: Dark ground may come out this far below 0, where the atmospheric correction overdoes shadow.
DARKEST = -0.03
#: Dense vegetation reflects less than this in blue, green and red.
BRIGHTEST_VEGETATION = 0.1
#: Bands that vegetation is dark in.
VISIBLE = ("blue", "green", "red")

_BASELINE = re.compile(r"N?(\d{1,2})\.(\d{1,2})|N?(\d{2})(\d{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the stored numbers of one asset become reflectance."""

    scale: float
    """Reflectance per stored number."""
    offset: float
    """Added afterwards; 0.0 where the producer has applied it already."""
    reason: str
    """Which source decided, and which one it overruled."""


def parse_baseline(text: str | None) -> tuple[int, int] | None:
    """Return major and minor of a processing baseline, None where the text names none.

    ``04.00``, ``4.0``, ``N0400``, ``0400`` and the test baseline ``99.99`` are all in use.
    """
    found = _BASELINE.fullmatch((text or "").strip())
    if found is None:
        return None
    major, minor = (found[1], found[2]) if found[1] else (found[3], found[4])
    return int(major), int(minor)


def has_offset(baseline: str | None) -> bool | None:
    """Tell whether ESA's numbers of a baseline carry the offset; None where it is unknown."""
    parsed = parse_baseline(baseline)
    return None if parsed is None else parsed >= OFFSET_SINCE


def scaling(
    baseline: str | None,
    raster_scale: float | None,
    raster_offset: float | None,
    *,
    applied: bool | None = None,
) -> Scaling:
    """Decide scale and offset of one asset; see the module for the order of belief.

    Args:
        baseline: processing baseline of the product, e.g. ``05.11`` or ``N0400``.
        raster_scale: of the asset's raster metadata; None where they give none.
        raster_offset: the same; reflectance, or stored numbers where it is below -1.
        applied: the producer's word that the offset is applied already; None where it says nothing.

    Raises:
        UnusableItem: the offset cannot be known, or the scale is none.
    """
    scale = SCALE if raster_scale is None else float(raster_scale)
    if not (math.isfinite(scale) and scale > 0):
        raise UnusableItem(f"raster scale {scale:g} is not usable")
    stated = None if raster_offset is None else _as_reflectance(float(raster_offset), scale)
    told = f", against the {stated:g} of the raster metadata" if stated else ""
    if applied:
        return Scaling(scale, 0.0, f"the producer has applied the offset{told}")
    carried = has_offset(baseline)
    expected = OFFSET if carried else 0.0
    if stated is not None and _BELIEVED[0] <= stated <= _BELIEVED[1]:
        against = "" if carried is None or stated == expected else f", against baseline {baseline}"
        return Scaling(scale, stated, f"raster metadata of the asset{against}")
    if carried is None:
        what = "no raster offset" if stated is None else f"a raster offset of {stated:g}"
        raise UnusableItem(f"offset unknown: no processing baseline, and {what}")
    return Scaling(scale, expected, f"baseline {baseline}{told}")


def _as_reflectance(offset: float, scale: float) -> float:
    """Return an offset in reflectance; some metadata give it in stored numbers."""
    return round(offset * scale if offset < -1 else offset, 9) + 0.0


def plausible_offset(dark_dn: float, scale: float, offset: float) -> bool:
    """Tell whether dark ground stays dark ground: not negative wholesale, as after two offsets.

    Args:
        dark_dn: low percentile of the stored numbers over clear ground, in one visible band.
        scale: reflectance per stored number.
        offset: to test.
    """
    return dark_dn * scale + offset >= DARKEST


def asks(offset: Mapping[str, float], baseline: str | None) -> tuple[bool, bool]:
    """Tell whether ``settle`` looks at dark ground, and whether at dark vegetation.

    Only what is taken away can be too much, and only where nothing is it can be missing.

    Args:
        offset: as stated, by band.
        baseline: processing baseline of the product.
    """
    taken, may_lack = any(offset.values()), bool(has_offset(baseline))
    return taken or may_lack, may_lack and not taken


def settle(
    dark: Mapping[str, float],
    green_dark: Mapping[str, float],
    scale: Mapping[str, float],
    offset: Mapping[str, float],
    baseline: str | None,
) -> dict[str, float]:
    """Return the offsets that the pixels allow, for all bands of one item at once.

    An offset that makes dark ground negative gives way to that of the baseline, and that to 0. A
    missing one is put in where vegetation is too bright for its absence, but only for products that
    may carry one. Anything else stays as it was stated: over bright ground the two cannot be told
    apart.

    Args:
        dark: low percentile of the stored numbers over clear ground, by band; ``asks`` says
            whether it is needed, and the next one.
        green_dark: the same over what the producer calls vegetation; empty where there is too
            little of it.
        scale: reflectance per stored number, by band.
        offset: as stated, by band.
        baseline: processing baseline of the product.
    """
    carried = has_offset(baseline)
    told = [band for band in VISIBLE if band in dark]

    def possible(candidate: Mapping[str, float]) -> bool:
        return all(plausible_offset(dark[band], scale[band], candidate[band]) for band in told)

    stated, usual = dict(offset), dict.fromkeys(offset, OFFSET)
    if not possible(stated):
        return usual if carried and possible(usual) else dict.fromkeys(offset, 0.0)
    bright = [green_dark[band] * scale[band] for band in VISIBLE if band in green_dark]
    _, may_lack_it = asks(stated, baseline)
    if may_lack_it and len(bright) == len(VISIBLE) and min(bright) >= BRIGHTEST_VEGETATION:
        return usual
    return stated
