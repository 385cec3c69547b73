"""``scarpwatch db backup`` and ``scarpwatch db restore``: everything that is known, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import AsJson, require_folder
from flows.cli.output import emit, plain, screen, some


def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole database to a file, as of one moment; work goes on meanwhile.

    The file is readable by its owner alone. Logins of analysts belong to the server and are not in
    it; settings, reviewers and models lie in the state folder.
    """
    from db import saving
    from flows import settings
    from flows.services import database_url

    require_folder(out)
    found = saving.backup(database_url(settings.load()), out)
    if as_json:
        emit({"file": str(out), "size_bytes": found.size_bytes, "schema": found.revision})
        return
    screen().print(
        f"Wrote [name]{plain(str(out))}[/], {found.size_bytes / 1e6:,.1f} MB, schema "
        f"{found.revision}; to restore: scarpwatch db restore FILE"
    )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What db backup wrote.")],
    aside: Annotated[
        bool, typer.Option(help="Keep a database that is in use under another name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read a backup into an empty database, and bring it to what this version needs.

    End scarpwatch serve and all services first. Polling goes on from where the backup stood: what
    was published since is asked for again, and what was sent since is sent with the same keys.
    """
    from db import roles, saving, schema
    from db.engine import make_engine
    from flows import settings
    from flows.services import database_url

    url = database_url(settings.load(), create=True)
    kept = saving.restore(url, file, aside=aside)
    engine = make_engine(url)
    try:
        before = schema.current(engine)
        schema.upgrade(engine)
        after = schema.current(engine)
        without = ""
        try:
            roles.ensure_roles(engine)
        except ConfigurationError as error:
            without = str(error)
        lost = [one.login for one in roles.list_logins(engine) if not one.exists]
    finally:
        engine.dispose()
    if as_json:
        emit({"file": str(file), "schema": {"before": before, "after": after},
              "kept_as": kept, "logins_to_make": lost, "roles": without or None})  # fmt: skip
        return
    console = screen()
    raised = "" if before == after else f" (from {before})"
    console.print(f"The database is [ok]restored[/], schema {after}{raised}")
    if kept:
        console.print(f"What was there before is kept as database [name]{plain(kept)}[/]")
    if without:
        console.print(f"[warn]Nobody else can read the views yet:[/] {plain(without)}")
    if lost:
        console.print(
            f"[warn]{some(len(lost), 'login')} of analysts must be made again:[/] "
            f"{plain(', '.join(lost))}; run: scarpwatch db roles add LOGIN"
        )
    console.print("Next: scarpwatch doctor, then scarpwatch serve")
