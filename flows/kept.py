"""Which rasters of judged looks are kept: rows that name files, and files that nobody names.

A file is there before its row: rows are written in the transaction that stores the judgement, and
files are removed once no row names them. So nothing in the database points to a missing file,
whenever a process is killed.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from db import composites
from db.engine import transaction
from db.records import CompositeRecord
from detectors.types import Acquisition, derive_id
from flows.services import Services

log = structlog.get_logger()

#: A file that no row names may belong to a judgement that is just being stored.
GRACE = timedelta(days=1)
#: How often the flows look for what may go.
EVERY = timedelta(days=1)
_LAST = ".pruned"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go."""

    items: tuple[str, ...]
    """STAC items that were older than ``keep_composites_days`` and showed no landslide."""
    files: int
    """Files of theirs, and files that no row named."""
    bytes: int
    """Their size."""


def stac_id(region_id: str, look: Acquisition, landslide_id: uuid.UUID | None = None) -> str:
    """Return the name of the STAC item of a look at a region, or at one landslide."""
    own = derive_id("composites", region_id, look.id, landslide_id or "")
    return f"{region_id}_{look.sensed_at:%Y%m%dT%H%M%S}_{look.sensor}_{own.hex[:12]}"


def store_in(services: Services, s: Session, name: str, kept: Sequence[CompositeRecord]) -> None:
    """Name the layers of one judgement in the caller's transaction, in place of earlier ones.

    Nothing is named where a file went meanwhile.
    """
    composites.keep_files(s)
    root = services.settings.composites
    if gone := [one.path for one in kept if not (root / one.path).is_file()]:
        log.warning("composites are gone before they were stored", files=gone)
        kept = ()
    composites.store_composites(s, name, kept)


def prune(services: Services, *, dry_run: bool = False, grace: timedelta = GRACE) -> Pruned:
    """Remove the layers that are past their days, and files that no row names.

    Args:
        services: what the step reaches the world through.
        dry_run: only tell what would go.
        grace: files that no row names stay for so long.

    Raises:
        DatabaseUnavailable: what is gone is gone; the rest goes the next time.
    """
    root, days = services.settings.composites, services.settings.keep_composites_days
    with transaction(services.engine) as s:
        composites.keep_rows(s)
        old = composites.expired(s, datetime.now(UTC) - timedelta(days=days))
        past = {one.path for one in old}
        if not dry_run:
            composites.remove_composites(s, past)
        unnamed = {*past, *_left(root, time.time() - grace.total_seconds(), composites.named(s))}
    files = size = 0
    with transaction(services.engine) as s:
        composites.keep_rows(s)  # nobody names one of them meanwhile
        named = set() if dry_run else composites.named(s, unnamed)
        for path in (root / one for one in sorted(unnamed - named)):
            if path.is_file():
                files, size = files + 1, size + path.stat().st_size
                if not dry_run:
                    path.unlink()
                    # Statistics that QGIS leaves beside what it opens.
                    path.with_name(f"{path.name}.aux.xml").unlink(missing_ok=True)
    if not dry_run:
        _tidy(root, time.time() - grace.total_seconds())
    items = tuple(dict.fromkeys(one.stac_id for one in old))
    if items or files:
        log.info("composites pruned", items=len(items), files=files, bytes=size, dry_run=dry_run)
    return Pruned(items, files, size)


def prune_daily(services: Services) -> Pruned | None:
    """Prune where that was not done within a day; None where it was, or nothing was ever kept."""
    root = services.settings.composites
    last = root / _LAST
    if not root.is_dir() or (
        last.exists() and time.time() - last.stat().st_mtime < EVERY.total_seconds()
    ):
        return None
    last.touch()
    return prune(services)


def _left(root: Path, before: float, named: Collection[str]) -> Iterator[str]:
    """Yield the files that no row names and nobody has written since, below the folder."""
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            below = path.relative_to(root).as_posix()
            if name.endswith(".tif") and below not in named and path.stat().st_mtime < before:
                yield below


def _tidy(root: Path, before: float) -> None:
    """Remove what killed processes left half-written, and folders that are empty."""
    for left in root.glob(".*/*"):
        if left.is_dir() and left.stat().st_mtime < before:
            shutil.rmtree(left, ignore_errors=True)
    for folder, _, _ in os.walk(root, topdown=False):
        path = Path(folder)
        old = path != root and path.stat().st_mtime < before
        if old and not path.name.startswith(".") and not any(path.iterdir()):
            path.rmdir()
