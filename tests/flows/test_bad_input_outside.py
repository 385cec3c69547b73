"""Catalogues that repeat themselves or are in trouble, and a database that goes away half-way."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import queries, schema
from db.engine import make_engine
from detectors.errors import DatabaseUnavailable
from flows.catalogs.base import CatalogueSettings
from tests.series import DAYS, END
from tests.watching import landing_page

#: The first look that shows the landslide.
FIRST = "2023-11-21"
GOOD = 4 * ["processed"]


def judged(w) -> list[str]:
    return [w.states()[date] for date in DAYS[6:]]


def listed(w, files, **changes):
    """Return the items of a region's archive as a catalogue would list them."""
    items = [{**item, "links": [], **changes} for item in w.archive.items()]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = f"{files.url}/cogs/{w.archive.id}/{Path(asset['href']).name}"
    return items


def page(features, url=None):
    links = [{"rel": "next", "href": url, "method": "GET"}] if url else []
    return {"type": "FeatureCollection", "features": features, "links": links}


@pytest.fixture
def static(misbehaving, reply):
    """A STAC API that answers what it is told; returns its settings."""
    misbehaving.on("/", reply(landing_page(misbehaving.url)))
    misbehaving.on("/collections/any", reply({"type": "Collection", "id": "any"}))
    return CatalogueSettings(kind="stac", url=misbehaving.url, attempts=2, backoff_s=0)


def test_item_that_is_listed_again_and_again(served, files, static, misbehaving, reply) -> None:
    w = served(sources=("static/any",), catalogues={"static": static})
    items = listed(w, files)
    more = f"{misbehaving.url}/more"
    misbehaving.on("/search", reply(page([*items[:6], *items[:6]], more)))
    misbehaving.on("/more", reply(page(items[4:])))
    w.clock.set(END)
    assert w.poll().new == 10
    assert [outcome.state for outcome in w.detect()] == GOOD
    before = w.rows()
    assert w.poll().new == 0
    assert w.detect() == []
    assert w.rows() == before
    assert len(before["looks"]) == len(before["acquisitions"]) == 10


def test_nonsense_between_items(served, files, static, misbehaving, reply) -> None:
    w = served(sources=("static/any",), catalogues={"static": static})
    misbehaving.on("/search", reply(page([None, 7, {}, {"id": "x"}, *listed(w, files)])))
    w.clock.set(END)
    outcome = w.poll()
    assert (outcome.new, outcome.refused) == (10, 4)
    assert [one.state for one in w.detect()] == GOOD


# --- catalogues


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": {"detail": "slow down"}, "status": 429, "headers": {"Retry-After": "0"}}, "429"),
        ({"body": {"detail": "sorry"}, "status": 500}, "500"),
        ({"body": b"<html>maintenance</html>", "headers": {"Content-Type": "text/html"}}, "JSON"),
        ({"body": {"message": "all is well"}}, "not STAC"),
        ({"body": {"type": "FeatureCollection", "features": []}, "cut": True}, "reached"),
    ],
    ids=["429", "500", "html", "not stac", "cut"],
)
def test_catalogue_in_trouble(
    served, files, static, misbehaving, reply, answer, reason
) -> None:  # fmt: skip
    """Its own region waits, the other source is read, and nothing is missed afterwards."""
    w = served(sources=("static/any", "local/slide"), catalogues={"static": static})
    misbehaving.on("/search", reply(**answer))
    w.reach()
    outcome = w.poll()
    assert outcome.new == 10
    (error,) = outcome.errors
    assert "static/any" in error
    assert reason in error
    assert len(misbehaving.asked_at("/search")) == 2
    assert [one.state for one in w.detect()] == GOOD
    with w.open() as s:
        told = {poll.source: poll for poll in queries.list_polls(s)}
    assert told["static/any"].watermark is None
    assert reason in told["static/any"].error
    misbehaving.on("/search", reply(page(listed(w, files))))
    outcome = w.poll()
    assert (outcome.new, outcome.errors) == (10, ())


# --- the database


def test_database_gone_between_claim_and_store(served, mortal_cluster, files) -> None:
    engine = make_engine(mortal_cluster.url("scarpwatch"))
    schema.upgrade(engine)
    w = served(engine=engine)
    w.reach()
    w.poll()
    w.detect(limit=2)
    before = w.rows()
    pid = mortal_cluster.status().pid
    files.rules({"match": w.item(FIRST), "times": 1, "kill": pid})
    with pytest.raises(DatabaseUnavailable):
        w.detect()
    assert mortal_cluster.status().pid != pid
    with pytest.raises(DatabaseUnavailable):
        w.poll()
    mortal_cluster.ensure()
    after = w.rows()
    assert after.pop("looks") != before.pop("looks")  # claimed by then
    assert after == before
    assert judged(w) == ["processed", "processed", "processing", "due"]
    assert w.poll().errors == ()
    w.sql("UPDATE looks SET lease_until = now() WHERE state = 'processing'")
    assert [outcome.alerts for outcome in w.detect()] == [1, 1]
    assert judged(w) == GOOD
    engine.dispose()
