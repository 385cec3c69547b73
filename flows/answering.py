"""What was found after a named trigger, or that nothing was, and how much could be seen."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from alerts.bulletins import finding_entry
from alerts.rules import EXCLUDED_FROM
from db import exclusions, outbox, passes, queries
from db.engine import transaction
from db.passes import SeenLook
from detectors.bulletins import Bulletin, Sort
from detectors.errors import ConfigurationError
from detectors.types import SAME_PASS, State, WatchedRegion, derive_id
from flows.attention import told
from flows.services import Services
from flows.silence import next_look


def answer(services: Services, region_id: str, trigger: str, since: datetime) -> Bulletin:
    """Return what is known of a region since a trigger; nothing is stored.

    The share seen is that of the pass that saw most: what two passes see is partly the same ground,
    and how much of it is not stored. So it is a lower bound.

    Raises:
        ConfigurationError: no such region, no trigger, or it lies in the future.
    """
    now = services.clock.now()
    if not trigger.strip():
        raise ConfigurationError('name the trigger: --trigger "M6.1 earthquake 2026-05-02"')
    if since > now:
        raise ConfigurationError("--since lies in the future")
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
        looks = passes.looks_seen(s, region.id, since, now)
        share, unseen = _seen(s, region, looks)
        found = [
            one
            for one in queries.list_landslides(s, region.id, since=since)
            if one.state is not State.REFUTED
        ]
        out = exclusions.covered_landslides(s, found, EXCLUDED_FROM)
        coming = next_look(services, s, region)
    content: dict[str, Any] = {
        "region": region.name,
        "region_id": region.id,
        "trigger": trigger.strip(),
        "since": since.isoformat(),
        "until": now.isoformat(),
        "looks": len(looks),
        "share_seen": share,
        "unseen": unseen,
        "next_look": None if coming is None else coming.isoformat(),
        "found": [finding_entry(one) for one in found if one.id not in out],
    }
    # What changes nothing in it is the same bulletin: sent again it is one message.
    same = {key: value for key, value in content.items() if key not in ("until", "next_look")}
    return Bulletin(
        id=derive_id("bulletin", json.dumps(same, sort_keys=True)),
        sort=Sort.BULLETIN,
        region_id=region.id,
        exercise=services.settings.exercise or region.simulated,
        simulated=region.simulated,
        issued_at=now,
        content=content,
    )


def send_answer(services: Services, bulletin: Bulletin) -> tuple[str, ...]:
    """Write a bulletin into the outbox for whoever is told of its region.

    Returns:
        The channels it goes to, empty where nobody is told.
    """
    with transaction(services.engine) as s:
        region = queries.get_region(s, str(bulletin.region_id))
        channels = told(services.settings, region)
        outbox.enqueue_bulletin(s, bulletin, channels)
    return channels


def _seen(
    s: Session, region: WatchedRegion, looks: list[SeenLook]
) -> tuple[float, list[tuple[str, float]]]:
    """Return the share of a region that the best pass could see, and why not the rest."""
    best, reasons = 0.0, [("not_looked_at", 1.0)]
    for one_pass in _passes(looks):
        ground = passes.ground_share(s, region.id, [look.acquisition_id for look in one_pass])
        km2 = sum(look.coverage.km2 for look in one_pass)
        if not km2:
            continue
        weights = [ground * look.coverage.km2 / km2 for look in one_pass]
        share = sum(w * look.coverage.share_seen for w, look in zip(weights, one_pass, strict=True))
        if share <= best:
            continue
        unseen: defaultdict[str, float] = defaultdict(float)
        for weight, look in zip(weights, one_pass, strict=True):
            for reason, part in look.coverage.unseen.items():
                unseen[reason] += weight * part
        unseen["not_looked_at"] = 1 - ground
        ranked = sorted(unseen.items(), key=lambda one: -one[1])
        best, reasons = share, [(why, part) for why, part in ranked if part >= 0.005]
    return best, reasons


def _passes(looks: list[SeenLook]) -> list[list[SeenLook]]:
    """Return the looks pass by pass: of one track, taken within hours."""
    found: list[list[SeenLook]] = []
    for look in sorted(looks, key=lambda one: (one.track, one.sensed_at)):
        last = found[-1][-1] if found else None
        if last and last.track == look.track and look.sensed_at - last.sensed_at <= SAME_PASS:
            found[-1].append(look)
        else:
            found.append([look])
    return found
