"""Rewrite an archive with something in its pixels that never happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectors.errors import InvalidArchive
from detectors.types import FloatArray
from flows.archive.cogs import Raster, read_raster, write_cog
from flows.archive.items import file_fields, make_collection, polarisation_order
from flows.archive.manifest import (
    COGS,
    PROVENANCE,
    Archive,
    ArchiveReport,
    staged,
    write_manifest,
)
from flows.archive.provenance import write_provenance

#: Ends the name of every item and file that does not show the ground as it was.
SUFFIX = "_SIM"

#: Gets the STAC item and linear gamma0 (y, x) by polarisation; gives the new pixels, or None.
Edit = Callable[[dict[str, Any], dict[str, FloatArray]], Mapping[str, FloatArray] | None]


def derive(
    archive: Archive,
    out: Path,
    edit: Edit,
    *,
    collection: str,
    changes: str,
    bursts: Collection[str] | None = None,
    title: str | None = None,
    replace: bool = False,
) -> ArchiveReport:
    """Write a new archive whose looks went through ``edit`` and say simulated everywhere.

    Publication times stay. Items are flagged even where ``edit`` returned None and the pixels were
    copied: a series with planted looks in it is a simulated series.

    Args:
        archive: where the real looks come from.
        out: new folder; nothing appears there unless everything was written.
        edit: called once per look, oldest publication first.
        collection: id of the new collection, not that of ``archive``.
        changes: what was done to the pixels, in words, for PROVENANCE.md.
        bursts: burst ids to take over; None takes all.
        title: of the new collection; the old one with SIMULATED in front of it by default.
        replace: an archive already at ``out`` may be replaced.

    Raises:
        InvalidArchive: nothing left, the same collection id, or an edit gave pixels that do not
            fit the look.
    """
    if collection == archive.id:
        raise InvalidArchive(f"a simulated archive needs an id of its own, not {collection}")
    chosen = [
        item
        for item in archive.items()
        if bursts is None or item["properties"]["opera:burst_id"] in bursts
    ]
    if not chosen:
        raise InvalidArchive(f"{archive.id} has no looks of {', '.join(sorted(bursts or ()))}")
    with staged(out, replace=replace) as stage:
        items = [_derive_item(archive, item, stage, edit, collection) for item in chosen]
        described = make_collection(
            items, collection=collection, licence=archive.collection["license"], simulated=True,
            title=title or f"SIMULATED: {archive.collection['title']}",
            description=f"SIMULATED. {changes} Made from {archive.id}. "
            + archive.collection["description"],
        )  # fmt: skip
        touched = sum(item["properties"]["scarpwatch:edited"] for item in items)
        write_provenance(
            stage / PROVENANCE, described, items,
            source=f"the archive {archive.id} ({archive.collection['title']})",
            changes=f"{changes} {touched} of {len(items)} looks were changed.",
        )  # fmt: skip
        return write_manifest(stage, out, described, items)


def _derive_item(
    archive: Archive, item: dict[str, Any], stage: Path, edit: Edit, collection: str
) -> dict[str, Any]:
    rasters = {
        layer: read_raster(archive.cog(item, layer)) for layer in polarisation_order(item["assets"])
    }
    edited = edit(item, {layer: raster.values.copy() for layer, raster in rasters.items()})
    new = {
        **item,
        "id": item["id"] + SUFFIX,
        "collection": collection,
        "properties": {
            **item["properties"],
            "scarpwatch:simulated": True,
            "scarpwatch:edited": edited is not None,
            "scarpwatch:derived_from": item["id"],
        },
        "assets": {},
    }
    for layer, asset in item["assets"].items():
        path = stage / COGS / f"{new['id']}_{layer}.tif"
        if edited is None or layer not in rasters:
            shutil.copyfile(archive.cog(item, layer), path)
        else:
            pixels = _fitting(item["id"], layer, edited, rasters[layer])
            before = rasters[layer]
            write_cog(path, Raster(pixels, before.epsg, before.transform, before.tags))
        new["assets"][layer] = {**asset, "href": f"../{COGS}/{path.name}", **file_fields(path)}
    return new


def _fitting(
    item_id: str, layer: str, edited: Mapping[str, FloatArray], before: Raster
) -> FloatArray:
    pixels = np.asarray(edited.get(layer, before.values))
    if pixels.shape != before.values.shape or pixels.dtype != np.float32:
        raise InvalidArchive(
            f"the edit of {item_id} {layer} gave {pixels.dtype} {pixels.shape} "
            f"instead of float32 {before.values.shape}"
        )
    return pixels
