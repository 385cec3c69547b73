"""``scarpwatch doctor`` and ``scarpwatch status``: is everything in order, and what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from flows.cli.errors import FAILED
from flows.cli.options import AsJson, open_world
from flows.cli.output import aside, emit, plain, screen, some, styled

if TYPE_CHECKING:
    from flows.cli.status_view import Status
    from flows.doctor import Check

#: Room for ``catalogue`` and a name of ten letters.
NAME_WIDTH = 20


def doctor(as_json: AsJson = False) -> None:
    """Check all that alerts depend on, and say what to do where something is amiss.

    Asks every catalogue once and looks over every channel; sends nothing, changes nothing. Ends
    with status 1 where a check fails.
    """
    from flows import settings
    from flows.cli.documents import as_json as plain_values
    from flows.doctor import examine

    checks: list[Check] = []
    console = screen()
    with aside().status("checking") as waiting:
        for check in examine(settings.load()):
            checks.append(check)
            if not as_json:
                waiting.stop()
                _print_check(check)
                waiting.start()
    failed = [check for check in checks if check.state == "fail"]
    if as_json:
        emit({"ok": not failed, "checks": plain_values(checks)})
    else:
        warned = sum(check.state == "warn" for check in checks)
        verdict = f"[fail]{some(len(failed), 'check')} failed[/]" if failed else "[ok]in order[/]"
        console.print(f"\n{verdict}{f', {some(warned, "warning")}' if warned else ''}")
    if failed:
        raise typer.Exit(FAILED)


def _print_check(check: Check) -> None:
    """Print one check, and what to do about it."""
    from rich.table import Table

    row = Table.grid(padding=(0, 2))
    row.add_column(width=4)
    row.add_column(width=NAME_WIDTH, overflow="fold")
    row.add_column(overflow="fold")
    row.add_row(styled(check.state), f"[name]{plain(check.name)}[/]", plain(check.said))
    if check.advice:
        row.add_row("", "", f"[warn]{plain(check.advice)}[/]")
    screen().print(row)


def status(as_json: AsJson = False) -> None:
    """Show on one screen what goes on: polls, looks that wait or failed, messages not delivered."""
    from flows.cli import status_view as views

    with open_world() as services:
        found: Status = views.load(services)
    if as_json:
        document: dict[str, Any] = found.document()
        emit(document)
    else:
        views.print_status(screen(), found)
