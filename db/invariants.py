"""What must be true of the books at every moment, whoever was killed and whatever failed.

Each rule is a question whose answers are its breaches, so that a sound database answers nothing.
``flows.soundness`` asks them together with the files and with what receivers took; chaos runs, the
drill and the stateful tests go by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold."""

    rule: str
    """What must be true."""
    what: str
    """Where it is not."""


@dataclass(frozen=True, slots=True)
class Leases:
    """How long work may be held, and put off."""

    look: timedelta
    """A look."""
    delivery: timedelta
    """A message."""
    wait: timedelta
    """Until another try."""


#: By rule the rows that break it, told in one column of text.
RULES: Mapping[str, str] = {
    "a judged look says what it could see": """
        SELECT l.id::text FROM scarpwatch.looks l WHERE l.state = 'processed' AND (
            l.share_seen IS NULL OR NOT EXISTS (SELECT FROM scarpwatch.observability o
            WHERE (o.region_id, o.acquisition_id) = (l.region_id, l.acquisition_id)))""",
    "what was found is of a look that was judged": """
        SELECT d.id::text FROM scarpwatch.detections d JOIN scarpwatch.looks l
            USING (region_id, acquisition_id)
        WHERE l.share_seen IS NULL AND l.state NOT IN ('skipped', 'failed')""",
    "what was found is of the time of its look": """
        SELECT d.id::text FROM scarpwatch.detections d JOIN scarpwatch.acquisitions a
            ON a.id = d.acquisition_id WHERE d.not_after <> a.sensed_at""",
    "a look that ended without a judgement says why": """
        SELECT id::text FROM scarpwatch.looks
        WHERE state IN ('skipped', 'failed') AND coalesce(reason, '') = ''""",
    "a look is held for one lease at most": """
        SELECT id::text FROM scarpwatch.looks
        WHERE state = 'processing' AND lease_until > :now + :look""",
    "a message is held for one lease at most": """
        SELECT id::text FROM scarpwatch.deliveries
        WHERE state = 'sending' AND lease_until > :now + :delivery""",
    "what waits for another try has a time for it": """
        SELECT id::text FROM scarpwatch.looks WHERE state = 'due' AND retry_at > :now + :wait
        UNION ALL
        SELECT id::text FROM scarpwatch.deliveries WHERE state = 'due' AND retry_at > :now + :wait
    """,
    "versions of a landslide are numbered without a gap": """
        SELECT l.id::text FROM scarpwatch.landslides l
            LEFT JOIN scarpwatch.landslide_versions v ON v.landslide_id = l.id
        GROUP BY l.id HAVING count(v.revision) = 0
            OR (min(v.revision), max(v.revision)) <> (1, count(*))""",
    "versions of a region are numbered without a gap": """
        SELECT r.id FROM scarpwatch.regions r
            LEFT JOIN scarpwatch.region_versions v ON v.region_id = r.id
        GROUP BY r.id HAVING count(v.revision) = 0
            OR (min(v.revision), max(v.revision)) <> (1, count(*))""",
    "maps show the newest version": """
        SELECT v.landslide_id::text FROM (
            SELECT landslide_id, max(revision) AS revision
            FROM scarpwatch.landslide_versions GROUP BY landslide_id) v
        LEFT JOIN scarpwatch.landslide_marks m USING (landslide_id)
        WHERE m.revision IS DISTINCT FROM v.revision""",
    "evidence of a version is linked with its landslide": """
        SELECT v.landslide_id::text FROM scarpwatch.landslide_versions v,
            unnest(v.detections) AS detection
        WHERE NOT EXISTS (SELECT FROM scarpwatch.landslide_detections d
            WHERE (d.landslide_id, d.detection_id) = (v.landslide_id, detection))""",
    "a verdict by a look has what the look said": """
        SELECT v.landslide_id::text FROM scarpwatch.landslide_versions v
        WHERE v.cause_kind = 'optical look' AND v.acquisition_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM scarpwatch.optical_checks c
                WHERE c.acquisition_id = v.acquisition_id)
            AND NOT EXISTS (SELECT FROM scarpwatch.detections d
                WHERE d.acquisition_id = v.acquisition_id)""",
    "what we believe of a landslide has no gap in time": """
        SELECT p.landslide_id::text FROM scarpwatch.landslide_periods p
        GROUP BY p.landslide_id HAVING
            (SELECT count(*) FROM unnest(range_agg(p.system_time))) <> 1
            OR NOT upper_inf(range_agg(p.system_time))
            OR (SELECT count(*) FROM unnest(
                range_agg(p.valid_time) FILTER (WHERE upper_inf(p.system_time)))) <> 1
            OR NOT upper_inf(range_agg(p.valid_time) FILTER (WHERE upper_inf(p.system_time)))""",
    "every version held at some time": """
        SELECT v.landslide_id::text FROM scarpwatch.landslide_versions v
        WHERE NOT EXISTS (SELECT FROM scarpwatch.landslide_periods p
            WHERE (p.landslide_id, p.revision) = (v.landslide_id, v.revision))""",
    "an alert is decided after its version was stored": """
        SELECT a.id::text FROM scarpwatch.alerts a JOIN scarpwatch.landslide_versions v
            USING (landslide_id, revision) WHERE a.recorded_at < v.recorded_at""",
    "an alert is of its landslide's region": """
        SELECT a.id::text FROM scarpwatch.alerts a JOIN scarpwatch.landslides l
            ON l.id = a.landslide_id WHERE a.region_id <> l.region_id""",
    "a delivered message has a receipt": """
        SELECT d.id::text FROM scarpwatch.deliveries d WHERE d.state = 'delivered'
            AND NOT EXISTS (SELECT FROM scarpwatch.receipts r WHERE r.delivery_id = d.id)""",
    "a receipt is of an attempt that was made": """
        SELECT d.id::text FROM scarpwatch.receipts r JOIN scarpwatch.deliveries d
            ON d.id = r.delivery_id WHERE r.attempt NOT BETWEEN 1 AND d.attempts""",
    "kept rasters of a look are all there": """
        SELECT stac_id FROM scarpwatch.composites GROUP BY stac_id, sensor
        HAVING count(*) <> 4 AND NOT (sensor = 'optical' AND count(*) = 3)""",
}  # fmt: skip


def broken(s: Session, now: datetime, leases: Leases) -> list[Broken]:
    """Return which rules do not hold in the database.

    Args:
        s: Session.
        now: The machine's clock, aware: leases go by it.
        leases: How long work may be held.
    """
    values = {
        "now": now, "look": leases.look, "delivery": leases.delivery, "wait": leases.wait,
    }  # fmt: skip
    found = []
    for rule, query in RULES.items():
        bound = {name: value for name, value in values.items() if f":{name}" in query}
        found += [Broken(rule, str(what)) for what in s.scalars(text(query), bound)]
    return found


def overlooked(
    s: Session, region_id: str, source: str, published: Mapping[str, datetime]
) -> list[Broken]:
    """Return the items that a region was told it had read and that are neither a look nor refused.

    Args:
        s: Session.
        region_id: Watched region.
        source: ``catalogue/collection``.
        published: By item when the catalogue took it in.
    """
    query = text("""
        SELECT p.watermark, array(SELECT a.item_id FROM scarpwatch.looks l
            JOIN scarpwatch.acquisitions a ON a.id = l.acquisition_id
            WHERE l.region_id = p.region_id AND a.source = p.source
            UNION SELECT item_id FROM scarpwatch.refused_items r
            WHERE r.region_id = p.region_id AND r.source = p.source)
        FROM scarpwatch.poll_states p WHERE p.region_id = :region AND p.source = :source""")
    row = s.execute(query, {"region": region_id, "source": source}).one_or_none()
    if row is None or row[0] is None:
        return []
    watermark, known = row
    rule = "what was published before the watermark is known"
    return [
        Broken(rule, item)
        for item, at in sorted(published.items())
        if at <= watermark and item not in known
    ]


def messages(
    s: Session, lines: Iterable[Mapping[str, Any]], inboxes: Mapping[str, str]
) -> list[Broken]:
    """Return which rules do not hold between the outbox and what a receiver took.

    Args:
        s: Session.
        lines: what the receiver wrote down, oldest first; see ``alerts.journal``.
        inboxes: by channel the inbox its messages arrive in; other channels are not asked about.
    """
    decided = {
        str(row[0]): row[1]
        for row in s.execute(
            text("""
            SELECT id, recorded_at FROM scarpwatch.alerts
            UNION ALL SELECT id, recorded_at FROM scarpwatch.bulletins""")
        )
    }
    taken: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        taken[line["inbox"], line["key"]].append(line)
    found = []
    for (_, key), copies in taken.items():
        first = copies[0]
        if key not in decided:
            found.append(Broken("what is told was decided", key))
        elif datetime.fromisoformat(first["received_at"]) < decided[key]:
            found.append(Broken("what is told was stored before", key))
        if any(one["receipt"] != first["receipt"] for one in copies):
            found.append(Broken("a repeated message is known by its key", key))
        if any(one["body"] != first["body"] for one in copies):
            found.append(Broken("a repeated message says the same", key))
    sent = s.execute(
        text("""
        SELECT coalesce(alert_id, bulletin_id), channel, state, attempts
        FROM scarpwatch.deliveries""")
    )
    for key, channel, state, attempts in sent:
        if channel not in inboxes:
            continue
        came = len(taken[inboxes[channel], str(key)])
        if state == "delivered" and not came:
            found.append(Broken("what was delivered has arrived", f"{key} {channel}"))
        if came > attempts:
            found.append(Broken("an attempt sends one message", f"{key} {channel}"))
    return found
