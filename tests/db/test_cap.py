"""CAP messages are kept as they were sent, for ever."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import cap, outbox, schema
from db.records import CapRecord
from detectors.errors import ConfigurationError, PermanentError

SENT = CapRecord("here.example", "key-1", "2023-01-01T00:00:00+00:00", "Alert", "<alert>é</alert>")


@pytest.fixture
def told(world, make):
    """A world whose landslide has an alert with its message."""
    alert = make.alert(world.landslide)
    with world.open() as s:
        outbox.enqueue(s, alert, ["file"])
        cap.keep_message(s, alert.id, SENT)
    return world, alert


def test_a_message_comes_back_as_it_was_sent_and_the_first_one_stays(told, make) -> None:
    world, alert = told
    with world.open() as s:
        cap.keep_message(s, alert.id, CapRecord("other", "key-2", "later", "Update", "<alert/>"))
        assert cap.messages(s, [alert.id]) == {alert.id: SENT}
        assert cap.messages(s, []) == {}


def test_a_message_is_of_an_alert(world, make) -> None:
    with pytest.raises(PermanentError), world.open() as s:
        cap.keep_message(s, make.alert(world.landslide).id, SENT)


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET document = 'x'", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_what_was_sent_cannot_be_changed(told, change: str) -> None:
    world, alert = told
    with pytest.raises(PermanentError), world.open() as s:
        s.execute(text(change.format("scarpwatch.cap_messages")))
    with world.open() as s:
        assert cap.messages(s, [alert.id]) == {alert.id: SENT}


def test_messages_are_not_forgotten_on_the_way_down(told) -> None:
    world, _ = told
    with pytest.raises(ConfigurationError, match="1 CAP messages are stored"):
        schema.downgrade(world.engine, "0005")
    assert schema.current(world.engine) == schema.head()
