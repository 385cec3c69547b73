"""Platforms on the screen: how each stands, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from detectors.types import WatchedRegion
from flows.cli.documents import as_json
from flows.cli.output import plain, some, table
from flows.platforms import PlatformState, Standing

_STYLES = {
    Standing.KNOWN: "ok",
    Standing.PASSED: "ok",
    Standing.APPROVED: "ok",
    Standing.CHECKING: "warn",
    Standing.FAILED: "fail",
    Standing.REJECTED: "fail",
}


@dataclass(frozen=True, slots=True)
class PlatformsView:
    """The platforms of one region."""

    region: WatchedRegion
    """Watched region."""
    states: tuple[PlatformState, ...]
    """Track by track."""
    held: Mapping[tuple[str, str, str], int]
    """Alerts that wait, by track, platform and processing version."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "region_id": self.region.id,
            "simulated": self.region.simulated,
            "platforms": [
                as_json(one)
                | {"may_alert": one.may_alert, "alerts_held": self.held.get(_key(one), 0)}
                for one in self.states
            ],
        }


def print_platforms(console: Console, views: Sequence[PlatformsView]) -> None:
    """Print how each platform stands, and why."""
    if not any(view.states for view in views):
        console.print("No radar look is known yet. Next: scarpwatch poll")
        return
    made = table()
    made.add_column("Region", overflow="fold")
    for heading in ("Track", "Platform", "Processing", "Passes", "Standing"):
        made.add_column(heading, no_wrap=True)
    made.add_column("Why", overflow="fold")
    for view in views:
        name = f"[name]{view.region.id}[/]{' [drill]drill[/]' if view.region.simulated else ''}"
        for one in view.states:
            style = _STYLES[one.standing]
            made.add_row(
                name, one.track, plain(one.platform), plain(one.processing_version) or "[dim]?[/]",
                str(one.passes), f"[{style}]{one.standing}[/]", _why(one),
            )  # fmt: skip
            name = ""
    console.print(made)
    for view in views:
        for one in view.states:
            if waiting := view.held.get(_key(one), 0):
                console.print(
                    f"\n[name]{view.region.id}[/]: {some(waiting, 'alert')} of {plain(one.name)} "
                    f"{'waits' if waiting == 1 else 'wait'}: scarpwatch platforms approve "
                    f"{plain(one.platform)} --reason TEXT --by NAME, or reject"
                )


def _why(one: PlatformState) -> str:
    said = one.decision
    words = one.comparison.words if one.comparison else f"since {one.first_at:%Y-%m-%d}"
    if said is None:
        return words
    person = f"{plain(said.decided_by)} on {said.recorded_at:%Y-%m-%d}: {plain(said.reason)}"
    return f"{person} [dim]({words})[/]"


def _key(one: PlatformState) -> tuple[str, str, str]:
    return one.track, one.platform, one.processing_version
