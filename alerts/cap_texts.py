"""What a CAP message says to people, in one language. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from alerts import wording
from alerts.cap_records import Context
from alerts.cap_words import WORDS, Words
from alerts.message import credits_line
from alerts.rules import is_exercise, marks
from detectors.types import Alert, Kind, Landslide, State

#: States in which dammed water may still come.
_OPEN = {State.SUSPECTED, State.CONFIRMED, State.UNRESOLVED}


def headline(alert: Alert, language: str = "en") -> str:
    """Return an alert in one line, with the marks EXERCISE and SIMULATED."""
    words = WORDS[language]
    return headline_of(alert, words, filled_in(alert, Context(), words))


def description(alert: Alert, language: str = "en") -> str:
    """Return what is known of an alert, one fact a line, and what to do."""
    words, context = WORDS[language], Context()
    known = description_of(alert, context, words, filled_in(alert, context, words), language)
    return f"{known}\n{instruction(alert, context, words, language)}"


def headline_of(alert: Alert, words: Words, filled: Mapping[str, str]) -> str:
    """Return the headline out of texts and what they are filled with."""
    marked = marks(exercise=is_exercise(alert), simulated=alert.landslide.simulated)
    head = _chosen(words.heads, alert).format_map(filled)
    return f"{marked}: {head}" if marked else head


def description_of(
    alert: Alert, context: Context, words: Words, filled: Mapping[str, str], language: str
) -> str:
    """Return what is known, one fact a line; what is not known has no line."""
    lines = []
    if is_exercise(alert):
        lines += [words.exercise, words.simulated if alert.landslide.simulated else words.replay]
    near = "; ".join(clean(one) for one in context.exposure.get(language, ()))
    facts = (
        (_chosen(words.openings, alert), True),
        (words.place, bool(filled["lat"])),
        (words.size, True),
        (words.when, True),
        (words.why, bool(filled["cause"])),
        (words.caution, bool(filled["advisory"])),
        (words.exposure, bool(near)),
        (words.seen, True),
        (words.scores, True),
        (words.share, bool(filled["share"])),
        (words.clear, bool(filled["clear"])),
        (words.next_look, bool(filled["next_look"])),
    )
    known = {**filled, "exposure": near}
    lines += [text.format_map(known) for text, there in facts if there]
    return "\n".join([*lines, credits_line(alert)])


def instruction(alert: Alert, context: Context, words: Words, language: str) -> str:
    """Return what to do: the agency's own words where there are some."""
    told = context.instructions.get(language) or _chosen(words.instructions, alert)
    if urgency(alert.landslide) == "Expected" and language not in context.instructions:
        told = f"{told} {words.downstream}"
    return "\n".join(clean(line, 2_000) for line in told.splitlines())


def urgency(landslide: Landslide) -> str:
    """Return how soon to act: a landslide is over when it is seen, water behind one is not."""
    awaited = landslide.kind is Kind.PONDING and landslide.state in _OPEN
    return "Expected" if awaited else "Past"


def filled_in(alert: Alert, context: Context, words: Words) -> dict[str, str]:
    """Return what the braces in the texts stand for."""
    landslide = alert.landslide
    point = wording.place(landslide.geometry)
    swapped = str.maketrans({".": words.decimal, ",": words.thousands})
    number = finite(landslide.area_m2)
    seen, clear = finite(context.share_seen), finite(context.share_clear)
    return {
        "what": words.whats[landslide.kind],
        "subject": words.subjects[landslide.kind],
        "cause": wording.one_line(landslide.cause, 240).rstrip("."),
        "region": wording.one_line(alert.region_name) or landslide.region_id,
        "area": words.unknown if number is None else wording.area(number).translate(swapped),
        "lat": "" if point is None else f"{point[1]:.5f}",
        "lon": "" if point is None else f"{point[0]:.5f}",
        "not_before": wording.moment(landslide.not_before),
        "not_after": wording.moment(landslide.not_after),
        "looks": str(landslide.looks),
        "sensed": wording.moment(alert.sensed_at),
        "tier": words.terms.get(landslide.tier.value, landslide.tier.value),
        "state": words.terms.get(landslide.state.value, landslide.state.value),
        "score": _spoken(landslide.score_max, words, swapped),
        "evidence": _spoken(landslide.evidence, words, swapped),
        "advisory": wording.one_line(landslide.advisory or ""),
        "share": "" if seen is None else f"{100 * seen:.0f}",
        "clear": "" if clear is None else f"{100 * clear:.0f}",
        "next_look": "" if context.next_look is None else wording.moment(context.next_look),
    }


def _spoken(number: float, words: Words, swapped: Mapping[int, str]) -> str:
    return wording.amount(number).translate(swapped) if math.isfinite(number) else words.unknown


def _chosen(texts: Mapping[str, str], alert: Alert) -> str:
    """Return the text for a kind of alert, or else for the state it speaks of."""
    return texts.get(alert.kind) or texts[alert.landslide.state.value]


def clean(text: str, limit: int = 240) -> str:
    """Return text from the settings or from outside as one line that XML can hold."""
    return wording.one_line(text, limit)


def finite(number: float | None) -> float | None:
    """Return a number, None for one that is not known."""
    return number if number is not None and math.isfinite(number) else None
