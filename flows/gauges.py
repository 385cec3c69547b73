"""The state of the watch in numbers: Prometheus metrics, and one answer to "is it well?".

Everything is read from the database when it is asked for; nothing is counted in memory, so that a
restart loses nothing and any process can answer for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from db import counts, queries, schema
from db.engine import transaction
from db.progress import Progress, progress
from db.records import PollRecord
from detectors.errors import DatabaseUnavailable, ScarpwatchError
from detectors.types import WatchedRegion
from flows import silence
from flows.attention import overdue
from flows.services import Services

#: A delivery that has been due for so long is an alarm.
DELIVERY_LATE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class State:
    """What the database says at one moment."""

    now: datetime
    """By the clock of the watch, UTC."""
    regions: Sequence[WatchedRegion]
    """Watched, paused ones among them."""
    polls: Sequence[PollRecord]
    """Last poll by region and source."""
    looks: dict[str, dict[str, int]]
    """Looks by region and state."""
    landslides: dict[str, dict[str, int]]
    """Landslides by region and state."""
    deliveries: dict[str, dict[str, int]]
    """Messages by region and state."""
    silent: dict[str, int]
    """Tracks by region whose expected look did not come."""
    progress: Progress
    """Waits, and how long work took."""
    alarms: list[str] = field(default_factory=list)
    """What is not well, in words; empty where all is."""


def read_state(services: Services) -> State:
    """Read the state of the watch.

    Raises:
        ScarpwatchError: the database does not answer, or its schema is older than the program.
    """
    now = services.clock.now()
    with transaction(services.engine) as s:
        regions = queries.list_regions(s)
        polls = queries.list_polls(s)
        found = counts.summary(s).regions
        state = State(
            now, regions, polls,
            {name: dict(one.looks) for name, one in found.items()},
            {name: {state: sum(tiers.values()) for state, tiers in one.landslides.items()}
             for name, one in found.items()},
            {name: dict(one.deliveries) for name, one in found.items()},
            _silent(services, s, regions), progress(s),
        )  # fmt: skip
    state.alarms.extend(_alarms(state))
    return state


def _silent(
    services: Services, s: Session, regions: Iterable[WatchedRegion]
) -> dict[str, int]:  # fmt: skip
    return {one.id: len(silence.silent_tracks(services, s, one)) for one in regions}


def _alarms(state: State) -> list[str]:
    late = [one.id for one in state.regions if overdue(one, state.polls, state.now)]
    said = [f"not polled for long: {', '.join(late)}"] if late else []
    waiting = state.progress.oldest_delivery_s
    if waiting is not None and waiting > DELIVERY_LATE.total_seconds():
        said.append(f"a message has been waiting for {waiting / 60:.0f} minutes")
    quiet = [name for name, many in state.silent.items() if many]
    return [*said, f"an expected look did not come: {', '.join(quiet)}"] if quiet else said


def health(services: Services) -> tuple[bool, dict[str, object]]:
    """Return whether all is well, and a document that says what is not; never raises.

    Reasons are ours: what the database said stays in the log.
    """
    try:
        current, head = schema.current(services.engine), schema.head()
        if current != head:
            old = f"schema {current}, needed is {head}; run: scarpwatch db upgrade"
            return False, _document([old], services, None)
        state = read_state(services)
    except DatabaseUnavailable:
        gone = "the database does not answer; run: scarpwatch db status, scarpwatch db start"
        return False, _document([gone], services, None)
    except ScarpwatchError as error:
        return False, _document([type(error).__name__], services, None)
    return not state.alarms, _document(state.alarms, services, state)


def _document(
    alarms: list[str], services: Services, state: State | None
) -> dict[str, object]:  # fmt: skip
    return {
        "status": "alarm" if alarms else "ok",
        "alarms": alarms,
        "at": services.clock.now().isoformat(),
        "regions": None if state is None else len(state.regions),
        "exercise": services.settings.exercise,
    }


class Watched(Collector):
    """What Prometheus fetches; a database that is gone shows as ``scarpwatch_up 0``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        up = GaugeMetricFamily("scarpwatch_up", "1 where the database answers")
        try:
            state = read_state(self._services)
        except ScarpwatchError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield _alarm_count(state)
        yield from _counted(state)
        yield from _ages(state)
        yield from _times(state)

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: that would ask the database when the service starts."""
        return ()


def _alarm_count(state: State) -> Metric:
    made = GaugeMetricFamily("scarpwatch_alarms", "What is not well; /health says it in words")
    made.add_metric([], len(state.alarms))
    return made


def _counted(state: State) -> Iterable[Metric]:
    for name, says, found in (
        ("scarpwatch_looks", "Looks by state: due, processed, skipped, failed", state.looks),
        ("scarpwatch_landslides", "Landslides by state, drills included", state.landslides),
        ("scarpwatch_deliveries", "Messages by state: waiting, sent, given up", state.deliveries),
    ):
        made = GaugeMetricFamily(name, says, labels=["region", "state"])
        for region, states in found.items():
            for word, count in states.items():
                made.add_metric([region, word], count)
        yield made
    made = GaugeMetricFamily(
        "scarpwatch_tracks_silent", "Tracks whose expected look did not come", labels=["region"]
    )
    for region, count in state.silent.items():
        made.add_metric([region], count)
    yield made


def _ages(state: State) -> Iterable[Metric]:
    age = GaugeMetricFamily(
        "scarpwatch_poll_age_seconds", "Since the last poll that worked",
        labels=["region", "source"],
    )  # fmt: skip
    failing = GaugeMetricFamily(
        "scarpwatch_poll_failures", "Polls that failed since then", labels=["region", "source"]
    )
    for poll in state.polls:
        labels = [poll.region_id, poll.source]
        if poll.succeeded_at is not None:
            age.add_metric(labels, (state.now - poll.succeeded_at).total_seconds())
        failing.add_metric(labels, poll.failures)
    yield age
    yield failing


def _times(state: State) -> Iterable[Metric]:
    told = state.progress
    for name, says, value in (
        ("scarpwatch_oldest_look_seconds", "How long the oldest look has been due",
         told.oldest_look_s),
        ("scarpwatch_oldest_delivery_seconds", "How long the oldest message has been waiting",
         told.oldest_delivery_s),
        ("scarpwatch_look_delay_seconds", "From publication to judgement, median of a week",
         told.look_delay_s),
        ("scarpwatch_delivery_delay_seconds", "From decision to receipt, median of a week",
         told.delivery_delay_s),
    ):  # fmt: skip
        made = GaugeMetricFamily(name, says)
        if value is not None:
            made.add_metric([], value)
        yield made


def metrics(services: Services) -> bytes:
    """Return the metrics as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Watched(services))
    return generate_latest(registry)
