"""Recorded items of public catalogues: none crashes, and all that can be used is taken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from flows.catalogs.recorded import Findings, Look, examine
from tests.data.conftest import Record

pytestmark = pytest.mark.data

#: Items a monitor cannot use, by the beginning of the reason. Whatever is refused for another
#: reason, or more often, is a loss that somebody has to look at.
REFUSED = {
    # Numbers at the top of the atmosphere and no mask; half of them list no rasters besides.
    "top of atmosphere (L1C)": 24,
    # OData and other records of products: no rasters.
    "a product's record without rasters": 14,
    # A search that asked for neither assets nor geometry.
    "no assets": 10,
    "not terrain-corrected: GRD": 5,
    "not terrain-corrected: SLC": 1,
    "an ocean product": 1,
    # Lidar, two kinds of Landsat, a climate map, rain.
    "neither a Sentinel-1 nor a Sentinel-2 look": 5,
    "a mosaic of many dates": 1,
}


@pytest.fixture(scope="module")
def found(data_folder: Path) -> Findings:
    return examine(data_folder / "stac-json")


def test_nothing_crashes_and_each_refusal_is_accounted_for(found: Findings, record: Record) -> None:
    assert found.crashes == []
    assert found.unreadable == []
    assert found.items == len(found.looks) + len(found.refusals)
    counts = Counter(
        next((known for known in REFUSED if refusal.reason.startswith(known)), refusal.reason)
        for refusal in found.refusals
    )
    assert counts == REFUSED
    taken = Counter(f"{look.platform}, {look.sensor}" for look in found.looks)
    record(
        "Recorded catalogue items",
        f"{found.files} recorded files of public catalogues (stac-json): {found.items} items, "
        f"{len(found.looks)} taken, {len(found.refusals)} refused, {len(found.crashes)} crashed.",
        ["what", "items"],
        [*sorted(taken.items()), *((f"refused: {why}", n) for why, n in REFUSED.items())],
        "",
    )


def of(found: Findings, sensor: str) -> list[Look]:
    return [look for look in found.looks if look.sensor == sensor]


def test_terrain_corrected_sentinel_1_is_taken(found: Findings) -> None:
    assert {look.id for look in of(found, "sar")} == {
        "S1A_20200103_17RMJ_ASC", "S1B_20161121_12SYJ_ASC"
    }  # fmt: skip


def test_every_surface_reflectance_of_sentinel_2_is_taken(found: Findings) -> None:
    looks = of(found, "optical")
    assert len(looks) == 67
    folders = Counter(Path(look.file).parts[0] for look in looks)
    assert folders == {
        "odc-stac": 3, "openeo": 2, "pystac-client-search": 47, "sentinel2-stactools": 15
    }  # fmt: skip
    tiles = {str(look.tile) for look in looks}
    assert {"T01WCP", "T01KAB", "T01VCG", "T01CCV", "T60CWS", "T60VUK", "T06VVN"} <= tiles
    assert all(len(tile) == 6 for tile in tiles)


def test_offset_follows_baseline_and_producer_and_not_the_date(found: Findings) -> None:
    for look in of(found, "optical"):
        assert look.processing_version is not None
        (offset,) = set(look.offset.values())
        # Earth Search's older collections took it out themselves.
        applied = "earth_search" in look.file and "_T" not in look.id
        expected = 0.0 if applied or look.processing_version < "04.00" else -0.1
        assert offset == expected, look.id


def test_same_scene_of_two_collections_has_one_name(found: Findings) -> None:
    names: dict[str, set[str]] = {}
    for look in of(found, "optical"):
        names.setdefault(look.scene, set()).add(look.id)
    pairs = [ids for ids in names.values() if len(ids) > 1]
    # Earth Search lists each scene in two collections.
    assert len(pairs) == 6
