"""What reading cost on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from db.costs import CostLine, LookCost, Spending
from detectors.types import WatchedRegion
from flows.cli.documents import as_json
from flows.cli.output import plain, table
from flows.costs import Limit

#: Looks that are shown of a region that is asked for by name; the rest is in ``--json``.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class CostView:
    """What one region has cost."""

    region: WatchedRegion
    """Watched region."""
    first: date
    """From this day on, UTC."""
    renews_at: datetime
    """When the quota begins anew, UTC."""
    lines: tuple[CostLine, ...]
    """By source and work."""
    month: Spending
    """All of it, since the first of this month."""
    looks: tuple[LookCost, ...]
    """By look and day, the newest first."""
    limits: Mapping[str, Limit | None]
    """What it may spend in a month, by field of ``Spending``."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        quota = {name: one and one.amount for name, one in self.limits.items()}
        return {
            "region_id": self.region.id,
            "since": self.first.isoformat(),
            "month": asdict(self.month),
            "quota": quota,
            "renews_at": as_json(self.renews_at),
            "work": [asdict(line) for line in self.lines],
            "looks": [asdict(look) | {"day": look.day.isoformat()} for look in self.looks],
        }


def print_costs(console: Console, views: Sequence[CostView], *, named: bool) -> None:
    """Print what each region has spent, on what, and what it may; looks of one that was named."""
    made = table("Region", "Source", "Work")
    for heading in ("Looks", "Requests", "Bytes", "Units", "Time"):
        made.add_column(heading, justify="right", no_wrap=True)
    for view in views:
        name = f"[name]{view.region.id}[/]"
        for line in view.lines:
            made.add_row(name, plain(line.source), line.work, _some(line.looks), *_row(line.spent))
            name = ""
        if not view.lines:
            made.add_row(name, "[dim]nothing spent[/]")
    console.print(made)
    if views:
        console.print(f"\n[dim]Since {views[0].first} UTC; bytes over the network, no headers.[/]")
    for view in views:
        _print_quota(console, view)
        if named:
            _print_looks(console, view)


def _row(spent: Spending) -> tuple[str, ...]:
    units = f"{spent.units:.4g}" if spent.units else "[dim]-[/]"
    return f"{spent.requests:,}", decimal(spent.bytes), units, f"{spent.seconds:.1f} s"


def _some(number: int) -> str:
    return str(number) if number else "[dim]-[/]"


def _print_quota(console: Console, view: CostView) -> None:
    for name, one in view.limits.items():
        if one is None:
            continue
        limit, used = one.amount, getattr(view.month, name)
        style = "fail" if used >= limit else "warn" if used >= 0.8 * limit else "ok"
        said = f"{used:,.10g} of {limit:,.10g} {name} this month"
        said += "" if one.own else " (the default)"
        after = f"; looks wait until {view.renews_at:%Y-%m-%d}" if used >= limit else ""
        console.print(f"[name]{view.region.id}[/]: [{style}]{said}[/]{after}")


def _print_looks(console: Console, view: CostView) -> None:
    """Print what single looks cost, the newest first."""
    if view.looks:
        console.print()
    for look in view.looks[:SHOWN]:
        requests, size, units, seconds = _row(look.spent)
        paid = f", {units} units" if look.spent.units else ""
        console.print(f"{look.day}  {look.work}  {requests} requests, {size}{paid}, {seconds}")
        console.print(f"  {plain(look.item_id)}", soft_wrap=True)
    if len(view.looks) > SHOWN:
        console.print(f"[dim]and {len(view.looks) - SHOWN} more: --json[/]")
