"""Whether a region shares a look with others, and where; one that shares none pays nothing."""

from __future__ import annotations

from sqlalchemy.orm import Session

from db.regions import shares_ground
from detectors.types import Acquisition, WatchedRegion
from flows.services import Services
from flows.shelf import Shelf


def shelf_for(
    services: Services, s: Session, region: WatchedRegion, look: Acquisition
) -> Shelf | None:
    """Return where a region finds, and leaves, what others read and score of a look.

    None where nobody else watches that ground, and where settings share nothing.
    """
    settings = services.settings
    if not settings.share_mb or not shares_ground(s, region.id, look):
        return None
    return Shelf(settings.shared, settings.share_mb * 1_000_000, settings.share_for)
