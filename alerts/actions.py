"""What to do now: short texts by kind, state, tier and exposure, in the words of a language. Pure.

``templates/LANGUAGE/actions/KIND-STATE.j2`` holds them, one action a line. EXERCISE and SIMULATED
are no part of them: code puts these on whatever an action is shown in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts import wording
from alerts.languages import Language
from detectors.types import Alert, Landslide, Sensor, State, Tier

#: What may lie in the way.
EXPOSED = ("road", "rail", "building", "river")
#: What is exposed, as counts or in words (``"E6"``); what is left out is not there.
Exposure = Mapping[str, int | str]


def recommended(
    alert: Alert, spoken: Language, exposure: Exposure | None = None
) -> tuple[str, ...]:
    """Return what to do about a landslide or new water, the first thing first.

    Args:
        alert: What is told; kind, state and tier of its landslide choose the texts.
        spoken: In which language.
        exposure: What lies in the way, by ``EXPOSED``; None where nobody knows.

    Raises:
        jinja2.TemplateError: a template is missing or cannot be used.
    """
    landslide = alert.landslide
    name = f"actions/{landslide.kind.value}-{landslide.state.value}.j2"
    said = spoken.templates.get_template(name).render(action_words(alert, spoken, exposure))
    return tuple(line.strip() for line in said.splitlines() if line.strip())


def action_words(
    alert: Alert, spoken: Language, exposure: Exposure | None = None
) -> dict[str, Any]:
    """Return everything that the templates of actions may use, already in words."""
    landslide = alert.landslide
    return {
        "by_radar": seen_by(landslide) == "by_radar",
        "seen_by": spoken.words[seen_by(landslide)],
        "confirmed": landslide.state is State.CONFIRMED,
        "watch": landslide.tier is Tier.WATCH,
        "not_before": wording.moment(landslide.not_before),
        "references": [str(key) for key in alert.references],
        "exposure_known": exposure is not None,
        **{
            what: wording.exposed(what, (exposure or {}).get(what, 0), spoken.words)
            for what in EXPOSED
        },
    }


def seen_by(landslide: Landslide) -> str:
    """Return which kinds of looks saw it, as a key of a language's words."""
    if landslide.change_db is None:
        return "by_optical"
    return "by_both" if landslide.source is Sensor.OPTICAL else "by_radar"
