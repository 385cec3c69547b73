"""``scarpwatch alerts``: what was told to whom, once more, and whether a channel is alive."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError, DeliveryFailed
from flows.cli import cap
from flows.cli.errors import FAILED
from flows.cli.options import AsJson, OnlyRegion, open_world, require_folder
from flows.cli.output import aside, emit, minute, plain, screen, some, styled, table

if TYPE_CHECKING:
    from rich.table import Table

    from alerts.records import Channel
    from db.records import AlertRecord, BulletinRecord, DeliveryRecord, NoticeRecord
    from flows.settings import Settings

app = typer.Typer(help="Alerts: what was told to whom.")
app.command("cap")(cap.show)

templates_app = typer.Typer(help="Your own words: templates that go before ours.")
app.add_typer(templates_app, name="templates")

AlertId = Annotated[
    str, typer.Argument(metavar="ALERT", help="Id, or as many first digits as it takes.")
]


@app.command("list")
def list_alerts(
    region: OnlyRegion = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List alerts, newest first, with what became of each message."""
    from db import outbox, queries
    from db.engine import transaction
    from flows.cli.documents import alert_document

    with open_world() as services, transaction(services.engine) as s:
        if region is not None:
            queries.get_region(s, region, include_removed=True)
        found = outbox.list_alerts(s, region_id=region, limit=limit + 1)
    more = len(found) > limit
    if as_json:
        emit({"alerts": [alert_document(record) for record in found[:limit]], "more": more})
        return
    console = screen()
    console.print(_as_table(found[:limit]) if found else "No alert so far.")
    if more:
        console.print(f"There are more: --limit {10 * limit}, or filter by --region.")


def _as_table(records: list[AlertRecord]) -> Table:
    made = table()
    made.add_column("Id", no_wrap=True)
    made.add_column("Decided, UTC", no_wrap=True)
    made.add_column("What", overflow="fold")
    made.add_column("Messages", overflow="fold", min_width=24)
    for record in records:
        alert = record.alert
        kind = "[drill]EXERCISE[/] " if alert.exercise else ""
        said = f"{kind}{alert.kind}\n[name]{alert.landslide.region_id}[/]"
        landslide = f"[dim]landslide {str(alert.landslide.id)[:8]}[/]"
        messages = "\n".join(
            [
                *(_spoken(delivery) for delivery in record.deliveries),
                *(_learned(notice) for notice in record.notices if notice.state != "sent"),
                *(f"[ok]acknowledged[/] by {plain(ack.by_whom)}" for ack in record.acknowledged),
            ]
        )
        made.add_row(
            f"[name]{str(alert.id)[:8]}[/]",
            minute(record.recorded_at),
            f"{said}\n{landslide}",
            messages or "[fail]nobody was told[/]",
        )
        made.add_section()
    return made


def _learned(notice: NoticeRecord) -> str:
    """Return how a subscriber learns of what was not sent at once."""
    how = {
        "waiting": "waits to be ranked",
        "kept": "kept for the digest",
        "listed": f"in digest {str(notice.digest_id)[:8]}",
    }[notice.state]
    return f"{notice.subscriber}\n  {how}" + (f": {notice.reason}" if notice.reason else "")


def _spoken(delivery: DeliveryRecord) -> str:
    """Return what became of one message."""
    said = f"{delivery.channel}\n  {styled(delivery.state)}"
    if delivery.receipts:
        said += f" {minute(delivery.receipts[-1].received_at)}"
    if len(delivery.receipts) > 1:
        said += f", {len(delivery.receipts)} times"
    if delivery.receipts and (why := delivery.receipts[-1].content.get("picture_left_out")):
        said += f"\n  [dim]without picture: {plain(why, 80)}[/]"
    if delivery.reason:
        said += f"\n  [warn]{plain(delivery.reason, 160)}[/]"
    return said


@app.command()
def bulletins(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List digests, answers to a trigger, silence and its end, with what became of each."""
    from alerts.bulletins import render_bulletin
    from db import outbox
    from db.engine import transaction
    from flows.cli.documents import as_json as plain_values

    with open_world() as services, transaction(services.engine) as s:
        found = outbox.list_bulletins(s, limit)
    if as_json:
        emit({"bulletins": plain_values(found)})
        return
    made = table()
    made.add_column("Id", no_wrap=True)
    made.add_column("Decided, UTC", no_wrap=True)
    made.add_column("What", overflow="fold")
    made.add_column("Messages", overflow="fold", min_width=24)
    for record in found:
        made.add_row(
            f"[name]{str(record.bulletin.id)[:8]}[/]",
            minute(record.recorded_at),
            plain(render_bulletin(record.bulletin).title),
            _messages(record),
        )
        made.add_section()
    screen().print(made if found else "No bulletin so far.")


def _messages(record: BulletinRecord) -> str:
    said = "\n".join(_spoken(delivery) for delivery in record.deliveries)
    return said or "[fail]nobody was told[/]"


@app.command()
def ack(
    alert_id: AlertId,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who has it in hand.")],
    subscriber: Annotated[
        str | None, typer.Option(metavar="NAME", help="For this subscriber alone; else for all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge an alert: somebody has it in hand, so that nobody else is called for it."""
    from db import notices, outbox
    from db.engine import transaction
    from flows.cli.documents import alert_document

    with open_world() as services, transaction(services.engine) as s:
        known = [one.name for one in services.subscribers]
        if subscriber is not None and subscriber not in known:
            raise ConfigurationError(
                f"no subscriber {subscriber!r}; known: {', '.join(known) or 'none'}"
            )
        found = cap.only_alert(s, alert_id)
        new = notices.acknowledge(s, found, by, subscriber=subscriber)
        (record,) = outbox.list_alerts(s, alert_id=found)
    if as_json:
        emit(alert_document(record))
        return
    screen().print(
        f"[name]{str(found)[:8]}[/] "
        f"{'acknowledged' if new else 'was acknowledged before'} by {plain(by)}."
    )
    for notice in record.notices:
        if notice.escalated_at is not None:
            screen().print(
                f"[warn]{plain(notice.subscriber)}:[/] the second target was told at "
                f"{minute(notice.escalated_at)} UTC."
            )


@app.command()
def resend(
    alert_id: AlertId,
    as_json: AsJson = False,
) -> None:
    """Send an alert again, under the same key, to the channels it was meant for.

    Receivers that know the key drop what they have. An alert that had no channel when it was
    decided goes to those that take it now.
    """
    from alerts.rules import channels_for
    from alerts.subscribers import free
    from db import outbox
    from db.engine import transaction
    from flows import delivering
    from flows.cli.documents import alert_document

    with open_world() as services:
        with transaction(services.engine) as s:
            found = cap.only_alert(s, alert_id)
            (record,) = outbox.list_alerts(s, alert_id=found)
            added: tuple[str, ...] = ()
            if not record.deliveries and not record.notices:
                others = outbox.list_alerts(s, landslide_id=record.alert.landslide.id)
                told = {delivery.channel for other in others for delivery in other.deliveries}
                unused = free(services.channels, services.subscribers)
                added = channels_for(record.alert, unused, told)
            if not outbox.requeue(s, found, added):
                raise ConfigurationError(
                    "no channel in the settings takes this alert" if not record.deliveries
                    else "it is being sent just now; see: scarpwatch alerts list"
                )  # fmt: skip
        with aside().status("sending"):
            delivering.deliver_due(services)
        with transaction(services.engine) as s:
            (record,) = outbox.list_alerts(s, alert_id=found)
    if as_json:
        emit(alert_document(record))
    else:
        screen().print(_as_table([record]))
    if any(delivery.state != "delivered" for delivery in record.deliveries):
        raise typer.Exit(FAILED)


@app.command()
def picture(
    alert_id: AlertId,
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="Picture to write.")],
) -> None:
    """Draw the picture that goes out with an alert. Reads the imagery again.

    It shows what was known when the alert was decided, and nothing of later.
    """
    from db import outbox
    from db.engine import transaction
    from flows.alert_pictures import draw_alert

    require_folder(out)
    with open_world() as services:
        with transaction(services.engine) as s:
            (record,) = outbox.list_alerts(s, alert_id=cap.only_alert(s, alert_id))
        with aside().status("reading imagery"):
            out.write_bytes(draw_alert(services, record.alert))
    screen().print(f"Written: {out} ({record.alert.kind})")


@app.command()
def preview(
    alert_id: AlertId,
    language: Annotated[
        str, typer.Option(metavar="TAG", help="en, nb, or a language of your own templates.")
    ] = "en",
    templates: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Your own templates; else those of the settings."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an alert as a channel of a language gets it: title, text, SMS. Nothing is sent."""
    from alerts.message import render
    from db import outbox
    from db.engine import transaction

    with open_world() as services:
        with transaction(services.engine) as s:
            (record,) = outbox.list_alerts(s, alert_id=cap.only_alert(s, alert_id))
        own = templates or services.settings.templates
        message = render(record.alert, language, templates=own)
    if as_json:
        emit({"title": message.title, "short": message.short, **message.payload})
        return
    console = screen()
    console.print(f"[name]{plain(message.title, 400)}[/]\n")
    console.print(message.text, markup=False, soft_wrap=True)
    console.print(f"[label]SMS, {len(message.short)} characters:[/]")
    console.print(message.short, markup=False, soft_wrap=True)


@templates_app.command("check")
def check_templates(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of your own templates.")],
    as_json: AsJson = False,
) -> None:
    """Look over your own message templates: names, syntax, variables, and every case rendered."""
    from alerts.template_check import faults, summary

    found = faults(folder)
    counted = {} if not folder.is_dir() else dict(summary(folder))
    if as_json:
        emit({"faults": found, "languages": counted})
    else:
        console = screen()
        for fault in found:
            console.print(f"[fail]fault[/] {plain(fault, 400)}")
        for tag, count in counted.items():
            console.print(f"[name]{tag}[/]  {some(count, 'template')} of your own")
        if not found:
            console.print('[ok]All of them can be used.[/] Set: templates = "DIR"', markup=True)
    if found:
        raise typer.Exit(FAILED)


@app.command("test")
def try_out(
    channel: Annotated[
        str | None, typer.Argument(metavar="CHANNEL", help="Name; all where none is named.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="What the example tells: suspected, updated, confirmed ...")
    ] = "suspected",
    as_json: AsJson = False,
) -> None:
    """Send an example to exercise channels; of live channels only check the settings.

    The example says EXERCISE and SIMULATED and lies in the Atlantic. Live channels get nothing:
    a test must never reach people who would act on it.
    """
    from alerts.sample import KINDS
    from flows import settings

    if kind not in KINDS:
        raise ConfigurationError(f"no kind {kind!r}; known: {', '.join(KINDS)}")
    loaded = settings.load()
    results = [_try(loaded, one, kind) for one in _chosen(loaded, channel)]
    if as_json:
        emit({"channels": results})
    else:
        for result in results:
            _print_result(result)
    if any(result["state"] == "failed" for result in results):
        raise typer.Exit(FAILED)


def _chosen(loaded: Settings, name: str | None) -> tuple[Channel, ...]:
    """Return the channels to try.

    Raises:
        ConfigurationError: there is none, or none of that name.
    """
    from flows.settings import config_path

    channels = loaded.channel_records()
    if not channels:
        raise ConfigurationError(
            f"no channel is set; write [channels.NAME] with a url into {config_path()}"
        )
    wanted = tuple(one for one in channels if name in (None, one.name))
    if not wanted:
        known = ", ".join(one.name for one in channels)
        raise ConfigurationError(f"no channel {name!r} in the settings; known: {known}")
    return wanted


def _try(loaded: Settings, channel: Channel, kind: str) -> dict[str, Any]:
    """Try out one channel; a failure is an answer, too."""
    from alerts.cap import Context, compose
    from alerts.channels.registry import check
    from alerts.deliver import deliver
    from alerts.sample import sample_alert

    result: dict[str, Any] = {"channel": channel.name, "exercise": channel.exercise}
    try:
        result["kind"] = check(channel)
        if not channel.exercise:
            return result | {"state": "checked", "reason": "live: tests never go to live people"}
        with aside().status(f"sending to {channel.name}"):
            now = datetime.now(UTC)
            example, context = sample_alert(now, kind), Context(test_for=channel.name)
            profile = loaded.cap.profile()
            earlier = [] if kind == "suspected" else [compose(sample_alert(now), profile, (), now)]
            headers = [one.header for one in earlier]
            message = compose(example, profile, headers, now, context)
            receipt = deliver(example, channel, loaded.delivery_timeout_s, cap=message.xml)
    except (ConfigurationError, DeliveryFailed) as error:
        return result | {"state": "failed", "reason": str(error)}
    return result | {"state": "delivered", "reason": None, "receipt": receipt}


def _print_result(result: dict[str, Any]) -> None:
    """Say how one channel fared."""
    name = f"[name]{result['channel']}[/]"
    if result["state"] == "delivered":
        key = str(result["receipt"]["key"])[:8]
        said = f"[ok]delivered[/] an EXERCISE by {result['kind']}, key {key}"
    elif result["state"] == "checked":
        said = f"[ok]looks right[/] ({result['kind']}); nothing was sent, {plain(result['reason'])}"
    else:
        said = f"[fail]failed[/]: {plain(result['reason'])}"
    screen().print(f"{name}  {said}")
