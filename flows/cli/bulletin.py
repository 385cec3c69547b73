"""``scarpwatch bulletin``: what was found after a trigger, or that nothing was."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from flows.cli.options import AsJson, date_option, open_world
from flows.cli.output import aside, emit, plain, screen


def bulletin(
    region_id: Annotated[str, typer.Argument(metavar="REGION", help="Id of the region.")],
    trigger: Annotated[
        str, typer.Option(metavar="TEXT", help="What happened: M6.1 earthquake 2026-05-02.")
    ],
    since: Annotated[datetime, date_option("--since", "When it happened.")],
    send: Annotated[
        bool, typer.Option("--send", help="To the channels that take the region's alerts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what was found since a trigger, or that nothing was, and how much could be seen.

    Sent again without news it is the same message under the same key.
    """
    from alerts.bulletins import render_bulletin
    from flows.answering import answer, send_answer
    from flows.delivering import deliver_due

    channels: tuple[str, ...] = ()
    with open_world() as services:
        made = answer(services, region_id, trigger, since)
        if send:
            channels = send_answer(services, made)
            with aside().status("sending"):
                deliver_due(services)
    message = render_bulletin(made)
    if as_json:
        emit(message.payload | {"channels": list(channels)})
        return
    console = screen()
    console.print(message.text, markup=False, soft_wrap=True, end="")
    if send and channels:
        console.print(f"\nSent to {plain(', '.join(channels))}; see: scarpwatch alerts bulletins")
    elif send:
        console.print("\n[warn]Nobody is told:[/] no channel takes this region's alerts.")
