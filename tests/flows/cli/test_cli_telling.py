"""Exclusions, acknowledgements, bulletins and subscribers, as they are typed and set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import pytest
from shapely.geometry import box
from sqlalchemy import Engine

SETTINGS = """
operators = ["ops"]

[channels.ops]
url = "file:ops.jsonl"

[channels.drill-file]
url = "file:drill.jsonl"
exercise = true

[channels.chief]
url = "file:chief.jsonl"

[subscribers.county]
channels = ["drill-file"]
areas = ["region:san-rafael", "county.geojson"]
zone = "Europe/Oslo"
budget = 2

[subscribers.county.quiet]
start = "22:00"
end = "06:00"
through = "Severe"

[subscribers.county.escalate]
channel = "chief"
after = "PT30M"
"""


@pytest.fixture
def polygons(tmp_path: Path) -> Any:
    def write(name: str, *boxes: tuple[float, float, float, float]) -> Path:
        path = tmp_path / name
        shapes = [box(*one) for one in boxes]
        geopandas.GeoDataFrame({"n": range(len(boxes))}, geometry=shapes, crs=4326).to_file(path)
        return path

    return write


def test_exclusions(cli: Any, read: Any, stored: Any, polygons: Any) -> None:
    quarry = polygons("quarry.gpkg", (-119.82, 34.61, -119.80, 34.62), (0.0, 0.0, 1.0, 1.0))
    told = cli("exclusions", "add", quarry, "--reason", "quarry", "--name", "The pit").stdout
    assert told.count("excluded (quarry).") == 2
    assert "was excluded before" in cli("exclusions", "add", quarry, "--reason", "quarry").stdout
    held = read("exclusions", "list")["exclusions"]
    (pit,) = (one for one in held if one["landslides"])
    # Both landslides of the stored world lie there, with the three detections they are made of.
    assert (pit["landslides"], pit["detections"], pit["withheld"]) == (2, 3, 0)
    assert "quarry" in cli("exclusions", "list").stdout
    assert "excluded: quarry" in cli("landslides", "list").stdout
    listed = read("landslides", "list")["landslides"]
    assert [one["excluded"]["share"] for one in listed] == [pytest.approx(1.0)] * 2
    shown = cli("landslides", "show", str(stored.likely.id)[:8]).stdout
    assert "100 % in quarry: not alerted" in shown
    assert "has ended" in cli("exclusions", "remove", pit["id"][:8]).stdout
    assert len(read("exclusions", "list")["exclusions"]) == 1
    assert len(read("exclusions", "list", "--all")["exclusions"]) == 2
    assert "excluded" not in cli("landslides", "list").stdout
    assert "no exclusion ffff" in cli("exclusions", "remove", "ffff", status=2).stderr


def test_a_file_without_polygons_excludes_nothing(cli: Any, valley_file: Any) -> None:
    lines = valley_file("lines.geojson")
    frame = geopandas.read_file(lines)
    frame[frame.geom_type == "LineString"].to_file(lines)
    refused = cli("exclusions", "add", lines, "--reason", "works", status=1)
    assert "lines.geojson holds no polygon" in refused.stderr
    assert "Nothing is excluded." in cli("exclusions", "list").stdout


def test_one_class_of_a_land_cover_map_is_excluded(cli: Any, read: Any, polygons: Any) -> None:
    outlines = polygons("outlines.gpkg", (0.0, 0.0, 1.0, 1.0), (2.0, 0.0, 3.0, 1.0))
    frame = geopandas.read_file(outlines).assign(**{"class": ["quarry", "grass"]})
    frame.to_file(outlines)
    words = ("exclusions", "add", outlines, "--reason", "quarry", "--class")
    assert cli(*words, "quarry").stdout.count("excluded (quarry).") == 1
    assert len(read("exclusions", "list")["exclusions"]) == 1
    refused = cli(*words, "water", status=1).stderr.replace("\n", " ")
    assert "no polygon of class 'water'; its column 'class' says grass, quarry" in refused


def test_acknowledge(cli: Any, read: Any, stored: Any) -> None:
    number = str(stored.alert.id)[:8]
    assert "acknowledged by Kari" in cli("alerts", "ack", number, "--by", "Kari").stdout
    assert "was acknowledged before" in cli("alerts", "ack", number, "--by", "Kari").stdout
    (record,) = read("alerts", "list")["alerts"]
    assert [one["by_whom"] for one in record["acknowledged"]] == ["Kari"]
    assert "acknowledged by Kari" in cli("alerts", "list").stdout
    refused = cli("alerts", "ack", number, "--by", "Kari", "--subscriber", "x", status=2)
    assert "no subscriber 'x'; known: none" in refused.stderr


def test_a_bulletin_is_sent_once(cli: Any, read: Any, stored: Any, home: Path) -> None:
    (home / "scarpwatch.toml").write_text(SETTINGS.split("[subscribers.county]")[0])
    words = ("bulletin", "big-sur", "--trigger", "storm of 1 December", "--since", "2023-11-01")
    told = cli(*words).stdout
    assert "AFTER: storm of 1 December" in told
    assert "none of the area seen yet" in told
    assert "No bulletin so far." in cli("alerts", "bulletins").stdout
    assert "Sent to chief, ops" in cli(*words, "--send").stdout
    cli(*words, "--send")
    (record,) = read("alerts", "bulletins")["bulletins"]
    assert {one["channel"]: one["state"] for one in record["deliveries"]} == {
        "chief": "delivered", "ops": "delivered",
    }  # fmt: skip
    assert len((home / "ops.jsonl").read_text().splitlines()) == 1
    assert "storm of 1 December" in cli("alerts", "bulletins").stdout


def test_subscribers_are_read_and_checked(
    cli: Any, read: Any, stored: Any, home: Path, polygons: Any
) -> None:
    settings = home / "scarpwatch.toml"
    settings.write_text(SETTINGS)
    assert "subscriber county, area 'county.geojson'" in cli("status", status=2).stderr
    checks = {one["name"]: one for one in read("doctor", status=1)["checks"]}
    assert checks["subscriber county"]["state"] == "fail"
    polygons("county.geojson", (-120.0, 34.0, -119.0, 35.0)).rename(home / "county.geojson")
    checks = {one["name"]: one for one in read("doctor", status=1)["checks"]}
    assert checks["subscriber county"]["said"] == "drill-file; 2 a week at once"
    settings.write_text(SETTINGS.replace("region:san-rafael", "region:san-raphael"))
    checks = {one["name"]: one for one in read("doctor", status=1)["checks"]}
    assert checks["subscriber county"]["said"].endswith("not watched: san-raphael")
    settings.write_text(SETTINGS)
    shown = cli("regions", "show", "san-rafael").stdout
    assert "drill-file" in shown
    # A channel that a subscriber names serves it alone: the coast is told to nobody but ops.
    assert "ops" in cli("regions", "show", "big-sur").stdout
    for wrong, right, why in (
        ('channel = "chief"', 'channel = "chef"', "subscriber county: no channel chef"),
        ('channel = "chief"', 'channel = "drill-file"', "cannot escalate to itself"),
        ("Europe/Oslo", "Europe/Ardal", "no IANA time zone"),
        ("budget = 2", "budgets = 2", "budgets"),
        ('operators = ["ops"]', 'operators = ["op"]', "operators: no channel op"),
        ("budget = 2", 'languages = ["xx"]', "no language xx; known: en, nb"),
    ):
        settings.write_text(SETTINGS.replace(wrong, right))
        assert why in cli("status", status=2).stderr
    settings.write_text(SETTINGS + '[subscribers.other]\nchannels = ["drill-file"]\n')
    assert "two subscribers share the channel drill-file" in cli("status", status=2).stderr


def test_status_tells_of_silence(cli: Any, read: Any, stored: Any, engine: Engine) -> None:
    # The stored looks are of 2023: their track has ended, and nobody is woken for it.
    assert read("status")["silent"] == {}
    assert "silence" not in cli("status").stdout
