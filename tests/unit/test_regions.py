"""Region files: what is taken, and what each mistake is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Polygon, mapping

from detectors import registry
from detectors.errors import ConfigurationError, InvalidRegion
from flows.regions import read_region

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SQUARE = [[9.5, 46.6], [9.6, 46.6], [9.6, 46.7], [9.5, 46.7], [9.5, 46.6]]
SOURCE = "opera-asf/OPERA_L2_RTC-S1_V1"

Write = Callable[..., Path]


def polygon(*rings: list[list[float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"sources": [SOURCE], **properties},
        "geometry": geometry or polygon(SQUARE),
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(document: Any, name: str = "brienz.geojson") -> Path:
        path = tmp_path / name
        text = document if isinstance(document, str) else json.dumps(document)
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_what_the_file_says_is_kept(write: Write) -> None:
    region = read_region(
        write(
            feature(
                id="albula", name="Albula – Brinzauls", watch_from="2025-01-01T00:00:00+01:00",
                min_area_m2=9_000, poll_every_minutes=90, priority=5, tags=["road", "village"],
                detectors=["sar_log_ratio"], simulated=True,
            )
        ),
        NOW,
    )  # fmt: skip
    assert (region.id, region.name) == ("albula", "Albula – Brinzauls")
    assert region.watch_from == datetime(2024, 12, 31, 23, tzinfo=UTC)
    assert (region.min_area_m2, region.priority) == (9_000, 5)
    assert region.poll_every == timedelta(minutes=90)
    assert (region.tags, region.simulated) == (("road", "village"), True)
    assert region.detectors == ("sar_log_ratio",)
    assert region.geometry.geom_type == "MultiPolygon"


def test_what_it_does_not_say_has_defaults(write: Write) -> None:
    region = read_region(write(feature()), NOW)
    assert (region.id, region.name) == ("brienz", "brienz")
    assert region.watch_from == NOW
    assert region.poll_every == timedelta(minutes=30)
    assert region.detectors == registry.names()
    assert not region.paused


@pytest.mark.parametrize(
    "document",
    [
        polygon(SQUARE),
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        {"type": "FeatureCollection", "features": [feature()]},
        {**feature(), "properties": None},
    ],
    ids=["polygon", "multipolygon", "collection", "no-properties"],
)
def test_other_forms_that_are_taken(write: Write, document: Any) -> None:
    region = read_region(write(document), NOW, default_sources=(SOURCE,))
    assert region.geometry.equals(Polygon(SQUARE))
    assert region.sources == (SOURCE,)


def test_both_sides_of_the_antimeridian(write: Write) -> None:
    east = [[179.8, -17.0], [180, -17.0], [180, -16.8], [179.8, -16.8], [179.8, -17.0]]
    west = [[-180, -17.0], [-179.8, -17.0], [-179.8, -16.8], [-180, -16.8], [-180, -17.0]]
    split = {"type": "MultiPolygon", "coordinates": [[east], [west]]}
    region = read_region(write(feature(split)), NOW)
    assert len(region.geometry.geoms) == 2
    assert region.geometry.bounds == (-180, -17.0, 180, -16.8)


def test_a_hole_stays(write: Write) -> None:
    hole = [[9.54, 46.64], [9.54, 46.66], [9.56, 46.66], [9.56, 46.64], [9.54, 46.64]]
    region = read_region(write(feature(polygon(SQUARE, hole))), NOW)
    assert len(region.geometry.geoms[0].interiors) == 1


BOW_TIE = [[9.5, 46.6], [9.6, 46.7], [9.6, 46.6], [9.5, 46.7], [9.5, 46.6]]
SWAPPED = [[34.6, -119.9], [34.7, -119.9], [34.7, -119.8], [34.6, -119.8], [34.6, -119.9]]
AROUND = [[179.8, -17], [-179.8, -17], [-179.8, -16.8], [179.8, -16.8], [179.8, -17]]
BEYOND = [[179.8, -17], [180.2, -17], [180.2, -16.8], [179.8, -16.8], [179.8, -17]]
TWICE = {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ([], "not a GeoJSON Feature"),
        ({"type": "Topology"}, "not a GeoJSON Feature"),
        ({"type": "FeatureCollection", "features": []}, "holds one feature"),
        ({"type": "FeatureCollection", "features": [feature(), feature()]}, "one file a region"),
        ({"type": "FeatureCollection", "features": ["x"]}, "not a GeoJSON Feature"),
        (feature(polygon(BOW_TIE)), "Self-intersection[9.55 46.65]; redraw the outline there"),
        (feature(TWICE), "redraw the outline there"),
        (feature(polygon(SWAPPED)), "longitude, latitude in degrees"),
        (feature(polygon(BEYOND)), "split a region at the 180th meridian"),
        (feature(polygon(AROUND)), "does it cross the 180th meridian? Split it there"),
        (feature(polygon([])), "draw a Polygon or MultiPolygon"),
        (feature({"type": "MultiPolygon", "coordinates": []}), "draw a Polygon"),
        (feature({"type": "Point", "coordinates": [9, 46]}), "draw a Polygon"),
        (feature(mapping(Polygon(SQUARE).exterior)), "draw a Polygon"),
        (feature({"type": "Polygon"}), "the geometry cannot be read"),
        (feature(polygon([["a", "b"], ["c", "d"], ["e", "f"]])), "the geometry cannot be read"),
        (feature(polygon([[9.5, 46.6]])), "the geometry cannot be read"),
        ({**feature(), "geometry": None}, "the geometry cannot be read"),
        (feature(min_area=9000), "nobody reads 'min_area'; did you mean 'min_area_m2'?"),
        (feature(id="Brienz!"), "lower-case letters, digits, hyphens"),
        (feature(id="-x"), "lower-case letters, digits, hyphens"),
        (feature(id=""), "id: "),
        (feature(sources=[]), "say where looks come from"),
        (feature(detectors=["magic"]), "no detector magic"),
        (feature(watch_from="2025-01-01T00:00:00"), "watch_from: "),
        (feature(min_area_m2=-1), "min_area_m2: "),
        (feature(min_area_m2=float("inf")), "min_area_m2: "),
        (feature(units_a_month=float("inf")), "units_a_month: "),
        (feature(poll_every_minutes=0), "poll_every_minutes: "),
    ],
)
def test_each_mistake_is_told(write: Write, document: Any, words: str) -> None:
    with pytest.raises(InvalidRegion) as error:
        read_region(write(document), NOW)
    assert words in str(error.value)
    assert "brienz.geojson" in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRegion, match="No such file"):
        read_region(tmp_path / "none.geojson", NOW)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "brienz.geojson"
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(InvalidRegion, match="is not JSON"):
        read_region(path, NOW)


def test_a_source_without_collection(write: Write) -> None:
    with pytest.raises(ConfigurationError, match="catalogue/collection"):
        read_region(write(feature(sources=["opera-asf"])), NOW)


def test_columns_of_a_drawing_program_are_no_fault(tmp_path: Path) -> None:
    drawn = feature(fid=3, colour="red", layer=None)
    path = tmp_path / "North Slope_2.geojson"
    path.write_text(json.dumps(drawn))
    assert read_region(path, NOW).id == "north-slope-2"


def test_a_numeric_id_is_taken_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(feature(id=17)))
    assert read_region(path, NOW).id == "17"
