"""A month of ``bench.year``: what ledger and alarms say is what the simulation made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from bench.year.books import books
from bench.year.sky import BEGIN, DAY
from db.engine import transaction

DAYS = 30


@pytest.mark.slow
@pytest.mark.long
def test_each_pass_of_a_month_is_accounted_for_once(
    make_database: Callable[[str], str], template: str, url_of: Callable[[str], str]
) -> None:
    watched, catalogue = (url_of(make_database(template)) for _ in range(2))
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-year-"))
    with books(folder, watched, catalogue, 3, DAYS, send=True) as year:
        year.live(DAYS)
        assert year.wrong == []
        found = year.result()
        assert found["passes_accounted_for"] > 12
        assert found["outcomes"]["processed"] > 10
        assert found["looks"]["processed"] > found["outcomes"]["processed"]
        # A check that never says no would pass as well.
        with transaction(year.services.engine) as s:
            s.execute(text("DELETE FROM scarpwatch.expected_looks WHERE outcome = 'expected'"))
        year.check(BEGIN + DAYS * DAY)
        assert len(year.wrong) == found["outcomes"]["expected"]
    shutil.rmtree(folder)
