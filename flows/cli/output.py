"""What the commands print: one look for people, one JSON document for programs.

Text for people goes to standard output, progress and errors to standard error. Names, reasons and
item ids come from outside; ``plain`` keeps them from moving the cursor or posing as markup.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.theme import Theme

THEME = Theme(
    {
        "name": "bold",
        "label": "dim",
        "drill": "bold magenta",
        "error": "bold red",
        "ok": "green",
        "warn": "yellow",
        "fail": "bold red",
        "likely": "bold red",
        "watch": "cyan",
        "suspected": "yellow",
        "confirmed": "bold red",
        "refuted": "dim",
        "unresolved": "yellow",
        "closed": "dim",
        "due": "yellow",
        "processing": "yellow",
        "sending": "yellow",
        "processed": "green",
        "delivered": "green",
        "failed": "red",
        "abandoned": "bold red",
        "skipped": "dim",
        "baseline": "dim",
    }
)
#: From this width on tables show their less needed columns too.
WIDE = 120
#: Longest piece of foreign text that is shown; the whole of it is in ``--json``.
LONGEST = 400
_COORDINATE = re.compile(r"\[\n\s+([-\d.e+]+),\n\s+([-\d.e+]+)\n\s+\]")


def screen() -> Console:
    """Return a console on standard output."""
    return Console(theme=THEME, highlight=False)


def aside() -> Console:
    """Return a console on standard error, for progress and errors."""
    return Console(theme=THEME, highlight=False, stderr=True)


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document and nothing else."""
    from alerts.wording import strict_json

    text = json.dumps(strict_json(document), indent=2, ensure_ascii=False)
    # A coordinate on one line. A line end in JSON is never part of a text.
    sys.stdout.write(_COORDINATE.sub(r"[\1, \2]", text) + "\n")


def plain(text: str | None, limit: int = LONGEST) -> str:
    """Return foreign text as one printable line that is safe among markup; empty for None."""
    from alerts.wording import one_line  # brings numpy along, which --help can do without

    return escape(one_line(text, limit)) if text else ""


def styled(word: str) -> str:
    """Return one of our own words (a state, a tier) in its colour."""
    return f"[{word}]{word}[/]" if word in THEME.styles else word


def minute(moment: datetime | None, never: str = "never") -> str:
    """Return a UTC time to the minute, for columns whose heading says UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else never


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long before ``now`` a moment was, in its largest unit."""
    return "never" if moment is None else f"{length(now - moment)} ago"


def length(span: timedelta) -> str:
    """Return a span of time in its largest whole unit."""
    seconds = max(span.total_seconds(), 0.0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(counts: Mapping[str, int], order: Iterable[str]) -> str:
    """Return counts as coloured words on lines of their own, in this order, zeros left out."""
    lines = [f"{counts[word]} {styled(word)}" for word in order if counts.get(word)]
    return "\n".join(lines) or "[dim]none[/]"


def some(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 look``, ``2 looks``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def table(*headings: str, **options: Any) -> Table:
    """Return an empty table in the house style."""
    made = Table(
        box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False,
        padding=(0, 1, 0, 0), **options,
    )  # fmt: skip
    for heading in headings:
        made.add_column(heading)
    return made


def details(rows: Iterable[tuple[str, str]]) -> Table:
    """Return names and values side by side; rows without a value are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="label", no_wrap=True)
    made.add_column(overflow="fold")
    for label, value in rows:
        if value:
            made.add_row(f"  {label}", value)
    return made


@contextmanager
def progress(
    total: int, unit: str, *, hidden: bool, what: str = ""
) -> Iterator[Callable[[], None]]:
    """Show progress on standard error, if somebody is looking."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = aside()
    if hidden or not console.is_terminal:
        # A bar that nobody sees takes its time all the same: once for each of millions.
        yield lambda: None
        return
    with Progress(
        TextColumn(plain(what)), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
        TimeRemainingColumn(), console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
