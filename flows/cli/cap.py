"""``scarpwatch cap`` and ``scarpwatch alerts cap``: messages as they were sent, and checks."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.errors import FAILED
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, plain, screen, some

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from alerts.cap_structure import Fault

app = typer.Typer(help="CAP 1.2: is a message a good one?")


def only_alert(s: Session, prefix: str) -> uuid.UUID:
    """Return the alert whose id begins with what was typed.

    Raises:
        ConfigurationError: there is none, or several.
    """
    from db.facts import alert_ids

    found = alert_ids(s, prefix)
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found)} alerts begin with {prefix}; type more digits" if found
            else f"no alert {prefix}; see: scarpwatch alerts list"
        )  # fmt: skip
    return found[0]


def show(
    alert_id: Annotated[
        str, typer.Argument(metavar="ALERT", help="Id, or as many first digits as it takes.")
    ],
    as_json: AsJson = False,
) -> None:
    """Print the CAP message of an alert, as it was sent."""
    from alerts.cap_rules import faults
    from db import cap
    from db.engine import transaction
    from flows.cli.documents import as_json as document

    with open_world() as services, transaction(services.engine) as s:
        found = only_alert(s, alert_id)
        kept = cap.messages(s, [found]).get(found)
    if kept is None:
        raise ConfigurationError(f"alert {found} is older than CAP messages are; it has none")
    if as_json:
        emit(document(kept) | {"faults": [document(one) for one in faults(kept.document.encode())]})
    else:
        sys.stdout.write(kept.document)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CAP messages.")],
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ask this copy of the CAP 1.2 schema as well."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check CAP 1.2 messages: structure, values, and the rules that no schema knows.

    What somebody else wrote is read with entities and network off. A fault breaks the standard; a
    remark does not, and makes readers stumble. Ends with 1 where there is a fault.
    """
    from alerts.cap_rules import faults, schema_faults
    from flows.cli.documents import as_json as document

    rules = None if schema is None else _read(schema)
    said: dict[str, list[Fault]] = {}
    for file in files:
        content = _read(file)
        try:
            judged = [] if rules is None else schema_faults(content, rules)
        except ValueError as error:
            raise ConfigurationError(f"{schema}: {error}") from None
        said[str(file)] = faults(content) + [one for one in judged if one.name == "schema"]
    if as_json:
        emit({"files": [
            {"file": name, "valid": _valid(found), "faults": [document(one) for one in found]}
            for name, found in said.items()
        ]})  # fmt: skip
    else:
        for name, found in said.items():
            _print(name, found)
    if not all(map(_valid, said.values())):
        raise typer.Exit(FAILED)


def _valid(found: list[Fault]) -> bool:
    return not any(one.grave for one in found)


def _read(file: Path) -> bytes:
    """Return a file, and no more of it than tells that it is too large."""
    from alerts.cap_rules import LARGEST_BYTES

    if file.is_dir():
        raise ConfigurationError(f"{file} is a folder; name the files in it")
    with file.open("rb") as opened:
        return opened.read(LARGEST_BYTES + 1)


def _print(name: str, found: list[Fault]) -> None:
    """Say what is wrong with one file."""
    console = screen()
    grave = sum(one.grave for one in found)
    verdict = f"[fail]{some(grave, 'fault')}[/]" if grave else "[ok]valid[/]"
    remarks = f", {some(len(found) - grave, 'remark')}" if len(found) > grave else ""
    console.print(f"[name]{plain(name)}[/]  {verdict}{remarks}", soft_wrap=True)
    for one in sorted(found, key=lambda one: not one.grave):
        colour = "fail" if one.grave else "warn"
        console.print(f"  [{colour}]{one.name}[/]  {plain(one.where)}: {plain(one.says)}")
