"""Health and metrics over HTTP, read by Prometheus' parser, of a watch that goes well or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from alerts.records import Channel
from db.engine import make_engine
from flows.health_server import make_app
from flows.services import Services
from tests.listening import listening
from tests.watching import Watch

#: A week after the last look: the next one is not due yet.
SEEN = datetime(2023, 12, 10, tzinfo=UTC)


@contextmanager
def asked(services: Services) -> Iterator[httpx.Client]:
    with listening(make_app(services)) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def numbers(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """What Prometheus makes of the metrics: value by name and labels."""
    answer = client.get("/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_watch_that_goes_well_and_one_that_does_not(served: Callable[..., Watch]) -> None:
    w = served()
    with asked(w.services) as client:
        first = client.get("/health")
        assert first.status_code == 503
        assert first.json()["alarms"] == ["not polled for long: slope"]
        w.reach(SEEN)
        w.poll()
        # Looks are due: that is work, and no alarm.
        well = client.get("/health")
        assert (well.status_code, well.json()["status"]) == (200, "ok"), well.text
        found = numbers(client)
        assert found["scarpwatch_up",] == 1
        assert found["scarpwatch_alarms",] == 0
        assert found["scarpwatch_looks", "slope", "due"] == 4
        assert 0 <= found["scarpwatch_oldest_look_seconds",] < 600
        source = w.region.sources[0]
        assert 0 <= found["scarpwatch_poll_age_seconds", "slope", source] < 600
        assert found["scarpwatch_poll_failures", "slope", source] == 0
        w.detect()
        found = numbers(client)
        assert found["scarpwatch_looks", "slope", "processed"] == 4
        assert ("scarpwatch_oldest_look_seconds",) not in found
        assert found["scarpwatch_landslides", "slope", "suspected"] == 1
        w.clock.set(w.clock.now() + timedelta(days=2))
        late = client.get("/health")
        assert late.status_code == 503
        assert "not polled for long: slope" in late.json()["alarms"]
        assert numbers(client)["scarpwatch_alarms",] >= 1


def test_a_message_that_waits_is_an_alarm(served: Callable[..., Watch], tmp_path: Path) -> None:
    url = SecretStr((tmp_path / "sent.jsonl").as_uri())
    channel = Channel("team", url, exercise=True, tags=("valley",))
    w = served(channels=(channel,), tags=("valley",), simulated=True)
    w.run(SEEN)
    with asked(w.services) as client:
        found = numbers(client)
        assert found["scarpwatch_deliveries", "slope", "due"] == 2
        assert client.get("/health").status_code == 200
        w.sql("UPDATE deliveries SET recorded_at = recorded_at - interval '20 minutes'")
        late = client.get("/health")
        assert late.status_code == 503
        assert late.json()["alarms"] == ["a message has been waiting for 20 minutes"]
        w.deliver()
        assert client.get("/health").status_code == 200
        found = numbers(client)
        assert found["scarpwatch_deliveries", "slope", "delivered"] == 2
        assert found["scarpwatch_delivery_delay_seconds",] > 0


def test_a_database_that_is_gone_or_older_is_said_without_its_words(
    served: Callable[..., Watch],
) -> None:
    w = served()
    gone = make_engine("postgresql://secret-name:secret-word@127.0.0.1:1/none")
    with asked(replace(w.services, engine=gone)) as client:
        answer = client.get("/health")
        assert answer.status_code == 503
        (alarm,) = answer.json()["alarms"]
        assert alarm.startswith("the database does not answer; run: scarpwatch db status")
        assert "secret" not in json.dumps(answer.json())
        assert numbers(client) == {("scarpwatch_up",): 0}
    w.sql("UPDATE alembic_version SET version_num = '0009'")
    with asked(w.services) as client:
        (alarm,) = client.get("/health").json()["alarms"]
        assert alarm.startswith("schema 0009, needed is")
        assert alarm.endswith("run: scarpwatch db upgrade")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(served: Callable[..., Watch], method: str) -> None:
    with asked(served().services) as client:
        assert client.request(method, "/metrics").status_code == 405
