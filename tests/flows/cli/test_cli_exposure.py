"""Maps, as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
from shapely.geometry import LineString


def test_load_list_clear(cli: Any, read: Any, valley_file: Callable[..., Path]) -> None:
    path = valley_file("ardal.gpkg")
    told = cli("exposure", "load", path).stdout
    assert "ardal loaded: 5 roads, 7 buildings, 3 rivers, 2 places; 1 feature left out." in told
    assert "ardal unchanged" in cli("exposure", "load", path).stdout
    (again,) = read("exposure", "load", path, "--credit", "Own")["maps"]
    assert (again["state"], again["credit"]) == ("replaced", "Own")
    (held,) = read("exposure", "list")["maps"]
    assert held["counts"] == {"road": 5, "building": 7, "river": 3, "place": 2}
    assert (held["credit"], held["file"]) == ("Own", "ardal.gpkg, layer ardal")
    assert "ardal" in cli("exposure", "list").stdout
    assert "name a map, or say --all" in cli("exposure", "clear", status=2).stderr
    assert "1 map with 17 features forgotten." in cli("exposure", "clear", "ardal").stdout
    assert read("exposure", "list") == {"maps": []}
    assert "No map is loaded" in cli("exposure", "list").stdout


def test_what_lies_there_is_shown(
    cli: Any, read: Any, stored: Any, valley_file: Callable[..., Path]
) -> None:
    number = str(stored.likely.id)[:8]
    assert "no map is loaded here" in cli("landslides", "show", number).stdout
    west, south, east, north = stored.likely.geometry.bounds
    road = LineString([(west - 0.01, (south + north) / 2), (east + 0.01, (south + north) / 2)])
    path = valley_file()
    geopandas.GeoDataFrame({"highway": ["primary"]}, geometry=[road], crs=4326).to_file(path)
    cli("exposure", "load", path)
    assert "crosses the road (primary) over 190 m" in cli("landslides", "show", number).stdout
    shown = read("landslides", "show", number)["exposure"]
    assert shown["things"][0]["length_m"] == pytest.approx(193, abs=2)


def test_around_a_region_only(
    cli: Any, read: Any, stored: Any, valley_file: Callable[..., Path]
) -> None:
    path = valley_file()
    refused = cli("exposure", "load", path, "--region", stored.coast.id, status=1)
    assert "holds no road, rail, building, river or place" in refused.stderr
