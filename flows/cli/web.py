"""``scarpwatch web``: the page, and who may review on it."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.listening import serve_until_told
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, plain, screen

if TYPE_CHECKING:
    from flows.web.accounts import Accounts

app = typer.Typer(help="The page: a map of landslides, each of them, and review.")
reviewers = typer.Typer(help="Who may review on the page.", no_args_is_help=True)
app.add_typer(reviewers, name="reviewer")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As it stands in the history.")]


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


@reviewers.command()
def add(
    name: Name,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its first line is the password; else it is asked for."),
    ] = None,
) -> None:
    """Let somebody review on the page, or give them a new password.

    A password is asked for or read from a file, never typed as an argument, which others can see.
    """
    new = _accounts().add(name, _password(password_file))
    screen().print(f"[name]{plain(name)}[/] {'may review' if new else 'has a new password'}")


@reviewers.command()
def remove(name: Name) -> None:
    """Let somebody review no longer; what they decided stands."""
    _accounts().remove(name)
    screen().print(f"[name]{plain(name)}[/] may no longer review")


@reviewers.command("list")
def list_reviewers(as_json: AsJson = False) -> None:
    """List who may review on the page."""
    names = _accounts().names()
    if as_json:
        emit({"reviewers": names})
        return
    for name in names:
        screen().print(plain(name))
    if not names:
        screen().print("Nobody may review on the page yet: scarpwatch web reviewer add NAME")


def _accounts() -> Accounts:
    from flows import settings
    from flows.web.accounts import Accounts

    return Accounts(settings.load().home)


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
