"""Recorded items: which of them would be taken, and why the others would not.

Read are STAC items, collections of features, recorded searches (``{"request": ..., "response":
...}``), and what other search services answer (OData and the like), whose records name products but
no rasters. STAC catalogues and collections are no items. No href is followed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detectors.errors import ConfigurationError, HostileFile, UnusableItem
from detectors.types import Acquisition
from flows.catalogs.items import scene_name, to_acquisition
from flows.catalogs.missions import is_known
from flows.catalogs.properties import printable
from flows.catalogs.searching import name_of
from flows.hostile import read_json

ENDINGS = frozenset({".json", ".geojson"})
#: Keys under which services that know no STAC list their products, and what names one there.
_FOREIGN = (("value", ("Name", "Id")), ("results", ("sceneID", "productName")))


@dataclass(frozen=True, slots=True)
class Look:
    """A recorded item that would be taken."""

    id: str
    """Of the item."""
    file: str
    """Where it was read."""
    scene: str
    """What it shows, named as in every other catalogue."""
    sensor: str
    """``sar`` or ``optical``."""
    platform: str
    """STAC name of the satellite."""
    sensed_at: datetime
    """Start of sensing, UTC."""
    tile: str | None
    """MGRS tile of an optical item."""
    processing_version: str | None
    """Processing baseline of an optical item."""
    offset: Mapping[str, float]
    """Reflectance to be added, by band; empty for SAR."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that would not be taken."""

    id: str
    """Of the item; the file's name for a whole file."""
    file: str
    """Where it was read."""
    reason: str
    """Why, in words."""


@dataclass(slots=True)
class Findings:
    """What a folder of recorded items holds."""

    files: int = 0
    """Files that were opened."""
    looks: list[Look] = field(default_factory=list)
    """Items that would be taken."""
    refusals: list[Reason] = field(default_factory=list)
    """Items that would not."""
    crashes: list[Reason] = field(default_factory=list)
    """Items that nobody foresaw: faults of this program."""
    unreadable: list[Reason] = field(default_factory=list)
    """Files that hold no JSON."""
    without_items: list[str] = field(default_factory=list)
    """Files that hold other things: collections, catalogues, listings."""

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.looks) + len(self.refusals) + len(self.crashes)

    @property
    def unknown_platforms(self) -> dict[str, int]:
        """Items by platforms that fit no pattern; they are taken all the same."""
        names = [look.platform for look in self.looks if not is_known(look.platform)]
        return {name: names.count(name) for name in sorted(set(names))}


def examine(path: Path) -> Findings:
    """Read every recorded item of a file, or below a folder.

    Raises:
        ConfigurationError: nothing there that could be read; the message says what to do.
    """
    files = _files(path)
    found = Findings()
    for file in files:
        found.files += 1
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        try:
            document = read_json(file)
        except OSError as error:
            found.unreadable.append(Reason(name, name, f"cannot be read: {error.strerror}"))
            continue
        except HostileFile as error:
            found.unreadable.append(Reason(name, name, f"not JSON: {error}"))
            continue
        except ValueError as error:
            found.unreadable.append(Reason(name, name, f"not JSON: {error}"))
            continue
        features = list(items_in(document))
        if not features:
            found.without_items.append(name)
        for feature in features:
            _examine_one(feature, name, file, found)
    if len(found.unreadable) == len(files):
        first = found.unreadable[0]
        raise ConfigurationError(
            f"{path}: no file could be read; {first.file} is {first.reason}. Save what a catalogue "
            "answers as it comes, one JSON document a file"
        )
    return found


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise ConfigurationError(f"there is no {path}; name a file or folder of recorded items")
    if path.is_file():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    if not files:
        raise ConfigurationError(
            f"no .json or .geojson file below {path}; save items there, one JSON document a file"
        )
    return files


def items_in(document: Any) -> Iterator[object]:
    """Yield what a document lists as items: features, and the records of foreign services."""
    if isinstance(document, list):
        for entry in document:
            if isinstance(entry, Mapping) and entry.get("type") == "Feature":
                yield entry
        return
    if not isinstance(document, Mapping):
        return
    if "response" in document and document.get("type") is None:
        yield from items_in(document["response"])
    elif document.get("type") == "Feature":
        yield document
    elif isinstance(document.get("features"), list):
        yield from document["features"]
    else:
        for key, names in _FOREIGN:
            listed = document.get(key)
            for entry in listed if isinstance(listed, list) else []:
                if isinstance(entry, Mapping) and any(name in entry for name in names):
                    yield entry


def _examine_one(feature: object, name: str, file: Path, found: Findings) -> None:
    try:
        item_id, acquisition = _judge(feature, file)
    except UnusableItem as error:
        told = printable(_foreign_name(feature) or name_of(feature))
        found.refusals.append(Reason(told, name, printable(str(error))))
        return
    except Exception as error:  # noqa: BLE001 - counted and told: this is what the check is for
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        found.crashes.append(Reason(name_of(feature), name, printable(reason)))
        return
    found.looks.append(
        Look(
            id=item_id,
            file=name,
            scene=scene_name(feature, acquisition),
            sensor=acquisition.sensor.value,
            platform=acquisition.platform,
            sensed_at=acquisition.sensed_at,
            tile=acquisition.tile,
            processing_version=acquisition.processing_version,
            offset=acquisition.offset,
        )
    )


def _judge(feature: object, file: Path) -> tuple[str, Acquisition]:
    if not isinstance(feature, Mapping):
        raise UnusableItem("not a STAC item")
    if _foreign_name(feature) is not None:
        raise UnusableItem("a product's record without rasters: only STAC items name files to read")
    # A recorded item without self link lies where its file lies, as the STAC specification has it.
    base = file.absolute().as_posix()
    acquisition = to_acquisition(feature, "recorded/items", datetime.now(UTC), base=base)
    return acquisition.item_id, acquisition


def _foreign_name(feature: object) -> str | None:
    """Return the name of a record that is no feature, None for a feature."""
    if not isinstance(feature, Mapping) or feature.get("type") == "Feature":
        return None
    told = (feature.get(name) for _, names in _FOREIGN for name in names)
    return next((name for name in told if isinstance(name, str) and name), None)
