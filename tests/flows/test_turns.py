"""Which regions have work waiting, and in which order they have their turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from db import store
from flows import turns
from flows.turns import Plan

BEFORE = datetime(2023, 11, 10, tzinfo=UTC)


def test_regions_with_looks_have_their_turn_and_nobody_else(watch) -> None:
    w = watch(priority=50)
    later, urgent = watch(id="later", priority=50), watch(id="urgent", priority=1)
    paused = watch(id="paused", paused=True)
    w.reach(BEFORE)
    assert list(turns.waiting(w.services)) == []
    for one in (w, later, urgent):
        one.poll()
    assert paused.poll().new == 0
    assert list(turns.waiting(w.services)) == ["urgent", "later", "slope"]
    # Whoever was judged last goes behind its equals.
    later.detect(limit=1)
    assert list(turns.waiting(w.services, looks_only=True)) == ["urgent", "slope", "later"]
    # Looking does not take a region from whoever has it, nor the other way round.
    with store.polling(w.services.engine, "slope") as mine:
        assert mine
        assert list(turns.waiting(w.services)) == ["urgent", "later"]
    seen = turns.waiting(w.services)
    assert next(seen) == "urgent"
    with store.polling(w.services.engine, "urgent") as mine:
        assert mine
    for one in (w, later, urgent):
        one.detect()
    assert list(turns.waiting(w.services, looks_only=True)) == []


def test_slugs_tell_plans_apart() -> None:
    lines = ("0 6 * * *", "0 6 * * 1-5", "0 6 * * 1,5", "*/5 6 * * *", "5 6 * * *")
    plans = [Plan(None, line, zone) for line in lines for zone in ("UTC", "Etc/GMT+1", "Etc/GMT-1")]
    plans += [Plan(timedelta(seconds=length), None, "UTC") for length in (5, 7.5, 75, 1800)]
    slugs = {plan.slug for plan in plans}
    assert len(slugs) == len(plans)
    assert all(set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for slug in slugs)
