"""What lies where ground moved, in metres, out of real PostGIS and real vector files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import pytest
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Point, box
from sqlalchemy import Engine, text

from alerts.exposed import lines
from db import exposure
from db.engine import transaction
from detectors.errors import ConfigurationError, InvalidMap
from detectors.exposure import Exposure, Thing
from detectors.types import Kind
from flows.maps import OSM_CREDIT, Reading, read_maps
from tests.maps import EPSG, INTO_THE_RIVER, SLOPE, at, outline


def load(engine: Engine, path: Path, reading: Reading | None = None) -> list[str]:
    """Load a file as the command does; return the names of the maps."""
    names = []
    for one in read_maps(path, reading or Reading()):
        with transaction(engine) as s:
            exposure.store_map(
                s, one.id, file=one.file, sha256=one.sha256, credit=one.credit,
                extent=one.extent, features=one.features,
            )  # fmt: skip
        names.append(one.id)
    return names


def at_risk(engine: Engine, where: MultiPolygon) -> Exposure:
    with transaction(engine) as s:
        found = exposure.exposure_of(s, where)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["valley.gpkg", "valley.parquet", "valley.geojson", "valley.fgb"])
def test_a_slope_over_a_road(engine, valley_file, name) -> None:
    assert load(engine, valley_file(name)) == ["valley"]
    found = at_risk(engine, outline(*SLOPE))
    (road,) = found.crossed(Thing.ROAD)
    assert (road.name, road.what) == ("Fv53", "secondary")
    assert road.length_m == pytest.approx(120, abs=0.5), "both pieces, as one road"
    (track,) = found.near(Thing.ROAD)
    assert (track.name, track.what) == ("", "track")
    assert track.distance_m == pytest.approx(60, abs=0.5)
    assert (found.buildings_inside, found.buildings_near) == (0, 3)
    assert found.place is not None
    assert found.place.name == "Årdal"
    assert found.place.distance_m == pytest.approx(1_266, abs=3)
    assert found.downstream is None
    assert found.credits == (OSM_CREDIT,)
    # Rails are on no map here, so that nobody reads silence as safety.
    assert lines(found) == [
        "crosses the road Fv53 over 120 m",
        "3 buildings within 100 m",
        "road (track) 60 m away",
        "1.3 km south-east of Årdal",
        "no map of railways is loaded here",
    ]


def test_what_lies_downstream_of_a_blocked_river(engine, valley_file) -> None:
    load(engine, valley_file())
    found = at_risk(engine, outline(*INTO_THE_RIVER))
    (river,) = found.crossed(Thing.RIVER)
    assert (river.name, round(river.length_m)) == ("Utla", 120)
    below = found.downstream
    assert below is not None
    assert below.known
    # What lies upstream (Ovafor, a house, Bekken) is not threatened.
    assert (below.rivers, below.buildings, below.roads) == (("Utla",), 2, ("Brua",))
    assert [place.name for place in below.places] == ["Nedre"]
    (told,) = [line for line in lines(found) if "stream" in line]
    assert told == (
        "if it blocks the river, downstream along the Utla within 10 km: 2 buildings within 100 m "
        "of the water; road Brua; Nedre (5.9 km away)"
    )


def test_lines_that_do_not_tell_which_way_the_water_flows(engine, valley_file) -> None:
    load(engine, valley_file(), Reading(flows=False))
    found = at_risk(engine, outline(*INTO_THE_RIVER))
    assert found.downstream is not None
    assert not found.downstream.known
    assert found.downstream.roads == ("Brua", "Ovafor")
    assert found.downstream.buildings == 3
    assert any("river, up- or downstream along the " in line for line in lines(found))


def test_new_water_beside_a_river_is_its_own_line(engine, valley_file) -> None:
    load(engine, valley_file())
    pond = outline(-400, -340, -200, -260)
    found = at_risk(engine, pond)
    told = lines(found, Kind.PONDING)
    assert "stands in the river Utla over 200 m" in told
    assert any(line.startswith("downstream along the Utla within 10 km: 2 b") for line in told)
    # 50 m beside it: the line of a river is thinner than the river.
    beside = at_risk(engine, outline(-400, -250, -200, -200))
    assert beside.crossed(Thing.RIVER) == ()
    assert beside.downstream is not None
    assert beside.downstream.buildings == 2
    assert at_risk(engine, outline(-400, -150, -200, -100)).downstream is None


def test_a_braided_river_is_walked_to_its_end(engine, valley_file) -> None:
    # Two hundred thousand ways through: each piece is walked once.
    islands = []
    for number in range(18):
        west, east = 8_000 + number * 50, 8_050 + number * 50
        for side in (-20, 20):
            bend = [at(west, -300), at((west + east) / 2, -300 + side), at(east, -300)]
            islands.append((LineString(bend), {"waterway": "stream"}))
    house = (box(*at(8_890, -290), *at(8_900, -280)), {"building": "yes"})
    load(engine, valley_file(more=(*islands, house)))
    found = at_risk(engine, outline(*INTO_THE_RIVER))
    assert found.downstream is not None
    assert found.downstream.buildings == 3


def test_a_place_no_map_reaches_is_unknown_and_an_empty_one_is_empty(engine, valley_file) -> None:
    with transaction(engine) as s:
        assert exposure.exposure_of(s, outline(*SLOPE)) is None
    load(engine, valley_file())
    with transaction(engine) as s:
        assert exposure.exposure_of(s, translate(outline(*SLOPE), 5)) is None
    empty = at_risk(engine, outline(2_000, 600, 2_100, 700))
    assert lines(empty)[0] == "no buildings or roads within 100 m on the map"


def test_across_the_antimeridian(engine, tmp_path) -> None:
    # 0.0005 degrees on the other side of it, on the equator: 56 m.
    road = LineString([(-179.9995, -0.01), (-179.9995, 0.01)])
    other = LineString([(179.9, 0.1), (180, 0.1)])
    frame = geopandas.GeoDataFrame({"highway": ["primary"] * 2}, geometry=[road, other], crs=4326)
    path = tmp_path / "fiji.gpkg"
    frame.to_file(path)
    load(engine, path)
    slope = MultiPolygon([box(179.998, -0.001, 180, 0.001)])
    (near,) = at_risk(engine, slope).near(Thing.ROAD)
    assert near.distance_m == pytest.approx(55.7, abs=0.2)


def test_loading_again_replaces(engine, valley_file) -> None:
    path = valley_file()
    load(engine, path)
    first = at_risk(engine, outline(*SLOPE))
    load(engine, path)
    with transaction(engine) as s:
        (held,) = exposure.list_maps(s)
        rows = s.scalar(text("SELECT count(*) FROM scarpwatch.exposure_features"))
    assert rows == sum(held.counts.values()) == 17
    again = at_risk(engine, outline(*SLOPE))
    assert (again.things, again.place) == (first.things, first.place)
    with transaction(engine) as s:
        assert exposure.remove_map(s, "valley") == 17
        assert s.scalar(text("SELECT count(*) FROM scarpwatch.exposure_features")) == 0
        with pytest.raises(ConfigurationError, match="no map 'valley' is loaded"):
            exposure.remove_map(s, "valley")


@pytest.fixture
def lines_file(tmp_path: Path) -> Callable[..., Path]:
    def make(**columns: object) -> Path:
        shapes = [LineString([at(-100, 50), at(300, 50)]), Point(at(0, 0)), None]
        frame = geopandas.GeoDataFrame(columns, geometry=shapes, crs=EPSG)
        path = tmp_path / "own.gpkg"
        frame.to_file(path)
        return path

    return make


def test_a_file_of_ones_own(engine, lines_file) -> None:
    path = lines_file(strekning=["Raumabanen", None, "x"])
    with pytest.raises(InvalidMap, match="--kind"):
        load(engine, path)
    with pytest.raises(InvalidMap, match="no column 'navn'; it has strekning"):
        load(engine, path, Reading(kind=Thing.RAIL, name_field="navn"))
    reading = Reading(kind=Thing.RAIL, name_field="strekning", credit="Own survey")
    (one,) = read_maps(path, reading)
    assert (len(one.features), one.left_out) == (1, 2)
    load(engine, path, reading)
    found = at_risk(engine, outline(*SLOPE))
    assert lines(found)[0] == "crosses the railway Raumabanen over 120 m"
    assert found.credits == ("Own survey",)


def test_tags_that_ogr_packs_away(engine, lines_file) -> None:
    packed = '"railway"=>"rail","name"=>"Flåmsbana"'
    load(engine, lines_file(other_tags=[packed, None, None]))
    assert lines(at_risk(engine, outline(*SLOPE)))[0] == (
        "crosses the railway Flåmsbana over 120 m"
    )


def test_files_that_are_none(tmp_path) -> None:
    text_file = tmp_path / "map.gpkg"
    text_file.write_text("no map")
    with pytest.raises(InvalidMap, match="no vector file"):
        list(read_maps(text_file, Reading()))
    with pytest.raises(InvalidMap, match="there is no file"):
        list(read_maps(tmp_path / "none.gpkg", Reading()))


def test_a_layer_that_is_not_there(valley_file) -> None:
    with pytest.raises(InvalidMap, match="no layer 'roads'; it has valley"):
        list(read_maps(valley_file(), Reading(layer="roads")))


OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="61.24" lon="7.70"/><node id="2" lat="61.24" lon="7.71"/>
<node id="3" lat="61.241" lon="7.71"/>
<node id="5" lat="61.25" lon="7.72"><tag k="place" v="village"/><tag k="name" v="Årdal"/></node>
<way id="10"><nd ref="1"/><nd ref="2"/><tag k="highway" v="primary"/><tag k="ref" v="Fv53"/></way>
<way id="11"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="building" v="yes"/></way>
<way id="12"><nd ref="1"/><nd ref="3"/><tag k="railway" v="rail"/><tag k="name" v="Banen"/></way>
</osm>"""


def test_openstreetmap_as_it_is_downloaded(engine, tmp_path) -> None:
    path = tmp_path / "aardal.osm"
    path.write_text(OSM, encoding="utf-8")
    assert load(engine, path) == ["aardal-points", "aardal-lines", "aardal-multipolygons"]
    with transaction(engine) as s:
        held = {one.id: dict(one.counts) for one in exposure.list_maps(s)}
    assert held == {
        "aardal-points": {"place": 1},
        "aardal-lines": {"road": 1, "rail": 1},
        "aardal-multipolygons": {"building": 1},
    }
    found = at_risk(engine, MultiPolygon([box(7.7049, 61.2399, 7.7051, 61.2404)]))
    assert [one.name for one in found.crossed(Thing.ROAD)] == ["Fv53"]
    assert found.buildings_inside == 1
