"""Looks that a service renders, from the poll to the judgement; and what a spent quota does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from shapely.geometry import MultiPolygon, box

from db import costs
from detectors.errors import QuotaSpent
from detectors.types import State
from flows import confirming
from flows.catalogs.base import CatalogueSettings, Quota
from flows.doctor import examine
from tests.sentinel_hub_server import CLIENT_ID, CLIENT_SECRET, PROCESS, TOKEN, Fault, s1_feature

START = datetime(2025, 1, 3, 14, 1, 7, tzinfo=UTC)
STEP = timedelta(days=12)
#: Passes; the first six are history.
PASSES, HISTORY = 8, 6
PLACE = MultiPolygon([box(-119.45, 34.25, -119.44, 34.26)])


@pytest.fixture
def slope(hub, watch):
    """Makes a region that is watched through the service; settings can be chosen."""
    hub.features["sentinel-1-grd"] = [
        s1_feature(START + k * STEP, orbit=60_000 + 175 * k, level=0.01 * (k % 3))
        for k in range(PASSES)
    ]

    def make(**settings):
        own = CatalogueSettings(
            kind="sentinel-hub", url=hub.url, token_url=hub.token_url, client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET, attempts=2, backoff_s=0.01, longest_wait_s=0.1,
            timeout_s=5.0, **settings,
        )  # fmt: skip
        w = watch(
            catalogues={"hub": own}, sources=("hub/sentinel-1-grd",), geometry=PLACE,
            watch_from=START + (HISTORY - 0.5) * STEP,
        )  # fmt: skip
        w.clock.set(START + PASSES * STEP)
        return w

    return make


def test_looks_are_found_rendered_and_judged(slope, hub) -> None:
    w = slope()
    polled = w.poll()
    assert (polled.new, polled.refused, polled.errors) == (PASSES, 0, ())
    outcomes = w.detect()
    assert [outcome.state for outcome in outcomes] == ["processed"] * 2
    assert {look.acquisition.track for look in w.looks().values()} == {"078-descending"}
    # Each of the eight looks was rendered once per block, though two stacks were read.
    boxes = [tuple(call.body["input"]["bounds"]["bbox"]) for call in hub.at(PROCESS)]
    assert len(boxes) == PASSES * len(set(boxes))
    assert len(hub.at(TOKEN)) == 1
    # What the region is charged with is what the service saw and charged.
    with w.open() as s:
        today = datetime.now(UTC).date()
        spent = costs.spent_since(s, w.region.id, today)
        (judged,) = (one for one in costs.list_costs(s, today, w.region.id) if one.work == "judge")
    assert spent.requests == len(hub.calls)
    assert judged.spent.units == pytest.approx(hub.charged) != 0
    for call in hub.at(PROCESS):
        asked = call.body["input"]["data"][0]["processing"]
        assert (asked["backCoeff"], asked["orthorectify"]) == ("GAMMA0_TERRAIN", True)


def test_a_spent_quota_lets_looks_wait_uncounted(slope, hub) -> None:
    # Enough for the poll and a few pictures.
    w = slope(quota=Quota(requests_a_month=12))
    assert w.poll().errors == ()
    for _ in range(3):
        outcomes = w.detect()
        assert [outcome.state for outcome in outcomes] == ["due"] * 2
        assert "month is spent (12 of 12 requests); it renews on" in outcomes[0].reason
        w.sql("UPDATE looks SET retry_at = now() WHERE retry_at IS NOT NULL")
    judged = list(w.looks().values())[HISTORY:]
    assert [look.attempts for look in judged] == [0, 0]
    asked = len(hub.at(PROCESS))
    polled = w.poll()
    assert "month is spent" in polled.errors[0]
    assert len(hub.at(PROCESS)) == asked


def test_a_spent_quota_lets_optical_checks_wait_uncounted(slope, monkeypatch) -> None:
    def spent(*_, **__):
        raise QuotaSpent("the account's month is spent", START)

    monkeypatch.setattr(confirming, "examine_pair", spent)
    w = slope()
    landslide = SimpleNamespace(id=uuid.uuid4(), state=State.SUSPECTED)
    look = SimpleNamespace(id=uuid.uuid4(), item_id="look", source="hub/sentinel-2-l2a")
    outcome = confirming._attempt(w.services, w.region, landslide, look)
    assert w.sql("SELECT count(*) FROM optical_attempts") == [(0,)]
    assert (outcome.finding, outcome.state) == ("deferred", "suspected")
    assert "month is spent" in outcome.reason


def test_trouble_that_passes_is_counted(slope, hub) -> None:
    w = slope()
    w.poll()
    hub.on(PROCESS, *[Fault(status=500, body={})] * 4)
    assert [outcome.state for outcome in w.detect()] == ["due"] * 2
    judged = list(w.looks().values())[HISTORY:]
    assert [look.attempts for look in judged] == [1, 1]
    assert "answered 500 (2 attempts)" in judged[0].reason
    assert CLIENT_SECRET not in judged[0].reason


def test_doctor_asks_it_and_says_what_is_spent(slope, hub) -> None:
    w = slope()
    url = w.services.engine.url.render_as_string(hide_password=False)
    settings = w.services.settings.model_copy(update={"database_url": None})
    settings = type(settings)(home=settings.home, catalogues=settings.catalogues, database_url=url)
    (found,) = [check for check in examine(settings) if check.name == "catalogue hub"]
    assert found.state == "ok"
    assert "of 10000 processing units by this machine" in found.said
    hub.on(TOKEN, Fault(status=401, body={"error": "invalid_client"}))
    (found,) = [check for check in examine(settings) if check.name == "catalogue hub"]
    assert (found.state, "401 invalid_client" in found.said) == ("fail", True)
