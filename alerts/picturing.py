"""What the picture of an alert says, out of the alert and what its looks show. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from alerts import wording
from alerts.alert_picture import AlertPicture, History, RadarSight, Sight
from alerts.message import SCORE_UNIT, credit
from alerts.rules import is_exercise, marks
from detectors.types import Acquisition, Alert, Kind, State


def compose(
    alert: Alert,
    radar: RadarSight | str,
    optical: Sight | str | None,
    history: History | str,
    looks: Iterable[Acquisition],
) -> AlertPicture:
    """Return everything that the picture of an alert shows.

    Args:
        alert: What is told; the picture shows that version and no later one.
        radar: Before and after by radar, or why there is nothing to show.
        optical: Likewise by optical looks; None where none has been held against it.
        history: Backscatter of its own ground, or why there is none.
        looks: The looks that the maps show, for their credits.
    """
    landslide = alert.landslide
    headline, standing = _headline(alert)
    since = landslide.not_before if isinstance(history, str) else history.moments[0]
    owed = [credit(since, look.sensed_at, look.item_id) for look in looks]
    owed.append(credit(since, alert.sensed_at, alert.item_id))
    return AlertPicture(
        marks=marks(exercise=is_exercise(alert), simulated=landslide.simulated),
        kind=landslide.kind,
        state=landslide.state,
        headline=headline,
        standing=standing,
        facts=_facts(alert),
        radar=radar,
        optical=optical,
        history=history,
        between=(landslide.not_before, landslide.not_after),
        key=str(alert.id),
        credit="; ".join(dict.fromkeys(owed)),
    )


def _headline(alert: Alert) -> tuple[str, str]:
    """Return what it is, and how far to believe it."""
    landslide = alert.landslide
    what = wording.finding(landslide.kind)
    decided = "an optical look"
    if landslide.verdict_at is not None:
        decided = f"the optical look of {wording.moment(landslide.verdict_at)}"
    water = landslide.kind is Kind.PONDING
    match landslide.state:
        case State.CONFIRMED:
            downstream = ". Danger DOWNSTREAM" if water else ""
            return f"Confirmed {what}", f"Confirmed by {decided}{downstream}"
        case State.REFUTED:
            return f"WITHDRAWN: {what}", f"Vegetation unchanged in {decided}"
        case State.UNRESOLVED:
            return f"Unresolved: {what}", "No optical look could decide in time"
        case State.CLOSED:
            return f"Closed: {what}", "Nothing more is expected of it"
    seen = "only radar has seen it" if landslide.d_ndvi is None else "no person has checked"
    if water:
        return "New water, perhaps a blocked valley", f"NOT CONFIRMED: {seen}. Danger DOWNSTREAM"
    return "Suspected landslide", f"NOT CONFIRMED: {seen}"


def _facts(alert: Alert) -> tuple[tuple[str, str], ...]:
    """Return where, how large, when, what was measured, and why to be careful."""
    landslide = alert.landslide
    point = wording.place(landslide.geometry)
    where = "place unknown" if point is None else f"{point[1]:.5f}, {point[0]:.5f} (lat, lon)"
    region = wording.one_line(alert.region_name, 60) or landslide.region_id
    looks = "1 look" if landslide.looks == 1 else f"{landslide.looks} looks"
    parts = wording.parts(len(landslide.geometry.geoms))
    facts = [
        ("Where", f"{region}; {where}"),
        ("Size", f"{wording.area(landslide.area_m2)}{parts}; tier {landslide.tier.value}, {looks}"),
        (
            "When",
            (
                f"after {wording.moment(landslide.not_before)}, "
                f"before {wording.moment(landslide.not_after)}"
            ),
        ),
    ]
    if landslide.change_db is not None:
        score = wording.amount(landslide.score_max, SCORE_UNIT)
        moved = f"backscatter {wording.change(landslide.change_db)} against its surroundings"
        evidence = wording.amount(landslide.evidence)
        facts.append(("Radar", f"{moved}; score {score}, evidence {evidence}"))
    if landslide.d_ndvi is not None:
        moved = f"NDVI {wording.hundredths(landslide.d_ndvi, signed=True)} against its surroundings"
        ensemble = wording.hundredths(landslide.ensemble_score)
        facts.append(("Optical", f"{moved}; ensemble {ensemble} of 1"))
    if landslide.advisory:
        facts.append(("Careful", wording.one_line(landslide.advisory, 160)))
    return tuple(facts)
