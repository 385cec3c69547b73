"""An emergency in one command: watched, judged, mapped, reported, and gone on with."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import geopandas
import numpy as np
import pytest
import rasterio
from matplotlib.text import Text
from shapely.geometry import box, mapping

from db import outbox, queries
from detectors.errors import ConfigurationError, InvalidMap, InvalidRegion
from flows import activation_map, activation_report, situation
from flows.activating import activate
from flows.activation_area import SOURCES, area_of
from tests.hills import heights
from tests.series import EPSG
from tests.watching import END

SINCE = datetime(2023, 11, 12, tzinfo=UTC)
#: The landslide has been seen once.
NOW = datetime(2023, 11, 28, tzinfo=UTC)


def texts(figure) -> str:
    return "\n".join(one.get_text() for one in figure.findobj(Text))


@pytest.fixture
def emergency(watch, tmp_path):
    """A clock, a catalogue, an elevation model, and a file of somebody's; nothing watched there."""
    w = watch(settings={"elevation": (str(tmp_path / "dem.tif"),)})
    heights(tmp_path / "dem.tif", w.region.geometry, EPSG)
    w.reach(NOW)
    # Twice as wide as the burst: half of it is in no look.
    west, south, east, north = w.region.geometry.bounds
    feature = {
        "type": "Feature", "geometry": mapping(box(2 * west - east, south, east, north)),
        "properties": {"name": "The valley", "detectors": ["sar_log_ratio"],
                       "sources": list(w.region.sources)},
    }  # fmt: skip
    file = tmp_path / "valley.geojson"
    file.write_text(json.dumps(feature))
    return w, file


def test_one_command_then_the_same_again(emergency, tmp_path) -> None:
    w, file = emergency
    done = activate(w.services, str(file), SINCE, out=tmp_path / "out", name="Bear Creek")
    assert (done.new, done.looks, done.errors, done.pages) == (True, 1, (), 3)
    with w.open() as s:
        region = queries.get_region(s, "bear-creek")
        assert (region.name, region.watch_from) == ("Bear Creek", NOW)
        (found,) = queries.list_landslides(s, "bear-creek")
        assert outbox.list_alerts(s) == []
    assert {path.name for path in done.files} == {one.name for one in (tmp_path / "out").iterdir()}

    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["landslides"] == {"suspected": {"likely": 1}}
    assert summary["share_covered"] == pytest.approx(0.5, abs=0.03)
    assert re.match(r"5\d % of the area \(\d+ km2\) lies in no", summary["could_not_be_seen"][0])
    assert summary["next_looks"]["137-ascending"].startswith("2023-12-03")
    assert summary["marks"] == "EXERCISE SIMULATED"
    rows = geopandas.read_file(tmp_path / "out" / "landslides.gpkg")
    assert list(rows["id"]) == [str(found.id)]
    assert list(rows["status"]) == ["EXERCISE SIMULATED"]
    assert list(rows["found_by"]) == ["backfill"]
    pdf = (tmp_path / "out" / "report.pdf").read_bytes()
    assert (pdf[:5], len(re.findall(rb"/Type /Page\b", pdf))) == (b"%PDF-", 3)
    with rasterio.open(tmp_path / "out" / "map.png") as picture:
        assert (picture.width, picture.height) == (1240, 1753)
        assert np.ptp(picture.read()) == 255

    _say_what_has_to_be_said(w, done.situation)

    w.reach(END)
    again = activate(w.services, "bear-creek", SINCE, out=tmp_path / "out")
    assert (again.new, again.looks) == (False, 1)
    (one,) = again.situation.landslides
    assert (one.id, one.looks) == (found.id, 2)
    with w.open() as s:
        assert outbox.list_alerts(s) == []


def _say_what_has_to_be_said(w, stands) -> None:
    first = texts(activation_report.first_page(stands, "judged 1 look in 2 s"))
    for words in ("EXERCISE SIMULATED", "Bear Creek", "region bear-creek", "do not act on this",
                  "suspected", "lies in no judged radar look", "no optical look has been judged",
                  "1 pass judged", "next expected 2023-12-03", "judged 1 look in 2 s",
                  "not mean safe ground", "modified Copernicus Sentinel data 2023"):  # fmt: skip
        assert words in first.replace("\n", " "), words
    figure = activation_map.draw(w.services, stands)
    said = texts(figure)
    for words in ("EXERCISE SIMULATED", "suspected (1)", "in no radar look", "km", "°N", "°W",
                  "Relief: dem.tif", "EPSG:32611", "modified Copernicus"):  # fmt: skip
        assert words in said, words
    # Hatched where no look is, and only there.
    hatched = [one for one in figure.axes[0].patches if one.get_hatch()]
    assert len(hatched) == len(getattr(stands.uncovered, "geoms", [0]))
    assert stands.uncovered.area == pytest.approx(stands.region.geometry.area / 2, rel=0.1)
    (found,) = stands.landslides
    assert not stands.uncovered.intersects(found.geometry)


def test_nothing_found_is_said_with_what_could_not_be_seen(emergency) -> None:
    w, file = emergency
    done = activate(w.services, str(file), NOW - timedelta(days=1))
    assert done.situation.landslides == ()
    assert done.files[0].parent == w.services.settings.home / "activations" / "valley"
    with w.open() as s:
        stands = situation.load(w.services, s, "valley", NOW)
    said = texts(activation_report.first_page(stands, ""))
    assert "Nothing could be looked at" in said
    assert "no all-clear" in said
    assert "Nothing was found" not in said
    assert "100 % of the area" in said
    assert "none judged since then; next expected 2023-12-03" in said


def test_what_is_no_area(emergency, tmp_path) -> None:
    w, file = emergency

    def area(text, name=None, sources=()):
        return area_of(w.services, str(text), NOW, name, sources)

    assert area("slope").known
    made = area("-119.9,34.4,-119.6,34.7", "Gap fire").region
    assert (made.id, made.sources, made.geometry.bounds) == (
        "gap-fire", SOURCES, (-119.9, 34.4, -119.6, 34.7),
    )  # fmt: skip
    assert area("-119.9,34.4,-119.6,34.7").region.id == area("-119.9,34.4,-119.6,34.7").region.id
    geopandas.read_file(file).to_crs(EPSG).to_file(tmp_path / "drawn.gpkg")
    drawn = area(tmp_path / "drawn.gpkg", sources=("local/slide",)).region
    assert (drawn.id, drawn.sources) == ("drawn", ("local/slide",))
    assert drawn.geometry.bounds == pytest.approx(area(file).region.geometry.bounds, abs=1e-6)
    with pytest.raises(ConfigurationError, match="no watched region"):
        area("sloep")
    with pytest.raises(ConfigurationError, match="other ground"):
        area("-119.9,34.4,-119.6,34.7", "slope")
    with pytest.raises(InvalidRegion, match="west,south,east,north"):
        area("10,50,9,51")
    (tmp_path / "line.gpkg").write_bytes(b"no GeoPackage")
    with pytest.raises(InvalidMap):
        area(tmp_path / "line.gpkg")
