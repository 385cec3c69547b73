"""A person approves or rejects a platform; what waited for it is decided anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from db import platforms, queries, store
from db.engine import transaction
from db.platforms import Decision
from detectors.errors import ConfigurationError
from flows.platforms import states
from flows.services import Services
from flows.telling import tell_held


def decide_platform(
    services: Services,
    platform: str,
    decision: str,
    reason: str,
    by: str,
    *,
    version: str = "",
    region_id: str | None = None,
) -> int:
    """Store a decision, and write the alerts that it lets go; saying the same twice is once.

    Args:
        services: what the step reaches the world through.
        platform: satellite, for instance ``sentinel-1d``.
        decision: ``approved`` or ``rejected``.
        reason: why.
        by: who decides.
        version: only as this version of the producer's processor makes it; empty: any.
        region_id: only in this region; None: everywhere.

    Returns:
        How many alerts were written to the outbox.

    Raises:
        ConfigurationError: no such region, no such platform there, no reason or nobody who decides.
    """
    if not reason.strip() or not by.strip():
        raise ConfigurationError("say why and who decides: --reason TEXT --by NAME")
    with transaction(services.engine) as s:
        regions = (
            queries.list_regions(s) if region_id is None else [queries.get_region(s, region_id)]
        )
        known = [one for region in regions for one in states(services, s, region)]
        of_name = [one for one in known if one.platform == platform]
        if not any(version in ("", one.processing_version) for one in of_name):
            names = sorted({one.name for one in known})
            raise ConfigurationError(
                f"no look of {platform}{' ' + version if version else ''} is known; "
                f"there are: {', '.join(names) or 'none'}"
            )
        wanted = Decision(
            platform, version, region_id, None, decision, reason.strip(), by.strip(),
            datetime.now(UTC),
        )  # fmt: skip
        before = [d for d in platforms.list_decisions(s, region_id) if d.platform == platform]
        if not before or _said(before[-1]) != _said(wanted):
            platforms.decide(s, wanted)
    told = 0
    for region in regions:
        # A transaction each: what is let go of one region does not wait for the others.
        with transaction(services.engine) as s:
            store.lock_region(s, region.id)
            told += tell_held(services, s, region)
    return told


def _said(one: Decision) -> Decision:
    """Return a decision without the time it was taken at."""
    return replace(one, recorded_at=datetime.min.replace(tzinfo=UTC))
