"""Regions: added, changed, listed, paused, removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from db import queries, store
from db.engine import transaction


@pytest.fixture
def one(read: Any) -> Callable[[], Any]:
    def only() -> Any:
        (found,) = read("regions", "list")["regions"]
        return found

    return only


def test_add_watches_from_now_on(cli: Any, one: Any, region_file: Callable[..., Path]) -> None:
    before = datetime.now(UTC)
    told = cli("regions", "add", region_file("slope", name="A slope")).stdout
    assert "Watching slope (A slope)" in told
    assert "Nobody will be told" in told
    region = one()
    assert before <= datetime.fromisoformat(region["watch_from"]) <= datetime.now(UTC)
    assert region["poll_every_s"] == 1800
    assert region["geometry"]["type"] == "MultiPolygon"
    assert (region["polls"], region["looks"], region["removed"]) == ([], {}, False)


def test_add_again_changes_and_keeps(cli: Any, one: Any, region_file: Callable[..., Path]) -> None:
    cli("regions", "add", region_file())
    began = one()["watch_from"]
    cli("regions", "pause", "slope")
    assert "is as it was" in cli("regions", "add", region_file()).stdout
    said = cli("regions", "add", region_file(name="New name", tags=["coast"])).stdout
    assert "changed: name, tags" in said
    region = one()
    assert (region["watch_from"], region["paused"]) == (began, True)
    assert (region["name"], region["tags"]) == ("New name", ["coast"])
    cli("regions", "add", region_file(watch_from="2020-01-01T00:00:00+01:00"))
    assert one()["watch_from"] == "2019-12-31T23:00:00Z"


def test_a_region_that_grew_is_read_anew(
    cli: Any, engine: Engine, region_file: Callable[..., Path]
) -> None:
    small = region_file()
    ring = [[-121, 34], [-119, 34], [-119, 35], [-121, 35], [-121, 34]]
    large = region_file("large", {"type": "Polygon", "coordinates": [ring]}, id="slope")
    source, now = "opera-asf/OPERA_L2_RTC-S1_V1", datetime.now(UTC)

    def watermark() -> datetime | None:
        with transaction(engine) as s:
            return queries.poll_watermarks(s, source, ["slope"]).get("slope")

    cli("regions", "add", large)
    with transaction(engine) as s:
        store.finish_polls(s, ["slope"], source, now, now)
    cli("regions", "add", small)
    assert watermark() == now
    cli("regions", "add", large)
    assert watermark() is None


def test_a_removed_region_starts_anew(
    cli: Any, read: Any, region_file: Callable[..., Path]
) -> None:
    file = region_file(watch_from="2020-01-01T00:00:00Z")
    cli("regions", "add", file)
    assert "history is kept" in cli("regions", "remove", "slope", answer="y\n").stdout
    assert read("regions", "list")["regions"] == []
    (gone,) = read("regions", "list", "--all")["regions"]
    assert gone["removed"]
    assert "removed" in cli("regions", "show", "slope").stdout
    cli("regions", "add", region_file())
    (back,) = read("regions", "list")["regions"]
    assert back["watch_from"] > "2026"


def test_remove_asks_first(cli: Any, read: Any, region_file: Callable[..., Path]) -> None:
    cli("regions", "add", region_file())
    cli("regions", "remove", "slope", answer="n\n", status=1)
    cli("regions", "remove", "slope", answer="", status=1)
    assert len(read("regions", "list")["regions"]) == 1
    cli("regions", "remove", "slope", "--yes")
    assert read("regions", "list")["regions"] == []


def test_sources(cli: Any, one: Any, region_file: Callable[..., Path]) -> None:
    other = "planetary-computer/sentinel-1-rtc"
    cli("regions", "add", region_file(), "--source", other)
    assert one()["sources"] == [other]
    told = cli("regions", "add", region_file(sources=["nowhere/x"]), status=2).stderr
    assert "no catalogue 'nowhere'" in told
    assert "opera-asf" in told
    assert (
        "catalogue/collection"
        in cli("regions", "add", region_file(), "--source", "nowhere", status=2).stderr
    )


def test_a_drill_stays_a_drill(cli: Any, region_file: Callable[..., Path]) -> None:
    assert "a drill" in cli("regions", "add", region_file(simulated=True)).stdout
    assert "is a drill and stays so" in cli("regions", "add", region_file(), status=2).stderr


def test_an_invalid_file(cli: Any, read: Any, tmp_path: Path) -> None:
    assert "No such file" in cli("regions", "add", tmp_path / "none", status=1).stderr
    assert read("regions", "list")["regions"] == []


@pytest.mark.parametrize("word", ["pause", "resume", "remove", "show"])
def test_unknown_region(cli: Any, word: str, region_file: Callable[..., Path]) -> None:
    cli("regions", "add", region_file())
    told = cli("regions", word, "nope", status=2).stderr
    assert "no region 'nope'" in told
    assert "known regions: slope" in told


def test_pause_and_resume(cli: Any, one: Any, region_file: Callable[..., Path]) -> None:
    cli("regions", "add", region_file())
    assert "scarpwatch regions resume slope" in cli("regions", "pause", "slope").stdout
    assert one()["paused"]
    assert "paused" in cli("regions", "list").stdout
    cli("regions", "resume", "slope")
    assert not one()["paused"]


def test_list_and_show_say_what_came_of_it(stored: Any, cli: Any, read: Any) -> None:
    listed = {region["id"]: region for region in read("regions", "list")["regions"]}
    coast = listed["big-sur"]
    states = ("due", "processed", "failed", "skipped", "baseline")
    assert coast["looks"] == dict(zip(states, (1, 2, 1, 1, 1), strict=True))
    assert (coast["refused"], coast["landslides"]) == (4, {"suspected": {"watch": 1}})
    (poll,) = coast["polls"]
    assert poll["failures"] == 1
    read_to = datetime.fromisoformat(poll["watermark"])
    assert timedelta(hours=2) < datetime.now(UTC) - read_to < timedelta(hours=4)

    full = read("regions", "show", "big-sur")
    assert {entry["reason"] for entry in full["refusals"]} >= {"no SAR polarisation"}
    shown = cli("regions", "show", "big-sur").stdout
    for words in ("4 items refused", "3  not terrain-corrected", "1 failed", "[503] no answer",
                  "nobody: no channel", "km2 around"):  # fmt: skip
        assert words in shown
    table = cli("regions", "list").stdout
    for words in ("2 processed", "1 likely", "failed 1 x", "drill", "1 watch"):
        assert words in table
