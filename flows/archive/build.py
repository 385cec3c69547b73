"""Make an archive from a folder of OPERA RTC-S1 GeoTIFFs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectors.errors import InvalidArchive, PermanentError, UnreadableRaster, UnusableItem
from flows.archive.cogs import Raster, read_raster, write_cog
from flows.archive.items import make_collection, make_item, polarisation_order
from flows.archive.manifest import (
    COGS,
    PROVENANCE,
    ArchiveReport,
    Unused,
    staged,
    write_manifest,
)
from flows.archive.provenance import sensing_years, write_provenance
from flows.catalogs.opera import MASK, ProductName, parse_file

DEFAULT_COLLECTION = "opera-rtc-s1"
_SUFFIXES = {".tif", ".tiff"}


def build(
    folder: Path,
    out: Path,
    *,
    collection: str = DEFAULT_COLLECTION,
    title: str | None = None,
    source: str | None = None,
    licence: str = "other",
    simulated: bool = False,
    replace: bool = False,
) -> ArchiveReport:
    """Turn GeoTIFFs named as NASA names them into a static STAC archive of COGs.

    Every raster is read completely and written without loss. What cannot be used is left out and
    reported. The same input gives the same bytes. One product is in memory at a time.

    Args:
        folder: searched with its subfolders.
        out: new folder; nothing appears there unless everything was written.
        collection: id of the STAC collection.
        title: of the collection; a plain one is made up.
        source: where the files come from, for PROVENANCE.md.
        licence: SPDX id, or ``other``.
        simulated: flag every item as holding something that never happened.
        replace: an archive already at ``out`` may be replaced.

    Raises:
        InvalidArchive: the folder does not exist, holds nothing usable, or ``out`` is taken.
    """
    if not folder.is_dir():
        raise InvalidArchive(f"{folder} is not a folder")
    products, unused = _find(folder, out)
    with staged(out, replace=replace) as stage:
        items: list[dict[str, Any]] = []
        superseded: list[str] = []
        for candidates in products:
            item = None
            for product, files in candidates:
                if item is not None:
                    superseded.append(product.product)
                    continue
                item = _try_product(product, files, stage, collection, simulated, unused)
            if item is not None:
                items.append(item)
        if not items:
            raise InvalidArchive(_nothing_left(folder, unused))
        title = title or f"OPERA RTC-S1 looks of {sensing_years(items)}"
        described = make_collection(
            items, collection=collection, licence=licence, simulated=simulated,
            title=f"SIMULATED: {title}" if simulated else title,
            description="Terrain-corrected Sentinel-1 gamma0 in linear power, one item per burst "
            "and pass, as OPERA RTC-S1. Contains modified Copernicus Sentinel data "
            f"{sensing_years(items)}.",
        )  # fmt: skip
        write_provenance(
            stage / PROVENANCE, described, items, unused=unused, superseded=superseded,
            source=source or f"GeoTIFFs from a folder named {folder.name!r}",
            changes="Repacked without loss as cloud-optimised GeoTIFF; pixels are unchanged.",
        )  # fmt: skip
        return write_manifest(stage, out, described, items, unused=unused, superseded=superseded)


_Candidates = list[tuple[ProductName, dict[str, Path]]]


def _find(folder: Path, out: Path) -> tuple[list[_Candidates], list[Unused]]:
    """Group the files by look; of each look all processings, newest first."""
    looks: dict[tuple[Any, ...], dict[ProductName, dict[str, Path]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    unused = []
    own = out.absolute()
    for path in sorted(folder.absolute().rglob("*")):
        if path.suffix.lower() not in _SUFFIXES or not path.is_file() or own in path.parents:
            continue
        try:
            product, layer = parse_file(path.name)
        except ValueError as error:
            unused.append(Unused(path.name, str(error)))
            continue
        look = (product.sensed_at, product.burst_id, product.platform)
        if layer in looks[look][product]:
            unused.append(Unused(path.name, "lies in the folder twice"))
            continue
        looks[look][product][layer] = path
    grouped = [
        sorted(looks[look].items(), key=lambda pair: pair[0].processed_at, reverse=True)
        for look in sorted(looks)
    ]
    return grouped, unused


def _try_product(
    product: ProductName, files: Mapping[str, Path], stage: Path, collection: str,
    simulated: bool, unused: list[Unused],
) -> dict[str, Any] | None:  # fmt: skip
    """Write one product; None, with the reasons noted, when nothing of it can be used."""
    kept: dict[str, Raster] = {}
    written: dict[str, Path] = {}
    for layer in [*polarisation_order(files), *(name for name in files if name == MASK)]:
        try:
            raster = read_raster(files[layer], mask=layer == MASK)
            if kept and not raster.same_grid(next(iter(kept.values()))):
                raise UnreadableRaster("lies on another grid than the rest of its product")
            written[layer] = stage / COGS / f"{product.product}_{layer}.tif"
            write_cog(written[layer], raster)
            kept[layer] = raster
        except PermanentError as error:
            unused.append(Unused(files[layer].name, str(error)))
    try:
        if not {"VV", "HH"} & kept.keys():
            raise UnusableItem("no usable co-polarised band")
        return make_item(product, kept, written, collection=collection, simulated=simulated)
    except PermanentError as error:
        unused.append(Unused(product.product, str(error)))
        for path in written.values():
            path.unlink(missing_ok=True)
        return None


def _nothing_left(folder: Path, unused: list[Unused]) -> str:
    if not unused:
        return f"{folder} holds no GeoTIFF"
    first = unused[0]
    return (
        f"{folder} holds no usable OPERA RTC-S1 product; {len(unused)} refused, "
        f"the first: {first.name}: {first.reason}"
    )
