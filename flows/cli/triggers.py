"""``scarpwatch triggers``: earthquakes and warnings that raise polls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, open_world
from flows.cli.output import ago, emit, length, minute, plain, screen, table

if TYPE_CHECKING:
    from rich.table import Table

    from db.triggers import FeedState, StoredEvent

#: How far back events are listed that raise nothing any more.
SHOWN = timedelta(days=30)


def triggers(
    read: Annotated[
        bool, typer.Option("--read", help="Read the feeds now instead of waiting for serve.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List earthquakes and warnings of the feeds, and which regions they have polled more often.

    Feeds stand under [triggers.NAME] in the settings. A feed that is down never stops polls.
    """
    from db import triggers as stored
    from db.engine import transaction
    from flows.cli.documents import as_json as document
    from flows.triggers import read_triggers

    with open_world() as services:
        if read:
            read_triggers(services)
        now = services.clock.now()
        with transaction(services.engine) as s:
            feeds, events = stored.feed_states(s), stored.list_events(s, now - SHOWN)
        named = list(services.settings.triggers)
    if as_json:
        emit({"feeds": document(feeds), "events": document(events)})
        return
    console = screen()
    if not named:
        console.print("No feed is set. Next: [triggers.NAME] in the settings, see the runbook.")
    elif unread := sorted(set(named) - {feed.trigger for feed in feeds}):
        console.print(f"Not read yet: {plain(', '.join(unread))}. Next: scarpwatch triggers --read")
    for feed in feeds:
        console.print(_feed(feed, now))
    if events:
        console.print(_events(events))
    elif feeds:
        console.print("No event in 30 days was strong enough.")


def _feed(feed: FeedState, now: datetime) -> str:
    name = f"[name]{plain(feed.trigger)}[/]"
    if feed.error is not None:
        since = f"; read last {ago(feed.succeeded_at, now)}" if feed.succeeded_at else ""
        return f"{name}  [fail]failed {feed.failures} x: {plain(feed.error)}[/]{since}"
    left_out = f", {len(feed.left_out)} entries left out" if feed.left_out else ""
    return f"{name}  read {ago(feed.read_at, now)}{left_out}"


def _events(events: list[StoredEvent]) -> Table:
    made = table()
    made.add_column("Event", overflow="fold")
    for heading in ("Began, UTC", "Raises until, UTC", "Polls"):
        made.add_column(heading, no_wrap=True)
    made.add_column("Regions", overflow="fold")
    for event in events:
        until = "[dim]cancelled[/]" if event.cancelled else minute(event.raised_until)
        made.add_row(
            f"{plain(event.title)}\n[dim]{plain(event.trigger)} {plain(event.event_id)}[/]",
            minute(event.begins_at), until, f"every {length(event.poll_every)}",
            ", ".join(event.regions) or "[dim]none[/]",
        )  # fmt: skip
    return made
