"""Landslides as files for other programs: read again by the readers people use."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pyogrio
import pytest
from shapely import hausdorff_distance, normalize
from sqlalchemy import Engine, text

from db import store
from db.engine import connection, transaction
from db.exporting import Wanted
from detectors.errors import DatabaseUnavailable
from detectors.types import State
from flows.export_files import COOLR, FORMATS
from flows.export_rows import LANDSLIDE, MAPPED
from flows.exporting import export_landslides
from tests import geoparquet
from tests.mapped import inventory

TERMS = ("--licence", "CC BY 4.0", "--author", "Survey")
MAP = ("--map", "date=EVENT_DATE", "--map", "key=NUMMER", "--map", "category=ART")
Writer = Callable[..., Path]


def table_of(path: Path) -> list[dict[str, Any]]:
    """Read a file as other programs do."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path).to_dict("records")
    return geopandas.read_file(path).to_dict("records")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_drill_licence_and_lineage(
    form: str, cli: Any, read: Any, stored: Any, tmp_path: Path
) -> None:
    out = tmp_path / f"out{FORMATS[form]}"
    states = ("--state", "suspected") if form == "coolr-csv" else ()
    told = read(
        "export", out, "--format", form, "--simulated", "yes", "--licence", "CC BY 4.0", *states
    )
    assert told["landslides"] == 2
    assert told["files"][0] == str(out)
    assert {Path(name) for name in told["files"]} == set(tmp_path.glob("out*"))
    rows = {("SIMULATED" in str(row)): row for row in table_of(out)}
    assert set(rows) == {True, False}  # the drill says so in its own row, the other does not
    drill = str(rows[True])
    assert "EXERCISE SIMULATED" in drill
    assert "CC BY 4.0" in drill
    assert "Contains modified Copernicus Sentinel data 2023" in drill
    if form != "kml":  # OGR's KML reader shows name and description only; the text has all
        assert stored.look.item_id in drill
    whole = out.read_bytes()
    for word in (stored.look.item_id, "CC BY 4.0", "SIMULATED", str(stored.likely.id)):
        if form not in {"geoparquet", "shapefile"}:
            assert word.encode() in whole, word


def test_drills_stay_behind_unless_asked_for(
    cli: Any, read: Any, stored: Any, tmp_path: Path
) -> None:
    out = tmp_path / "a.gpkg"
    told = cli("export", out, "--format", "geopackage")
    assert "1 landslide left out: SIMULATED" in " ".join(told.stdout.split())
    assert "No licence" in told.stderr
    (row,) = table_of(out)
    assert (row["id"], row["status"]) == (str(stored.watched.id), "actual")
    assert row["licence"] == "not stated: ask the operator"
    cli("export", out, "--format", "geopackage", "--simulated", "only", "--overwrite")
    (row,) = table_of(out)
    assert (row["id"], row["status"], row["simulated"]) == (
        str(stored.likely.id), "EXERCISE SIMULATED", True,
    )  # fmt: skip
    assert (row["revision"], row["looks"]) == (2, 2)
    assert normalize(row["geometry"]) == normalize(stored.likely.geometry)
    assert row["not_after"].to_pydatetime() == stored.likely.not_after
    assert row["detectors"] == "sar_disturbance;sar_log_ratio"
    assert pyogrio.read_info(out)["dataset_metadata"]["STATUS"] == "EXERCISE SIMULATED"


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ((), 2),
        (("--region", "big-sur"), 1),
        (("--state", "suspected", "--state", "confirmed"), 2),
        (("--state", "confirmed"), 0),
        (("--tier", "watch"), 1),
        (("--kind", "ponding"), 0),
        (("--bbox", "-120,34,-119,35"), 2),
        (("--bbox", "10,34,11,35"), 0),
        (("--since", "2023-11-22"), 1),
        (("--until", "2023-11-22"), 1),
        (("--as-of", "2023-01-01"), 0),
        (("--as-of", "2100-01-01"), 2),
    ],
)
def test_filters(asked: Any, count: int, read: Any, stored: Any, tmp_path: Path) -> None:
    out = tmp_path / "a.geojson"
    told = read("export", out, "--format", "geojson", "--simulated", "yes", *asked)
    assert told["landslides"] == count
    assert len(json.loads(out.read_text())["features"]) == count


def test_nothing_is_replaced_or_left_half_done(
    cli: Any, engine: Engine, stored: Any, tmp_path: Path
) -> None:
    out = tmp_path / "a.gpkg"
    out.write_text("mine")
    assert "--overwrite" in cli("export", out, "--format", "geopackage", status=2).stderr
    (tmp_path / "b.dbf").write_text("mine")
    refused = cli("export", tmp_path / "b.shp", "--format", "shapefile", status=2)
    assert "b.dbf is there already" in " ".join(refused.stderr.split())
    assert "ends in .kml" in cli("export", out, "--format", "kml", status=2).stderr
    assert "no folder" in cli("export", tmp_path / "x/a.kml", "--format", "kml", status=2).stderr

    def gone(_: int) -> Any:
        def step() -> None:
            raise DatabaseUnavailable("gone")

        return step

    for form, ending in FORMATS.items():
        path = tmp_path / f"c{ending}"
        with pytest.raises(DatabaseUnavailable, match="gone"):
            export_landslides(
                engine, form, path, Wanted(states=(stored.likely.state,)), licence="x",
                exercise=False, overwrite=False, begin=gone,
            )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gpkg", "b.dbf", "home"]
    assert out.read_text() == "mine"


def test_geoparquet_is_1_1_with_boxes_to_skip_by(cli: Any, stored: Any, tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    cli("export", out, "--format", "geoparquet", "--simulated", "yes")
    assert geoparquet.check(out)["columns"]["geometry"]["geometry_types"] == ["MultiPolygon"]
    assert b"Copernicus" in pq.read_schema(out).metadata[b"credits"]
    assert len(geopandas.read_parquet(out, bbox=(0, 0, 1, 1))) == 0
    west, south, east, north = stored.likely.geometry.bounds
    assert len(geopandas.read_parquet(out, bbox=(west, south, east, north))) >= 1


@pytest.mark.parametrize("points", [0, 1, 4])
def test_geoparquet_of_an_inventory_tells_its_geometries(
    points: int, cli: Any, inventory_file: Writer, tmp_path: Path
) -> None:
    frame = inventory(4)
    for row in range(points):
        frame.loc[row, "geometry"] = frame.geometry[row].centroid
    cli("import", inventory_file("some.gpkg", frame), *TERMS)
    out = tmp_path / "some.parquet"
    cli("export", out, "--format", "geoparquet", "--inventory", "some")
    told = geoparquet.check(out)["columns"]["geometry"]["geometry_types"]
    assert set(told) == {"Point"} if points == 4 else "MultiPolygon" in told


def test_shapefile_names_and_what_is_cut(cli: Any, stored: Any, tmp_path: Path) -> None:
    for columns in (LANDSLIDE, MAPPED):
        names = [column.in_shapefile for column in columns]
        assert max(map(len, names)) <= 10
        assert len(set(names)) == len(names)
        assert len({column.name.lower() for column in columns}) == len(columns)
    out = tmp_path / "a.shp"
    told = cli("export", out, "--format", "shapefile", "--licence", "x" * 300)
    said = " ".join(told.stderr.split())
    assert "Cut: licence (1 row)" in said
    (row,) = table_of(out)
    assert row["licence"] == "x" * 254
    with (tmp_path / "a.lineage.csv").open(encoding="utf-8", newline="") as file:
        (whole,) = csv.DictReader(file)
    assert whole["licence"] == "x" * 300
    text_of = (tmp_path / "a.readme.txt").read_text()
    assert "ens_score" in text_of
    assert "elsewhere ensemble_score" in text_of


def test_coolr_lists_events(cli: Any, engine: Engine, stored: Any, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    told = cli("export", out, "--format", "coolr-csv", "--simulated", "yes")
    assert "0 landslides" in told.stdout
    assert "Confirmed and closed ones only" in told.stdout
    cli("export", out, "--format", "coolr-csv", "--simulated", "yes", "--state", "suspected",
        "--overwrite")  # fmt: skip
    rows = table_of(out)
    assert tuple(rows[0]) == COOLR
    drill = next(row for row in rows if row["event_id"] == str(stored.likely.id))
    assert drill["event_date"] == "11/21/2023 12:00:00 AM"
    assert drill["event_title"].startswith("EXERCISE SIMULATED: suspected landslide")
    assert drill["notes"].startswith("EXERCISE SIMULATED")
    assert stored.likely.geometry.distance(
        geopandas.points_from_xy([drill["longitude"]], [drill["latitude"]])[0]
    ) < 1e-9  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_an_inventory_comes_back(
    form: str, cli: Any, read: Any, inventory_file: Writer, tmp_path: Path
) -> None:
    frame = inventory(25)
    cli("import", inventory_file("mine.gpkg", frame), *TERMS, *MAP, "--simulated")
    out = tmp_path / f"out{FORMATS[form]}"
    assert read("export", out, "--format", form, "--inventory", "mine")["landslides"] == 25
    again = read("import", out, *TERMS, "--name", "again", "--simulated")
    assert (again["new"], again["refused"], again["mended"]) == (25, [], [])
    if form == "coolr-csv":  # points: found again by place and time, without their outlines
        assert len(again["duplicates"]) == 25
        return
    assert [one["of_row"] for one in again["duplicates"]] == list(range(1, 26))
    back = tmp_path / "back.parquet"
    read("export", back, "--format", "geoparquet", "--inventory", "again")
    first = tmp_path / "first.parquet"
    read("export", first, "--format", "geoparquet", "--inventory", "mine")
    one, two = (geopandas.read_parquet(path).sort_values("file_row") for path in (first, back))
    same = ["area_m2"] if form == "kml" else ["key", "category", "not_before", "not_after"]
    for name in same:
        if name == "area_m2":
            assert two[name].to_numpy() == pytest.approx(one[name].to_numpy(), rel=1e-6)
        else:
            assert list(two[name]) == list(one[name])
    apart = hausdorff_distance(normalize(one.geometry.array), normalize(two.geometry.array))
    assert apart.max() < 1e-8  # degrees: a millimetre
    assert set(one["status"]) == {"EXERCISE SIMULATED"}


def test_points_and_outlines_do_not_share_a_shapefile(
    cli: Any, inventory_file: Writer, tmp_path: Path
) -> None:
    frame = inventory(4)
    frame.loc[0, "geometry"] = frame.geometry[0].centroid
    cli("import", inventory_file("mixed.gpkg", frame), *TERMS)
    refused = cli(
        "export", tmp_path / "a.shp", "--format", "shapefile", "--inventory", "mixed", status=2
    )
    assert "take a GeoPackage" in " ".join(refused.stderr.split())
    cli("export", tmp_path / "a.gpkg", "--format", "geopackage", "--inventory", "mixed")
    assert set(geopandas.read_file(tmp_path / "a.gpkg").geom_type) == {"Point", "MultiPolygon"}
    wrong = cli(
        "export", tmp_path / "b.gpkg", "--format", "geopackage", "--inventory", "mixed",
        "--tier", "watch", status=2,
    )  # fmt: skip
    assert "leave out --tier" in wrong.stderr


def test_an_old_view_has_its_own_lineage(
    engine: Engine, cli: Any, read: Any, stored: Any, tmp_path: Path
) -> None:
    # Another version, stored later, of a landslide whose first version one look had seen.
    confirmed = replace(
        stored.watched, revision=2, state=State.CONFIRMED, cause="vegetation lost",
        valid_from=stored.watched.not_after + timedelta(days=3),
        verdict_at=stored.watched.not_after + timedelta(days=3),
    )  # fmt: skip
    with connection(engine) as opened:
        before = opened.scalar(text("SELECT clock_timestamp()"))
    with transaction(engine) as s:
        store.store_landslide(s, confirmed)
    said = {}
    for name, when in (("then", ("--as-of", before.isoformat())), ("now", ())):
        out = tmp_path / f"{name}.geojson"
        read("export", out, "--format", "geojson", *when)
        (feature,) = json.loads(out.read_text())["features"]
        said[name] = feature["properties"]
    assert [said[name]["state"] for name in ("then", "now")] == ["suspected", "confirmed"]
    assert said["then"]["items"] == said["now"]["items"] != ""


#: Copies of what is stored, each with an id and a place of its own.
MAPPED_COPIES = """
INSERT INTO scarpwatch.inventory_landslides (id, inventory_id, file_row, geometry, area_m2, key,
    name, category, trigger, mapped_by, attributes)
SELECT gen_random_uuid(), 'mine', 1000 + n, ST_Translate(geometry, n * 1e-4, 0), area_m2,
    n::text, '', '', '', repeat('x', 200), attributes
FROM scarpwatch.inventory_landslides, generate_series(1, {count}) AS n WHERE file_row = 1
"""
BELIEVED_COPIES = """
CREATE TEMPORARY TABLE one AS SELECT * FROM scarpwatch.landslides_current
    WHERE NOT simulated LIMIT 1;
CREATE TEMPORARY TABLE version AS SELECT held.* FROM scarpwatch.landslide_versions AS held
    JOIN one ON held.landslide_id = one.id AND held.revision = one.revision;
CREATE TEMPORARY TABLE fresh AS SELECT gen_random_uuid() AS id, n
    FROM generate_series(1, {count}) AS n;
INSERT INTO scarpwatch.landslides (id, region_id) SELECT fresh.id, one.region_id FROM fresh, one;
UPDATE version SET revision = 1;
INSERT INTO scarpwatch.landslide_versions SELECT (jsonb_populate_record(
    NULL::scarpwatch.landslide_versions, to_jsonb(version) || jsonb_build_object(
        'landslide_id', fresh.id, 'geometry', ST_Translate(version.geometry, fresh.n * 1e-4, 0)))).*
    FROM version, fresh;
DROP TABLE one; DROP TABLE version; DROP TABLE fresh;
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("form", "copies", "asked", "counts", "there"),
    [
        ("geopackage", MAPPED_COPIES, ("--inventory", "mine"), (1_000, 8_000), 4),
        # More than a batch: what is read is let go of while the cursor is open.
        ("geoparquet", BELIEVED_COPIES, (), (300, 1_000), 1),
    ],
)
def test_memory_does_not_grow_with_the_number(
    form: str, copies: str, asked: tuple[str, ...], counts: tuple[int, int], there: int, cli: Any,
    engine: Engine, stored: Any, inventory_file: Writer, tmp_path: Path,
) -> None:  # fmt: skip
    cli("import", inventory_file("mine.gpkg", inventory(4)), *TERMS)
    peaks = []
    for count in counts:
        with connection(engine) as opened:
            opened.execute(text(copies.format(count=count)))
        command = [
            sys.executable, "-m", "flows.cli", "export", str(tmp_path / f"{count}{FORMATS[form]}"),
            "--format", form, *asked, "--json",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        said = json.loads(process.stdout.read())
        process.stdout.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        there += count
        assert said["landslides"] == there
        peaks.append(used.ru_maxrss)  # KiB
    assert peaks[1] - peaks[0] < 30_000
