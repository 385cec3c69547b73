"""The report of an emergency as PDF: the situation, the map, a page for each landslide."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from alerts.wording import area, one_line
from detectors.errors import ScarpwatchError
from detectors.types import Landslide, State, Tier
from flows import activation_map
from flows.activation_map import COLOURS, sheet_of
from flows.composites import software
from flows.files import write_whole
from flows.pictures import drawn
from flows.services import Services
from flows.situation import Situation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Landslides that get a page with a picture; the others are in the GeoPackage.
PICTURED = 40
_LEFT, _WIDTH = 0.06, 100
LIMITS = (
    "A landslide is suspected where radar sees ground that left its own history; only a later "
    "optical look, or a person, confirms it. Tier likely is what alerts are sent of, tier watch is "
    "weaker. How many real landslides are found is not measured. Below about 1 ha, on ground that "
    "radar cannot see, and where backscatter hardly changes (often in forest), landslides are "
    "missed: no symbol on the map does not mean safe ground. Outlines come from 30 m pixels."
)


def write(
    services: Services,
    situation: Situation,
    out: Path,
    spent: str,
    done: Callable[[], None] = lambda: None,
) -> int:
    """Write the report.

    Args:
        services: what pictures are drawn from.
        situation: what is reported.
        out: the file.
        spent: how long this run took to judge, in words.
        done: called after each page of a landslide.

    Returns:
        How many pages it has.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import PdfPages

    buffer, count = io.BytesIO(), 0
    told = {
        "Title": f"{situation.marks} {situation.region.name}".strip(), "Creator": software(),
        "Subject": f"Landslides since {situation.since:%Y-%m-%d}", "CreationDate": situation.at,
    }  # fmt: skip
    # Fonts that other programs can search and copy from.
    with rc_context({"pdf.fonttype": 42}), PdfPages(buffer, metadata=told) as pages:
        for page in _pages(services, situation, spent, done):
            count += 1
            page.text(0.94, 0.012, f"page {count}", fontsize=7, color="#444444", ha="right")
            pages.savefig(page)
    write_whole(out, buffer.getvalue())
    return count


def _pages(
    services: Services, situation: Situation, spent: str, done: Callable[[], None]
) -> Iterator[Figure]:
    yield first_page(situation, spent)
    yield activation_map.draw(services, situation)
    for number, one in enumerate(situation.landslides[:PICTURED], start=1):
        yield _landslide_page(services, situation, number, one)
        done()


class _Column:
    """Text from the top of a page downwards."""

    def __init__(self, page: Figure, top: float) -> None:
        self.page, self.y = page, top

    def heading(self, text: str) -> None:
        self.y -= 0.012
        self.page.text(_LEFT, self.y, text, fontsize=11.5, weight="bold", va="top")
        self.y -= 0.022

    def lines(self, lines: Sequence[str], *, bullet: str = "") -> None:
        for line in lines:
            wrapped = textwrap.wrap(one_line(line, 600), _WIDTH - len(bullet)) or [""]
            for number, part in enumerate(wrapped):
                start = bullet if number == 0 else " " * len(bullet)
                self.page.text(_LEFT, self.y, start, fontsize=9.5, va="top")
                self.page.text(
                    _LEFT + 0.018 * bool(bullet), self.y, part, fontsize=9.5, va="top"
                )  # fmt: skip
                self.y -= 0.0163


def first_page(situation: Situation, spent: str) -> Figure:
    """Return what, where, when, how many, what could not be seen, and what comes next."""
    page, region = sheet_of(situation), situation.region
    page.text(_LEFT, 0.965, "Landslide situation report", fontsize=17, weight="bold", va="center")
    column = _Column(page, 0.94)
    middle = region.geometry.representative_point()
    column.lines(
        [
            region.name,
            (
                f"{situation.km2:,.0f} km2 around {middle.y:.4f}, {middle.x:.4f} (lat, lon); "
                f"region {region.id}, watched since {region.watch_from:%Y-%m-%d %H:%M} UTC"
            ),
            (
                f"What was first seen from {situation.since:%Y-%m-%d %H:%M} UTC on, as known on "
                f"{situation.at:%Y-%m-%d %H:%M} UTC"
            ),
        ]
    )
    if situation.marks:
        column.lines([f"{situation.marks}: do not act on this report."])
    column.heading("What was found")
    _table(column, situation)
    column.heading("What could not be seen")
    unseen = situation.unseen()
    column.lines(unseen[:14] or ["Everything could be seen by at least one look."], bullet="•")
    if len(unseen) > 14:
        column.lines([f"and {len(unseen) - 14} more lines in summary.json"])
    column.heading("Looks")
    column.lines(_looks(situation)[:14], bullet="•")
    column.heading("How fresh this is")
    column.lines(_fresh(situation, spent), bullet="•")
    column.heading("Limits")
    column.lines([LIMITS])
    column.heading("Credits")
    column.lines([f"{situation.credit}. Made by {software()}."])
    return page


def _table(column: _Column, situation: Situation) -> None:
    """Write how many there are by state and tier."""
    counted = situation.counted()
    if not counted:
        column.lines(
            [f"{situation.verdict_on_nothing}. This is no all-clear: see what could not be seen."]
        )
        return
    places = (_LEFT, 0.32, 0.44, 0.56)
    rows: list[tuple[str, ...]] = [("state", Tier.LIKELY.value, Tier.WATCH.value, "area of all")]
    for state, tiers in counted.items():
        total = sum(one.area_m2 for one in situation.landslides if one.state.value == state)
        rows.append(
            (state, *(str(tiers.get(t.value, 0)) for t in (Tier.LIKELY, Tier.WATCH)), area(total))
        )
    for row in rows:
        for x, word in zip(places, row, strict=True):
            bold = "bold" if row is rows[0] else "normal"
            column.page.text(x, column.y, word, fontsize=9.5, va="top", weight=bold)
        if row is not rows[0]:
            column.page.text(
                _LEFT - 0.018, column.y, "▲", fontsize=8, va="top", color=COLOURS[State(row[0])]
            )
        column.y -= 0.0175


def _looks(situation: Situation) -> list[str]:
    lines = []
    for one in situation.sights:
        following = situation.upcoming.get(one.track)
        after = "; no further look is expected" if following is None else (
            f"; next expected {following:%Y-%m-%d %H:%M} UTC"
        )  # fmt: skip
        lines.append(
            f"{one.track}: {one.passes} pass{'' if one.passes == 1 else 'es'} judged, "
            f"{one.first_at:%Y-%m-%d} to {one.last_at:%Y-%m-%d %H:%M} UTC{after}"
        )
    judged = {one.track for one in situation.sights}
    lines += [
        f"{track}: none judged since then; next expected {at:%Y-%m-%d %H:%M} UTC"
        for track, at in sorted(situation.upcoming.items(), key=lambda one: one[1])
        if track not in judged
    ]
    return lines or ["No look has been judged, and none is expected."]


def _fresh(situation: Situation, spent: str) -> list[str]:
    lines = []
    if situation.newest is not None:
        look = situation.newest.acquisition
        lines.append(
            f"The newest look was taken {_span(situation.at - look.sensed_at)} before this report "
            f"({look.sensed_at:%Y-%m-%d %H:%M} UTC)"
        )
    if situation.delay is not None:
        lines.append(f"From sensing to publication: {_span(situation.delay)} (median)")
    return [*lines, spent]


def _span(span: timedelta) -> str:
    hours = max(span.total_seconds(), 0) / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _landslide_page(
    services: Services, situation: Situation, number: int, one: Landslide
) -> Figure:
    """Return the page of one landslide; where its looks cannot be read, it says so."""
    import matplotlib.image

    page = sheet_of(situation)
    page.text(
        _LEFT, 0.965, f"{number}. {one.state.value} {one.kind.value}", fontsize=15, weight="bold",
        va="center", color="black",
    )  # fmt: skip
    column = _Column(page, 0.945)
    point = one.geometry.representative_point()
    column.lines(
        [
            f"{point.y:.5f}, {point.x:.5f} (lat, lon); {area(one.area_m2)}; tier {one.tier.value}",
            (
                f"Between {_minute(one.not_before)} and {_minute(one.not_after)} UTC; seen by "
                f"{one.looks} look{'' if one.looks == 1 else 's'}; {_verdict(one)}"
            ),
            *([f"Careful: {one.advisory}"] if one.advisory else []),
            f"Id {one.id}",
        ]
    )
    try:
        _, picture = drawn(services, one.id)
    except ScarpwatchError as error:
        column.lines([f"No picture: {error}"])
        return page
    pixels = matplotlib.image.imread(io.BytesIO(picture))
    height, width = pixels.shape[:2]
    across = 0.88
    down = across * height / width * activation_map.A4[0] / activation_map.A4[1]
    if down > column.y - 0.04:
        across, down = across * (column.y - 0.04) / down, column.y - 0.04
    axes = page.add_axes((_LEFT, column.y - 0.01 - down, across, down))
    axes.imshow(pixels, interpolation="lanczos")
    axes.set_axis_off()
    return page


def _verdict(one: Landslide) -> str:
    if one.verdict_at is None:
        return "no optical verdict yet" if one.state is State.SUSPECTED else one.state.value
    who = "an optical look" if one.reviewed_by is None else one.reviewed_by
    return f"decided by {who} of {_minute(one.verdict_at)} UTC"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
