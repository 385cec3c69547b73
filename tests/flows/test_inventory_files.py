"""Files of other people, read: what is told is taken, what is not told is refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import geopandas
import pandas
import pytest
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from detectors.errors import ConfigurationError, InvalidMap
from flows.export_files import COOLR
from flows.inventory_files import Layout, moment_of, read_inventory, read_mapping
from tests.mapped import EPSG, E, N, inventory

Writer = Callable[..., Path]
COLUMNS = {
    "date": "EVENT_DATE", "key": "NUMMER", "category": "ART", "trigger": "AUSLÖSER",
    "accuracy_m": "GENAU",
}  # fmt: skip


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp", "a.fgb", "a.parquet"])
def test_any_format(name: str, inventory_file: Writer, tmp_path: Path) -> None:
    frame = inventory(12)
    columns = dict(COLUMNS)
    if name == "a.shp":
        frame = frame.rename(columns={"AUSLÖSER": "AUSL"})
        columns["trigger"] = "AUSL"
    if name == "a.parquet":
        frame.to_parquet(tmp_path / name)
    else:
        inventory_file(name, frame)
    before = sorted(tmp_path.iterdir())
    read = read_inventory(tmp_path / name, "mine", Layout(columns))
    assert sorted(tmp_path.iterdir()) == before  # nothing is left beside what was read
    assert len(read.mapped) == 12
    assert (read.mended, read.refused) == ((), ())
    by_key = {one.key: one for one in read.mapped}
    first = by_key["L0000"]
    assert (first.not_before, first.not_after) == (
        datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    assert (first.category, first.trigger, first.accuracy_m) == ("debris flow", "rain", 0.0)
    assert [by_key[f"L000{n}"].accuracy_m for n in (1, 2)] == [1000.0, None]
    assert first.attributes["ART"] == "debris flow"
    told = geopandas.GeoSeries([first.geometry], crs=4326).to_crs(EPSG).iloc[0]
    assert told.symmetric_difference(frame.geometry.iloc[0]).area < 0.01


def test_no_coordinate_system_is_an_error_unless_told(inventory_file: Writer) -> None:
    frame = inventory(3)
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        path = inventory_file("bare.gpkg", frame.set_crs(None, allow_override=True))
    with pytest.raises(InvalidMap, match="--crs"):
        read_inventory(path, "x", Layout())
    assert len(read_inventory(path, "x", Layout(crs=f"EPSG:{EPSG}")).mapped) == 3
    with pytest.raises(ConfigurationError, match="--crs EPSG:0"):
        read_inventory(path, "x", Layout(crs="EPSG:0"))
    placed = inventory_file("placed.gpkg", frame)
    with pytest.raises(ConfigurationError, match="leave --crs out"):
        read_inventory(placed, "x", Layout(crs="EPSG:4326"))


def test_rings_are_mended_or_refused_with_row_and_reason(inventory_file: Writer) -> None:
    bow = Polygon([(E, N), (E + 100, N + 100), (E + 100, N), (E, N + 100)])
    flat = Polygon([(E, N), (E + 100, N), (E + 50, N), (E, N)])
    shapes = [box(E, N, E + 50, N + 50), bow, flat, None, LineString([(E, N), (E + 9, N)])]
    far = Point(9e9, 9e9)
    frame = geopandas.GeoDataFrame({"a": range(6)}, geometry=[*shapes, far], crs=EPSG)
    read = read_inventory(inventory_file("odd.gpkg", frame), "x", Layout())
    assert [one.file_row for one in read.mapped] == [1, 2]
    assert [one.geometry.is_valid for one in read.mapped] == [True, True]
    ((row, reason),) = [(one.row, one.reason) for one in read.mended]
    assert row == 2
    assert reason.startswith("Self-intersection")
    assert [one.row for one in read.refused] == [3, 4, 5, 6]
    for remark, says in zip(
        read.refused,
        ("encloses no ground", "no geometry", "LineString is neither", "cannot be brought|beyond"),
        strict=True,
    ):
        assert re.search(says, remark.reason)


def test_only_unusable_rows_are_an_error(inventory_file: Writer) -> None:
    frame = geopandas.GeoDataFrame(geometry=[LineString([(E, N), (E + 9, N)])], crs=EPSG)
    with pytest.raises(InvalidMap, match="row 1: a LineString"):
        read_inventory(inventory_file("lines.gpkg", frame), "x", Layout())


def test_coolr_is_known(tmp_path: Path) -> None:
    path = tmp_path / "coolr.csv"
    said = {
        "event_id": "684", "event_date": "08/01/2008 12:00:00 AM", "landslide_trigger": "rain",
        "landslide_category": "mudslide", "location_accuracy": "5km", "longitude": "107.45",
        "latitude": "32.5625", "event_title": "Sigou", "source_name": "AGU",
    }  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COOLR, restval="")
        table.writeheader()
        table.writerows([said, said | {"event_id": "685", "latitude": ""}])
    read = read_inventory(path, "glc", Layout())
    (one,) = read.mapped
    assert one.geometry.equals(Point(107.45, 32.5625))
    assert (one.not_before, one.not_after) == (
        datetime(2008, 8, 1, tzinfo=UTC), datetime(2008, 8, 2, tzinfo=UTC),
    )  # fmt: skip
    assert (one.key, one.category, one.trigger, one.accuracy_m, one.name, one.mapped_by) == (
        "684", "mudslide", "rain", 5000.0, "Sigou", "AGU",
    )  # fmt: skip
    assert [(remark.row, remark.reason) for remark in read.refused] == [(2, "no geometry")]


def test_a_table_needs_a_place_and_a_system(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidMap, match="longitude and latitude"):
        read_inventory(path, "x", Layout())
    path.write_text("lon,lat\n10,60\n")
    with pytest.raises(InvalidMap, match="--crs"):
        read_inventory(path, "x", Layout())
    assert read_inventory(path, "x", Layout(crs="EPSG:4326")).mapped[0].geometry == Point(10, 60)


@pytest.mark.parametrize(
    ("value", "order", "span"),
    [
        (2005, None, ("2005-01-01", "2006-01-01")),
        (2005.0, None, ("2005-01-01", "2006-01-01")),
        ("2005-12", None, ("2005-12-01", "2006-01-01")),
        ("2005-10-08", None, ("2005-10-08", "2005-10-09")),
        (date(2005, 10, 8), None, ("2005-10-08", "2005-10-09")),
        (pandas.Timestamp("2005-10-08"), None, ("2005-10-08", "2005-10-09")),
        ("8/1/2008 0:00", "month-first", ("2008-08-01", "2008-08-02")),
        ("8.1.2008", "day-first", ("2008-01-08", "2008-01-09")),
        ("25/1/2008", None, ("2008-01-25", "2008-01-26")),
        ("2005-10-08T03:50:40Z", None, ("2005-10-08T03:50:40", "2005-10-08T03:50:41")),
        ("2005-10-08T05:50:40+02:00", None, ("2005-10-08T03:50:40", "2005-10-08T03:50:41")),
        (None, None, (None, None)),
        (float("nan"), None, (None, None)),
        (pandas.NaT, None, (None, None)),
        (" ", None, (None, None)),
    ],
)
def test_dates(value, order, span) -> None:
    told = [None if text is None else datetime.fromisoformat(text + "+00:00") if "T" in text
            else datetime.fromisoformat(text).replace(tzinfo=UTC) for text in span]  # fmt: skip
    assert list(moment_of(value, order)) == told


@pytest.mark.parametrize("value", ["8/1/2008", "yesterday", "2005-13-01", "31/31/2008", 20_051])
def test_dates_that_are_none_or_two(value) -> None:
    with pytest.raises(ValueError, match=r"no date|month or the day"):
        moment_of(value, None)


def test_wrong_mappings(tmp_path: Path, inventory_file: Writer) -> None:
    path = inventory_file()
    with pytest.raises(ConfigurationError, match="no column 'DATUM'; it has ART"):
        read_inventory(path, "x", Layout({"date": "DATUM"}))
    toml = tmp_path / "m.toml"
    toml.write_text('licence = "CC BY 4.0"\n[columns]\ndate = "EVENT_DATE"\n')
    assert read_mapping(toml)["columns"] == {"date": "EVENT_DATE"}
    for text, says in (
        ("licens = 1", "nobody reads 'licens'"),
        ("[columns]\ndatum = 'x'", "no field 'datum'"),
        ("=", "TOML"),
    ):
        toml.write_text(text)
        with pytest.raises(ConfigurationError, match=says):
            read_mapping(toml)
    with pytest.raises(InvalidMap, match="there is no file"):
        read_inventory(tmp_path / "none.gpkg", "x", Layout())
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"no database")
    with pytest.raises(InvalidMap, match="cannot be read"):
        read_inventory(broken, "x", Layout())


def test_layers_are_named(inventory_file: Writer) -> None:
    path = inventory_file("two.gpkg", layer="a")
    inventory(4).to_file(path, layer="b")
    with pytest.raises(InvalidMap, match="say --layer, a, b"):
        read_inventory(path, "x", Layout())
    assert len(read_inventory(path, "x", Layout(layer="b")).mapped) == 4
    assert isinstance(read_inventory(path, "x", Layout(layer="b")).mapped[0].geometry, MultiPolygon)
