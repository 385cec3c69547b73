"""Regions with everything that is known of them, and how they look on the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from alerts.wording import area, place
from db import counts, queries, radar, triggers
from db.engine import transaction
from db.records import PollRecord, RegionSummary, TrackCoverage
from db.tables import DELIVERY_STATES, LOOK_STATES
from db.triggers import StoredEvent
from detectors.observability import together
from detectors.types import State, Tier, WatchedRegion
from flows.attention import told
from flows.cli.documents import as_json, region_document
from flows.cli.output import (
    ago,
    counted,
    details,
    length,
    minute,
    plain,
    some,
    table,
)
from flows.costs import limits_of
from flows.schedules import words
from flows.services import Services
from flows.settings import Settings

#: Reasons for refusals that are shown; the rest is counted.
REASONS = 5


@dataclass(frozen=True, slots=True)
class RegionView:
    """A region and what the database says about it."""

    region: WatchedRegion
    """What is watched."""
    removed: bool
    """No longer watched."""
    read_at: datetime
    """When this was so, by the clock that polls go by."""
    polls: tuple[PollRecord, ...]
    """One for each source that was polled."""
    summary: RegionSummary | None
    """Counts."""
    coverage: tuple[TrackCoverage, ...] = ()
    """What radar could see over the last repeat cycle, the best look of each track."""
    raised: StoredEvent | None = None
    """What raises its polls just now."""
    refusals: tuple[tuple[str, str, str], ...] = ()
    """Source, item id, reason; only when one region is shown."""

    def document(self) -> dict[str, Any]:
        """Return the region as JSON."""
        document = region_document(self.region, self.summary, self.polls, self.removed)
        return document | {
            "observability": [as_json(track) for track in self.coverage],
            "raised_by": as_json(self.raised),
        }

    def full_document(self) -> dict[str, Any]:
        """Return the region as JSON, refused items included."""
        names = ("source", "item_id", "reason")
        refusals = [dict(zip(names, refusal, strict=True)) for refusal in self.refusals]
        return self.document() | {"refusals": refusals}


def load(services: Services, *, everything: bool) -> list[RegionView]:
    """Read the regions that are watched, or every one there ever was."""
    now = services.clock.now()
    with transaction(services.engine) as s:
        watched = {region.id for region in queries.list_regions(s)}
        regions = queries.list_regions(s, include_removed=everything)
        polls = queries.list_polls(s)
        summary = counts.summary(s)
        coverage = radar.region_coverage(s)
        raised = triggers.raised(s, now)
    return [
        RegionView(
            region,
            region.id not in watched,
            now,
            tuple(poll for poll in polls if poll.region_id == region.id),
            summary.regions.get(region.id),
            tuple(track for track in coverage if track.region_id == region.id),
            raised.get(region.id),
        )
        for region in regions
    ]


def load_one(services: Services, region_id: str) -> RegionView:
    """Read one region, also a removed one.

    Raises:
        ConfigurationError: there never was such a region.
    """
    now = services.clock.now()
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id, include_removed=True)
        return RegionView(
            region,
            region.id not in {one.id for one in queries.list_regions(s)},
            now,
            tuple(queries.list_polls(s, only=[region_id])),
            counts.summary(s).regions.get(region_id),
            tuple(radar.region_coverage(s, region_id)),
            triggers.raised(s, now).get(region_id),
            tuple(queries.list_refusals(s, region_id)),
        )


def marks(view: RegionView) -> str:
    """Return what sets a region apart, in a few words."""
    words = [
        (view.removed, "[dim]removed[/]"),
        (view.region.paused and not view.removed, "[warn]paused[/]"),
        (view.region.simulated, "[drill]drill[/]"),
        (view.raised is not None, "[warn]polls raised[/]"),
    ]
    return " ".join(word for applies, word in words if applies)


def _ago(poll: PollRecord, view: RegionView) -> str:
    return ago(poll.polled_at, view.read_at)


def _last_poll(view: RegionView) -> str:
    if not view.polls:
        return "[dim]never[/]"
    last = max(poll.polled_at for poll in view.polls)
    lines = [minute(last), f"[dim]{ago(last, view.read_at)}[/]"]
    failures = sum(poll.failures for poll in view.polls)
    return "\n".join([*lines, f"[fail]failed {failures} x[/]"] if failures else lines)


def _read_up_to(view: RegionView) -> str:
    marks_reached = [poll.watermark for poll in view.polls if poll.watermark]
    return minute(min(marks_reached)) if marks_reached else "[dim]-[/]"


def tiers(summary: RegionSummary | None) -> dict[str, int]:
    """Return landslides by tier; those that were refuted or closed are left out."""
    found: Counter[str] = Counter()
    for state, by_tier in summary.landslides.items() if summary else ():
        if state not in {State.REFUTED.value, State.CLOSED.value}:
            found.update(by_tier)
    return dict(found)


def as_table(views: Sequence[RegionView]) -> Table:
    """Return the list of regions."""
    made = table()
    made.add_column("Region", min_width=14, overflow="fold")
    for heading in ("Last poll, UTC", "Read up to, UTC"):
        made.add_column(heading, no_wrap=True)
    made.add_column("Looks", no_wrap=True)
    made.add_column("Landslides", no_wrap=True)
    for view in views:
        name = plain(view.region.name) if view.region.name != view.region.id else ""
        lines = [f"[name]{view.region.id}[/] {marks(view)}".rstrip()]
        made.add_row(
            "\n".join([*lines, f"[dim]{name}[/]"] if name else lines),
            _last_poll(view),
            _read_up_to(view),
            counted(view.summary.looks if view.summary else {}, LOOK_STATES),
            counted(tiers(view.summary), [Tier.LIKELY, Tier.WATCH]),
        )
        made.add_section()
    return made


def print_one(console: Console, view: RegionView, settings: Settings) -> None:
    """Print everything about one region."""
    region, summary = view.region, view.summary
    console.print(f"[name]{plain(region.name)}[/] {marks(view)}".rstrip())
    every = words(region, length(region.poll_every))
    channels = plain(", ".join(told(settings, region)))
    console.print(
        details(
            [
                ("id", region.id),
                ("since", f"{minute(region.watch_from)} UTC, {every}, priority {region.priority}"),
                ("raised", _raised(view.raised)),
                ("where", _where(region)),
                ("sensors", ", ".join(region.sensors)),
                ("detectors", f"{', '.join(region.detectors)}; from {area(region.min_area_m2)} on"),
                ("alerts from", f"{region.alert_from} on"),
                ("quota", _quota(region, settings)),
                ("tags", plain(", ".join(region.tags))),
                ("channels", channels or "[warn]nobody: no channel takes its alerts[/]"),
                ("looks", _line(summary.looks if summary else {}, LOOK_STATES)),
                ("landslides", _line(tiers(summary), [Tier.LIKELY, Tier.WATCH])),
                ("radar saw", "\n".join(seen_from(view))),
                ("alerts", str(summary.alerts) if summary and summary.alerts else ""),
                ("kept back", _kept_back(summary)),
                (
                    "messages",
                    _line(summary.deliveries, DELIVERY_STATES)
                    if summary and summary.deliveries
                    else "",
                ),
            ]
        )
    )
    members = [poll.source for poll in view.polls if poll.source not in region.sources]
    for source in (*region.sources, *members):
        _print_source(console, view, source)


def _raised(event: StoredEvent | None) -> str:
    """Return what raises the polls of a region, empty where nothing does."""
    if event is None:
        return ""
    until = f"every {length(event.poll_every)} until {minute(event.raised_until)} UTC"
    return f"[warn]{until}[/] by {plain(event.title)} ({plain(event.trigger)})"


def _quota(region: WatchedRegion, settings: Settings) -> str:
    """Return what the region may spend in a month, empty where there is no limit."""
    said = ", ".join(
        f"{limit.amount:,.10g} {'processing units' if name == 'units' else name}"
        + ("" if limit.own else " (default)")
        for name, limit in limits_of(settings, region).items()
        if limit is not None
    )
    return f"{said} a month (scarpwatch ledger {region.id} --cost)" if said else ""


def _kept_back(summary: RegionSummary | None) -> str:
    """Return how many alerts exclusions kept back, empty where none."""
    if summary is None or not summary.withheld:
        return ""
    return f"{some(summary.withheld, 'alert')} in excluded areas (scarpwatch exclusions list)"


def seen_from(view: RegionView) -> list[str]:
    """Say what radar could see over the last repeat cycle, the direction that saw most first.

    Bursts of one orbit lie side by side; what another orbit sees lies over it, and how much of that
    is the same ground is not known. So each orbit is told by itself.
    """
    orbits: dict[tuple[str, int], list[TrackCoverage]] = {}
    for track in view.coverage:
        orbits.setdefault((track.orbit_state, track.relative_orbit), []).append(track)
    lines = []
    for (direction, orbit), tracks in orbits.items():
        seen = together(track.coverage for track in tracks)
        last = max(track.sensed_at for track in tracks)
        lines.append((-seen.km2 * seen.share_seen, (
            f"{seen.words} ({direction}, orbit {orbit}, {seen.km2:,.0f} km2, {minute(last)} UTC)"
        )))  # fmt: skip
    return [line for _, line in sorted(lines)]


def _line(found: dict[str, int] | Any, order: Sequence[str]) -> str:
    return counted(found, order).replace("\n", ", ")


def _where(region: WatchedRegion) -> str:
    """Return the size of a region and a point in it."""
    from pyproj import Geod

    square_metres, _ = Geod(ellps="WGS84").geometry_area_perimeter(region.geometry)
    point = place(region.geometry)
    around = f" around {point[0]:.4f}, {point[1]:.4f} (lon, lat)" if point else ""
    return f"{abs(square_metres) / 1e6:,.1f} km2{around}"


def _print_source(console: Console, view: RegionView, source: str) -> None:
    """Print how far one source was read and what it holds that cannot be used."""
    console.print(f"\n[name]{plain(source)}[/]")
    poll = next((poll for poll in view.polls if poll.source == source), None)
    if poll is None:
        console.print("  not polled yet")
    else:
        read_to = f"{minute(poll.watermark)} UTC" if poll.watermark else "never"
        member = source not in view.region.sources
        console.print(
            details(
                [
                    ("polled", f"{minute(poll.polled_at)} UTC, {_ago(poll, view)}"),
                    ("read up to", "" if member else read_to),
                    ("stands in", "as a member of a mirrored source" if member else ""),
                    ("failed", f"[fail]{poll.failures} x[/], last: {plain(poll.error)}"
                     if poll.error else ""),
                ]
            )
        )  # fmt: skip
    reasons = Counter(reason for where, _, reason in view.refusals if where == source)
    if not reasons:
        return
    console.print(f"  {some(reasons.total(), 'item')} refused:")
    shown = [(f"{count:4d}", plain(why)) for why, count in reasons.most_common(REASONS)]
    console.print(details(shown))
    if len(reasons) > REASONS:
        console.print(f"  and {len(reasons) - REASONS} other reasons, see --json")
