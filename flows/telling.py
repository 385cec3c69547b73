"""Deciding who is told of a new version, inside the transaction that stores it."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from alerts.cap import Context
from alerts.rules import channels_for, should_alert
from db import outbox
from detectors.types import Acquisition, Alert, Landslide, WatchedRegion
from flows.capping import keep_cap
from flows.services import Services

log = structlog.get_logger()


def tell(
    services: Services,
    s: Session,
    region: WatchedRegion,
    look: Acquisition,
    version: Landslide,
    previous: Landslide | None,
    context: Context | None = None,
) -> bool:
    """Write the alert that a version deserves into the outbox, in the caller's transaction.

    What follows an earlier alert (confirmed, withdrawn) goes to the channels that one went to as
    well, whatever the region's tags are by now.

    Args:
        services: settings and channels.
        s: the transaction that stores ``version``.
        region: where it is.
        look: what decided it.
        version: just stored.
        previous: the version before, None for a new landslide.
        context: what CAP messages tell besides.

    Returns:
        Whether an alert was written.
    """
    earlier = outbox.list_alerts(s, landslide_id=version.id)
    kind = should_alert(version, previous, alerted=bool(earlier))
    if kind is None:
        return False
    alert = Alert(
        landslide=version,
        kind=kind,
        region_name=region.name,
        tags=region.tags,
        item_id=look.item_id,
        sensed_at=look.sensed_at,
        published_at=look.published_at,
        exercise=services.settings.exercise or version.simulated,
        references=tuple(record.alert.id for record in reversed(earlier)),
    )
    told = {delivery.channel for record in earlier for delivery in record.deliveries}
    channels = channels_for(alert, services.channels, told)
    outbox.enqueue(s, alert, channels)
    keep_cap(s, services.settings.cap.profile(), alert, earlier, context)
    if not channels and not (earlier and kind == "withdrawn"):
        log.error("nobody is told: no channel takes this alert", region=region.id, kind=kind)
    return True
