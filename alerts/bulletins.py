"""Digests, answers to a trigger, silence and its end, in words. Pure.

What ``Bulletin.content`` holds is made here, too, so that whoever reads it finds what was written.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts import verified, wording
from alerts.exposed import lines
from alerts.message import SHORT_LIMIT
from alerts.records import Message
from alerts.rules import marks, severity
from detectors.bulletins import Bulletin, Sort
from detectors.types import Alert, require_utc

SCHEMA = "scarpwatch-bulletin/1"
_EXERCISE = "EXERCISE - EXERCISE - EXERCISE\nTake no action outside the exercise.\n\n"
_CLOSING = {
    Sort.DIGEST: "What was urgent was sent when it was found. Nothing is left out of this list.",
    Sort.SUMMARY: (
        "These looks were judged long after they were taken; what newer ones showed was sent when "
        "it was found. What was withdrawn since is left out."
    ),
    Sort.BULLETIN: (
        "Radar misses landslides that change its picture little, in forest most of all. What was "
        "not seen is unknown, and nothing found does not mean that nothing happened."
    ),
    Sort.SILENCE: "While a track is silent, nothing that it alone can see is found.",
    Sort.ALL_CLEAR: "",
    Sort.QUOTA: "Polls go on, and what is known is still told; new looks are not judged.",
    Sort.VERIFICATION: (
        "Verdicts come for months: the same command later has later figures. What nobody mapped "
        "or saw may have been missed."
    ),
}


def render_bulletin(bulletin: Bulletin) -> Message:
    """Return the message for one bulletin; its marks are put on here, as on alerts."""
    title, body, short = {
        Sort.DIGEST: _digest,
        Sort.SUMMARY: _summary,
        Sort.BULLETIN: _answer,
        Sort.SILENCE: _silence,
        Sort.ALL_CLEAR: _all_clear,
        Sort.QUOTA: _quota,
        Sort.VERIFICATION: _verification,
    }[bulletin.sort](bulletin.content)
    exercise = bulletin.exercise or bulletin.simulated
    marked = marks(exercise=exercise, simulated=bulletin.simulated)
    lead = f"{marked}: " if marked else ""
    closing = textwrap.fill(_CLOSING[bulletin.sort], 78)
    foot = f"\nKey: {bulletin.id}\n{f'{marked}\n' if marked else ''}"
    text = f"{_EXERCISE if exercise else ''}{body.strip()}\n\n{closing}".strip() + f"\n{foot}"
    title = lead + wording.one_line(title, 160)
    payload: dict[str, Any] = wording.strict_json(
        {
            "schema": SCHEMA,
            "key": str(bulletin.id),
            "kind": bulletin.sort.value,
            "status": "Exercise" if exercise else "Actual",
            "exercise": exercise,
            "simulated": bulletin.simulated,
            "issued_at": _iso(bulletin.issued_at),
            "region_id": bulletin.region_id,
            "title": title,
            "text": text,
            "content": bulletin.content,
        }
    )
    return Message(
        key=str(bulletin.id),
        exercise=exercise,
        title=title,
        text=text,
        short=wording.one_line(f"{lead}{short} key {bulletin.id}", SHORT_LIMIT),
        payload=payload,
    )


def digest_content(
    subscriber: str, until: datetime, kept: Sequence[tuple[Alert, str]]
) -> dict[str, Any]:
    """Return what a digest says: every alert that was kept, in the order given."""
    return {
        "subscriber": subscriber,
        "until": _iso(until),
        "alerts": [_entry(alert, reason) for alert, reason in kept],
    }


def _entry(alert: Alert, reason: str) -> dict[str, Any]:
    landslide = alert.landslide
    return {
        "key": str(alert.id),
        "kind": alert.kind,
        "of": landslide.kind.value,
        "severity": severity(landslide, alert.exposure).value,
        "region": wording.one_line(alert.region_name) or landslide.region_id,
        "landslide_id": str(landslide.id),
        "simulated": landslide.simulated,
        "point": wording.place(landslide.geometry),
        "area": wording.area(landslide.area_m2),
        "seen": wording.moment(landslide.not_after),
        "there": [] if alert.exposure is None else lines(alert.exposure, landslide.kind),
        "why_here": reason,
    }


def _digest(content: Mapping[str, Any]) -> tuple[str, str, str]:
    return _listed(content, f"Digest: {_some(len(content['alerts']), 'alert')} that could wait")


def _summary(content: Mapping[str, Any]) -> tuple[str, str, str]:
    found = _some(len(content["alerts"]), "landslide")
    return _listed(content, f"{content['subscriber']}: {found} in looks of the past")


def _listed(content: Mapping[str, Any], title: str) -> tuple[str, str, str]:
    entries = content["alerts"]
    said = [f"{title.upper()}\nUntil {_spoken(content['until'])}, for {content['subscriber']}"]
    for number, one in enumerate(entries, start=1):
        point = one["point"]
        where = f"{point[1]:.5f},{point[0]:.5f}" if point else "place unknown"
        mark = "SIMULATED " if one["simulated"] else ""
        what = "new water" if one["of"] == "ponding" else "landslide"
        rows = [
            (
                f"{number}. {mark}{one['kind']} {what}, {one['region']}, {one['area']}, "
                f"severity {one['severity']}"
            ),
            f"   {where}, seen by {one['seen']}",
            *(f"   - {line}" for line in one["there"]),
            f"   Not sent at once: {one['why_here']}. Key {one['key']}",
        ]
        said.append("\n".join(_wrapped(rows)))
    worst = entries[0] if entries else None
    first = f", first: {worst['kind']} {worst['region']}" if worst else ""
    return title, "\n\n".join(said), f"{title}{first}"


def _answer(content: Mapping[str, Any]) -> tuple[str, str, str]:
    region, trigger, found = content["region"], content["trigger"], content["found"]
    share = content["share_seen"]
    seen = "none of the area seen yet" if not share else f"{100 * share:.0f} % of the area seen"
    coming = content["next_look"]
    following = "no next look can be told" if coming is None else f"next look {_day(coming)}"
    # Nobody has looked is another answer than nothing is there.
    nothing = "nothing found" if content["looks"] else "not looked at yet"
    counts = _some(len(found), "finding") if found else nothing
    title = f"{region}: {counts} after {trigger}; {seen}; {following}"
    rows = [
        f"AFTER: {trigger}",
        f"Region: {region}",
        (
            f"Found:  {counts}, in {_some(content['looks'], 'look')} taken from "
            f"{_spoken(content['since'])} to {_spoken(content['until'])}"
        ),
        f"Seen:   {seen}" + (", by the pass that saw most" if share else ""),
        *(f"        {100 * part:.0f} % {why.replace('_', ' ')}" for why, part in content["unseen"]),
        f"Next:   {following}",
    ]
    for one in found:
        point = one["point"]
        where = f"{point[1]:.5f},{point[0]:.5f}" if point else "place unknown"
        mark = "SIMULATED " if one["simulated"] else ""
        what = "new water" if one["of"] == "ponding" else "landslide"
        rows.append(
            f"- {mark}{one['state']} {what} (tier {one['tier']}), {one['area']}, {where}, "
            f"seen by {one['seen']}"
        )
    return title, "\n".join(_wrapped(rows)), title


def _silence(content: Mapping[str, Any]) -> tuple[str, str, str]:
    region, track = content["region"], content["track"]
    expected = _spoken(content["expected_at"])
    title = f"Silence: no look at {region} from track {track}, expected {expected}"
    rows = [
        title.upper(),
        (
            f"Last look: {_spoken(content['last_at'])}. The track comes by every "
            f"{content['cycle_days']:.0f} days and is published within "
            f"{content['delay_hours']:.0f} hours."
        ),
        *(f"A source cannot be read: {error}" for error in content["errors"]),
        *(
            ["The track was silent before: no further alarm follows until it comes again."]
            if content["last_alarm"]
            else []
        ),
        "What to do: scarpwatch doctor, then scarpwatch poll " + str(content["region_id"]),
    ]
    return title, "\n".join(_wrapped(rows)), title


def _all_clear(content: Mapping[str, Any]) -> tuple[str, str, str]:
    title = (
        f"All clear: {content['region']} is seen again from track {content['track']}, "
        f"{_spoken(content['seen_at'])}"
    )
    missed = _some(content["missed"], "expected look")
    return title, "\n".join(_wrapped([title.upper(), f"{missed} did not come."])), title


def _quota(content: Mapping[str, Any]) -> tuple[str, str, str]:
    title = f"Quota spent: looks at {content['region']} wait until {_day(content['renews_at'])}"
    rows = [
        title.upper(),
        str(content["reason"]),
        f"What it was spent on: scarpwatch ledger {content['region_id']} --cost",
    ]
    return title, "\n".join(_wrapped(rows)), title


def finding_entry(landslide: Any) -> dict[str, Any]:
    """Return a landslide as a line of an answer to a trigger."""
    return {
        "landslide_id": str(landslide.id),
        "of": landslide.kind.value,
        "state": landslide.state.value,
        "tier": landslide.tier.value,
        "simulated": landslide.simulated,
        "point": wording.place(landslide.geometry),
        "area": wording.area(landslide.area_m2),
        "seen": wording.moment(landslide.not_after),
    }


def _wrapped(rows: Iterable[str]) -> Iterable[str]:
    for row in rows:
        indent = " " * (len(row) - len(row.lstrip()))
        yield textwrap.fill(
            wording.one_line(row, 600), 78, initial_indent=indent, subsequent_indent=f"{indent}  "
        )


def _verification(content: Mapping[str, Any]) -> tuple[str, str, str]:
    title, rows = verified.told(content)
    return title, "\n".join(_wrapped([title.upper(), *rows])), title


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _iso(when: datetime) -> str:
    return require_utc(when, "time").isoformat().replace("+00:00", "Z")


def _spoken(text: str) -> str:
    return wording.moment(datetime.fromisoformat(text))


def _day(text: str) -> str:
    when = datetime.fromisoformat(text)
    return f"{when.day} {when:%B %Y}"
