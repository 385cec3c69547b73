"""An alert in words: what a duty officer reads at 03:00. Pure.

The wording lives in ``templates/KIND.{title,text,short}.j2``, that of new water in
``templates/ponding-KIND...``, of a person's verdict in ``templates/reviewed-KIND...``; the marks
EXERCISE and SIMULATED are put on here, so that no edit of a template can lose them.
"""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError, TemplateNotFound
from shapely.geometry import mapping

from alerts import exposed, wording
from alerts.records import Message
from alerts.rules import is_exercise, marks, severity
from detectors.errors import PermanentError
from detectors.types import Alert, Kind, Landslide, Sensor, require_utc

SCHEMA = "scarpwatch-alert/1"
SCORE_UNIT = "sigma"
SHORT_LIMIT = 160
#: Kinds that read otherwise where a person decided.
REVIEWED = ("confirmed", "withdrawn")

# Plain text only, hence no HTML escaping: "Bø & Æ" must not arrive as "Bø &amp; Æ".
_TEMPLATES = Environment(
    loader=PackageLoader("alerts"),
    autoescape=False,  # noqa: S701
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_EXERCISE_BANNER = "EXERCISE - EXERCISE - EXERCISE\nTake no action outside the exercise.\n"
_SIMULATED_BANNER = "SIMULATED: this {what} was written into the images. It never happened.\n"
_REPLAY_BANNER = "The images are real and may be old (a replay): this is not an alarm.\n"


def render(alert: Alert, cap: str | None = None) -> Message:
    """Return the message for one alert.

    Any landslide can be rendered, one without outline or with unknown numbers too: a poor message
    beats none.

    Args:
        alert: What is told.
        cap: Its CAP message, XML.

    Raises:
        PermanentError: there is no usable template for this kind of alert.
    """
    words = _words(alert)
    exercise = is_exercise(alert)
    marked = marks(exercise=exercise, simulated=alert.landslide.simulated)
    lead = f"{marked}: " if marked else ""
    try:
        title, text, short = (
            _TEMPLATES.get_template(f"{_template(alert)}.{part}.j2").render(words).strip()
            for part in ("title", "text", "short")
        )
    except TemplateNotFound:
        raise PermanentError(f"no message template for alerts of kind {alert.kind!r}") from None
    except TemplateError as error:
        raise PermanentError(f"a template for {alert.kind!r} cannot be used: {error}") from error
    text = _with_exposure(text, words["exposure"])
    text = f"{_banner(alert)}{text}\n{f'{marked}\n' if marked else ''}"
    title = lead + title
    return Message(
        key=str(alert.id),
        exercise=exercise,
        title=title,
        text=text,
        short=(lead + short)[:SHORT_LIMIT].rstrip(),
        payload=_payload(alert, words, title=title, text=text) | {"cap": cap},
        cap=cap,
    )


def credits_line(alert: Alert) -> str:
    """Return the credits the data of an alert demand."""
    maps = () if alert.exposure is None else alert.exposure.credits
    data = credit(alert.landslide.not_before, alert.sensed_at, alert.item_id)
    return "; ".join([data, *(f"map: {wording.one_line(one, 120)}" for one in maps)])


def credit(since: datetime, until: datetime, item_id: str) -> str:
    """Return the credits that looks of a time demand, with their years."""
    if item_id.endswith("_SIM") and "OPERA" not in item_id.upper():
        # The drill's optical looks are drawn from nothing; its radar looks are real ones, edited.
        return "Simulated looks: no satellite took them"
    first, last = (require_utc(t, "time").year for t in (since, until))
    years = str(last) if first >= last else f"{first}-{last}"
    line = f"Contains modified Copernicus Sentinel data {years}"
    if "OPERA" in item_id.upper():
        line += "; processed from NASA/JPL OPERA RTC-S1"
    return line


def _template(alert: Alert) -> str:
    """Return what the names of an alert's templates begin with."""
    what = alert.landslide.kind
    if alert.landslide.reviewed_by is not None and alert.kind in REVIEWED:
        return f"reviewed-{alert.kind}"
    return alert.kind if what is Kind.LANDSLIDE else f"{what}-{alert.kind}"


def _banner(alert: Alert) -> str:
    """Return what stands above everything else, empty for a real alert."""
    if not is_exercise(alert):
        return ""
    simulated = _SIMULATED_BANNER.format(what=wording.finding(alert.landslide.kind))
    return _EXERCISE_BANNER + (f"{simulated if alert.landslide.simulated else _REPLAY_BANNER}\n")


def _words(alert: Alert) -> dict[str, Any]:
    """Return everything the templates may use, already in words."""
    landslide = alert.landslide
    point = wording.place(landslide.geometry)
    return {
        "region": wording.one_line(alert.region_name) or landslide.region_id,
        "lon": None if point is None else f"{point[0]:.5f}",
        "lat": None if point is None else f"{point[1]:.5f}",
        "parts": wording.parts(len(landslide.geometry.geoms)),
        "area": wording.area(landslide.area_m2),
        "change": wording.change(landslide.change_db),
        "looks": "1 look" if landslide.looks == 1 else f"{landslide.looks} looks",
        "tier": landslide.tier.value,
        "state": landslide.state.value,
        "severity": severity(landslide, alert.exposure).value,
        "exposure": _exposure(alert),
        "score": wording.amount(landslide.score_max, SCORE_UNIT),
        "evidence": wording.amount(landslide.evidence),
        "not_before": wording.moment(landslide.not_before),
        "not_after": wording.moment(landslide.not_after),
        "bracket": wording.span(landslide.not_after - landslide.not_before),
        "sensed": wording.moment(alert.sensed_at),
        "published": wording.moment(alert.published_at),
        "advisory": wording.one_line(landslide.advisory or ""),
        "cause": wording.one_line(landslide.cause, 240),
        "radar": landslide.change_db is not None,
        "seen_by": _seen_by(landslide),
        "first_by": "radar" if landslide.source is Sensor.SAR else "an optical look",
        "d_ndvi": wording.hundredths(landslide.d_ndvi, signed=True),
        "ensemble": wording.hundredths(landslide.ensemble_score),
        "verdict": None if landslide.verdict_at is None else wording.moment(landslide.verdict_at),
        "reviewer": wording.one_line(landslide.reviewed_by or "", 80),
        "finding": wording.finding(landslide.kind),
        "downstream": ", danger downstream" if landslide.kind is Kind.PONDING else "",
        "references": [str(key) for key in alert.references],
        "key": alert.id,
        "landslide_id": landslide.id,
        "revision": landslide.revision,
        "item": wording.one_line(alert.item_id, 200),
        "credits": credits_line(alert),
    }


def _exposure(alert: Alert) -> list[str]:
    """Return what lies there, line by line; nothing where no map reaches it or it never was."""
    if alert.exposure is None or alert.kind == "withdrawn":
        return []
    return exposed.lines(alert.exposure, alert.landslide.kind)


def _with_exposure(text: str, lines: list[str]) -> str:
    """Put what lies there below the headline: it decides what is done, whatever the template."""
    if not lines:
        return text
    headline, _, rest = text.partition("\n\n")
    wrapped = (
        textwrap.fill(line, 78, initial_indent="- ", subsequent_indent="  ") for line in lines
    )
    return "\n".join([f"{headline}\n", "WHAT LIES THERE (by the loaded maps)", *wrapped, "", rest])


def _seen_by(landslide: Landslide) -> str:
    """Return which kinds of looks saw it, in words."""
    if landslide.change_db is None:
        return "an optical look"
    return "radar and an optical look" if landslide.source is Sensor.OPTICAL else "radar"


def _payload(alert: Alert, words: dict[str, Any], *, title: str, text: str) -> dict[str, Any]:
    """Return the message for machines. Names once published stay; see the package's README."""
    landslide = alert.landslide
    point = wording.place(landslide.geometry)
    payload: dict[str, Any] = {
        "schema": SCHEMA,
        "key": str(alert.id),
        "kind": alert.kind,
        "status": "Exercise" if is_exercise(alert) else "Actual",
        "exercise": is_exercise(alert),
        "simulated": landslide.simulated,
        "severity": words["severity"],
        "references": words["references"],
        "title": title,
        "text": text,
        "region": {"id": landslide.region_id, "name": words["region"], "tags": alert.tags},
        "landslide": {
            "id": str(landslide.id),
            "kind": landslide.kind.value,
            "revision": landslide.revision,
            "state": landslide.state.value,
            "tier": landslide.tier.value,
            "area_m2": landslide.area_m2,
            "not_before": _iso(landslide.not_before),
            "not_after": _iso(landslide.not_after),
            "looks": landslide.looks,
            "score_max": landslide.score_max,
            "score_unit": SCORE_UNIT,
            "evidence": landslide.evidence,
            "change_db": landslide.change_db,
            "source": landslide.source.value,
            "d_ndvi": landslide.d_ndvi,
            "ensemble_score": landslide.ensemble_score,
            "verdict_at": None if landslide.verdict_at is None else _iso(landslide.verdict_at),
            "advisory": words["advisory"] or None,
            "cause": words["cause"],
            "point": point,
            "geometry": mapping(landslide.geometry),
        },
        "look": {
            "item_id": words["item"],
            "sensed_at": _iso(alert.sensed_at),
            "published_at": _iso(alert.published_at),
        },
        "exposure": None
        if alert.exposure is None
        else exposed.payload(alert.exposure, landslide.kind),
        "credits": words["credits"],
    }
    strict: dict[str, Any] = wording.strict_json(payload)
    return strict


def _iso(when: Any) -> str:
    return require_utc(when, "time").isoformat().replace("+00:00", "Z")
