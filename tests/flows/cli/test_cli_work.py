"""Polling, judging, telling, replaying: the whole way through the command line."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import shape

from alerts import journal
from db.engine import make_engine, transaction
from flows.archive.publish import publish
from flows.archive.server import ArchiveServer

END = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def served(
    database_url: str, drill_archive: Path, home: Path, tmp_path: Path
) -> Iterator[ArchiveServer]:
    """The archive on a real STAC API, and settings that know it and a file to tell."""
    with ArchiveServer(database_url, [drill_archive]) as server:
        (home / "scarpwatch.toml").write_text(
            f"""
            [catalogues.local]
            kind = "stac"
            url = "{server.url}"
            published_property = "published"
            window = "P36500D"
            attempts = 1
            [channels.drill-file]
            url = "file://{tmp_path}/told.jsonl"
            exercise = true
            """
        )
        yield server


def test_poll_judges_and_tells_once(
    served: ArchiveServer, database_url: str, cli: Any, read: Any, slope: Path, tmp_path: Path
) -> None:
    archive = served.archives[0]
    assert "a drill" in cli("regions", "add", slope).stdout
    publish(database_url, archive, datetime(2023, 3, 27, tzinfo=UTC), served.url)
    first = read("poll")
    (run,) = first["regions"]
    assert (run["new"], run["errors"]) == (8, [])
    assert {look["state"] for look in run["looks"]} == {"skipped", "processed"}
    assert "6 needed" in run["looks"][0]["reason"]
    (message,) = first["messages"]
    assert message["delivered"]

    publish(database_url, archive, END, served.url)
    said = cli("poll", "slope").stdout
    assert "1 new look" in said
    assert "1 processed; 1 detection" in said
    assert "nothing" not in cli("poll").stdout.replace("0 new looks", "")
    assert len(journal.read(tmp_path / "told.jsonl")) == 1

    (found,) = read("landslides", "list")["landslides"]
    assert (found["tier"], found["simulated"], found["revision"]) == ("likely", True, 2)
    lon, lat = found["point"]
    assert shape(found["geometry"]).contains(shape({"type": "Point", "coordinates": (lon, lat)}))

    item = run["looks"][-1]["item_id"]
    again = read("scene", item)
    assert again["looks"][0]["state"] == "processed"
    assert again["messages"] == []
    assert len(read("landslides", "show", found["id"][:8])["versions"]) == 2


