"""``scarpwatch ledger``: which looks were to be expected, and what became of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, date_option, open_world
from flows.cli.output import emit, screen

if TYPE_CHECKING:
    from flows.cli.ledger_view import LedgerView
    from flows.services import Services

#: How far back the ledger goes where nobody says otherwise.
USUAL = timedelta(days=90)


def ledger(
    region: Annotated[
        str | None, typer.Argument(metavar="REGION", help="Only this one; else every region.")
    ] = None,
    since: Annotated[
        datetime | None, date_option("--since", "From this day on; without it the last 90 days.")
    ] = None,
    cost: Annotated[
        bool,
        typer.Option("--cost", help="What reading cost instead; without --since this month."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the looks that were to be expected of each track, and what became of each.

    Expected is what the cycle learned of the track says. Late is within the tolerance
    (silence_tolerance); missing upstream was asked for and is not listed; failed here could not be
    judged, or was never asked for.
    """
    from flows.cli.ledger_view import print_ledger

    if cost:
        _cost(region, since, as_json)
        return
    with open_world() as services:
        views = _load(services, region, since)
    if as_json:
        emit({"regions": [view.document() for view in views]})
    else:
        print_ledger(screen(), views)


def _load(services: Services, region: str | None, since: datetime | None) -> list[LedgerView]:
    from db import queries
    from db.engine import transaction
    from flows.cli.ledger_view import LedgerView
    from flows.ledger import expected_looks, warming
    from flows.silence import cycles

    now = services.clock.now()
    begin = since or now - USUAL
    with transaction(services.engine) as s:
        wanted = (
            queries.list_regions(s)
            if region is None
            else [queries.get_region(s, region, include_removed=True)]
        )
        return [
            LedgerView(
                one, begin, tuple(expected_looks(services, s, one, begin)),
                dict(cycles(s, one, now)), warming(services, s, one),
            )
            for one in wanted
        ]  # fmt: skip


def _cost(region: str | None, since: datetime | None, as_json: bool) -> None:
    """Say what reading cost, and what each region may still spend this month."""
    from datetime import UTC

    from db import costs, queries
    from db.engine import transaction
    from flows.cli.cost_view import CostView, print_costs
    from flows.costs import limits_of, month_of

    month, renews = month_of(datetime.now(UTC))
    first = month if since is None else since.date()
    with open_world() as services, transaction(services.engine) as s:
        regions = (
            queries.list_regions(s)
            if region is None
            else [queries.get_region(s, region, include_removed=True)]
        )
        views = [
            CostView(
                one, first, renews, tuple(costs.list_costs(s, first, one.id)),
                costs.spent_since(s, one.id, month), tuple(costs.list_looks(s, first, one.id)),
                limits_of(services.settings, one),
            )
            for one in regions
        ]  # fmt: skip
    if as_json:
        emit({"regions": [view.document() for view in views]})
    else:
        print_costs(screen(), views, named=region is not None)
