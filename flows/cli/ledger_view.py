"""The ledger on the screen: a line for each track, and every pass that was not judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console

from detectors.cycles import Cycle
from detectors.ledger import ExpectedPass, Outcome, WarmingUp
from detectors.types import WatchedRegion
from flows.cli.documents import as_json
from flows.cli.output import minute, plain, some, table

#: Outcomes in the words of the screen, with the colour of those that count; the good first.
WORDS = (
    (Outcome.PROCESSED, "processed", ""),
    (Outcome.WAITING, "waiting", "warn"),
    (Outcome.SKIPPED, "skipped", "dim"),
    (Outcome.LATE, "late", "warn"),
    (Outcome.MISSING, "missing upstream", "warn"),
    (Outcome.FAILED, "failed here", "fail"),
)
#: Passes without a judgement that are shown of each region; the rest is counted.
SHOWN = 12


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The ledger of one region."""

    region: WatchedRegion
    """Watched region."""
    since: datetime
    """From when on, UTC."""
    lines: tuple[ExpectedPass, ...]
    """Track by track, oldest first."""
    cycles: dict[str, Cycle]
    """Cycle of each track, as far as it is known."""
    warming: dict[str, WarmingUp]
    """Radar tracks that cannot be judged yet."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        tracks = {
            track: {
                "cycle_days": cycle.every / timedelta(days=1),
                "delay_hours": cycle.delay / timedelta(hours=1),
                "last_at": as_json(cycle.last),
            }
            for track, cycle in self.cycles.items()
        }
        return {
            "region_id": self.region.id,
            "simulated": self.region.simulated,
            "since": as_json(self.since),
            "tracks": tracks,
            "warming_up": {track: as_json(one) for track, one in self.warming.items()},
            "passes": [as_json(line) for line in self.lines],
        }


def print_ledger(console: Console, views: Sequence[LedgerView]) -> None:
    """Print the tracks of all regions, then what was not judged."""
    if not views:
        console.print("No region is watched yet. Next: scarpwatch regions add FILE")
        return
    made = table()
    made.add_column("Region", overflow="fold")
    made.add_column("Track", no_wrap=True)
    made.add_column("Every", no_wrap=True)
    for _, word, _style in WORDS:
        made.add_column(word.capitalize().replace(" ", "\n"), justify="right", no_wrap=True)
    made.add_column("Next, UTC", no_wrap=True)
    for view in views:
        _add_rows(made, view)
    console.print(made)
    for view in views:
        _print_open(console, view)


def _add_rows(made: Any, view: LedgerView) -> None:
    drill = " [drill]drill[/]" if view.region.simulated else ""
    name = f"[name]{view.region.id}[/]{drill}"
    tracks = sorted({line.track for line in view.lines} | set(view.cycles))
    if not tracks:
        made.add_row(name, "[dim]no pass yet[/]")
    for track in tracks:
        mine = [line for line in view.lines if line.track == track]
        counted = Counter(line.outcome for line in mine)
        cycle = view.cycles.get(track)
        coming = [line.expected_at for line in mine if line.outcome is Outcome.EXPECTED]
        made.add_row(
            name,
            track,
            "[dim]?[/]" if cycle is None else f"{cycle.every / timedelta(days=1):.3g} d",
            *(_number(counted[outcome], style) for outcome, _, style in WORDS),
            minute(max(coming), "") if coming else "[dim]none[/]",
        )
        name = ""


def _number(number: int, style: str) -> str:
    if not number:
        return "[dim]-[/]"
    return f"[{style}]{number}[/]" if style else str(number)


def _print_open(console: Console, view: LedgerView) -> None:
    """Print the passes of a region that were not judged, the newest last."""
    for track, one in view.warming.items():
        console.print(f"\n[name]{view.region.id}[/] {track}: [warn]{one.words}[/]")
    done = (Outcome.PROCESSED, Outcome.EXPECTED)
    left = sorted(
        (line for line in view.lines if line.outcome not in done), key=lambda one: one.expected_at
    )
    if not left:
        return
    console.print(f"\n[name]{view.region.id}[/]: {some(len(left), 'pass', 'passes')} not judged")
    if len(left) > SHOWN:
        console.print(f"  [dim]{len(left) - SHOWN} earlier ones: --json[/]")
    for line in left[-SHOWN:]:
        word, style = next((word, style) for one, word, style in WORDS if one is line.outcome)
        said = f"[{style}]{word}[/]" if style else word
        console.print(f"  {minute(line.expected_at)}  {line.track}  {said}")
        if line.reason:
            console.print(f"    [dim]{plain(line.reason)}[/]", soft_wrap=True)
