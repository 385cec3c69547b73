"""``scarpwatch web``: the page, and who may review and draw regions on it."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError, ScarpwatchError
from flows.cli.listening import serve_until_told
from flows.cli.options import AsJson, open_world
from flows.cli.output import aside, emit, plain, screen, table

if TYPE_CHECKING:
    from flows.web.accounts import Accounts, Role

app = typer.Typer(help="The page: landslides on a map, one by one, review, and regions.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As it stands in the history.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its first line is the password; else it is asked for."),
]


def _logins(role: str, may: str) -> None:
    """Add the commands that give a role, take it and list who has it."""
    group = typer.Typer(help=f"Who may {may} on the page.", no_args_is_help=True)
    app.add_typer(group, name=role)

    @group.command(help=f"Let somebody {may} on the page, or give them a new password.")
    def add(name: Name, password_file: PasswordFile = None) -> None:
        accounts, own = _accounts(role)
        new = accounts.add(name, _password(password_file), own)
        screen().print(f"[name]{plain(name)}[/] {f'may {may}' if new else 'has a new password'}")

    @group.command(help=f"Let somebody {may} no longer; what they did stands.")
    def remove(name: Name) -> None:
        accounts, own = _accounts(role)
        accounts.remove(name, own)
        screen().print(f"[name]{plain(name)}[/] may no longer {may}")

    @group.command("list", help=f"List who may {may} on the page.")
    def list_them(as_json: AsJson = False) -> None:
        accounts, own = _accounts(role)
        names = accounts.names(own)
        if as_json:
            emit({f"{role}s": names})
            return
        for name in names:
            screen().print(plain(name))
        if not names:
            screen().print(f"Nobody may {may} on the page yet: scarpwatch web {role} add NAME")


def _accounts(role: str) -> tuple[Accounts, Role]:
    from flows import settings
    from flows.web.accounts import Accounts, Role

    return Accounts(settings.load().home), Role(role)


_logins("reviewer", "review")
_logins("operator", "draw regions")


@app.callback(invoke_without_command=True)
def serve_page(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")
    ] = 8070,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others come by a proxy.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Name under which a proxy passes requests on."),
    ] = None,
) -> None:
    """Serve the page on this machine until Ctrl-C.

    Whoever else is to see it comes through a proxy that knows who may: what it shows is restricted.
    """
    if context.invoked_subcommand is not None:
        return
    import socket

    from flows.web.app import make_app

    with open_world() as services:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; choose another "
                "with --port, or 0 for any"
            ) from None
        with listener:
            application = make_app(services, [*(name or ()), host])
            shown = f"[{host}]" if ":" in host else host
            screen().print(f"http://{shown}:{listener.getsockname()[1]}/", soft_wrap=True)
            screen().print("Ctrl-C ends")
            serve_until_told(application, listener)


@app.command()
def hillshade(
    regions: Annotated[
        list[str] | None, typer.Argument(metavar="[REGION]...", help="Of these; else of all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the hillshades that lie below the map, of what the setting elevation names.

    One file a region, whole or not at all; what is there and fits is left. The page makes them by
    itself when they are first looked for; large regions are better made here.
    """
    from db import queries
    from db.engine import transaction
    from flows import hillshades

    made: list[dict[str, Any]] = []
    with open_world() as services, aside().status("reading heights") as status:
        with transaction(services.engine) as s:
            wanted = (
                [queries.get_region(s, one) for one in regions]
                if regions
                else queries.list_regions(s)
            )
        for region in wanted:

            def tell(done: int, total: int, name: str = plain(region.name)) -> None:
                status.update(f"{name}: block {done} of {total}")

            try:
                path = hillshades.make(services, region, tell)
                told = {"file": str(path), "bytes": path.stat().st_size, "reason": None}
            except ConfigurationError:
                raise
            except ScarpwatchError as error:
                told = {"file": None, "bytes": None, "reason": str(error)}
            made.append({"region": region.id, **told})
    if as_json:
        emit({"hillshades": made})
    else:
        shown = table("Region", "Hillshade", "Size")
        for one in made:
            size = "-" if one["bytes"] is None else f"{one['bytes'] / 1e6:.1f} MB"
            shown.add_row(one["region"], plain(one["file"] or f"none: {one['reason']}"), size)
        screen().print(shown)
    if any(one["reason"] for one in made):
        raise typer.Exit(1)


def _password(file: Path | None) -> str:
    """Return a password.

    Raises:
        ConfigurationError: the file cannot be read, nobody can be asked, or it was typed two ways.
    """
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from None
    if not sys.stdin.isatty():
        raise ConfigurationError("there is nobody to ask for a password; use --password-file FILE")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise ConfigurationError("the two are not the same; nothing was changed")
    return first
