"""Feeds as files and over HTTP: whole, unchanged where nothing changed, exercises apart."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as Tree
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import uvicorn

from db import outbox, store
from db.engine import transaction
from detectors.types import Alert, State, Tier
from flows.archive.server import listen
from flows.capping import keep_cap
from flows.clock import SystemClock
from flows.feed_server import make_app
from flows.feeding import write_feeds
from flows.services import Services
from flows.settings import Settings
from tests.cap_reader import read
from tests.records import Make

ATOM = "{http://www.w3.org/2005/Atom}"
MAKE = Make()
STATES = {"confirmed": State.CONFIRMED, "withdrawn": State.REFUTED}
NAMES = {"alerts.atom", "alerts.geojson", "cap.atom"}


@pytest.fixture
def services(engine, tmp_path: Path, no_settings: Path) -> Services:
    with transaction(engine) as s:
        store.save_region(s, MAKE.region())
    return Services(Settings(home=tmp_path), engine, SystemClock(), ())


@pytest.fixture
def tell(services: Services) -> Callable[..., Alert]:
    """Stores an alert and its CAP message."""

    def make(number: int, kind: str = "suspected", *, real: bool = True) -> Alert:
        look = MAKE.acquisition(number, simulated=not real)
        detection = MAKE.detection(look, simulated=not real)
        slide = MAKE.landslide(detection, simulated=not real, tier=Tier.LIKELY)
        if kind != "suspected":
            slide = replace(
                slide, revision=2, state=STATES[kind], d_ndvi=-0.4, ensemble_score=0.8,
                verdict_at=slide.not_after + timedelta(days=1),
            )  # fmt: skip
        alert = MAKE.alert(slide, kind=kind, exercise=not real)
        with transaction(services.engine) as s:
            store.record_acquisitions(s, MAKE.region(), [look])
            store.store_detections(s, [detection])
            earlier = outbox.list_alerts(s, landslide_id=slide.id)
            alert = replace(alert, references=tuple(one.alert.id for one in earlier))
            store.store_landslide(s, slide)
            outbox.enqueue(s, alert, [])
            keep_cap(s, services.settings.cap.profile(), alert, earlier)
        return alert

    return make


def titles(path: Path) -> list[str]:
    return [one.findtext(f"{ATOM}title") or "" for one in Tree.parse(path).iter(f"{ATOM}entry")]


def test_files_are_written_where_something_changed(services, tell, tmp_path: Path) -> None:
    folder = tmp_path / "public"
    first = tell(1)
    written = write_feeds(services, folder)
    assert (written.events, written.exercises, written.messages, written.changed) == (1, 0, 1, 7)
    assert {path.name for path in folder.iterdir()} == NAMES | {"cap", "exercise", "pictures"}
    assert read((folder / f"cap/{first.id}.xml").read_bytes()).plain["identifier"] == str(first.id)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write_feeds(services, folder).changed == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    tell(1, "withdrawn")
    assert write_feeds(services, folder).changed == 4
    (title,) = titles(folder / "alerts.atom")
    assert title.startswith("Withdrawn: ")
    assert len(titles(folder / "cap.atom")) == 2
    assert not list(folder.rglob("*.part"))


def test_pictures_lie_beside_the_feeds_that_link_to_them(services, tell, tmp_path: Path) -> None:
    drawn, without, drill = tell(1), tell(2), tell(3, real=False)
    kept = services.settings.home / "pictures"
    kept.mkdir()
    for alert in (drawn, drill):
        (kept / f"{alert.id}.png").write_bytes(b"\x89PNG" + alert.id.bytes)
    (kept / f"{without.id}.txt").write_text("not drawn within 60 s")
    folder = tmp_path / "public"
    assert write_feeds(services, folder).changed == 11
    for place, alert in ((folder, drawn), (folder / "exercise", drill)):
        (picture,) = (place / "pictures").iterdir()
        assert picture.read_bytes()[4:] == alert.id.bytes
        document = json.loads((place / "alerts.geojson").read_bytes())
        said = {f["properties"]["key"]: f["properties"]["picture"] for f in document["features"]}
        assert said.pop(str(alert.id)) == f"pictures/{alert.id}.png"
        assert set(said.values()) <= {None}
        links = Tree.parse(place / "alerts.atom").iter(f"{ATOM}link")
        assert [one.attrib["href"] for one in links if one.attrib.get("rel") == "enclosure"] == [
            f"pictures/{alert.id}.png"
        ]
    assert write_feeds(services, folder).changed == 0


def test_exercises_have_a_folder_of_their_own(services, tell, tmp_path: Path) -> None:
    tell(1)
    drill = tell(2, real=False)
    written = write_feeds(services, tmp_path)
    assert (written.events, written.exercises) == (1, 1)
    for name in NAMES:
        assert "EXERCISE" not in (tmp_path / name).read_text(encoding="utf-8")
        assert "EXERCISE" in (tmp_path / "exercise" / name).read_text(encoding="utf-8")
    assert (tmp_path / f"exercise/cap/{drill.id}.xml").is_file()
    assert not (tmp_path / f"cap/{drill.id}.xml").exists()


def test_an_event_of_long_ago_goes_and_one_that_goes_on_keeps_its_beginning(
    services, tell, tmp_path: Path
) -> None:
    old, first = tell(1), tell(2)
    tell(2, "confirmed")
    with transaction(services.engine) as s:
        for key in (old.id, first.id):
            s.connection().exec_driver_sql(
                "UPDATE scarpwatch.alerts SET recorded_at = now() - interval '91 days'"
                f" WHERE id = '{key}'"
            )
    assert write_feeds(services, tmp_path).events == 1
    (feature,) = json.loads((tmp_path / "alerts.geojson").read_bytes())["features"]
    assert feature["properties"]["keys"][0] == str(first.id)
    published = datetime.fromisoformat(feature["properties"]["published"])
    assert datetime.now(UTC) - published > timedelta(days=90)


def test_delivering_writes_the_feeds_that_are_set(services, tell, tmp_path: Path) -> None:
    from flows.delivering import deliver_due

    tell(1)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    for folder in (tmp_path / "public", blocked):
        own = services.settings.model_copy(
            update={"feed": services.settings.feed.model_copy(update={"folder": folder})}
        )
        assert deliver_due(replace(services, settings=own)) == []
    assert len(titles(tmp_path / "public" / "alerts.atom")) == 1
    assert blocked.read_text() == "no folder"


@pytest.fixture
def served(services, tell, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the feeds of one real and one simulated event."""
    import threading

    tell(1)
    tell(2, real=False)
    write_feeds(services, tmp_path / "public")
    (tmp_path / "public" / "pictures" / f"{UUID(int=7)}.png").write_bytes(b"\x89PNG" * 200)
    (tmp_path / "public" / "pictures" / "own.png").write_bytes(b"\x89PNG")
    (tmp_path / "public" / "secret.txt").write_text("secret")
    (tmp_path / "secret.xml").write_text("secret")
    with listen(0) as listener:
        config = uvicorn.Config(make_app(tmp_path / "public"), log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=base, trust_env=False) as client:
            yield client
        server.should_exit = True
        thread.join(timeout=10)


def test_readers_that_have_it_are_told_so(served: httpx.Client) -> None:
    first = served.get("/alerts.atom")
    assert first.status_code == 200
    assert first.headers["content-type"].startswith("application/atom+xml")
    for headers in (
        {"If-None-Match": first.headers["etag"]},
        {"If-None-Match": f'"other", W/{first.headers["etag"]}'},
        {"If-Modified-Since": first.headers["last-modified"]},
    ):
        again = served.get("/alerts.atom", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    for headers in (
        {"If-None-Match": '"other"', "If-Modified-Since": first.headers["last-modified"]},
        {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"If-Modified-Since": "rubbish"},
    ):
        assert served.get("/alerts.atom", headers=headers).status_code == 200


def test_packed_for_those_who_can_unpack(served: httpx.Client) -> None:
    packed = served.get("/alerts.geojson", headers={"Accept-Encoding": "br, gzip"})
    plain = served.get("/alerts.geojson", headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    with served.stream("GET", "/alerts.geojson") as raw:
        assert gzip.decompress(b"".join(raw.iter_raw())) == plain.content
    head = served.head("/alerts.geojson", headers={"Accept-Encoding": "identity"})
    assert (head.content, head.headers["content-length"]) == (b"", str(len(plain.content)))


def test_pictures_are_served_as_they_are(served: httpx.Client) -> None:
    answer = served.get(f"/pictures/{UUID(int=7)}.png", headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert "content-encoding" not in answer.headers
    assert answer.content == b"\x89PNG" * 200
    assert served.get("/pictures/own.png").status_code == 404


def test_links_lead_to_the_messages(served: httpx.Client) -> None:
    for name in ("cap.atom", "exercise/cap.atom"):
        (entry,) = Tree.fromstring(served.get(f"/{name}").content).findall(f"{ATOM}entry")
        href = entry.find(f"{ATOM}link").attrib["href"]
        answer = served.get(str(httpx.URL(f"http://x/{name}").join(href).path))
        assert answer.headers["content-type"].startswith("application/cap+xml")
        assert read(answer.content).plain["msgType"] == "Alert"


@pytest.mark.parametrize(
    "path",
    ["/", "/secret.txt", "/../secret.xml", "/%2e%2e/secret.xml", "/cap/",
     "/cap/..%2f..%2fsecret.xml", "/.alerts.atom.1.part", "/alerts.atom/",
     "/exercise/exercise/alerts.atom", "/cap/00000000-0000-0000-0000-000000000000.xml"],
)  # fmt: skip
def test_nothing_but_the_feeds(served: httpx.Client, path: str) -> None:
    assert served.get(path).status_code == 404
    assert served.post("/alerts.atom").status_code == 405


def test_the_command_serves_until_it_is_told_to_stop(
    services, tell, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)
    tell(1)
    command = [sys.executable, "-m", "flows.cli", "feed", "serve", str(tmp_path / "public")]
    with subprocess.Popen(
        [*command, "--port", "0", "--every", "1"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url = process.stdout.readline().strip()
            first = httpx.get(url, trust_env=False)
            assert len(Tree.fromstring(first.content).findall(f"{ATOM}entry")) == 1
            tell(2)
            until = datetime.now(UTC) + timedelta(seconds=20)
            while httpx.get(url, trust_env=False).content == first.content:
                assert datetime.now(UTC) < until
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
