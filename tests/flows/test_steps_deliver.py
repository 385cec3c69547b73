"""Sending: what is stored is told, to each channel by itself, until it has been or is given up."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from alerts import journal
from alerts.cap_rules import faults
from alerts.receiver import Receiver
from alerts.records import Channel
from db import cap, outbox
from flows.delivering import messages_due
from flows.services import Services

#: The first look that shows the landslide is published by then.
SHOWN = datetime(2023, 11, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path / "received.jsonl") as running:
        yield running


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def channel(name, url, *, exercise=True, tags=()) -> Channel:
    return Channel(name, SecretStr(url), exercise, tags)


def sent(w) -> dict:
    """Return the deliveries of the only alert, by channel."""
    with w.open() as s:
        (record,) = outbox.list_alerts(s)
    return {delivery.channel: delivery for delivery in record.deliveries}


def key_of(w) -> str:
    with w.open() as s:
        return str(outbox.list_alerts(s)[0].alert.id)


def let_waits_end(w) -> None:
    w.sql("UPDATE deliveries SET retry_at = now() WHERE retry_at IS NOT NULL")


def with_channels(w, *channels, **settings) -> None:
    """Change what the operator set; the outbox stays."""
    own = w.services.settings.model_copy(update=settings)
    w.services = Services(own, w.services.engine, w.clock, channels)


def test_each_channel_by_itself_and_the_failing_one_later(watch, receiver, port, tmp_path) -> None:
    told = tmp_path / "told.jsonl"
    down = channel("pager", f"http://127.0.0.1:{port}/pager")
    w = watch(channels=(channel("duty", receiver.url), channel("log", told.as_uri()), down))
    w.run(SHOWN)
    began = datetime.now(UTC)
    assert messages_due(w.services)
    outcomes = {outcome.channel: outcome for outcome in w.deliver()}
    assert {name: one.delivered for name, one in outcomes.items()} == {
        "duty": True, "log": True, "pager": False,
    }  # fmt: skip
    key = key_of(w)
    assert {outcome.alert_id for outcome in outcomes.values()} == {key}
    (received,) = receiver.received()
    assert (received["key"], received["repeated"], received["exercise"]) == (key, False, True)
    (line,) = journal.read(told)
    assert line["key"] == key
    states = sent(w)
    assert states["duty"].receipts[0].content["receipt"] == received["receipt"]
    assert (states["pager"].state, states["pager"].attempts) == ("due", 1)
    assert states["pager"].reason == outcomes["pager"].reason
    assert began + MINUTE <= states["pager"].retry_at <= datetime.now(UTC) + MINUTE

    assert not messages_due(w.services)
    assert w.deliver() == []
    let_waits_end(w)
    with Receiver(tmp_path / "pager.jsonl", port=port) as pager:
        (outcome,) = w.deliver()
        assert (outcome.channel, outcome.delivered) == ("pager", True)
        assert [one["key"] for one in pager.received()] == [key]
    assert sent(w)["pager"].receipts[0].attempt == 2
    assert len(receiver.received()) == len(journal.read(told)) == 1
    assert w.deliver() == []


def test_given_up_in_the_end_and_sent_again_on_request(watch, port, tmp_path) -> None:
    down = channel("pager", f"http://127.0.0.1:{port}/pager")
    w = watch(channels=(down,), settings={"delivery_attempts": 3})
    w.run(SHOWN)
    waits = []
    for _ in range(3):
        (outcome,) = w.deliver()
        assert not outcome.delivered
        wait = sent(w)["pager"].retry_at
        waits.append(wait and round((wait - datetime.now(UTC)) / MINUTE))
        let_waits_end(w)
    assert waits == [1, 2, None]
    assert sent(w)["pager"].state == "abandoned"
    assert w.deliver() == []
    with w.open() as s:
        (record,) = outbox.list_alerts(s)
        assert outbox.requeue(s, record.alert.id) == 1
    with Receiver(tmp_path / "pager.jsonl", port=port) as pager:
        (outcome,) = w.deliver()
        assert outcome.delivered
        assert [one["key"] for one in pager.received()] == [str(record.alert.id)]


def test_a_channel_taken_out_of_the_settings_waits_for_its_return(watch, tmp_path) -> None:
    duty = channel("duty", (tmp_path / "told.jsonl").as_uri())
    w = watch(channels=(duty,))
    w.run(SHOWN)
    with_channels(w)
    (outcome,) = w.deliver()
    assert (outcome.delivered, outcome.reason) == (False, "no channel 'duty' in the settings")
    assert (sent(w)["duty"].state, sent(w)["duty"].reason) == ("due", outcome.reason)
    with_channels(w, duty)
    let_waits_end(w)
    assert [outcome.delivered for outcome in w.deliver()] == [True]


def test_a_channel_that_never_returns_is_given_up(watch, tmp_path) -> None:
    w = watch(channels=(channel("duty", (tmp_path / "told.jsonl").as_uri()),))
    w.run(SHOWN)
    with_channels(w, delivery_attempts=1)
    assert [outcome.delivered for outcome in w.deliver()] == [False]
    assert sent(w)["duty"].state == "abandoned"


def test_a_drill_reaches_exercise_channels_only(watch, tmp_path) -> None:
    live = channel("live", (tmp_path / "live.jsonl").as_uri(), exercise=False)
    drills = channel("drills", (tmp_path / "drills.jsonl").as_uri())
    elsewhere = channel("elsewhere", (tmp_path / "elsewhere.jsonl").as_uri(), tags=("alps",))
    w = watch(channels=(live, drills, elsewhere), tags=("coast",))
    w.run(SHOWN)
    assert [outcome.channel for outcome in w.deliver()] == ["drills"]
    # A channel that turns live while a drill waits for it must not be sent the drill.
    with w.open() as s:
        (record,) = outbox.list_alerts(s)
        outbox.requeue(s, record.alert.id)
    with_channels(w, channel("drills", live.url.get_secret_value(), exercise=False))
    (outcome,) = w.deliver()
    assert not outcome.delivered
    assert "exercise" in outcome.reason
    assert journal.read(tmp_path / "live.jsonl") == []


def test_nobody_to_tell_is_still_stored(watch) -> None:
    w = watch()
    assert w.run(SHOWN)[-1].alerts == 1
    assert w.deliver() == []
    assert sent(w) == {}


def test_the_receipt_of_a_lost_lease_is_not_stored(watch, receiver, tmp_path) -> None:
    w = watch(channels=(channel("duty", receiver.url),))
    w.run(SHOWN)
    # Another worker takes the message over while the first one sends: as if it took too long.
    w.sql(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "NEW.owner := 'faster'; RETURN NEW; END $$"
    )
    w.sql(
        "CREATE TRIGGER late BEFORE UPDATE ON deliveries FOR EACH ROW "
        "WHEN (NEW.state = 'sending') EXECUTE FUNCTION late()"
    )
    (outcome,) = w.deliver()
    assert not outcome.delivered
    assert "no longer held" in outcome.reason
    assert (sent(w)["duty"].state, sent(w)["duty"].receipts) == ("sending", ())
    w.sql("DROP TRIGGER late ON deliveries")
    w.sql("UPDATE deliveries SET lease_until = now()")
    (outcome,) = w.deliver()
    assert outcome.delivered
    first, second = receiver.received()
    assert first["key"] == second["key"]
    assert second["repeated"]


def test_a_target_that_asks_to_be_left_alone_is(watch, rude, tmp_path) -> None:
    w = watch(channels=(channel("busy", f"http://127.0.0.1:{rude.port}/x"),))
    w.run(SHOWN)
    for asked, expected in (("1800", 30), ("999999", 60), ("1", 4)):
        rude.status("503 Busy", f"Retry-After: {asked}")
        w.deliver()
        wait = sent(w)["busy"].retry_at - datetime.now(UTC)
        # Never shorter than without asking, never longer than an hour.
        assert round(wait / MINUTE) == expected
        let_waits_end(w)


def test_every_channel_gets_the_cap_message_that_was_kept(watch, receiver, tmp_path) -> None:
    w = watch(channels=(channel("duty", receiver.url),))
    w.run(SHOWN)
    w.deliver()
    (received,) = receiver.received()
    with w.open() as s:
        (record,) = outbox.list_alerts(s)
        kept = cap.messages(s, [record.alert.id])[record.alert.id]
    assert received["body"]["cap"] == kept.document
    assert kept.identifier == received["key"]
    assert faults(kept.document.encode()) == []
