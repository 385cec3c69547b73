"""What was found against what is mapped, statistics and masks, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon
from sqlalchemy import Engine, text

from db import store
from db.engine import transaction
from db.radar import record_observability
from detectors.observability import Coverage
from detectors.types import State
from flows.patches import Pair
from tests.flows.cli.conftest import acquisition, detection, landslide, region
from tests.mapped import EPSG, E, N, inventory

TERMS = ("--licence", "CC BY 4.0", "--author", "Survey")
MAP = ("--map", "date=EVENT_DATE", "--map", "key=NUMMER")
#: Which of twelve are found, and with how many pieces.
FOUND = (0, 1, 2, 3, 4, 5)
Writer = Callable[..., Path]


@pytest.fixture
def world(engine: Engine, cli: Any, inventory_file: Writer) -> geopandas.GeoDataFrame:
    """Twelve mapped landslides, SIMULATED; half were found, and one thing that is none."""
    frame = inventory(12)
    cli("import", inventory_file("truth.gpkg", frame), *TERMS, *MAP, "--simulated")
    drill = region("drill", simulated=True, watch_from=datetime(2022, 1, 1, tzinfo=UTC))
    shapes = frame.to_crs(4326).geometry
    moved = [(shapes[n], frame.EVENT_DATE[n]) for n in FOUND]
    moved.append((translate(shapes[11], 0.02, 0.02), "2023-06-01"))  # nothing is mapped there
    moved.append((shapes[6], "2021-03-01"))  # the right place, two years before
    with transaction(engine) as s:
        store.save_region(s, drill)
        for number, (shape, day) in enumerate(moved):
            sensed = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=3)
            look = acquisition(sensed, simulated=True, burst_id=f"T137-29232{number}-IW1")
            store.record_acquisitions(s, drill, [look])
            seen = detection(
                drill.id, look, polygon=Polygon(shape.exterior), simulated=True,
                not_before=sensed - timedelta(days=12),
            )  # fmt: skip
            store.store_detections(s, [seen])
            first = landslide(seen, geometry=MultiPolygon([shape]), simulated=True)
            store.store_landslide(s, first)
            store.store_landslide(
                s,
                replace(
                    first, revision=2, state=State.CONFIRMED, cause="seen",
                    valid_from=sensed + timedelta(days=5), verdict_at=sensed + timedelta(days=5),
                ),
            )  # fmt: skip
    return frame


def test_score_by_region_and_period(cli: Any, read: Any, world: Any) -> None:
    told = read("inventories", "score", "truth")
    rows = {row["period"]: row for row in told["rows"]}
    assert list(rows) == ["all", "2021", "2023"]
    whole = rows["all"]
    assert (whole["mapped"], whole["detected"], whole["found"], whole["false"]) == (12, 6, 8, 2)
    assert (whole["pod"], whole["far"]) == (0.5, 0.25)
    assert whole["iou"] == pytest.approx(1.0, abs=1e-6)
    assert whole["pod_interval"] == [
        pytest.approx(0.2538, abs=1e-3),
        pytest.approx(0.7462, abs=1e-3),
    ]
    assert (rows["2021"]["mapped"], rows["2021"]["false"]) == (0, 1)
    assert (told["outside"], told["unwatched"]) == (0, 0)
    months = read("inventories", "score", "truth", "--every", "month")["rows"]
    assert {row["period"]: row["mapped"] for row in months}["2023-01"] == 1
    early = read("inventories", "score", "truth", "--until", "2023-04-01", "--every", "all")["rows"]
    assert [(row["mapped"], row["detected"]) for row in early] == [(3, 3)]
    # With years to spare the right place is right, and the truth of no other region is asked for.
    loose = read("inventories", "score", "truth", "--days", "900")["rows"][0]
    assert (loose["detected"], loose["false"]) == (7, 1)
    shown = cli("inventories", "score", "truth").stdout
    assert "SIMULATED" in shown
    assert "0.50 (0.25-0.75)" in shown


def test_score_of_what_could_be_seen(cli: Any, read: Any, world: Any, engine: Engine) -> None:
    (row,) = read("inventories", "score", "truth", "--every", "all")["rows"]
    # The looks of the six that were found are stored, and nobody said what they could see.
    assert row["visibility"]["seen"] == 6
    assert row["visibility"]["visible"] == row["detected"] == 6
    assert row["pod_visible"] == 1.0
    # One look after all but the last, which saw three quarters of the region.
    last = datetime(2023, 12, 1, tzinfo=UTC)
    look = acquisition(last, simulated=True, burst_id="T137-292999-IW1")
    drill = region("drill", simulated=True, watch_from=datetime(2022, 1, 1, tzinfo=UTC))
    with transaction(engine) as s:
        store.record_acquisitions(s, drill, [look])
        record_observability(
            s, "drill", look.id, Coverage(100.0, 0.75, {"layover": 0.25}), simulated=True
        )
    (row,) = read("inventories", "score", "truth", "--every", "all", "--days", "300")["rows"]
    seen = row["visibility"]
    missed = 12 - row["detected"]
    late = sum(day > "2023-12-01" for day in world.EVENT_DATE)
    assert late == 1
    assert (seen["seen"], seen["partly"], seen["unseen"]) == (row["detected"], missed - late, late)
    assert seen["visible"] == pytest.approx(row["detected"] + 0.75 * (missed - late))
    assert seen["reasons"]["layover"] == pytest.approx(0.25 * (missed - late))
    assert row["pod"] < row["pod_visible"] == pytest.approx(row["detected"] / seen["visible"])
    said = " ".join(cli("inventories", "score", "truth", "--days", "300").stdout.split())
    assert f"POD of what could be seen {row['pod_visible']:.2f}; " in said
    assert f"{row['detected']} could be seen, {missed - late} in part, {late} could not" in said
    assert "not place by place" in said


def test_a_real_inventory_is_never_scored_with_a_drill(
    cli: Any, read: Any, world: Any, inventory_file: Writer
) -> None:
    cli("import", inventory_file("real.gpkg", world), *TERMS, *MAP)
    (row,) = read("inventories", "score", "real", "--every", "all")["rows"]
    assert (row["found"], row["detected"], row["pod"]) == (0, 0, 0.0)
    # Nor does it repeat one; and an inventory counts in full, whatever another one holds.
    cli("import", inventory_file("real.gpkg", world), *TERMS, *MAP, "--name", "again")
    held = read("inventories", "list")["inventories"]
    assert {one["inventory"]["id"]: one["duplicates"] for one in held} == {
        "truth": 0, "real": 0, "again": 12,
    }  # fmt: skip
    (row,) = read("inventories", "score", "again", "--every", "all")["rows"]
    assert row["mapped"] == 12


def test_what_lies_outside_or_before_is_not_missed(
    cli: Any, read: Any, world: Any, engine: Engine
) -> None:
    west, south, east, north = world.to_crs(4326).total_bounds
    middle = (west + east) / 2
    part = region(
        "west", simulated=True, watch_from=datetime(2023, 5, 1, tzinfo=UTC),
        geometry=MultiPolygon([Polygon(
            [(west, south), (middle, south), (middle, north), (west, north)]
        )]),
    )  # fmt: skip
    with transaction(engine) as s:
        store.save_region(s, part)
    told = read("inventories", "score", "truth", "--region", "west", "--every", "all")
    inside = [n for n in range(12) if n % 4 < 2]
    watched = [n for n in inside if 1 + n % 12 >= 5]
    assert told["outside"] == 12 - len(inside)
    assert told["unwatched"] == len(inside) - len(watched)
    assert [row["mapped"] for row in told["rows"]] == [len(watched)]
    assert (
        "no region 'none'"
        in cli("inventories", "score", "truth", "--region", "none", status=2).stderr
    )


def test_statistics_leave_drills_out_unless_asked(
    cli: Any, read: Any, world: Any, tmp_path: Path
) -> None:
    refused = cli("statistics", status=1)
    assert "8 SIMULATED ones were left out (--simulated)" in " ".join(refused.stderr.split())
    png = tmp_path / "s.png"
    told = read("statistics", "--simulated", "--png", png)
    assert (told["status"], told["landslides"]) == ("EXERCISE SIMULATED", 8)
    assert told["sizes"] is None
    assert "8 sizes" in told["no_sizes"]
    assert sum(told["months"].values()) == 8
    (ground,) = told["density"]
    assert ground["landslides"] == 8
    assert ground["per_km2"] == pytest.approx(8 / ground["km2"])
    assert ground["km2"] == pytest.approx(9.17 * 11.09, rel=5e-3)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "EXERCISE SIMULATED" in cli("statistics", "--simulated").stdout


def test_statistics_count_the_land_cover_that_is_stored(
    cli: Any, read: Any, world: Any, engine: Engine, tmp_path: Path
) -> None:
    with transaction(engine) as s:
        s.execute(
            text(
                "UPDATE analysts.landslides_edit SET land_cover = 'orchard' WHERE id IN"
                " (SELECT id FROM analysts.landslides_current ORDER BY id LIMIT 3)"
            )
        )
    png = tmp_path / "covers.png"
    told = read("statistics", "--simulated", "--png", png)
    assert told["land_covers"] == {"unknown": 5, "orchard": 3}
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "orchard 3; 5 unknown" in " ".join(cli("statistics", "--simulated").stdout.split())
    out = tmp_path / "all.geojson"
    read("export", out, "--format", "geojson", "--simulated", "yes")
    rows = [one["properties"] for one in json.loads(out.read_text())["features"]]
    told = sorted((row["land_cover"] or "", row["land_cover_source"] or "") for row in rows)
    assert told == [("", "")] * 5 + [("orchard", "person")] * 3
    assert all(row["length_m"] >= row["width_m"] > 0 for row in rows)


def test_statistics_of_an_inventory_and_its_ground(
    cli: Any, read: Any, inventory_file: Writer, tmp_path: Path
) -> None:
    frame = inventory(400)
    cli("import", inventory_file("many.gpkg", frame), *TERMS, *MAP)
    # Half of the ground is a plane of 30 degrees that falls to the east, half is flat.
    across = Affine(30, 0, E, 0, -30, N + 6_300)
    steep = np.zeros((210, 210), np.float32)
    steep[:, :105] = -np.arange(105) * 30 * np.tan(np.radians(30.5)) + 3_000
    steep[:, 105:] = steep[0, 104]
    codes = np.ones((210, 210), np.uint8)
    codes[:105] = 7
    for name, values in (("dem.tif", steep), ("cover.tif", codes)):
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", height=210, width=210, count=1,
            dtype=values.dtype.name, crs=f"EPSG:{EPSG}", transform=across,
        ) as raster:  # fmt: skip
            raster.write(values, 1)
    png = tmp_path / "many.png"
    told = read(
        "statistics", "--inventory", "many", "--elevation", tmp_path / "dem.tif",
        "--land-cover", tmp_path / "cover.tif", "--class", "7=forest", "--png", png,
    )  # fmt: skip
    assert told["status"] == "actual"
    # The areas were drawn with exponent 2.4 from 900 m2 on.
    sizes = told["sizes"]
    assert sizes["alpha"] == pytest.approx(2.4, abs=4 * max(sizes["alpha_error"], 0.05))
    slope = {one["label"]: one for one in told["slope"]}
    assert slope["30-35"]["ground"] == pytest.approx(0.5, abs=0.02)
    assert slope["30-35"]["landslides"] == pytest.approx(0.5, abs=0.1)
    facing = {one["label"]: one["ground"] for one in told["aspect"]}
    assert facing["E"] == pytest.approx(1.0, abs=0.01)
    assert {one["label"] for one in told["land_cover"]} == {"1", "forest"}
    assert sum(one["landslides"] for one in told["land_cover"]) == pytest.approx(1)
    assert set(told["months"].values()) == {33, 34}
    far = tmp_path / "far.tif"
    with rasterio.open(tmp_path / "cover.tif") as near, rasterio.open(
        far, "w", **(near.profile | {"transform": Affine(30, 0, E + 9e4, 0, -30, N)})
    ) as raster:  # fmt: skip
        raster.write(near.read())
    assert (
        "no landslide lies on it"
        in cli("statistics", "--inventory", "many", "--land-cover", far, status=1).stderr
    )


def test_masks_are_what_training_reads(
    cli: Any, read: Any, inventory_file: Writer, tmp_path: Path
) -> None:
    frame = inventory(16)
    cli("import", inventory_file("truth.gpkg", frame), *TERMS, *MAP)
    folders = [tmp_path / "images", tmp_path / "masks"]
    for folder in folders:
        folder.mkdir()
    picture = folders[0] / "scene-1.tif"
    with rasterio.open(
        picture, "w", driver="GTiff", height=150, width=150, count=3, dtype="uint8",
        crs=f"EPSG:{EPSG}", transform=Affine(10, 0, E - 100, 0, -10, N + 1_400),
    ) as raster:  # fmt: skip
        raster.write(np.zeros((3, 150, 150), np.uint8))
    out = tmp_path / "mask.tif"
    told = read("inventories", "mask", "truth", out, "--raster", picture)
    assert (told["landslides"], told["undecided"]) == (16, 0)
    with rasterio.open(out) as mask:
        codes = mask.read(1)
        assert mask.nodata == 255
        assert mask.tags()["LICENCE"] == "CC BY 4.0"
    assert (codes == 1).sum() * 100 == pytest.approx(frame.area.sum(), rel=0.1)
    assert codes[0, 0] == 255  # beyond the hull nobody mapped
    # On 5 May eight have happened; the bracket of the one of that day is open.
    early = read(
        "inventories", "mask", "truth", out, "--raster", picture, "--at", "2023-05-05T12:00:00Z"
    )
    assert (early["landslides"], early["undecided"]) == (8, 1)
    pair = Pair(picture, folders[1] / "scene-1.tif")
    read("inventories", "mask", "truth", pair.mask, "--raster", picture, "--binary")
    _, learnt = pair.read()
    assert learnt.sum() == (codes == 1).sum()
    nothing = cli(
        "inventories", "mask", "truth", out, "--raster", picture, "--at", "2020-01-01", status=1
    )
    assert "by 2020-01-01" in " ".join(nothing.stderr.split())
