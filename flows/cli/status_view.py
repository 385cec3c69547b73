"""What goes on, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console

from db import counts, outbox, platforms
from db.engine import transaction
from db.records import AlertRecord, Summary
from detectors.ledger import WarmingUp
from detectors.types import Tier
from flows.attention import overdue, told
from flows.cli import region_views
from flows.cli.documents import alert_document, as_json
from flows.cli.output import ago, minute, plain, some, styled, table
from flows.cli.region_views import RegionView
from flows.costs import refusal
from flows.ledger import warming
from flows.services import Services
from flows.settings import Settings
from flows.silence import silent_tracks

#: Alerts that are looked through for messages that did not arrive.
RECENT = 200


@dataclass(frozen=True, slots=True)
class Status:
    """What goes on."""

    at: datetime
    """When it was asked, UTC."""
    regions: tuple[RegionView, ...]
    """Those that are watched."""
    summary: Summary
    """Counts."""
    undelivered: tuple[AlertRecord, ...]
    """Recent alerts of which a message has not arrived."""
    settings: Settings
    """What the operator set."""
    silent: Mapping[str, Mapping[str, datetime]]
    """By region: tracks whose newest expected look did not come, and when that was expected."""
    waiting: int
    """Digests and bulletins that have not arrived."""
    put_off: Mapping[str, str]
    """By region: why its looks wait, where it has spent its month."""
    held: Mapping[str, int]
    """By region: alerts that wait for a platform that is not approved."""
    warming: Mapping[str, Mapping[str, WarmingUp]]
    """By region: tracks that cannot be judged yet."""

    def document(self) -> dict[str, Any]:
        """Return the status as JSON."""
        states = ("due", "processing", "failed")
        waiting = ("due", "sending", "delivered", "abandoned")
        return {
            "at": as_json(self.at),
            "regions": [view.document() for view in self.regions],
            "looks": {state: self.summary.looks(state) for state in states},
            "messages": {state: self.summary.deliveries(state) for state in waiting},
            "undelivered": [alert_document(record) for record in self.undelivered],
            "silent": as_json(self.silent),
            "bulletins_undelivered": self.waiting,
            "put_off": dict(self.put_off),
            "alerts_held": dict(self.held),
            "warming_up": as_json(self.warming),
            "notes": [note for _, note in notes(self)],
        }


def load(services: Services) -> Status:
    """Read what goes on."""
    views = region_views.load(services, everything=False)
    with transaction(services.engine) as s:
        summary = counts.summary(s)
        recent = outbox.list_alerts(s, limit=RECENT)
        bulletins = outbox.list_bulletins(s, limit=RECENT)
        silent = {
            view.region.id: tracks
            for view in views
            if (tracks := silent_tracks(services, s, view.region))
        }
        held = {view.region.id: len(platforms.held_alerts(s, view.region.id)) for view in views}
        warms = {view.region.id: warming(services, s, view.region) for view in views}
    refused = {view.region.id: refusal(services, view.region) for view in views}
    return Status(
        services.clock.now(),
        tuple(views),
        summary,
        tuple(
            record
            for record in recent
            if any(delivery.state != "delivered" for delivery in record.deliveries)
        ),
        services.settings,
        silent,
        sum(one.state != "delivered" for record in bulletins for one in record.deliveries),
        {region: str(why) for region, why in refused.items() if why is not None},
        {region: number for region, number in held.items() if number},
        {region: tracks for region, tracks in warms.items() if tracks},
    )


def notes(status: Status) -> Iterator[tuple[str, str]]:
    """Yield how urgent it is (``warn`` or ``fail``) and what needs somebody's attention."""
    for view in status.regions:
        region = view.region
        if not view.polls and not region.paused:
            yield "warn", f"{region.id} was never polled: scarpwatch poll, or scarpwatch serve"
        elif any(poll.error for poll in view.polls):
            yield "warn", f"{region.id} cannot be read: scarpwatch regions show {region.id}"
        elif overdue(region, view.polls, status.at):
            yield "warn", f"{region.id} is overdue; is scarpwatch serve running?"
        for track, expected in status.silent.get(region.id, {}).items():
            yield (
                "warn",
                f"{region.id}: silence from track {track}, expected {minute(expected)} UTC",
            )
        yield from _kept_waiting(status, region.id)
        if not told(status.settings, region):
            yield "warn", f"{region.id}: no channel takes its alerts; nobody would be told"
    failed = status.summary.looks("failed")
    if failed:
        yield "warn", f"{some(failed, 'look')} failed: scarpwatch looks list --state failed"
    waiting = status.summary.deliveries("due") + status.summary.deliveries("sending")
    if waiting:
        yield "warn", f"{some(waiting, 'message')} not delivered yet: scarpwatch alerts list"
    if status.waiting:
        yield (
            "warn",
            f"{some(status.waiting, 'bulletin')} not delivered: scarpwatch alerts bulletins",
        )
    given_up = status.summary.deliveries("abandoned")
    if given_up:
        yield "fail", f"{some(given_up, 'message')} given up: scarpwatch alerts resend ALERT"


def _kept_waiting(status: Status, region_id: str) -> Iterator[tuple[str, str]]:
    """Yield what a quota, an unknown platform or a short history keeps waiting in a region."""
    for track, one in status.warming.get(region_id, {}).items():
        yield "warn", f"{region_id}: {track} is {one.words}"
    if region_id in status.put_off:
        yield "warn", status.put_off[region_id]
    if waits := status.held.get(region_id, 0):
        yield "warn", f"{region_id}: {some(waits, 'alert')} held: scarpwatch platforms"


def print_status(console: Console, status: Status) -> None:
    """Print the screen."""
    console.print(f"[name]Scarpwatch[/]  {minute(status.at)} UTC\n")
    if not status.regions:
        console.print("No region is watched yet. Next: scarpwatch regions add FILE")
        return
    made = table()
    made.add_column("Region", overflow="fold")
    made.add_column("Last poll", no_wrap=True)
    for heading in ("Judged", "Due", "Failed", "Likely", "Watch", "Alerts"):
        made.add_column(heading, justify="right", no_wrap=True)
    for view in status.regions:
        looks = view.summary.looks if view.summary else {}
        tiers = region_views.tiers(view.summary)
        made.add_row(
            f"[name]{view.region.id}[/] {region_views.marks(view)}".rstrip(),
            _polled(view, status.at),
            *(
                _number(looks.get(state, 0), style)
                for state, style in (("processed", ""), ("due", "warn"), ("failed", "fail"))
            ),
            _number(tiers.get(Tier.LIKELY, 0), "likely"),
            _number(tiers.get(Tier.WATCH, 0), "watch"),
            _number(view.summary.alerts if view.summary else 0, ""),
        )
    console.print(made)
    console.print()
    for view in status.regions:
        for line in region_views.seen_from(view)[:1]:
            console.print(f"[name]{view.region.id}[/]: {line}")
    _print_undelivered(console, status.undelivered)
    attention = list(notes(status))
    for urgency, note in attention:
        console.print(f"[{urgency}]![/] {plain(note)}")
    if not attention:
        console.print("[ok]Nothing needs attention.[/]")


def _polled(view: RegionView, now: datetime) -> str:
    """Return when a region was last polled, in the colour of its punctuality."""
    if not view.polls:
        return "[warn]never[/]"
    said = ago(max(poll.polled_at for poll in view.polls), now)
    if any(poll.error for poll in view.polls):
        return f"[fail]{said}, failed[/]"
    return f"[warn]{said}[/]" if overdue(view.region, view.polls, now) else said


def _number(number: int, style: str) -> str:
    if not number:
        return "[dim]-[/]"
    return f"[{style}]{number}[/]" if style else str(number)


def _print_undelivered(console: Console, records: Sequence[AlertRecord]) -> None:
    """Say which messages have not arrived, and why."""
    for record in records[:5]:
        region = record.alert.landslide.region_id
        for delivery in record.deliveries:
            if delivery.state != "delivered":
                tries = f"tried {delivery.attempts} x" if delivery.attempts else "not tried yet"
                again = f", again after {minute(delivery.retry_at)}" if delivery.retry_at else ""
                console.print(
                    f"{styled(delivery.state)}  {str(record.alert.id)[:8]} ({region}) to "
                    f"{delivery.channel}, {tries}{again}: "
                    f"{plain(delivery.reason, 160) or 'waits'}"
                )
