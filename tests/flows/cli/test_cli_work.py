"""Polling, judging, telling, replaying: the whole way through the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Point, shape
from sqlalchemy import Engine

from alerts import journal
from db import store
from db.engine import transaction
from detectors.types import WatchedRegion
from flows.archive.publish import publish
from flows.archive.server import ArchiveServer
from flows.clock import FileClock

#: Eight of nine passes are published by then; the eighth shows the landslide.
PASSES_SHOWN = datetime(2023, 3, 27, tzinfo=UTC)
#: All are published, and an optical look could still decide.
END = datetime(2023, 5, 1, tzinfo=UTC)


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


@pytest.fixture
def reach(
    served: ArchiveServer, database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[datetime], None]:
    """Moves the clock, and with it what the archive shows."""
    clock = FileClock(home / "clock")
    monkeypatch.setenv("SCARPWATCH_CLOCK_FILE", str(home / "clock"))

    def move(moment: datetime) -> None:
        clock.set(moment)
        publish(database_url, served.archives[0], moment, served.url)

    return move


def test_poll_judges_and_tells_once(
    reach: Callable[[datetime], None], cli: Any, read: Any, slope: Path, tmp_path: Path
) -> None:
    assert "a drill" in cli("regions", "add", slope).stdout
    reach(PASSES_SHOWN)
    first = read("poll")
    (run,) = first["regions"]
    assert (run["new"], run["errors"]) == (8, [])
    assert [look["state"] for look in run["looks"]] == 6 * ["skipped"] + 2 * ["processed"]
    assert "6 needed" in run["looks"][0]["reason"]
    (message,) = first["messages"]
    assert message["delivered"]

    reach(END)
    said = cli("poll", "slope").stdout
    assert "1 new look" in said
    assert "1 processed; 1 detection" in said
    assert cli("poll").stdout == "slope  0 new looks\n"
    told = journal.read(tmp_path / "told.jsonl")
    assert [one["body"]["kind"] for one in told] == ["suspected", "updated"]

    (found,) = read("landslides", "list")["landslides"]
    assert (found["tier"], found["simulated"], found["revision"]) == ("likely", True, 2)
    assert shape(found["geometry"]).contains(Point(found["point"]))

    item = run["looks"][-1]["item_id"]
    again = read("scene", item)
    assert (again["looks"][0]["state"], again["messages"]) == ("processed", [])
    assert "processed: 1 detection" in cli("scene", item, "--region", "slope").stdout
    assert len(read("landslides", "show", found["id"][:8])["versions"]) == 2
    lost = tmp_path / "none" / "picture.png"
    assert "no folder" in cli("landslides", "picture", found["id"], lost, status=2).stderr
    drawn = cli("landslides", "picture", found["id"][:6], tmp_path / "picture.png", "--radar")
    assert "(radar)" in drawn.stdout
    told = cli("landslides", "picture", found["id"], tmp_path / "no.png", "--optical", status=2)
    assert "no optical look" in told.stderr
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_poll_goes_on_with_the_rest(
    reach: Callable[[datetime], None], cli: Any, read: Any, slope: Path,
    make_region: Callable[..., WatchedRegion], engine: Engine,
) -> None:  # fmt: skip
    # A region whose catalogue was taken out of the settings since, and one that is paused.
    with transaction(engine) as s:
        store.save_region(s, make_region("orphan", sources=("gone/any",), priority=1))
        store.save_region(s, make_region("asleep", sources=("local/opera-rtc-s1",), paused=True))
    cli("regions", "add", slope)
    reach(PASSES_SHOWN)
    told = cli("poll", status=1)
    assert "no catalogue 'gone'" in " ".join(told.stdout.split())
    assert "8 new looks" in told.stdout
    assert "asleep  paused" in told.stdout
    assert "skipped: 6 looks, for instance OPERA" in told.stdout
    assert "sent  1 message to drill-file" in told.stdout
    assert told.stderr == ""


def test_catalogue_that_does_not_answer(
    home: Path, cli: Any, read: Any, slope: Path, misbehaving: Any, reply: Any
) -> None:
    misbehaving.on("/collections/opera-rtc-s1", reply({"detail": "busy"}, status=503))
    (home / "scarpwatch.toml").write_text(
        f'[catalogues.local]\nkind = "stac"\nurl = "{misbehaving.url}"\nattempts = 1\n'
    )
    cli("regions", "add", slope)
    (run,) = read("poll", status=1)["regions"]
    assert run["new"] == 0
    assert "503" in run["errors"][0]
    (poll,) = read("regions", "show", "slope")["polls"]
    assert (poll["failures"], poll["watermark"]) == (1, None)
    assert "cannot be read" in cli("status").stdout


def test_poll_without_regions(cli: Any) -> None:
    assert "scarpwatch regions add FILE" in cli("poll", status=2).stderr
    assert "no region 'nope'" in cli("poll", "nope", status=2).stderr


def test_unknown_scene(cli: Any) -> None:
    assert "no look nope is known" in cli("scene", "nope", status=2).stderr


def test_database_that_is_gone(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", "postgresql:///nothing?host=/nowhere")
    told = cli("poll", status=1)
    assert told.stdout == ""
    assert told.stderr.count("\n") == 1
    assert "scarpwatch db status" in told.stderr
