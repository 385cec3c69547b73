"""Importing an inventory: what would be stored, what is there already, what is mapped twice."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import box
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import inventories
from db.engine import transaction
from detectors.inventories import (
    Inventory,
    MappedLandslide,
    Places,
    Sameness,
    pairs,
    repeated,
)
from flows.inventory_files import Layout, ReadInventory, read_inventory


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that is mapped already."""

    row: int
    """Its row in the file."""
    of_inventory: str
    """Inventory of the one it repeats."""
    of_row: int
    """Row of that one."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import does, or would do."""

    inventory: Inventory
    """Where it comes from."""
    read: ReadInventory
    """What was read."""
    new: int
    """Landslides that were not stored before."""
    known: int
    """Landslides that were: the same place, time and key."""
    duplicates: tuple[Duplicate, ...]
    """New ones that are mapped already, in this file or elsewhere: stored, and counted once."""
    stored: bool
    """False: nothing was written."""


def import_inventory(
    engine: Engine, path: Path, inventory: Inventory, layout: Layout, rule: Sameness, *, dry: bool
) -> Imported:
    """Store the landslides of a file, each once however often it is imported.

    Args:
        engine: PostGIS.
        path: The file.
        inventory: Its name and terms; file and checksum are filled in.
        layout: Its columns.
        rule: When two mapped landslides are one.
        dry: Write nothing.

    Raises:
        InvalidMap, ConfigurationError: as ``read_inventory`` and ``store_inventory``.
    """
    read = read_inventory(path, inventory.id, layout)
    inventory = replace(inventory, file=read.file, sha256=read.sha256)
    with transaction(engine) as s:
        first: dict[uuid.UUID, MappedLandslide] = {}
        for one in read.mapped:
            first.setdefault(one.id, one)
        known = inventories.known_ids(s, list(first))
        fresh = [one for key, one in first.items() if key not in known]
        marked, duplicates = _marked(s, fresh, rule, simulated=inventory.simulated)
        if dry:
            # What would be refused is refused now, and what it had written goes.
            nested = s.begin_nested()
            inventories.store_inventory(s, inventory, marked)
            nested.rollback()
        else:
            inventories.store_inventory(s, inventory, marked)
    return Imported(
        inventory, read, len(fresh), len(read.mapped) - len(fresh), tuple(duplicates), not dry
    )


def _marked(
    s: Session, fresh: Sequence[MappedLandslide], rule: Sameness, *, simulated: bool
) -> tuple[list[MappedLandslide], list[Duplicate]]:
    """Return new landslides with those marked that are mapped already, and which these are."""
    if not fresh:
        return [], []
    of_stored = _in_store(s, fresh, rule, simulated=simulated)
    again = repeated(fresh, rule)
    marked, duplicates = [], []
    for index, one in enumerate(fresh):
        # What it repeats in the file may itself repeat what is stored.
        first = again.get(index, index)
        held = of_stored.get(index) or of_stored.get(first)
        if held is not None:
            target = held.mapped
            key = held.id
        elif first != index:
            target = fresh[first]
            key = target.id
        else:
            marked.append(one)
            continue
        duplicates.append(Duplicate(one.file_row, target.inventory_id, target.file_row))
        marked.append(replace(one, duplicate_of=key))
    return marked, duplicates


def _in_store(
    s: Session, fresh: Sequence[MappedLandslide], rule: Sameness, *, simulated: bool
) -> dict[int, inventories.StoredLandslide]:
    """Return the stored landslide that each new one repeats, by index.

    What happened never repeats what did not, nor the other way round.
    """
    places = Places.of(fresh)
    west, south, east, north = shapely.total_bounds(places.shapes)
    reach = max(rule.distance_m, float(places.accuracy.max()))
    up = reach / 110_000
    aside = up / max(float(np.cos(np.radians(max(abs(south), abs(north))))), 0.01)
    ground = box(
        max(west - aside, -180), max(south - up, -90), min(east + aside, 180), min(north + up, 90)
    )
    held: dict[int, inventories.StoredLandslide] = {}
    for batch in inventories.read_mapped(s, ground=ground, simulated=simulated):
        stored = Places.of([one.mapped for one in batch])
        left, right, _ = pairs(places, stored, rule)
        for ours, theirs in zip(left.tolist(), right.tolist(), strict=True):
            held.setdefault(ours, batch[theirs])
    return held
