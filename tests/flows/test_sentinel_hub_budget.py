"""One account, many workers: requests and units are counted together."""

from __future__ import annotations

import multiprocessing
import pickle
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detectors.errors import CatalogueUnavailable, ImageryUnavailable, QuotaSpent
from flows.catalogs.base import Quota
from flows.catalogs.sentinel_hub.budget import Budget
from flows.catalogs.sentinel_hub.ledger import FILE_NAME


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self, start: datetime = datetime(2026, 11, 20, tzinfo=UTC)) -> None:
        self.now = start.timestamp()
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def budget(tmp_path, time):
    def make(account: str = "me", folder: Path | None = tmp_path, **quota) -> Budget:
        return Budget(folder, account, Quota(**quota), clock=time, sleep=time.sleep)

    return make


def ask(budget: Budget, units: float = 1.0, *, charged: float | None = None, wait_s: float = 600):
    with budget.spend(units, wait_s=wait_s, lease_s=60) as bill:
        bill.charged = units if charged is None else charged


def test_requests_and_units_add_up_over_everybody_who_opens_the_file(budget) -> None:
    ask(budget(), 1.5)
    ask(budget(), 2.5, charged=2.0)
    ask(budget("another"), 70)
    spent = budget().spent()
    assert (spent.requests, spent.units) == (2, 3.5)
    assert spent.renews_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_accounts_are_stored_as_hashes(budget, tmp_path) -> None:
    ask(budget("client-id-of-mine"))
    assert b"client-id-of-mine" not in (tmp_path / FILE_NAME).read_bytes()


def test_a_request_that_failed_costs_no_units_but_counts(budget) -> None:
    with pytest.raises(ValueError, match="x"), budget().spend(5, wait_s=1, lease_s=1):
        raise ValueError("x")
    assert (budget().spent().requests, budget().spent().units) == (1, 0.0)


def test_the_month_ends_and_begins_anew(budget, time) -> None:
    mine = budget(units_a_month=10)
    ask(mine, 9)
    with pytest.raises(QuotaSpent, match=r"9\.0 of 10 processing units\); it renews on 2026-12-01"):
        ask(mine, 2)
    ask(mine, 1)
    with pytest.raises(QuotaSpent) as caught:
        ask(mine, 0.1)
    assert caught.value.renews_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert isinstance(caught.value, CatalogueUnavailable)
    assert isinstance(caught.value, ImageryUnavailable)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.renews_at) == (str(caught.value), caught.value.renews_at)
    time.now = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    ask(mine, 9)
    assert mine.spent().renews_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert mine.spent().units == 9


def test_requests_of_a_month_are_counted_too(budget) -> None:
    mine = budget(requests_a_month=2)
    ask(mine)
    ask(mine)
    with pytest.raises(QuotaSpent, match="2 of 2 requests"):
        ask(mine)


def test_a_request_over_new_year_is_settled_where_it_was_made(budget, time) -> None:
    time.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    mine = budget()
    with mine.spend(4, wait_s=1, lease_s=60) as bill:
        time.now += 10
        bill.charged = 3
    assert (mine.spent().requests, mine.spent().units) == (0, 0)


def test_a_minute_has_so_many_requests(budget, time) -> None:
    mine = budget(requests_a_minute=3)
    for _ in range(3):
        ask(mine)
        time.now += 10
    assert time.slept == 0
    ask(mine)
    # Until the first of the three is a minute old.
    assert time.slept == pytest.approx(30)


def test_a_minute_has_so_many_units(budget, time) -> None:
    mine = budget(units_a_minute=10)
    ask(mine, 6)
    time.now += 20
    ask(mine, 4)
    ask(mine, 5)
    assert time.slept == pytest.approx(40)
    # More than a minute holds goes alone, when the minute is empty.
    ask(mine, 40)
    assert time.slept == pytest.approx(40 + 60)


def test_waiting_for_a_turn_has_an_end(budget, time) -> None:
    mine = budget(requests_a_minute=1)
    ask(mine)
    with pytest.raises(CatalogueUnavailable, match="the minute is spent, for longer than 30 s"):
        ask(mine, wait_s=30)
    assert time.slept == 0


def test_a_pause_that_the_service_asked_for_is_everybodys(budget, time) -> None:
    budget().hold(25)
    ask(budget())
    assert time.slept == pytest.approx(25)
    budget().hold(500)
    with pytest.raises(CatalogueUnavailable, match="asked for a pause"):
        ask(budget(), wait_s=60)


def test_a_refusal_of_the_service_is_believed_for_an_hour(budget, time) -> None:
    error = budget().refuse()
    assert error.renews_at == datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(QuotaSpent, match="the service said"):
        ask(budget())
    time.now += 3_601
    ask(budget())


def test_connections_of_killed_processes_come_back(budget, time) -> None:
    mine = budget(connections=2)
    # Entered and never left, as after a kill.
    left_open = [mine.spend(1, wait_s=1, lease_s=40) for _ in range(2)]
    for spending in left_open:
        spending.__enter__()
    ask(mine)
    assert 39 < time.slept < 41


def test_a_budget_without_a_folder_counts_for_itself(budget, tmp_path) -> None:
    mine = budget(folder=None, requests_a_month=1)
    ask(mine)
    with pytest.raises(QuotaSpent):
        ask(mine)
    ask(budget(folder=None))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(budget, tmp_path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to look at" * 40)
    with pytest.raises(CatalogueUnavailable, match="not a database"):
        ask(budget())
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogueUnavailable, match="what was spent"):
        ask(budget(folder=tmp_path / "file" / "below"))


def _spend(folder: Path, times: int) -> int:
    budget = Budget(folder, "me", Quota(requests_a_month=100, requests_a_minute=1_000))
    done = 0
    for _ in range(times):
        try:
            ask(budget, 0.5)
        except QuotaSpent:
            break
        done += 1
    return done


@pytest.mark.slow
def test_processes_share_the_quota_to_the_last_request(tmp_path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        done = pool.starmap(_spend, [(tmp_path, 40)] * 4)
    assert sum(done) == 100
    spent = Budget(tmp_path, "me", Quota()).spent()
    assert (spent.requests, spent.units) == (100, pytest.approx(50))
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        assert file.execute("select count(*) from recent where open_until > 0").fetchone() == (0,)
    file.close()


def test_old_entries_do_not_pile_up(budget, time, tmp_path) -> None:
    mine = budget()
    for _ in range(5):
        ask(mine)
        time.now += timedelta(minutes=2).total_seconds()
    file = sqlite3.connect(tmp_path / FILE_NAME)
    assert file.execute("select count(*) from recent").fetchone() == (1,)
    file.close()
