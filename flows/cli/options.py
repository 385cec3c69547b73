"""Options that several commands share, and what happens before any command runs."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.services import Services

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
OnlyRegion = Annotated[
    str | None, typer.Option("--region", metavar="ID", help="Only of this region.")
]

#: Words of ``detectors.types``, whose libraries an answer to ``--help`` can do without.
STATES = ("suspected", "confirmed", "refuted", "unresolved", "closed")
TIERS = ("watch", "likely")
KINDS = ("landslide", "ponding")


def one_of(known: tuple[str, ...], otherwise: str = "") -> typer.models.OptionInfo:
    """Return an option that takes one of some words, or several where the command takes a list."""

    def check(given: str | list[str] | None) -> str | list[str] | None:
        for word in [given] if isinstance(given, str) else given or ():
            if word not in known:
                raise typer.BadParameter(f"{word!r} is none of {', '.join(known)}")
        return given

    option: typer.models.OptionInfo = typer.Option(
        metavar="WORD", callback=check, help=f"Only these: {', '.join(known)}.{otherwise}"
    )
    return option


#: Packages whose warnings are for the operator; others only speak when asked to.
_OURS = ("flows", "db", "alerts", "detectors")


def _log_level(verbosity: int) -> int:
    return {0: logging.ERROR, 1: logging.INFO}.get(verbosity, logging.DEBUG)


def set_up_logging(verbosity: int) -> None:
    """Send logs to standard error: errors only, with ``-v`` what happens, with ``-vv`` all.

    Commands print what went wrong themselves, so the log would say it twice.
    """
    import structlog

    level = _log_level(verbosity)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up with each logger, since standard error can be replaced.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    # Never more of other people's libraries: their small talk repeats addresses, signed ones too.
    logging.getLogger().setLevel(logging.WARNING if verbosity else logging.ERROR)
    for package in _OURS:
        logging.getLogger(package).setLevel(min(level, logging.WARNING))


def _more_verbose(verbosity: int) -> int:
    if verbosity:
        set_up_logging(verbosity)
    return verbosity


Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, callback=_more_verbose, show_default=False, metavar="",
        help="Log what happens; -vv logs more.",
    ),
]  # fmt: skip


def moment(text: str | datetime) -> datetime:
    """Read a date (midnight UTC) or a time with its zone.

    Raises:
        BadParameter: neither; a time without zone would be somebody's guess.
    """
    if isinstance(text, datetime):
        return text
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date like 2022-11-01") from None
    if read.tzinfo is None:
        if len(text) > len("2022-11-01"):
            raise typer.BadParameter(f"{text!r} has no time zone; write {text}Z")
        return read.replace(tzinfo=UTC)
    return read.astimezone(UTC)


def date_option(flag: str, text: str) -> Any:
    """Return an option that takes a date or a time."""
    return typer.Option(flag, parser=moment, metavar="DATE", help=text)


def require_folder(out: Path) -> None:
    """Refuse a file that could not be written before the work is done that fills it.

    Raises:
        ConfigurationError: its folder is not there, or takes no files.
    """
    if not out.parent.is_dir():
        raise ConfigurationError(f"there is no folder {out.parent} for {out.name}; make it first")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise ConfigurationError(f"cannot write into {out.parent}: {error.strerror}") from None


@contextmanager
def open_world(*, create: bool = False) -> Iterator[Services]:
    """Read the settings and wire the services, for one command."""
    from flows import settings
    from flows.services import open_services

    with open_services(settings.load(), create=create) as services:
        yield services
