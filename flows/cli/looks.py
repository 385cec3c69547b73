"""``scarpwatch looks``: what was looked at, and how far each look has got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, OnlyRegion, open_world
from flows.cli.output import emit, minute, plain, screen, styled

if TYPE_CHECKING:
    from rich.console import Console

    from db.records import LookRecord

app = typer.Typer(help="Looks: what was looked at, and how far each has got.")

STATES = ("due", "processing", "processed", "failed", "skipped", "baseline")


@app.command("list")
def list_looks(
    region: OnlyRegion = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help=f"Only in this state: {', '.join(STATES)}.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List looks, newest first: when, which item, what became of it and why."""
    from db import queries
    from db.engine import transaction
    from flows.cli.documents import look_document

    if state is not None and state not in STATES:
        raise typer.BadParameter(f"no state {state!r}; known: {', '.join(STATES)}")
    with open_world() as services, transaction(services.engine) as s:
        if region is not None:
            queries.get_region(s, region, include_removed=True)
        looks = queries.list_looks(s, region_id=region, state=state, limit=limit + 1)
    more = len(looks) > limit
    if as_json:
        emit({"looks": [look_document(look) for look in looks[:limit]], "more": more})
        return
    console = screen()
    if not looks:
        here = f" in {region}" if region else ""
        console.print(f"No look{here} is {state}." if state else "No looks. Next: scarpwatch poll")
    for look in looks[:limit]:
        _print_look(console, look)
    if more:
        console.print(f"\nThere are more: --limit {10 * limit}, or filter by --region, --state.")


def _print_look(console: Console, look: LookRecord) -> None:
    """Print a look as a line, its item, and what there is to say."""
    acquisition = look.acquisition
    # Rounded as in the words below it: 99.7 % is not all of it.
    seen = f"saw {int(100 * look.share_seen)} %" if look.share_seen is not None else ""
    drill = "[drill]simulated[/]" if acquisition.simulated else ""
    tries = f"tried {look.attempts} x" if look.attempts > 1 else ""
    again = f"again after {minute(look.retry_at)} UTC" if look.retry_at else ""
    words = [word for word in (styled(look.state), seen, tries, again, drill) if word]
    when = f"{minute(acquisition.sensed_at)} UTC"
    console.print(f"{when}  [name]{look.region_id}[/]  {'  '.join(words)}")
    # The whole item id, on a line of its own: people copy it into `scarpwatch scene`.
    console.print(f"  {plain(acquisition.item_id)}", soft_wrap=True)
    if look.coverage is not None:
        console.print(f"  [dim]{look.coverage.words}[/]")
    if look.reason:
        style = "warn" if look.state == "processed" else look.state
        console.print(f"  [{style}]{plain(look.reason)}[/]")
    if look.advisory:
        console.print(f"  [warn]{plain(look.advisory)}[/]")
