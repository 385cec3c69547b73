"""From named errors to one line on standard error and an exit status."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from detectors.errors import (
    CatalogueUnavailable,
    ConfigurationError,
    DatabaseUnavailable,
    DeliveryFailed,
    ImageryUnavailable,
    LeaseLost,
    QuotaSpent,
    ScarpwatchError,
)
from flows.cli.output import aside, plain

FAILED = 1
#: A folder that is not there, not ours, read-only or full is named like any other wrong setting.
_PLACES = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOSPC}
#: The same as a command that was typed wrongly: trying again as it is cannot help.
MISCONFIGURED = 2

#: What to do next, where the message of the error does not say it already.
ADVICE: Mapping[type[ScarpwatchError], str] = {
    DatabaseUnavailable: "nothing stored is lost; see: scarpwatch db status",
    CatalogueUnavailable: "nothing is lost; try again later, or see: scarpwatch doctor",
    ImageryUnavailable: "try again later",
    QuotaSpent: "looks wait and are not lost; a larger quota is set in [catalogues.NAME.quota]",
    LeaseLost: "nothing to do: the other worker goes on with it",
    DeliveryFailed: "mend the channel, then: scarpwatch alerts resend ALERT",
}


def report(error: ScarpwatchError) -> int:
    """Print an error as one line that says what to do next; return the exit status."""
    message = plain(str(error), 2_000) or type(error).__name__
    advice = ADVICE.get(type(error), "")
    if advice and "scarpwatch " not in message:
        message = f"{message.rstrip('.')} ({advice})"
    # Soft wrap: the line stays one line for whoever reads it out of a log.
    aside().print(f"[error]error:[/] [red]{message}[/]", soft_wrap=True)
    return MISCONFIGURED if isinstance(error, ConfigurationError) else FAILED


class Commands(TyperGroup):
    """The commands; errors we name never show a traceback, all others do."""

    def invoke(self, ctx: Any) -> Any:
        """Run what was typed."""
        try:
            return super().invoke(ctx)
        except ScarpwatchError as error:
            raise typer.Exit(report(error)) from None
        except OSError as error:
            if error.filename is None or error.errno not in _PLACES:
                raise
            place = ConfigurationError(f"{error.filename}: {error.strerror}")
            raise typer.Exit(report(place)) from None
