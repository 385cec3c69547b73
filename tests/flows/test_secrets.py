"""A secret that an operator sets is in none of the things that are written."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from alerts.receiver import Receiver
from alerts.records import Channel
from db import outbox
from db.engine import transaction
from flows.cli.documents import alert_document
from flows.delivering import deliver_due
from flows.feeding import write_feeds
from flows.services import Services
from flows.settings import ChannelSettings, FeedSettings
from tests.watching import stored_rows

SECRET = "s3cr3t-0f-the-0perator"
SHOWN = datetime(2023, 11, 22, tzinfo=UTC)


def test_a_planted_secret_is_written_nowhere(
    watch, rude, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    rude.status(f"500 {SECRET}", f"X-Echo: {SECRET}")
    at = f"127.0.0.1:{rude.port}"
    signing = SecretStr(SECRET)
    with Receiver(tmp_path / "inbox.jsonl", secret=SECRET) as receiver:
        good = receiver.url.removeprefix("http://")
        channels = (
            Channel("duty", SecretStr(f"http://me:{SECRET}@{good}?t={SECRET}"), True, (), signing),
            Channel("broken", SecretStr(f"http://me:{SECRET}@{at}/{SECRET}"), True, (), signing),
            Channel("chat", SecretStr(f"json://me:{SECRET}@{at}/{SECRET}?+x={SECRET}"), True),
            Channel("wrong", SecretStr(f"no-such://{SECRET}@{SECRET}/"), True),
        )
        w = watch(channels=channels)
        w.run(SHOWN)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
        caplog.set_level(logging.DEBUG)
        try:
            outcomes = {one.channel: one for one in deliver_due(w.services)}
        finally:
            structlog.reset_defaults()
        assert [one.delivered for one in outcomes.values()].count(True) == 1
        assert outcomes["duty"].delivered
        own = w.services.settings.model_copy(update={
            "channels": {"duty": ChannelSettings(url=channels[0].url, secret=signing)},
            "feed": FeedSettings(folder=tmp_path / "feeds"),
        })  # fmt: skip
        write_feeds(Services(own, w.services.engine, w.clock, channels), tmp_path / "feeds")
        (kept,) = receiver.received()
    with transaction(w.services.engine) as s:
        shown = [alert_document(record) for record in outbox.list_alerts(s)]
    told = capfd.readouterr()
    written = {
        "logs": caplog.text + told.out + told.err,
        "database": str(stored_rows(w.services.engine)),
        "receipts": str(shown),
        "outcomes": str(outcomes),
        "message": str(kept),
        "settings": f"{own!r} {own} {own.model_dump_json()} {channels!r}",
        **{str(path): path.read_text("utf-8", "replace") for path in (tmp_path / "feeds").rglob("*")
           if path.is_file()},
    }  # fmt: skip
    assert len(written) >= 6 + 7
    # The failures did speak of something: an empty log would prove nothing.
    assert "answered 500" in written["logs"]
    assert "answered 500" in written["database"]
    assert [name for name, text in written.items() if SECRET in text] == []


def test_settings_that_do_not_fit_keep_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings: Path
) -> None:
    from detectors.errors import ConfigurationError
    from flows.settings import load

    file = tmp_path / "own.toml"
    file.write_text(f'[channels.duty]\nurl = ["{SECRET}"]\nsecrets = "{SECRET}"\n')
    monkeypatch.setenv("SCARPWATCH_CONFIG", str(file))
    with pytest.raises(ConfigurationError) as refusal:
        load()
    assert SECRET not in str(refusal.value)
