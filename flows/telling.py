"""Deciding who is told of a new version, inside the transaction that stores it."""

from __future__ import annotations

from dataclasses import replace

import structlog
from sqlalchemy.orm import Session

from alerts.cap import Context
from alerts.rules import FOLLOWING, channels_for, excluded, should_alert
from alerts.subscribers import free, wanted_by
from db import exclusions, notices, outbox, platforms, queries
from db.backfills import known_before
from db.exposure import exposure_of
from db.records import AlertRecord
from detectors.errors import PermanentError
from detectors.exposure import Exposure
from detectors.types import Acquisition, Alert, Landslide, State, WatchedRegion
from flows.capping import keep_cap, picture_link
from flows.platforms import PlatformState, state_of, states
from flows.services import Services
from flows.summaries import kept_for_summary, why

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

    What follows an earlier alert goes to the channels that one went to, whatever the region's tags
    are by now.

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
    earlier = told_before(s, version)
    if previous is None and version.split_from is not None:
        # Part of what is known already: told as a part of the whole, and from now on by itself.
        previous = None if not outbox.list_alerts(s, landslide_id=version.split_from) else version
    held_back = exclusions.withheld_kinds(s, version.id) | platforms.held_kinds(s, version.id)
    # What was kept back is asked anew at each version: an outline may outgrow the quarry.
    before = None if held_back and not earlier else previous
    kind = should_alert(version, before, alerted=bool(earlier), level=region.alert_from)
    if kind is None:
        return False
    if not earlier and _of_the_past(s, region, look, version):
        log.info("of the past", region=region.id, kind=kind)
        return False
    standing = _standing(services, s, region, look, version, kind)
    if standing is not None and standing.advisory is not None:
        platforms.hold(s, version, kind, look.id, standing.advisory)
        log.info("held", region=region.id, kind=kind, reason=standing.advisory)
        return False
    inside = exclusions.covered(s, version.geometry)
    if inside is not None and excluded(
        inside.share, alerted=bool(earlier), by_person=version.reviewed_by is not None
    ):
        if kind not in held_back:
            exclusions.withhold(s, version, kind, inside)
            log.info("kept back", region=region.id, kind=kind, reason=inside.reason)
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
        exposure=_exposure(s, version),
    )
    told = {delivery.channel for record in earlier for delivery in record.deliveries}
    channels = channels_for(alert, free(services.channels, services.subscribers), told)
    late = kept_for_summary(services, s, look, version, earlier)
    outbox.enqueue(s, alert, channels, kept=late)
    own = services.settings
    seen = replace(context or Context(), picture=picture_link(own, alert))
    keep_cap(s, own.cap.profile(), alert, earlier, seen, own.templates)
    subscribers = _subscribers(services, s, alert)
    notices.add_notices(s, alert.id, subscribers, why(look) if late else None)
    if not channels and not subscribers and not (earlier and kind in FOLLOWING):
        # Without any channel, as in a replay, doctor says so once; here it would be every alert.
        tell = log.error if services.channels else log.info
        tell("nobody is told: no channel takes this alert", region=region.id, kind=kind)
    return True


def _of_the_past(s: Session, region: WatchedRegion, look: Acquisition, version: Landslide) -> bool:
    """Tell whether something was there before the region was watched: a backfill found it.

    A look from before decides it, or it was likely by such looks already. What they only had a
    hint of is told when a look that was watched for raises it.
    """
    if look.sensed_at < region.watch_from:
        return True
    names = [version.id, *version.merged_from]
    names += [] if version.split_from is None else [version.split_from]
    return known_before(s, names, region.watch_from)


#: Kinds that a radar look decides; what optical looks and people decide has a second witness.
_BY_RADAR = ("suspected", "updated")


def _standing(
    services: Services,
    s: Session,
    region: WatchedRegion,
    look: Acquisition,
    version: Landslide,
    kind: str,
) -> PlatformState | None:
    """Return how the platform stands whose look decided; None where a person or time did."""
    if kind not in _BY_RADAR or version.reviewed_by is not None:
        return None
    return state_of(services, s, region, look)


def tell_held(services: Services, s: Session, region: WatchedRegion) -> int:
    """Decide anew on the alerts that waited for platforms that may alert by now.

    Returns:
        How many were written to the outbox.
    """
    waiting = platforms.held_alerts(s, region.id)
    if not waiting:
        return 0
    may = {
        (one.track, one.platform, one.processing_version)
        for one in states(services, s, region)
        if one.may_alert
    }
    told = 0
    for held in waiting:
        latest = queries.get_landslide(s, held.landslide_id)
        if (held.track, held.platform, held.processing_version) not in may or latest is None:
            continue
        platforms.release(s, held.landslide_id)
        if latest.state is not State.SUSPECTED and told_before(s, latest):
            continue  # confirmed or withdrawn since, which was told
        look = queries.get_acquisition(s, held.acquisition_id)
        told += tell(services, s, region, look, latest, None)
    return told


def told_before(s: Session, landslide: Landslide) -> list[AlertRecord]:
    """Return the alerts about a landslide and about what became part of it, newest first."""
    found = [
        record
        for one in (landslide.id, *landslide.merged_from)
        for record in outbox.list_alerts(s, landslide_id=one)
    ]
    return sorted(found, key=lambda record: record.recorded_at, reverse=True)


def _exposure(s: Session, version: Landslide) -> Exposure | None:
    """Return what lies there; an alert without it beats none."""
    try:
        return exposure_of(s, version.geometry)
    except PermanentError as error:
        log.error("what lies there is not told", landslide=str(version.id), reason=str(error))  # noqa: TRY400
        return None


def _subscribers(services: Services, s: Session, alert: Alert) -> set[str]:
    """Return the subscribers that are to hear of it: those that want it, and those concerned.

    What only follows goes to the concerned alone. Whether at once is decided when all of a look is
    stored: see ``flows.notifying``.
    """
    known = {one.name for one in services.subscribers}
    concerned = notices.concerned(s, alert.landslide.id) & known
    if alert.kind in FOLLOWING:
        return concerned
    wanted = {one.name for one in wanted_by(alert, services.subscribers, services.channels)}
    return wanted | concerned
