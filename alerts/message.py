"""An alert in words: what a duty officer reads at 03:00. Pure.

The wording lives in ``templates/LANGUAGE/KIND.{title,text,short}.j2``, that of new water in
``ponding-KIND...`` beside it, of a person's verdict ``reviewed-KIND...``, what to do in
``actions/``; the marks EXERCISE and SIMULATED are put on here, so that no edit of a template can
lose them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateNotFound
from shapely.geometry import mapping

from alerts import exposed, languages, wording
from alerts.actions import Exposure, action_words, recommended
from alerts.languages import DEFAULT, Language
from alerts.records import Message
from alerts.rules import is_exercise, marks, severity
from detectors.errors import ConfigurationError, PermanentError
from detectors.types import Alert, Kind, Sensor, require_utc

SCHEMA = "scarpwatch-alert/1"
SCORE_UNIT = "sigma"
SHORT_LIMIT = 160
#: Kinds that read otherwise where a person decided.
REVIEWED = ("confirmed", "withdrawn")
#: Kinds that read alike for landslides and new water.
ALIKE = ("updated", "unresolved", "closed")

#: Stands between the same text in two languages.
_BETWEEN = f"\n{'-' * 24}\n\n"
#: What every message consists of: a template each.
PARTS = ("title", "text", "short")
#: What stands above an exercise, by language: that it is one, what never happened, what is old.
#: Not in a file, so that nobody edits it away; a language that is not here has the English one.
_BANNERS = {
    "en": (
        "EXERCISE - EXERCISE - EXERCISE\nTake no action outside the exercise.\n",
        "SIMULATED: this {what} was written into the images. It never happened.\n",
        "The images are real and may be old (a replay): this is not an alarm.\n",
    ),
    "nb": (
        "EXERCISE - ØVELSE - EXERCISE - ØVELSE\nGjør ingenting utenfor øvelsen.\n",
        "SIMULATED / SIMULERT: {what} er skrevet inn i bildene. Det har aldri skjedd.\n",
        "Bildene er ekte og kan være gamle (en avspilling): dette er ingen alarm.\n",
    ),
}


def render(
    alert: Alert,
    language: str = DEFAULT,
    *,
    templates: Path | None = None,
    exposure: Exposure | None = None,
    cap: str | None = None,
) -> Message:
    """Return the message for one alert.

    Any landslide can be rendered, one without outline or with unknown numbers too: a poor message
    beats none.

    Args:
        alert: What to tell.
        language: In which language; the marks EXERCISE and SIMULATED are the same in all.
        templates: The agency's own folder, which goes before ours; None for ours alone.
        exposure: What lies in the way (``actions.EXPOSED``); None takes what the alert knows.
        cap: Its CAP message, XML.

    Raises:
        ConfigurationError: there is no such language.
        PermanentError: there is no usable template for this kind of alert.
    """
    return render_in(alert, languages.language(language, templates), exposure, cap)


def render_in(
    alert: Alert, spoken: Language, exposure: Exposure | None = None, cap: str | None = None
) -> Message:
    """Return the message for one alert in a language that is loaded; see ``render``."""
    if exposure is None:
        exposure = exposed.in_the_way(alert.exposure, spoken.words)
    exercise = is_exercise(alert)
    marked = marks(exercise=exercise, simulated=alert.landslide.simulated)
    lead = f"{marked}: " if marked else ""
    words = words_of(alert, spoken, exposure)
    try:
        words["actions"] = recommended(alert, spoken, exposure)
        title, text, short = (
            spoken.templates.get_template(f"{template_name(alert)}.{part}.j2").render(words).strip()
            for part in PARTS
        )
    except TemplateNotFound as error:
        raise PermanentError(
            f"no message template for alerts of kind {alert.kind!r}: {error.name}"
        ) from None
    except TemplateError as error:
        raise PermanentError(f"a template for {alert.kind!r} cannot be used: {error}") from error
    except Exception as error:  # a template of the agency's may do anything
        what = f"{type(error).__name__}: {error}"
        raise PermanentError(f"a template for {alert.kind!r} cannot be used: {what}") from error
    text = _with_exposure(text, _exposure(alert, spoken), spoken)
    text = f"{_banner(alert, spoken)}{text}\n{f'{marked}\n' if marked else ''}"
    title = lead + wording.one_line(title, 400)
    return Message(
        key=str(alert.id),
        exercise=exercise,
        title=title,
        text=text,
        short=(lead + wording.one_line(short, 400))[:SHORT_LIMIT].rstrip(),
        payload=_payload(alert, words, title=title, text=text, spoken=spoken) | {"cap": cap},
        cap=cap,
    )


def render_somehow(
    alert: Alert,
    spoken: Sequence[str] = (DEFAULT,),
    *,
    templates: Path | None = None,
    exposure: Exposure | None = None,
    cap: str | None = None,
) -> tuple[Message, str | None]:
    """Return the message for one alert as well as it can be, and what could not be used.

    An agency's broken template must not silence an alert: ours of that language takes its place,
    and English that of a language there is not.

    Args:
        alert: What to tell.
        spoken: In which languages: the text in each, one below the other; title, short text and
            the payload's fields in the first.
        templates: The agency's own folder, which goes before ours; None for ours alone.
        exposure: What lies in the way; None takes what the alert knows.
        cap: Its CAP message, XML.

    Raises:
        PermanentError: not even our own English will do.
    """
    faults: list[str] = []
    messages: dict[str, Message] = {}
    for language in spoken or (DEFAULT,):
        tries = ((language, templates), (language, None), (DEFAULT, None))
        for tag, own in dict.fromkeys(tries):
            try:
                made = render(alert, tag, templates=own, exposure=exposure, cap=cap)
            except (ConfigurationError, PermanentError) as error:
                faults.append(str(error))
            else:
                messages.setdefault(tag, made)
                break
    if not messages:
        raise PermanentError(faults[0] if faults else "no message template")
    first, *others = messages.values()
    if others:
        text = _BETWEEN.join(one.text for one in messages.values())
        first = replace(first, text=text, payload=first.payload | {"text": text})
    return first, faults[0] if faults else None


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


def template_name(alert: Alert) -> str:
    """Return what the names of an alert's templates begin with."""
    what = alert.landslide.kind
    if alert.landslide.reviewed_by is not None and alert.kind in REVIEWED:
        return f"reviewed-{alert.kind}"
    alike = what is Kind.LANDSLIDE or alert.kind in ALIKE
    return alert.kind if alike else f"{what}-{alert.kind}"


def _banner(alert: Alert, spoken: Language) -> str:
    """Return what stands above everything else, empty for a real alert."""
    if not is_exercise(alert):
        return ""
    drill, simulated, replay = _BANNERS.get(spoken.tag, _BANNERS[DEFAULT])
    what = wording.finding(alert.landslide.kind, spoken.words)
    second = simulated.replace("{what}", what) if alert.landslide.simulated else replay
    return f"{drill}{second}\n"


def words_of(alert: Alert, spoken: Language, exposure: Exposure | None = None) -> dict[str, Any]:
    """Return everything the templates may use but ``actions``, already in words."""
    landslide, say = alert.landslide, spoken.words
    point = wording.place(landslide.geometry)
    return {
        **action_words(alert, spoken, exposure),
        "region": wording.one_line(alert.region_name) or landslide.region_id,
        "lon": None if point is None else f"{point[0]:.5f}",
        "lat": None if point is None else f"{point[1]:.5f}",
        "parts": wording.parts(len(landslide.geometry.geoms), say),
        "area": wording.area(landslide.area_m2, say),
        "change": wording.change(landslide.change_db, say),
        "looks": wording.looks(landslide.looks, say),
        "tier": say[landslide.tier.value],
        "state": say[landslide.state.value],
        "severity": say[severity(landslide, alert.exposure).value],
        "reviewer": wording.one_line(landslide.reviewed_by or "", 80),
        "finding": wording.finding(landslide.kind, say),
        "downstream": say["downstream"] if landslide.kind is Kind.PONDING else "",
        "score": wording.amount(landslide.score_max, SCORE_UNIT, say),
        "evidence": wording.amount(landslide.evidence, say=say),
        "not_after": wording.moment(landslide.not_after),
        "bracket": wording.span(landslide.not_after - landslide.not_before, say),
        "sensed": wording.moment(alert.sensed_at),
        "published": wording.moment(alert.published_at),
        "advisory": wording.one_line(landslide.advisory or ""),
        "cause": wording.one_line(landslide.cause, 240),
        "radar": landslide.change_db is not None,
        "first_by": say["by_radar" if landslide.source is Sensor.SAR else "by_optical"],
        "d_ndvi": wording.hundredths(landslide.d_ndvi, signed=True, say=say),
        "ensemble": wording.hundredths(landslide.ensemble_score, say=say),
        "verdict": None if landslide.verdict_at is None else wording.moment(landslide.verdict_at),
        "key": alert.id,
        "landslide_id": landslide.id,
        "revision": landslide.revision,
        "item": wording.one_line(alert.item_id, 200),
        "credits": credits_line(alert),
    }


def _exposure(alert: Alert, spoken: Language) -> list[str]:
    """Return what lies there, line by line; nothing where no map reaches it or it never was."""
    if alert.exposure is None or alert.kind == "withdrawn":
        return []
    return exposed.lines(alert.exposure, alert.landslide.kind, spoken.words)


def _with_exposure(text: str, lines: list[str], spoken: Language) -> str:
    """Put what lies there below headline and place, whatever the template: it decides what is done.

    The place stays above it, so that a message cut to fit keeps it.
    """
    if not lines:
        return text
    headline, place, rest = (*text.split("\n\n", 2), "", "")[:3]
    wrapped = (
        textwrap.fill(line, 78, initial_indent="- ", subsequent_indent="  ") for line in lines
    )
    lies = "\n".join([spoken.words["lies_there"], *wrapped])
    return f"{headline}\n\n{place}\n\n{lies}\n\n{rest}"


def _payload(
    alert: Alert, words: dict[str, Any], *, title: str, text: str, spoken: Language
) -> dict[str, Any]:
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
        "severity": severity(landslide, alert.exposure).value,
        "language": spoken.tag,
        "references": words["references"],
        "title": title,
        "text": text,
        "actions": words["actions"],
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
        else exposed.payload(alert.exposure, landslide.kind, spoken.words),
        "credits": words["credits"],
    }
    strict: dict[str, Any] = wording.strict_json(payload)
    return strict


def _iso(when: Any) -> str:
    return require_utc(when, "time").isoformat().replace("+00:00", "Z")
