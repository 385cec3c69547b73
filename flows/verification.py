"""How a month went in a region: what was looked at, told, decided, missed, and how long it took.

One pure reading of what is stored, worked out anew whenever it is asked for: verdicts come for
months after a suspicion, so that an older month's figures still change. What never happened is
counted in drills alone, and nothing else is counted there.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from sqlalchemy.orm import Session

from db import inventories, queries, verification
from db.engine import transaction
from db.verification import LookFacts, Story
from detectors.drift import Drift, drift
from detectors.errors import ConfigurationError
from detectors.inventories import Sameness
from detectors.types import Kind, Sensor, State, Tier, WatchedRegion
from detectors.verification import PROMISED_FALSE, FalseRate, Share, Spans
from flows.costs import month_of
from flows.inventory_scores import Asked, score_inventory
from flows.services import Services

#: Months that precision is counted over: one alone decides too few.
OVER = 12


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How landslides that were suspected in a span have turned out by now."""

    suspected: int
    """All of them."""
    confirmed: int
    """By an optical look."""
    confirmed_by_person: int
    """By a person."""
    refuted: int
    """By an optical look."""
    refuted_by_person: int
    """By a person."""
    unresolved: int
    """Nobody could decide in time."""
    closed: int
    """Ended by a person who did not say."""
    open: int
    """Nobody has decided yet."""

    @property
    def precision(self) -> Share:
        """Confirmed of those that were confirmed or refuted."""
        right = self.confirmed + self.confirmed_by_person
        return Share(right, right + self.wrong)

    @property
    def wrong(self) -> int:
        """Those that were refuted."""
        return self.refuted + self.refuted_by_person


@dataclass(frozen=True, slots=True)
class Group:
    """What was suspected in one way."""

    name: str
    """For people."""
    tier: Tier | None
    """Tier of the radar; None for what it is not asked of."""
    month: Verdicts
    """Suspected in the month."""
    year: Verdicts
    """Suspected in the twelve months that end with it."""
    false: FalseRate | None
    """Refuted ones by the ground that radar judged over the twelve months."""
    promised: float | None
    """False objects per 1000 km2 and look that its level was set for."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Looks of one sensor in the month."""

    sensor: Sensor
    """Radar or optical."""
    states: Mapping[str, int]
    """Looks by state."""
    km2: float
    """Ground that was seen, each look again, km2."""
    km2_days: float
    """Ground seen each day by the track that saw most, added up over the days, km2 x days."""
    days: int
    """Days with a look that saw something."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one step took."""

    step: str
    """From what to what."""
    took: Spans
    """How long."""
    of: str
    """What is counted."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Landslides of the month that somebody else mapped."""

    inventory: str
    """Its name."""
    mapped: int
    """Mapped in the region in the month."""
    found: int
    """Of these, those that were found."""


@dataclass(frozen=True, slots=True)
class TrackDrift:
    """Stable ground in one track."""

    track: str
    """As ``db.passes.track_name`` says it."""
    scores: Drift
    """What the radar detectors say of it, against the looks before."""
    offsets_db: Mapping[str, float]
    """By polarisation: median of the month's looks against known platforms, dB."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How a month went in a region."""

    region_id: str
    """Watched region."""
    region: str
    """What people call it."""
    simulated: bool
    """SIMULATED: the region is a drill, and so is all that is counted."""
    exercise: bool
    """All that this installation tells is an exercise."""
    month: str
    """Such as 2026-10."""
    made_at: datetime
    """When it was worked out, UTC."""
    over: bool
    """The month is over; else the figures are of a part of it."""
    looked: tuple[Looked, ...]
    """By sensor."""
    alerts: Mapping[Tier, Mapping[str, int]]
    """Alerts by tier and kind."""
    groups: tuple[Group, ...]
    """By way of suspicion."""
    latencies: tuple[Latency, ...]
    """Step by step."""
    missed: tuple[Missed, ...]
    """By imported inventory; none where none speaks of the month."""
    optical_alone: Share
    """Confirmed ones among what only optical looks found in the month."""
    drifts: tuple[TrackDrift, ...]
    """Track by track."""
    left_out: int
    """SIMULATED landslides of a real region, which are not counted."""

    @property
    def empty(self) -> bool:
        """Nothing was looked at."""
        return not any(one.states for one in self.looked)


def span_of(month: str) -> tuple[datetime, datetime]:
    """Return when a month begins and ends, UTC.

    Raises:
        ConfigurationError: it is not written like 2026-10.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month) or month.startswith("0000"):
        raise ConfigurationError(f"--month takes a month such as 2026-10, not {month!r}")
    begin = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
    return begin, month_of(begin)[1]


def month_before(moment: datetime) -> str:
    """Return the last month that is over at a moment."""
    first, _ = month_of(moment)
    return f"{first - timedelta(days=1):%Y-%m}"


def verify(services: Services, region_id: str, month: str) -> Verification:
    """Work out how a month went in a region, by all that is known now.

    Raises:
        ConfigurationError: no such region, or not a month.
    """
    since, until = span_of(month)
    now = services.clock.now()
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id, include_removed=True)
        drill = region.simulated
        year = _earlier(since, OVER - 1)
        facts = verification.list_looks(s, region_id, year, until, simulated=drill)
        told = verification.list_told(s, region_id, since, until, simulated=drill)
        every = verification.list_stories(s, region_id, year, until)
        decided = verification.list_stories(s, region_id, _earlier(since, 2 * OVER), until)
        drifts = _drifts(s, region, since, until)
        known = [
            one.inventory.id
            for one in inventories.list_inventories(s)
            if one.inventory.simulated is drill
        ]
    stories = [one for one in every if one.simulated is drill]
    looks = [one for one in facts if one.sensed_at >= since]
    alerts: dict[Tier, Counter[str]] = {tier: Counter() for tier in (Tier.LIKELY, Tier.WATCH)}
    for one in told:
        alerts[one.tier][one.kind] += 1
    new = [one for one in stories if one.first_at >= since]
    optical = [one for one in new if one.source is Sensor.OPTICAL]
    judged_km2 = sum(_seen(one) for one in facts if one.sensor is Sensor.SAR)
    return Verification(
        region_id=region.id,
        region=region.name,
        simulated=drill,
        exercise=services.settings.exercise or drill,
        month=month,
        made_at=now,
        over=now >= until,
        looked=tuple(_looked(sensor, looks) for sensor in (Sensor.SAR, Sensor.OPTICAL)),
        alerts=alerts,
        groups=tuple(_groups(stories, since, judged_km2)),
        latencies=(
            *_of_looks(looks, replayed=services.settings.clock_file is not None),
            Latency(
                "stored to delivered",
                Spans.of(o.delivered_at - o.stored_at for o in told if o.delivered_at is not None),
                "alerts that a channel took",
            ),
            *_of_verdicts([o for o in decided if o.simulated is drill], since, until),
        ),
        missed=tuple(_missed(services, region.id, known, since, until)),
        optical_alone=_verdicts(optical).precision,
        drifts=drifts,
        left_out=0 if drill else sum(one.simulated and one.first_at >= since for one in every),
    )


def _earlier(first: datetime, months: int) -> datetime:
    """Return the beginning of the month that lies so many before."""
    year, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def _seen(one: LookFacts) -> float:
    return (one.km2 or 0.0) * (one.share_seen or 0.0)


def _looked(sensor: Sensor, looks: Sequence[LookFacts]) -> Looked:
    mine = [one for one in looks if one.sensor is sensor]
    by_day: defaultdict[date, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in mine:
        if _seen(one):
            by_day[one.sensed_at.date()][one.track] += _seen(one)
    return Looked(
        sensor, dict(sorted(Counter(one.state for one in mine).items())),
        sum(_seen(one) for one in mine), sum(max(one.values()) for one in by_day.values()),
        len(by_day),
    )  # fmt: skip


def _verdicts(stories: Iterable[Story]) -> Verdicts:
    count = Counter((one.verdict, one.by_person) for one in stories)
    either = {state: count[state, False] + count[state, True] for state in (*State, None)}
    return Verdicts(
        suspected=count.total(),
        confirmed=count[State.CONFIRMED, False],
        confirmed_by_person=count[State.CONFIRMED, True],
        refuted=count[State.REFUTED, False],
        refuted_by_person=count[State.REFUTED, True],
        unresolved=either[State.UNRESOLVED],
        closed=either[State.CLOSED],
        open=either[None],
    )


def _groups(stories: Sequence[Story], since: datetime, judged_km2: float) -> Iterable[Group]:
    radar = [one for one in stories if one.source is Sensor.SAR]
    slides = [one for one in radar if one.kind is Kind.LANDSLIDE]
    parts: list[tuple[str, Tier | None, list[Story]]] = [
        ("radar, likely", Tier.LIKELY, [o for o in slides if o.tier is Tier.LIKELY]),
        ("radar, watch", Tier.WATCH, [o for o in slides if o.tier is Tier.WATCH]),
        ("radar, new water", None, [o for o in radar if o.kind is not Kind.LANDSLIDE]),
        ("optical", None, [o for o in stories if o.source is Sensor.OPTICAL]),
    ]
    for name, tier, mine in parts:
        year = _verdicts(mine)
        yield Group(
            name, tier, _verdicts(one for one in mine if one.first_at >= since), year,
            None if tier is None else FalseRate(year.wrong, judged_km2),
            None if tier is None else PROMISED_FALSE[tier],
        )  # fmt: skip


def _of_looks(looks: Sequence[LookFacts], *, replayed: bool) -> Iterable[Latency]:
    done = [one for one in looks if one.state == "processed"]
    for sensor in (Sensor.SAR, Sensor.OPTICAL):
        mine = [one for one in done if one.sensor is sensor]
        what = "radar looks" if sensor is Sensor.SAR else "optical looks"
        yield Latency(
            "sensed to published", Spans.of(o.published_at - o.sensed_at for o in mine), what
        )
        # A replay's looks are published by its own clock and judged by the machine's.
        took = [
            o.finished_at - o.published_at
            for o in mine
            if o.finished_at is not None and not replayed
        ]
        yield Latency("published to stored", Spans.of(took), what)


def _of_verdicts(
    stories: Sequence[Story], since: datetime, until: datetime
) -> Iterable[Latency]:  # fmt: skip
    for by_person in (False, True):
        took = [
            one.verdict_at - one.first_at
            for one in stories
            if one.verdict in (State.CONFIRMED, State.REFUTED)
            and one.by_person is by_person
            and one.verdict_at is not None
            and since <= one.verdict_at < until
        ]
        who = "a person" if by_person else "an optical look"
        yield Latency("suspicion to verdict", Spans.of(took), f"verdicts of the month by {who}")


def _missed(
    services: Services, region_id: str, known: Sequence[str], since: datetime, until: datetime
) -> Iterable[Missed]:
    for name in known:
        asked = Asked(region_id, since, until, every="all")
        for row in score_inventory(services.engine, name, asked, Sameness(iou=0.0)).rows:
            if row.score.mapped:
                yield Missed(name, row.score.mapped, row.score.detected)


def _drifts(
    s: Session, region: WatchedRegion, since: datetime, until: datetime
) -> tuple[TrackDrift, ...]:
    said = verification.list_scores(s, region.id, until, simulated=region.simulated)
    offsets = verification.list_offsets(
        s, region.id, since, until, simulated=region.simulated
    )  # fmt: skip
    return tuple(
        TrackDrift(
            track,
            drift(
                [one for at, one in looks if at >= since],
                [one for at, one in looks if at < since],
            ),
            {name: median(told) for name, told in offsets.get(track, {}).items()},
        )
        for track, looks in sorted(said.items())
        if looks
    )
