"""The same scene in two catalogues: ids differ, so scenes are matched by what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shapely.geometry.base import BaseGeometry

from detectors.types import Acquisition, Sensor
from flows.catalogs.base import Catalogue, Finder, Found, Refused

#: Bursts of one pass follow each other by seconds; the start of one scene is told alike.
_SAME_BURST = timedelta(seconds=2)
#: Half a turn around the earth: neighbouring orbits see the same tile in the far north.
_SAME_ORBIT = timedelta(minutes=50)


def find(
    catalogue: Catalogue,
    collection: str,
    geometry: BaseGeometry,
    *,
    sensed_after: datetime,
    until: datetime,
    published_after: datetime | None = None,
) -> Iterator[Found]:
    """Search a catalogue; one that does not name scenes has its ids taken for names.

    Raises:
        CatalogueUnavailable: after the last attempt.
        ConfigurationError: the search is refused.
    """
    span = {
        "sensed_after": sensed_after, "until": until, "published_after": published_after
    }  # fmt: skip
    if isinstance(catalogue, Finder):
        yield from catalogue.find(collection, geometry, **span)  # type: ignore[arg-type]
        return
    for record in catalogue.search(collection, geometry, **span):  # type: ignore[arg-type]
        yield Found(record.item_id, record)


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene as one catalogue lists it."""

    name: str
    """The same in every catalogue, where its items tell enough."""
    acquisition: Acquisition
    """What the catalogue says of it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one catalogue lists."""

    scenes: tuple[Scene, ...]
    """Oldest first, the newest processing of each."""
    refused: tuple[Refused, ...]
    """Items that cannot be used, with the reason."""


def listing(found: Iterable[Found]) -> Listing:
    """Sort what a search found; of two processings of one scene the newer counts."""
    scenes: dict[str, Scene] = {}
    refused = []
    for one in found:
        if isinstance(one.record, Refused):
            refused.append(one.record)
            continue
        known = scenes.get(one.scene)
        if known is None or _newer(one.record, known.acquisition):
            scenes[one.scene] = Scene(one.scene, one.record)
    ordered = sorted(scenes.values(), key=lambda scene: (scene.acquisition.sensed_at, scene.name))
    return Listing(tuple(ordered), tuple(refused))


def _newer(one: Acquisition, other: Acquisition) -> bool:
    def rank(acquisition: Acquisition) -> tuple[str, datetime, str]:
        version = acquisition.processing_version or ""
        return version, acquisition.published_at, acquisition.item_id

    return rank(one) > rank(other)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two catalogues over one area and span."""

    both: int
    """Scenes that both list."""
    only_left: tuple[Scene, ...]
    """Scenes the right one lacks."""
    only_right: tuple[Scene, ...]
    """Scenes the left one lacks."""
    other_version: tuple[tuple[Scene, Scene], ...]
    """Scenes of both, processed with different versions."""


def compare(left: Listing, right: Listing) -> Comparison:
    """Say what one catalogue lists and the other does not."""
    pairs, only_left, only_right = match(left.scenes, right.scenes)
    other = tuple(
        (one, two)
        for one, two in pairs
        if one.acquisition.processing_version != two.acquisition.processing_version
    )
    return Comparison(len(pairs), tuple(only_left), tuple(only_right), other)


def match(
    left: Sequence[Scene], right: Sequence[Scene]
) -> tuple[list[tuple[Scene, Scene]], list[Scene], list[Scene]]:
    """Pair the scenes of two catalogues: by name, then by satellite, track and time.

    Sensing times of one Sentinel-2 scene differ by minutes between catalogues (of the tile, the
    strip or the data take), so that any of the same orbit may be its partner; each has one at most.

    Returns:
        Pairs, and what is left of either side.
    """
    by_name = {scene.name: scene for scene in right}
    pairs = [(scene, by_name[scene.name]) for scene in left if scene.name in by_name]
    paired = {scene.name for scene, _ in pairs}
    rest = [scene for scene in right if scene.name not in paired]
    only_left = []
    for scene in left:
        if scene.name in paired:
            continue
        partner = min(
            (other for other in rest if _same(scene.acquisition, other.acquisition)),
            key=lambda other: abs(other.acquisition.sensed_at - scene.acquisition.sensed_at),
            default=None,
        )
        if partner is None:
            only_left.append(scene)
        else:
            rest.remove(partner)
            pairs.append((scene, partner))
    return pairs, only_left, rest


def _same(one: Acquisition, other: Acquisition) -> bool:
    apart = abs(one.sensed_at - other.sensed_at)
    near = _SAME_ORBIT if one.sensor is Sensor.OPTICAL else _SAME_BURST
    return (
        one.sensor is other.sensor
        and one.platform == other.platform
        and one.track == other.track
        and apart < near
    )
