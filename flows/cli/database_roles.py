"""``scarpwatch db roles``: logins for analysts, and which regions they see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, plain, screen, table

app = typer.Typer(help="Logins that read the views, and edit landslides.", no_args_is_help=True)

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="Name of the database login.")]


@app.command()
def add(
    login: Login,
    editor: Annotated[
        bool, typer.Option("--editor", help="May draw, merge, split and describe landslides.")
    ] = False,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="Sees only regions with this tag; may be repeated."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its first line is the password; - asks for it."),
    ] = None,
) -> None:
    """Make a login that reads the views, or change what one may; it sees no tables.

    Without --group it sees all regions. The password goes to the server as a SCRAM verifier only.
    """
    from db import roles

    password = None if password_file is None else _password(password_file)
    with open_world() as services:
        roles.set_login(
            services.engine, login, editor=editor, groups=group or None, password=password
        )
        url = services.engine.url.set(username=login, password=None, drivername="postgresql")
    sees = f"regions tagged {', '.join(plain(tag) for tag in group)}" if group else "all regions"
    does = "reads and edits" if editor else "reads"
    screen().print(f"[name]{plain(login)}[/] {does}, and sees {sees}.")
    screen().print(f"  psql '{plain(url.render_as_string())}'", soft_wrap=True)


@app.command("list")
def list_roles(as_json: AsJson = False) -> None:
    """List the logins that read this database, and which regions they see."""
    from db import roles
    from flows.cli.documents import as_json as plain_values

    with open_world() as services:
        found = roles.list_logins(services.engine)
    if as_json:
        emit({"logins": plain_values(found)})
        return
    if not found:
        screen().print("Nobody reads the views yet. To let somebody: scarpwatch db roles add LOGIN")
        return
    made = table("Login", "May", "Sees")
    for one in found:
        name = f"[name]{plain(one.login)}[/]"
        made.add_row(
            name if one.exists else f"{name} [warn](dropped)[/]",
            "read, edit" if one.editor else "read",
            "all regions" if one.groups is None else f"tagged {', '.join(map(plain, one.groups))}",
        )
    screen().print(made)


@app.command()
def remove(login: Login) -> None:
    """Drop a login from the server; what it drew and said stays."""
    from db import roles

    with open_world() as services:
        roles.remove_login(services.engine, login)
    screen().print(f"[name]{plain(login)}[/] is gone.")


def _password(file: Path) -> str:
    if str(file) == "-":
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        first, *_ = file.read_text(encoding="utf-8").splitlines() or [""]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the password from {file}: {error}") from None
    if not first:
        raise ConfigurationError(f"the first line of {file} is empty; it is to be the password")
    return first
