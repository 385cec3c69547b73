"""The layout of an archive on disk: writing it whole or not at all, and opening one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detectors.errors import InvalidArchive
from flows.hostile import read_json

SCHEMA = "scarpwatch-archive/1"
MANIFEST, COLLECTION, PROVENANCE = "archive.json", "collection.json", "PROVENANCE.md"
ITEMS, COGS = "items", "cogs"


@dataclass(frozen=True, slots=True)
class Unused:
    """A file or product that did not make it into an archive."""

    name: str
    """File or product."""
    reason: str
    """Why not, in words."""


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What an archive holds and what was left out."""

    path: Path
    """Folder of the archive."""
    collection: str
    """Collection id."""
    items: int
    """Looks of one burst each."""
    rasters: int
    """COG files."""
    size_bytes: int
    """Everything in the folder, bytes."""
    bursts: tuple[str, ...]
    """Burst ids, sorted; none in an optical archive."""
    first: datetime
    """Earliest sensing, UTC."""
    last: datetime
    """Latest sensing, UTC."""
    simulated: bool
    """The pixels hold something that never happened."""
    unused: tuple[Unused, ...]
    """What could not be used."""
    superseded: tuple[str, ...]
    """Products left out because a newer processing of the same look is there."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened archive."""

    path: Path
    """Its folder."""
    manifest: dict[str, Any]
    """Content of archive.json."""
    collection: dict[str, Any]
    """The STAC collection."""

    @property
    def id(self) -> str:
        """Collection id."""
        return str(self.collection["id"])

    @property
    def simulated(self) -> bool:
        """Whether the pixels hold something that never happened."""
        return bool(self.manifest["simulated"])

    def items(self) -> list[dict[str, Any]]:
        """Return the STAC items in order of publication, then of name.

        Raises:
            InvalidArchive: an item file is broken or belongs to another collection.
        """
        found = [_read_json(path) for path in sorted((self.path / ITEMS).glob("*.json"))]
        for item in found:
            if item.get("collection") != self.id or "published" not in item.get("properties", {}):
                raise InvalidArchive(f"{item.get('id')} is no item of {self.id}")
        return sorted(found, key=lambda item: (item["properties"]["published"], item["id"]))

    def cog(self, item: dict[str, Any], layer: str) -> Path:
        """Return the file of one layer of an item.

        Raises:
            InvalidArchive: the item has no such layer, or the file is missing.
        """
        asset = item["assets"].get(layer)
        if asset is None:
            raise InvalidArchive(f"{item['id']} has no {layer}")
        path = self.path / COGS / Path(asset["href"]).name
        if not path.is_file():
            raise InvalidArchive(f"{path.name} is missing in {self.path.name}")
        return path


def open_archive(path: Path) -> Archive:
    """Open an archive.

    Raises:
        InvalidArchive: no archive, or one of a schema this version does not know.
    """
    if not (path / MANIFEST).is_file():
        raise InvalidArchive(f"{path} is no archive: it has no {MANIFEST}")
    manifest = _read_json(path / MANIFEST)
    if manifest.get("schema") != SCHEMA:
        raise InvalidArchive(f"{path} has schema {manifest.get('schema')}, expected {SCHEMA}")
    archive = Archive(path, manifest, _read_json(path / COLLECTION))
    if archive.id != manifest.get("collection"):
        raise InvalidArchive(f"{COLLECTION} and {MANIFEST} of {path} name different collections")
    return archive


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise InvalidArchive(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InvalidArchive(f"{path.name} is no JSON object")
    return content


@contextmanager
def staged(out: Path, *, replace: bool) -> Iterator[Path]:
    """Yield a folder to fill; it takes the place of ``out`` only when nothing went wrong.

    Raises:
        InvalidArchive: ``out`` exists and is not an empty folder, or, with ``replace``, is
            something else than an archive.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not replace:
            raise InvalidArchive(f"{out} exists already")
        if not (out / MANIFEST).is_file():
            raise InvalidArchive(f"{out} is no archive and will not be replaced")
    stage = out.with_name(f"{out.name}.partial")
    shutil.rmtree(stage, ignore_errors=True)
    (stage / ITEMS).mkdir(parents=True)
    (stage / COGS).mkdir()
    try:
        yield stage
        if out.exists():
            shutil.rmtree(out)
        stage.rename(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def iso(moment: datetime) -> str:
    """Return a UTC time in the one form used in archives: seconds and a Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON the same way every time, so that rebuilding gives the same bytes."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_manifest(
    stage: Path, out: Path, collection: dict[str, Any], items: Sequence[dict[str, Any]],
    *, unused: Sequence[Unused] = (), superseded: Sequence[str] = (),
) -> ArchiveReport:  # fmt: skip
    """Write items, collection and archive.json into the stage; report as if it were ``out``."""
    for item in items:
        write_json(stage / ITEMS / f"{item['id']}.json", item)
    write_json(stage / COLLECTION, collection)
    moments = [datetime.fromisoformat(item["properties"]["datetime"]) for item in items]
    bursts = sorted(
        {
            item["properties"]["opera:burst_id"]
            for item in items
            if "opera:burst_id" in item["properties"]
        }
    )
    rasters = len(list((stage / COGS).iterdir()))
    manifest = {
        "schema": SCHEMA,
        "collection": collection["id"],
        "simulated": collection["scarpwatch:simulated"],
        "items": len(items),
        "rasters": rasters,
        "bursts": bursts,
        "first": min(item["properties"]["datetime"] for item in items),
        "last": max(item["properties"]["datetime"] for item in items),
        "unused": [{"name": entry.name, "reason": entry.reason} for entry in unused],
        "superseded": list(superseded),
    }
    write_json(stage / MANIFEST, manifest)
    return ArchiveReport(
        path=out, collection=collection["id"], items=len(items), rasters=rasters,
        size_bytes=sum(path.stat().st_size for path in stage.rglob("*") if path.is_file()),
        bursts=tuple(bursts), first=min(moments), last=max(moments),
        simulated=manifest["simulated"], unused=tuple(unused), superseded=tuple(superseded),
    )  # fmt: skip
