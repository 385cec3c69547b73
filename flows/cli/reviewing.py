"""``scarpwatch review``: a person's verdict on a landslide."""

from __future__ import annotations

from typing import Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.landslides import LandslideId, find
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, plain, screen, some, styled


def review(
    landslide_id: LandslideId,
    verdict: Annotated[
        str, typer.Argument(metavar="VERDICT", help="confirm, refute, close or reopen.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept and told.")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who decides.")],
    as_json: AsJson = False,
) -> None:
    """Decide about a landslide: confirm, refute or close it, or let looks decide again.

    A verdict outranks every look and stands until a person says otherwise. Confirming alerts,
    refuting withdraws what was sent, in the same channels.
    """
    from db.engine import transaction
    from detectors.types import Verdict
    from flows.cli.documents import as_json as plainly
    from flows.cli.documents import landslide_document
    from flows.reviewing import review_landslide

    if verdict not in list(Verdict):
        known = ", ".join(Verdict)
        raise ConfigurationError(f"{verdict!r} is no verdict: one of {known}")
    with open_world() as services:
        with transaction(services.engine) as s:
            wanted = find(s, landslide_id)
        outcome = review_landslide(services, wanted, Verdict(verdict), reason, by)
    if as_json:
        emit(
            {
                "review": plainly(outcome.review),
                "landslide": landslide_document(outcome.landslide),
                "alerts": outcome.alerts,
            }
        )
        return
    now = outcome.landslide
    console = screen()
    console.print(
        f"[name]Landslide {str(now.id)[:8]}[/] is {styled(now.state)}: {plain(now.cause)}"
    )
    if outcome.alerts:
        console.print(f"{some(outcome.alerts, 'alert')} in the outbox; sent by the next poll.")
    else:
        console.print("Nobody is told: no alert of it was sent, or nothing follows from this.")
