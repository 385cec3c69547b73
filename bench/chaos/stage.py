"""What chaos runs on: a PostGIS that may be killed, an archive, servers behind the proxy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.chaos.world import World, optical_looks, proxied, receiving, shower
from bench.serving import serving
from db import schema
from db.cluster import Cluster
from db.engine import make_engine
from detectors.types import Acquisition
from flows.archive.manifest import Archive, open_archive
from flows.archive.server import ArchiveServer
from flows.examining import ENSEMBLE
from flows.inferring import Asked
from flows.model_registry import Registry
from tests.series import cut_series, let_slide


@dataclass
class Stage:
    """Makes worlds, one after the other: they share the servers."""

    folder: Path
    archive: Archive
    optical: Sequence[Acquisition]
    proxy: str
    """Address of the proxy before all servers."""
    inbox: Path
    """What the receiver writes down."""
    catalogue: str
    """Database of the STAC API."""
    make_database: Callable[[], str]
    """Makes a database with our schema; returns its URL."""
    cluster: Cluster | None = None
    """That holds the worlds' databases and may be killed."""
    asked: dict[Path, Asked] = field(default_factory=dict)
    """Models that are loaded already."""
    made: int = field(default=0)

    @contextmanager
    def world(self) -> Iterator[World]:
        """Make a fresh world; its folder is gone afterwards."""
        self.made += 1
        home = self.folder / f"world{self.made}"
        show = shower(self.catalogue, self.archive, self.proxy)
        yield World(
            home, self.make_database(), self.archive, self.optical, self.proxy, self.inbox, show,
            f"/alerts/{self.made}", self.asked,
        )  # fmt: skip
        shutil.rmtree(home)


@contextmanager
def served(
    folder: Path, archive: Path, catalogue: str, make_database: Callable[[], str],
    cluster: Cluster | None = None,
) -> Iterator[Stage]:  # fmt: skip
    """Start the servers.

    Args:
        folder: for all files.
        archive: radar looks.
        catalogue: URL of the database of the STAC API.
        make_database: makes databases with our schema.
        cluster: that holds them and may be killed; None: none may.
    """
    opened, inbox, files = open_archive(archive), folder / "inbox.jsonl", made(folder / "files")
    with (
        receiving(inbox) as receiver,
        serving("tests/file_server.py", str(files)) as tiles,
        ArchiveServer(catalogue, [archive]) as server,
        proxied(alerts=receiver, optical=tiles, rest=server.url) as proxy,
    ):
        optical = optical_looks(files, proxy, f"local/{opened.id}")
        asked = Asked(Registry(folder).in_use(ENSEMBLE), backend="eager")
        asked.load()
        yield Stage(
            folder, opened, optical, proxy, inbox, catalogue, make_database, cluster,
            {asked.folder: asked},
        )  # fmt: skip


@contextmanager
def stage() -> Iterator[Stage]:
    """Set everything up in a folder of its own, and take it down at the end."""
    # Open to the user the server runs as when root calls.
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-chaos-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        quiet = cut_series(made(folder / "cut"), made(folder / "archives") / "quiet")
        archive = let_slide(quiet)
        cluster = Cluster(folder / "worlds")
        quiet_cluster = Cluster(folder / "servers", throwaway=True)
        for one in (cluster, quiet_cluster):
            one.ensure()
            stack.callback(one.stop)
        quiet_cluster.create_database("catalogue")
        catalogue = quiet_cluster.url("catalogue")
        cluster.create_database("template")
        engine = make_engine(cluster.url("template"))
        schema.upgrade(engine)
        engine.dispose()
        count = iter(range(10**6))

        def make() -> str:
            name = f"world{next(count)}"
            cluster.create_database(name, "template")
            return cluster.url(name)

        yield stack.enter_context(served(folder, archive, catalogue, make, cluster))


def made(folder: Path) -> Path:
    """Return a folder that is there."""
    folder.mkdir(parents=True)
    return folder
