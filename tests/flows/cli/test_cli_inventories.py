"""What people mapped, as it is typed: imported once, listed, removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest

from detectors.inventories import MappedLandslide
from tests.mapped import EPSG, inventory

TERMS = ("--licence", "CC BY 4.0", "--author", "Survey")
MAP = (
    "--map", "date=EVENT_DATE", "--map", "key=NUMMER", "--map", "category=ART",
    "--map", "trigger=AUSLÖSER", "--map", "accuracy_m=GENAU",
)  # fmt: skip
Writer = Callable[..., Path]


def test_twice_is_once_and_a_dry_run_is_nothing(
    cli: Any, read: Any, inventory_file: Writer
) -> None:
    path = inventory_file()
    typed = ("import", path, *TERMS, *MAP)
    dry = read(*typed, "--dry-run")
    assert (dry["new"], dry["known"], dry["stored"]) == (60, 0, False)
    assert read("inventories", "list") == {"inventories": []}
    assert "No inventory is stored" in cli("inventories", "list").stdout
    told = cli(*typed).stdout
    assert "slides: 60 landslides stored, 0 known already" in told
    assert "date = EVENT_DATE" in told
    again = read(*typed)
    assert (again["new"], again["known"]) == (0, 60)
    (held,) = read("inventories", "list")["inventories"]
    assert (held["landslides"], held["duplicates"], held["points"]) == (60, 0, 0)
    assert held["area_m2"] == pytest.approx(inventory().area.sum(), rel=2e-3)
    assert (held["not_before"], held["not_after"]) == (
        "2023-01-01T00:00:00Z", "2023-12-25T00:00:00Z",
    )  # fmt: skip
    assert "CC BY 4.0" in cli("inventories", "list").stdout
    # What is mapped is no belief: nothing is suspected, nothing is told.
    assert read("landslides", "list") == {"landslides": []}
    assert read("alerts", "list")["alerts"] == []
    assert "60 landslides is removed" in cli("inventories", "remove", "slides").stdout
    assert (
        "no inventory 'slides' is stored" in cli("inventories", "remove", "slides", status=2).stderr
    )


def test_terms_and_an_author_have_to_be_said(cli: Any, read: Any, inventory_file: Writer) -> None:
    path = inventory_file()
    assert "--licence 'none stated'" in cli("import", path, status=2).stderr
    assert "--map takes FIELD=COLUMN" in cli("import", path, *TERMS, "--map", "x", status=2).stderr
    assert "takes date, not_before" in cli("import", path, *TERMS, "--map", "x=y", status=2).stderr
    assert "month-first" in cli("import", path, *TERMS, "--dates", "us", status=2).stderr
    cli("import", path, *TERMS)
    other = cli("import", path, "--licence", "mine", "--author", "Survey", status=2)
    assert "is stored with licence 'CC BY 4.0', not 'mine'" in other.stderr
    assert "No dates" in cli("import", path, *TERMS, "--map", "key=NUMMER", "--name", "b").stdout


def test_what_is_mapped_already_is_kept_and_counted_once(
    cli: Any, read: Any, inventory_file: Writer, tmp_path: Path
) -> None:
    frame = inventory(20)
    cli("import", inventory_file("one.gpkg", frame), *TERMS, *MAP)
    moved = frame.copy()
    moved["geometry"] = frame.geometry.translate(3, 3)  # metres: drawn by another hand
    moved.loc[0, "EVENT_DATE"] = "2021-06-01"  # another landslide on the same ground
    points = geopandas.GeoDataFrame(
        {"EVENT_DATE": [frame.EVENT_DATE[5], frame.EVENT_DATE[6]]},
        geometry=[frame.geometry[5].centroid, frame.geometry[6].centroid.buffer(9e4).centroid],
        crs=EPSG,
    )
    points.loc[1, "EVENT_DATE"] = "2021-06-01"
    told = read("import", inventory_file("two.gpkg", moved), *TERMS, *MAP)
    assert told["new"] == 20
    assert {one["row"] for one in told["duplicates"]} == set(range(2, 21))
    assert told["duplicates"][0] == {"row": 2, "of_inventory": "one", "of_row": 2}
    third = read("import", inventory_file("three.gpkg", points), *TERMS, "--map", "date=EVENT_DATE")
    assert [one["row"] for one in third["duplicates"]] == [1]
    assert (
        "row 2 of one"
        in cli("import", tmp_path / "two.gpkg", *TERMS, *MAP, "--name", "new", "--dry-run").stdout
    )
    held = {one["inventory"]["id"]: one for one in read("inventories", "list")["inventories"]}
    assert [held[name]["duplicates"] for name in ("one", "two", "three")] == [0, 19, 1]
    # What repeated it counts again once the first is gone.
    cli("inventories", "remove", "one")
    held = {one["inventory"]["id"]: one for one in read("inventories", "list")["inventories"]}
    assert [held[name]["duplicates"] for name in ("two", "three")] == [0, 0]


def test_repetitions_within_a_file(read: Any, inventory_file: Writer) -> None:
    frame = inventory(5)
    twice = geopandas.pd.concat([frame, frame.assign(NUMMER=[f"M{n}" for n in range(5)])])
    told = read("import", inventory_file("twice.gpkg", twice), *TERMS, *MAP)
    assert told["new"] == 10
    assert [(one["row"], one["of_row"]) for one in told["duplicates"]] == [
        (row + 5, row) for row in range(1, 6)
    ]


def test_a_mapping_in_a_file(cli: Any, read: Any, inventory_file: Writer, tmp_path: Path) -> None:
    toml = tmp_path / "m.toml"
    toml.write_text(
        'name = "survey"\nlicence = "CC0"\nauthor = "Survey"\nsource = "air photos"\n'
        '[columns]\ndate = "EVENT_DATE"\nkey = "NUMMER"\n'
    )
    told = read("import", inventory_file(), "--mapping", toml, "--simulated")
    assert told["inventory"] | {"sha256": ""} == {
        "id": "survey", "file": "slides.gpkg", "sha256": "", "source": "air photos",
        "licence": "CC0", "author": "Survey", "simulated": True,
    }  # fmt: skip
    assert told["columns"] == {"date": "EVENT_DATE", "key": "NUMMER"}
    assert "SIMULATED" in cli("inventories", "list").stdout


def test_every_field_can_be_mapped() -> None:
    from flows.inventory_files import FIELDS

    assert set(FIELDS) - {"date"} <= set(MappedLandslide.__slots__)
