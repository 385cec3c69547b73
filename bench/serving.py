"""Servers and databases that benches start beside themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.cluster import Cluster

ROOT = Path(__file__).parents[1]


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """Run a server that says its address first, until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def throwaway_postgis() -> Iterator[tuple[Path, Cluster]]:
    """Give a folder and a PostGIS in it; both are gone at the end."""
    # Open to the user the server runs as when root calls.
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-bench-"))
    folder.chmod(0o755)
    cluster = Cluster(folder / "state", throwaway=True)
    try:
        cluster.ensure()
        yield folder, cluster
    finally:
        cluster.destroy()
        shutil.rmtree(folder, ignore_errors=True)
