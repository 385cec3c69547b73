"""``scarpwatch exclusions``: where findings are stored and never alerted."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, minute, plain, screen, some, table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(help="Quarries, reservoirs, works: stored and counted there, never alerted.")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Polygons, any format OGR reads.")],
    reason: Annotated[str, typer.Option(metavar="WORD", help="Why: quarry, reservoir, works, ...")],
    name: Annotated[str, typer.Option(metavar="TEXT", help="What people call it.")] = "",
    only: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="Only what its column 'class' calls so."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Exclude every polygon of a file, from now on.

    A landslide is kept back when exclusions cover half of its outline or more. What was alerted
    before is still confirmed or withdrawn. With --class, the outlines of a land-cover map serve.
    """
    from db.engine import transaction
    from db.exclusions import add_exclusion
    from flows.maps import read_areas

    if not reason.strip():
        raise ConfigurationError("say why: --reason quarry")
    areas = read_areas(file, only)
    with open_world() as services, transaction(services.engine) as s:
        made = [add_exclusion(s, area, reason.strip(), name.strip()) for area in areas]
    if as_json:
        emit({"exclusions": [{"id": str(key), "new": new} for key, new in made]})
        return
    for key, new in made:
        said = f"excluded ({plain(reason)})" if new else "was excluded before"
        screen().print(f"[name]{str(key)[:8]}[/] {said}.")


@app.command("list")
def list_exclusions(
    everything: Annotated[bool, typer.Option("--all", help="Those that ended, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the exclusions, and what is stored and kept back in each."""
    from db.engine import transaction
    from db.exclusions import list_exclusions as read
    from flows.cli.documents import as_json as plain_values

    with open_world() as services, transaction(services.engine) as s:
        found = read(s, ended=everything)
    if as_json:
        emit({"exclusions": plain_values(found)})
        return
    if not found:
        screen().print("Nothing is excluded. To exclude: scarpwatch exclusions add FILE --reason R")
        return
    made = table()
    made.add_column("Id", no_wrap=True)
    made.add_column("Reason, name", overflow="fold")
    made.add_column("Since, UTC", no_wrap=True)
    for heading in ("Detections", "Landslides", "Kept back"):
        made.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        ended = f"\n[dim]ended {minute(one.removed_at)}[/]" if one.removed_at else ""
        made.add_row(
            f"[name]{str(one.id)[:8]}[/]",
            f"{plain(one.reason)}{f', {plain(one.name)}' if one.name else ''}{ended}",
            minute(one.recorded_at), str(one.detections), str(one.landslides), str(one.withheld),
        )  # fmt: skip
    screen().print(made)


@app.command()
def remove(
    exclusion_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id, or as many first digits as it takes.")
    ],
) -> None:
    """Let an exclusion end: what is found from now on is alerted again.

    What it kept back is not sent afterwards; look through it with scarpwatch landslides list.
    """
    from db.engine import transaction
    from db.exclusions import end_exclusion
    from db.exclusions import list_exclusions as read

    with open_world() as services, transaction(services.engine) as s:
        key = _find(s, exclusion_id)
        (one,) = (held for held in read(s, ended=True) if held.id == key)
        end_exclusion(s, key)
    console = screen()
    console.print(f"[name]{str(key)[:8]}[/] ({plain(one.reason)}) has ended.")
    if one.withheld:
        console.print(
            f"[warn]{some(one.withheld, 'alert')} kept back[/] will not be sent; "
            "see: scarpwatch landslides list"
        )


def _find(s: Session, digits: str) -> uuid.UUID:
    from db.facts import exclusion_ids

    found = exclusion_ids(s, digits)
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found)} exclusions begin with {digits}; type more digits"
            if found
            else f"no exclusion {digits}; see: scarpwatch exclusions list"
        )
    return found[0]
