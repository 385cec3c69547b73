"""Archives of simulated radar looks, in the words of OPERA RTC-S1, that say so everywhere.

Nothing of them was ever observed, and the bursts they name do not exist. They are stored as real
looks are, so that everything that reads real ones reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import InvalidArchive
from detectors.types import FloatArray, Grid, OrbitState, Unseen
from flows.archive.cogs import MASK_NODATA, Raster, write_cog
from flows.archive.derive import SUFFIX
from flows.archive.items import make_collection, make_item
from flows.archive.manifest import COGS, PROVENANCE, ArchiveReport, staged, write_manifest
from flows.archive.provenance import write_provenance
from flows.catalogs.opera import MASK, parse_product

#: How long after sensing a look comes out.
LATENCY = timedelta(hours=8)
#: Codes of the product's mask layer.
_MASK_CODES = {Unseen.RADAR_SHADOW: 1, Unseen.LAYOVER: 2, Unseen.NO_DATA: MASK_NODATA}


@dataclass(frozen=True, slots=True)
class RadarLook:
    """One look that nobody took."""

    sensed_at: datetime
    """When it would have been, UTC."""
    burst_id: str
    """``T117-900000-IW2``: of a burst that does not exist."""
    orbit_state: OrbitState
    """Flight direction."""
    grid: Grid
    """30 m."""
    gamma0: FloatArray
    """float32 (polarisation, y, x), linear power, NaN = no data."""
    polarisations: tuple[str, ...]
    """Along the first axis."""
    unseen: NDArray[np.uint8]
    """uint8 (y, x), codes of ``Unseen``: layover and radar shadow."""
    properties: dict[str, Any]
    """More to be said in the item, such as the event's seed."""

    @property
    def product(self) -> str:
        """Name as NASA would write it."""
        sensed, made = (f"{t:%Y%m%dT%H%M%S}Z" for t in (self.sensed_at, self.sensed_at + LATENCY))
        return f"OPERA_L2_RTC-S1_{self.burst_id}_{sensed}_{made}_S1A_30_v1.0"


def write_radar_archive(
    looks: Iterable[RadarLook],
    out: Path,
    *,
    collection: str,
    title: str,
    changes: str,
    also: Callable[[Path], None] = lambda _: None,
    replace: bool = False,
) -> ArchiveReport:
    """Write looks as an archive that says simulated everywhere; one is in memory at a time.

    Args:
        looks: what to write.
        out: new folder; nothing appears there unless everything was written.
        collection: id of the STAC collection.
        title: of the collection; SIMULATED is put in front.
        changes: what happens in them, in words, for PROVENANCE.md.
        also: called with the unfinished folder after the last look, to add what belongs to it.
        replace: an archive already at ``out`` may be replaced.

    Raises:
        InvalidArchive: no look at all, or ``out`` is taken.
    """
    with staged(out, replace=replace) as stage:
        items = [_write(look, stage, collection) for look in looks]
        if not items:
            raise InvalidArchive("an archive needs looks")
        also(stage)
        described = make_collection(
            items, collection=collection, licence="Apache-2.0", simulated=True,
            title=f"SIMULATED: {title}",
            description="SIMULATED: no satellite took these looks, and the mountains they show do "
            f"not exist. gamma0 in linear power in the form of OPERA RTC-S1. {changes}",
        )  # fmt: skip
        write_provenance(
            stage / PROVENANCE, described, items,
            source="computed (detectors.simulation)",
            changes=changes,
            facts={
                "Product": "none; the form is that of OPERA L2 RTC-S1, nothing was observed",
                "Pixels": "gamma0, linear power, float32, NaN in radar shadow; mask uint8: "
                "0 clear, 1 shadow, 2 layover",
            },
        )  # fmt: skip
        return write_manifest(stage, out, described, items)


def _write(look: RadarLook, stage: Path, collection: str) -> dict[str, Any]:
    """Write the COGs of a look and describe them."""
    tags = {"ORBIT_PASS_DIRECTION": look.orbit_state.value, "SIMULATED": "yes"}
    grid = look.grid
    codes = np.zeros(look.unseen.shape, dtype=np.uint8)
    for code, stored in _MASK_CODES.items():
        codes[look.unseen == code] = stored
    layers: dict[str, NDArray[Any]] = dict(zip(look.polarisations, look.gamma0, strict=True))
    layers[MASK] = codes
    rasters = {
        name: Raster(values, grid.epsg, grid.transform, tags) for name, values in layers.items()
    }
    product = parse_product(look.product)
    files = {name: stage / COGS / f"{product.product}{SUFFIX}_{name}.tif" for name in rasters}
    for name, raster in rasters.items():
        write_cog(files[name], raster)
    item = make_item(product, rasters, files, collection=collection, simulated=True)
    item["id"] += SUFFIX
    item["properties"] |= look.properties
    return item
