"""The archive served by real pgstac in a database that also holds our own tables."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import psycopg
import pytest
import rasterio
from shapely.geometry import box

from detectors.errors import CatalogueUnavailable, ConfigurationError, DatabaseUnavailable
from detectors.types import Acquisition
from flows.archive.manifest import open_archive
from flows.archive.publish import announce, connection_arguments, migrate, publish
from flows.archive.server import ArchiveServer
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import make_catalogue

AREA = box(-121, 34, -119, 36)
START, END = datetime(2022, 12, 1, tzinfo=UTC), datetime(2023, 2, 1, tzinfo=UTC)


@pytest.fixture
def server(database_url, archive_folder):
    with ArchiveServer(database_url, [archive_folder]) as running:
        yield running


def found(server, **asked) -> set[str]:
    body = {"collections": ["opera-rtc-s1"], **asked}
    answer = httpx.post(f"{server.url}/search", json=body)
    answer.raise_for_status()
    return {feature["id"] for feature in answer.json()["features"]}


def test_only_what_is_published_shows(server, database_url):
    archive = server.archives[0]
    before = datetime.now(UTC)
    assert found(server) == set()
    first = publish(database_url, archive, datetime(2022, 12, 31, tzinfo=UTC), server.url)
    assert found(server) == set(first)
    assert len(first) == 2
    again = publish(database_url, archive, datetime(2022, 12, 31, tzinfo=UTC), server.url)
    assert again == []
    rest = publish(database_url, archive, END, server.url)
    assert len(found(server)) == 6
    assert not set(first) & set(rest)
    url = f"{server.url}/collections/{archive.id}/items/{rest[0]}"
    created = datetime.fromisoformat(httpx.get(url).json()["properties"]["created"])
    assert before < created <= datetime.now(UTC)


def test_migration_leaves_other_schemas_alone(server, database_url):
    with psycopg.connect(**connection_arguments(database_url)) as connection:
        schemas = {row[0] for row in connection.execute("SELECT nspname FROM pg_namespace")}
        postgis = connection.execute(
            "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
            "WHERE extname = 'postgis'"
        ).fetchone()
    assert {"pgstac", "scarpwatch"} <= schemas
    assert postgis == ("public",)
    assert migrate(database_url) == migrate(database_url)
    # pypgstac would otherwise change how the whole process writes JSON.
    assert psycopg.types.json.Jsonb({1: "a"}).dumps is None
    with psycopg.connect(**connection_arguments(database_url)) as connection:
        row = connection.execute("SELECT %s::jsonb", [psycopg.types.json.Jsonb({1: "a"})])
        assert row.fetchone() == ({"1": "a"},)


def test_catalogue_client_polls_by_publication(server, database_url):
    archive = server.archives[0]
    settings = CatalogueSettings(
        kind="stac", url=server.url, published_property="published", page_size=2
    )
    catalogue = make_catalogue("archive", settings)
    asked = {"sensed_after": START, "until": END}
    assert list(catalogue.search(archive.id, AREA, **asked)) == []
    publish(database_url, archive, datetime(2023, 1, 2, tzinfo=UTC), server.url)
    early = list(catalogue.search(archive.id, AREA, **asked))
    assert len(early) == 4
    assert all(isinstance(look, Acquisition) for look in early)
    assert {look.source for look in early} == {"archive/opera-rtc-s1"}
    publish(database_url, archive, END, server.url)
    late = list(
        catalogue.search(
            archive.id, AREA, published_after=datetime(2023, 1, 2, tzinfo=UTC), **asked
        )
    )
    assert {look.sensed_at.day for look in late} == {13}
    assert len(late) == 2
    assert all(look.created_at and look.checksums.keys() == {"VV", "VH"} for look in late)
    assert list(catalogue.search(archive.id, box(10, 10, 11, 11), **asked)) == []
    with pytest.raises(ConfigurationError, match="no collection nowhere"):
        list(catalogue.search("nowhere", AREA, **asked))


def test_pixels_come_by_range_requests(server, database_url):
    archive = server.archives[0]
    publish(database_url, archive, END, server.url)
    settings = CatalogueSettings(kind="stac", url=server.url)
    look = next(make_catalogue("archive", settings).search(
        archive.id, AREA, sensed_after=START, until=END))  # fmt: skip
    part = httpx.get(look.assets["VV"], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"II*\0")
    item = next(item for item in archive.items() if item["id"] == look.item_id)
    with rasterio.open(look.assets["VV"]) as remote, rasterio.open(archive.cog(item, "VV")) as near:
        assert np.array_equal(remote.read(1), near.read(1))
    assert httpx.get(f"{server.url}/cogs/{archive.id}/../archive.json").status_code == 404
    assert httpx.get(f"{server.url}/cogs/{archive.id}/%2e%2e/archive.json").status_code == 404


def test_file_that_is_no_cog_is_still_readable_over_http(server):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    folder = server.archives[0].path / "cogs"
    with rasterio.open(
        folder / "plain.tif", "w", driver="GTiff", width=4, height=3, count=1, dtype="float32",
        crs="EPSG:32611", transform=rasterio.Affine(30, 0, 239_250, 0, -30, 3_853_590),
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    with rasterio.open(f"{server.url}/cogs/opera-rtc-s1/plain.tif") as dataset:
        assert np.array_equal(dataset.read(1), values)


def test_hrefs_follow_a_server_that_moved(database_url, archive_folder):
    archive = open_archive(archive_folder)
    with ArchiveServer(database_url, [archive_folder]) as first:
        publish(database_url, archive, END, first.url)
        created = _created(first)
    with ArchiveServer(database_url, [archive_folder]) as second:
        assert publish(database_url, archive, END, second.url) == []
        assert _created(second) == created
        features = httpx.get(f"{second.url}/search").json()["features"]
        assert all(f["assets"]["VV"]["href"].startswith(second.url) for f in features)


def _created(server) -> dict[str, str]:
    features = httpx.get(f"{server.url}/search").json()["features"]
    return {feature["id"]: feature["properties"]["created"] for feature in features}


def test_taken_port_and_doubled_collection_are_named(database_url, archive_folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}"):
            ArchiveServer(database_url, [archive_folder], port).start()
    with pytest.raises(ConfigurationError, match="share a collection id"):
        ArchiveServer(database_url, [archive_folder, archive_folder])
    with pytest.raises(ConfigurationError, match="not running"):
        _ = ArchiveServer(database_url, [archive_folder]).url


def test_database_urls_are_read_in_every_spelling():
    socket_url = "postgresql+psycopg://me@/name?host=/run/pg&port=5433"
    assert connection_arguments(socket_url) == {
        "user": "me", "dbname": "name", "host": "/run/pg", "port": "5433"
    }  # fmt: skip
    assert connection_arguments("postgresql://me:p%40ss@db.example:5432/name")["password"] == "p@ss"
    with pytest.raises(ConfigurationError) as caught:
        connection_arguments("mysql://me:secret@db/name")
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_missing_database_is_named(archive_folder, tmp_path):
    nowhere = f"postgresql+psycopg://nobody@/nothing?host={tmp_path}"
    archive = open_archive(archive_folder)
    for call in (
        lambda: migrate(nowhere),
        lambda: announce(nowhere, archive),
        lambda: publish(nowhere, archive, END, "http://127.0.0.1:1"),
    ):
        with pytest.raises(DatabaseUnavailable, match="PostGIS does not answer"):
            call()


def test_database_without_pgstac_is_named(database_url, archive_folder):
    with pytest.raises(ConfigurationError, match="migrate"):
        publish(database_url, open_archive(archive_folder), END, "http://127.0.0.1:1")


def test_database_gone_in_the_middle_is_unavailable_and_heals(server, database_url):
    archive = server.archives[0]
    publish(database_url, archive, END, server.url)
    settings = CatalogueSettings(kind="stac", url=server.url, attempts=3, backoff_s=0.1)
    catalogue = make_catalogue("archive", settings)
    arguments = connection_arguments(database_url)
    name = arguments["dbname"]
    with psycopg.connect(**arguments | {"dbname": "postgres"}, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        with pytest.raises(CatalogueUnavailable):
            list(catalogue.search(archive.id, AREA, sensed_after=START, until=END))
        with pytest.raises(DatabaseUnavailable):
            publish(database_url, archive, END, server.url)
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert len(list(catalogue.search(archive.id, AREA, sensed_after=START, until=END))) == 6


def test_process_prints_its_address_and_ends_on_sigterm(database_url, archive_folder):
    command = [
        sys.executable, "-m", "flows.archive.server", "--archive", str(archive_folder),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SCARPWATCH_DATABASE_URL": database_url},
    )
    try:
        url = process.stdout.readline().strip()
        collection = httpx.get(f"{url}/collections/opera-rtc-s1").json()
        assert collection["summaries"]["scarpwatch:simulated"] == [False]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=timedelta(seconds=20).total_seconds())
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert errors == ""
    json.dumps(collection)


def test_server_ends_with_a_parent_that_was_killed(database_url, archive_folder):
    program = (
        "import pathlib, sys\n"
        "from flows.archive.server import ArchiveServer\n"
        "server = ArchiveServer(sys.argv[1], [pathlib.Path(sys.argv[2])]).start()\n"
        "print(server.url, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, database_url, str(archive_folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    url = parent.stdout.readline().strip()
    assert httpx.get(url).status_code == 200
    parent.kill()
    parent.communicate()
    assert _falls_silent(url)


def _falls_silent(url: str) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(url)
        except httpx.TransportError:
            return True
        time.sleep(0.1)
    return False
