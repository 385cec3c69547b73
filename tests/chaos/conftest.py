"""The world of ``bench.chaos`` on the database server that all tests share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.chaos.rounds import Undisturbed, undisturbed
from bench.chaos.stage import Stage, served
from bench.chaos.world import STOPS

#: Stops of a short history: the end alone.
SAMPLE = STOPS[-1:]


@pytest.fixture(scope="session")
def on(
    make_database: Callable[[str], str], template: str, url_of: Callable[[str], str],
    slide_series: Path,
) -> Iterator[Stage]:  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-chaos-"))
    catalogue = url_of(make_database(template))
    with served(folder, slide_series, catalogue, lambda: url_of(make_database(template))) as stage:
        yield stage
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def base(on: Stage) -> Undisturbed:
    """What the history leaves behind where nothing goes wrong."""
    with on.world() as world:
        return undisturbed(world, SAMPLE)
