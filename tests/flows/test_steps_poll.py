"""Polling: what is new is stored once, and one source's trouble stays its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db import queries, store
from detectors.errors import ConfigurationError
from flows.archive.manifest import open_archive
from flows.catalogs.base import CatalogueSettings
from flows.polling import PollOutcome, poll_region
from tests.series import END, STEEP, WATCH_FROM, part_of
from tests.watching import landing_page

LATER = datetime(2023, 12, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: The look of this day was published ten hours after it was taken.
LATE_DAY, LATE_PUBLISHED = "2023-11-09", datetime(2023, 11, 9, 10, 57, 31, tzinfo=UTC)


def polls(w):
    with w.open() as s:
        return {poll.source: poll for poll in queries.list_polls(s, only=[w.region.id])}


def without_late_day(w, folder):
    late = w.item(LATE_DAY)
    return open_archive(part_of(w.archive.path, folder / "part", lambda item: item["id"] != late))


def test_what_is_new_is_stored_once(watch) -> None:
    w = watch()
    assert len(w.reach(WATCH_FROM)) == 6
    assert w.poll().new == 6
    assert w.poll() == PollOutcome(0, 0, ())
    assert len(w.reach(datetime(2023, 11, 10, tzinfo=UTC))) == 2
    assert w.poll().new == 2
    assert list(w.states().values()) == 6 * ["baseline"] + 2 * ["due"]


def test_what_was_published_comes_back_as_it_was(watch) -> None:
    w = watch()
    w.reach()
    w.poll()
    look = w.looks()[LATE_DAY].acquisition
    assert look.item_id == w.item(LATE_DAY)
    assert (look.source, look.burst_id, look.simulated) == ("local/slide", STEEP, True)
    assert look.published_at == LATE_PUBLISHED
    assert look.polarisations == ("VV", "VH")
    assert look.assets["VH"].startswith(w.stac.server.url)


def test_the_mark_follows_the_clock_and_polls_overlap(watch, tmp_path) -> None:
    w = watch(settings={"overlap": 6 * HOUR})
    asked_at = LATE_PUBLISHED + 5 * HOUR
    w.reach(asked_at, without_late_day(w, tmp_path))
    w.poll()
    assert polls(w)["local/slide"].watermark == asked_at
    assert LATE_DAY not in w.looks()
    # The catalogue takes it in only now, behind the mark but within the overlap.
    w.reach(asked_at + HOUR / 2)
    assert w.poll().new == 1
    assert w.states()[LATE_DAY] == "due"
    assert polls(w)["local/slide"].watermark == asked_at + HOUR / 2


def test_behind_the_overlap_nothing_is_read_until_marks_are_forgotten(watch, tmp_path) -> None:
    w = watch(settings={"overlap": HOUR})
    w.reach(LATE_PUBLISHED + 5 * HOUR, without_late_day(w, tmp_path))
    w.poll()
    w.reach(LATE_PUBLISHED + 6 * HOUR)
    assert w.poll().new == 0
    with w.open() as s:
        store.forget_watermarks(s, w.region.id)
    assert w.poll().new == 1


def test_the_first_poll_reads_the_history_and_no_more(watch) -> None:
    # Six passes lie within 400 days before the watching began, three within 310.
    w = watch(settings={"history": timedelta(days=310)})
    w.reach(WATCH_FROM)
    assert w.poll().new == 3
    assert min(w.looks()) == "2022-12-20"


def test_a_paused_region_asks_nobody(watch) -> None:
    w = watch(paused=True)
    w.reach()
    assert w.poll() == PollOutcome(0, 0, ())
    assert (w.looks(), polls(w)) == ({}, {})


def test_an_unknown_region_is_named(watch) -> None:
    with pytest.raises(ConfigurationError, match=r"'elsewhere'.*slope"):
        poll_region(watch().services, "elsewhere")


@pytest.mark.parametrize("order", [("broken/any", "local/slide"), ("local/slide", "broken/any")])
def test_one_source_that_fails_does_not_stop_the_other(watch, misbehaving, reply, order) -> None:
    misbehaving.on("/collections/any", reply({"detail": "busy"}, status=503))
    broken = CatalogueSettings(kind="stac", url=misbehaving.url, attempts=2, backoff_s=0)
    w = watch(sources=order, catalogues={"broken": broken})
    w.reach()
    outcome = w.poll()
    assert outcome.new == 10
    (error,) = outcome.errors
    assert "broken/any" in error
    assert "503" in error
    assert len(misbehaving.asked_at("/collections/any")) == 2
    told = polls(w)
    assert (told["broken/any"].watermark, told["broken/any"].failures) == (None, 1)
    assert "503" in told["broken/any"].error
    assert (told["local/slide"].watermark, told["local/slide"].error) == (END, None)


def test_a_source_that_recovers_is_read_from_where_it_stopped(watch, misbehaving, reply) -> None:
    def answers(*replies) -> None:
        misbehaving.on("/search", *replies)

    misbehaving.on("/", reply(landing_page(misbehaving.url)))
    misbehaving.on("/collections/any", reply({"type": "Collection", "id": "any"}))
    empty = {"type": "FeatureCollection", "features": [], "links": []}
    answers(reply(empty))
    only = CatalogueSettings(
        kind="stac", url=misbehaving.url, attempts=1, published_property="published"
    )
    w = watch(sources=("only/any",), catalogues={"only": only}, settings={"overlap": HOUR})
    w.clock.set(END)
    assert w.poll().errors == ()
    answers(reply({}, status=500))
    for hours in (1, 2):
        w.clock.set(END + hours * HOUR)
        assert "500" in w.poll().errors[0]
    told = polls(w)["only/any"]
    assert (told.watermark, told.failures, told.polled_at) == (END, 2, END + 2 * HOUR)
    assert told.succeeded_at == END
    answers(reply(empty))
    w.clock.set(END + 3 * HOUR)
    assert w.poll().errors == ()
    told = polls(w)["only/any"]
    assert (told.watermark, told.failures, told.error) == (END + 3 * HOUR, 0, None)
    # What came out while it was down is asked for: from the last good poll minus the overlap.
    assert "2023-12-31T23:00:00" in misbehaving.asked_at("/search")[-1].body


def test_a_source_that_names_no_catalogue_does_not_stop_the_other(watch) -> None:
    w = watch(sources=("gone/any", "local/slide"))
    w.reach()
    outcome = w.poll()
    assert outcome.new == 10
    assert "no catalogue 'gone'" in outcome.errors[0]
    assert "no catalogue 'gone'" in polls(w)["gone/any"].error


def test_two_regions_share_what_was_acquired(watch) -> None:
    first, second = watch(id="first"), watch(id="second", watch_from=LATER)
    first.reach()
    assert (first.poll().new, second.poll().new) == (10, 10)
    assert len(first.rows()["acquisitions"]) == 10
    assert len(first.rows()["looks"]) == 20
    assert set(second.states().values()) == {"baseline"}


def test_looks_that_do_not_touch_the_region_are_left_out(watch, quiet_series) -> None:
    w = watch(quiet_series)
    w.reach()
    assert w.poll().new == 10  # not the seven at sea
