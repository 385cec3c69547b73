"""Killed between a composite's file and its row: nothing dangles, and the next worker goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db import composites
from flows.kept import prune
from tests.e2e.test_kill_optical import held, waiting

WORKER = """
from flows import settings, steps
from flows.services import open_services
with open_services(settings.load()) as services:
    steps.detect_due(services, "slope")
"""


@pytest.mark.long
def test_between_file_and_row(watch: Any, operate: Any, wait_until: Any) -> None:
    w = watch(settings={"keep_composites_days": 30})
    operator = operate(w, {}, keep_composites_days=30)
    w.reach(datetime(2023, 10, 30, tzinfo=UTC))
    w.poll()
    root = w.services.settings.composites

    def files() -> set[str]:
        return {path.relative_to(root).as_posix() for path in root.rglob("*.tif")}

    def named() -> set[str]:
        with w.open() as s:
            return composites.named(s)

    with held(w.services.engine, "composites"):
        worker = operator.start("-c", WORKER)
        wait_until(lambda: waiting(w.services.engine))
        operator.kill(worker)
    assert (len(files()), named()) == (4, set())
    assert w.rows()["observability"] == []
    left = files()
    assert prune(w.services, grace=timedelta(0)).files == 4
    assert files() == set()
    (outcome,) = w.detect()
    assert outcome.state == "processed"
    assert files() == named() == left, "the same pixels have the same names"
