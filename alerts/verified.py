"""The month's verification in the few lines that operators get. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(content: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return title and lines of what ``flows.verification_report.content`` holds."""
    region, month, drifting = content["region"], content["month"], content["drifting"]
    sign = f"; scores drift on {', '.join(drifting)}" if drifting else ""
    looks, alerts = content["looks"], content["alerts"]
    title = (
        f"Verification of {region}, {month}: {looks} look{'' if looks == 1 else 's'} judged, "
        f"{alerts} alert{'' if alerts == 1 else 's'}{sign}"
    )
    rows = [f"Looks: {looks} of {content['listed']} judged"]
    if not content["listed"]:
        rows = ["No look of this month was there to be judged: nothing can be said of it."]
    rows += [
        f"- {one['name']}: {one['suspected']} suspected in the month, {one['open']} of them open; "
        f"confirmed of decided over twelve months: {one['precision']}"
        for one in content["groups"]
    ]
    if content["missed"] is None:
        rows.append("No imported inventory speaks of the month: misses are unknown.")
    else:
        rows.append(f"Missed of what others mapped: {content['missed']}")
    if drifting:
        rows.append(
            f"Scores of stable ground have moved on {', '.join(drifting)}: false alarms or misses "
            "may follow. See: scarpwatch platforms"
        )
    rows.append(f"All figures: scarpwatch verification {content['region_id']} --month {month}")
    return title, rows
