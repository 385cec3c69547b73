"""What reads return beyond the vocabulary of ``detectors.types``: work, polls, messages, counts."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry

from detectors.bulletins import Bulletin
from detectors.observability import Coverage
from detectors.types import Acquisition, Alert, Cause, Sensor, State, Tier, WatchedRegion


@dataclass(frozen=True, slots=True)
class RegionVersion:
    """What a region was, from one change to the next."""

    region: WatchedRegion
    """As it was then."""
    revision: int
    """1 for the first version."""
    removed: bool
    """Nobody watched it."""
    changed_by: str | None
    """Login on the page; None: by a command."""
    recorded_at: datetime
    """When it was changed to this, UTC."""


@dataclass(frozen=True, slots=True)
class PollRecord:
    """How far one region has read one source."""

    region_id: str
    """Watched region."""
    source: str
    """``catalogue/collection``."""
    watermark: datetime | None
    """Everything published before has been seen, UTC."""
    polled_at: datetime
    """Last attempt, UTC."""
    succeeded_at: datetime | None
    """Last attempt that worked, UTC."""
    failures: int
    """Attempts that failed since then."""
    error: str | None
    """Why the last attempt failed, None where it worked."""


@dataclass(frozen=True, slots=True)
class ClaimedLook:
    """A look that is ours until the lease ends."""

    id: uuid.UUID
    """Look."""
    region_id: str
    """Watched region."""
    acquisition: Acquisition
    """What to judge."""
    attempts: int
    """This attempt counted, so 1 at first."""
    lease_until: datetime
    """Another worker may take over from then on, UTC."""


@dataclass(frozen=True, slots=True)
class LookRecord:
    """A look and how far it has got."""

    id: uuid.UUID
    """Look."""
    region_id: str
    """Watched region."""
    acquisition: Acquisition
    """What is judged."""
    state: str
    """One of ``db.tables.LOOK_STATES``."""
    attempts: int
    """How often a worker has started on it."""
    retry_at: datetime | None
    """Not to be tried again before, UTC."""
    reason: str | None
    """Why it failed, was skipped or waits."""
    share_seen: float | None
    """Share of the region that was observed, 0 to 1."""
    advisory: str | None
    """Why to be careful with the look as a whole."""
    finished_at: datetime | None
    """When it was judged, UTC."""
    coverage: Coverage | None = None
    """What it could see of the region, and why not the rest; None where it was not judged."""


@dataclass(frozen=True, slots=True)
class TrackCoverage:
    """What the best look of one track could see of a region over the last repeat cycle."""

    region_id: str
    """Watched region."""
    track: str
    """Viewing geometry."""
    relative_orbit: int
    """1 to 175: bursts of one orbit are of one pass."""
    orbit_state: str
    """Flight direction."""
    item_id: str
    """Catalogue item of the look."""
    sensed_at: datetime
    """When it was taken, UTC."""
    coverage: Coverage
    """What it could see."""
    simulated: bool
    """A drill."""


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    """One step of state or tier of one landslide."""

    revision: int
    """Version that made it."""
    state_before: State | None
    """State before, None at first."""
    state: State
    """State since."""
    tier_before: Tier | None
    """Tier before, None at first."""
    tier: Tier
    """Tier since."""
    cause_kind: Cause
    """What made it."""
    cause: str
    """Why, in words."""
    item_id: str | None
    """Catalogue item of the look that made it, None where none did."""
    reviewed_by: str | None
    """Person whose verdict stands."""
    valid_from: datetime
    """When, in the world, UTC."""
    recorded_at: datetime
    """When we came to believe so, UTC."""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A message that is ours to send until the lease ends."""

    id: uuid.UUID
    """Delivery."""
    alert: Alert | Bulletin
    """What to send, as it was when it was decided."""
    channel: str
    """Name of the channel in the settings."""
    attempts: int
    """This attempt counted, so 1 at first."""
    lease_until: datetime
    """Another worker may take over from then on, UTC."""
    remark: str | None = None
    """Said above the message to this channel alone."""


@dataclass(frozen=True, slots=True)
class CapRecord:
    """One alert as it went out in CAP."""

    sender: str
    """Who sent it."""
    identifier: str
    """Idempotency key of the alert."""
    sent: str
    """When, as it stands in the message."""
    msg_type: str
    """Alert, Update or Cancel."""
    document: str
    """The message, XML."""


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """What a channel answered."""

    attempt: int
    """Which attempt it answers."""
    received_at: datetime
    """When the answer came, UTC."""
    content: Mapping[str, Any]
    """The answer."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One alert on its way to one channel."""

    id: uuid.UUID
    """Delivery."""
    channel: str
    """Name of the channel in the settings."""
    state: str
    """One of ``db.tables.DELIVERY_STATES``."""
    attempts: int
    """How often a worker has started to send."""
    retry_at: datetime | None
    """Not to be tried again before, UTC."""
    reason: str | None
    """Why the last attempt failed."""
    receipts: tuple[ReceiptRecord, ...]
    """Every answer, oldest first; more than one after a resend."""


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """How one subscriber learns of an alert."""

    subscriber: str
    """Name in the settings."""
    state: str
    """One of ``db.tables.NOTICE_STATES``."""
    reason: str | None
    """Why it was not sent at once."""
    decided_at: datetime | None
    """When it was decided how, UTC."""
    digest_id: uuid.UUID | None
    """The digest it is listed in."""
    escalated_at: datetime | None
    """When the second target was told, UTC."""


@dataclass(frozen=True, slots=True)
class AckRecord:
    """Somebody has taken an alert in hand."""

    by_whom: str
    """Who."""
    subscriber: str | None
    """For which subscriber; None: for all."""
    channel: str | None
    """Channel whose receipt said so; None: a command."""
    recorded_at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True)
class BulletinRecord:
    """A bulletin and its deliveries."""

    bulletin: Bulletin
    """As it was when it was decided."""
    recorded_at: datetime
    """When it was written to the outbox, UTC."""
    deliveries: tuple[DeliveryRecord, ...]
    """By channel name."""


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert and its deliveries."""

    alert: Alert
    """As it was when it was decided."""
    recorded_at: datetime
    """When it was written to the outbox, UTC."""
    deliveries: tuple[DeliveryRecord, ...]
    """By channel name."""
    notices: tuple[NoticeRecord, ...] = ()
    """By subscriber."""
    acknowledged: tuple[AckRecord, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class RegionSummary:
    """Counts for one region; words that count zero are left out."""

    looks: Mapping[str, int]
    """By look state, radar and optical together."""
    optical: Mapping[str, int]
    """Of these the optical looks, by state."""
    refused: int
    """Catalogue items no detector can use."""
    landslides: Mapping[str, Mapping[str, int]]
    """Latest versions by state, then by tier."""
    checks: Mapping[str, int]
    """What optical looks said of landslides, by finding."""
    parked: int
    """Optical checks that were given up: a file that stays broken."""
    alerts: int
    """Messages in the outbox."""
    deliveries: Mapping[str, int]
    """By delivery state."""
    withheld: int = 0
    """Alerts that exclusions kept back."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of everything that is stored."""

    acquisitions: int
    """Catalogue items, each counted once however many regions it serves."""
    regions: Mapping[str, RegionSummary]
    """By region id, removed regions included."""

    def looks(self, state: str) -> int:
        """Return the looks of one state over all regions."""
        return sum(region.looks.get(state, 0) for region in self.regions.values())

    def landslides(self, state: str) -> int:
        """Return the landslides of one state over all regions and tiers."""
        return sum(sum(r.landslides.get(state, {}).values()) for r in self.regions.values())

    @property
    def parked(self) -> int:
        """Optical checks that were given up, over all regions."""
        return sum(region.parked for region in self.regions.values())

    @property
    def alerts(self) -> int:
        """Messages over all regions."""
        return sum(region.alerts for region in self.regions.values())

    def deliveries(self, state: str) -> int:
        """Return the deliveries of one state over all regions."""
        return sum(region.deliveries.get(state, 0) for region in self.regions.values())


class Layer(enum.StrEnum):
    """What one kept raster shows."""

    PRE = "pre"
    """Before: what the look was compared with."""
    POST = "post"
    """The look, or the looks after."""
    SCORE = "score"
    """What came of comparing them."""
    UNSEEN = "unseen"
    """Why a pixel could not be judged, codes of ``Unseen``."""


@dataclass(frozen=True, slots=True)
class CompositeRecord:
    """One raster on disk, and what it was made of."""

    stac_id: str
    """STAC item that the layers of one judgement share."""
    kind: Layer
    """Which layer."""
    sensor: Sensor
    """SAR: a look at a region. OPTICAL: a look at one landslide."""
    region_id: str
    """Watched region."""
    acquisition_id: uuid.UUID
    """The look that was judged."""
    landslide_id: uuid.UUID | None
    """OPTICAL: the landslide that was examined; None for SAR."""
    sensed_at: datetime
    """When the judged look was taken, UTC."""
    begins_at: datetime
    """When the oldest look in this layer was taken, UTC."""
    ends_at: datetime
    """When the newest look in this layer was taken, UTC."""
    looks: int
    """Number of looks in this layer."""
    item_ids: tuple[str, ...]
    """STAC item ids of the looks in this layer."""
    bands: tuple[str, ...]
    """Names of the bands, in order."""
    unit: str
    """Unit of number in the file times ``scale``."""
    scale: float
    """What numbers in the file are multiplied by."""
    nodata: float
    """Number in the file that stands for no data."""
    data_type: str
    """``int16`` or ``uint8``."""
    epsg: int
    """Coordinate system of the pixels, metres."""
    transform: tuple[float, ...]
    """Pixel (column, row) to metres: a, b, c, d, e, f."""
    height: int
    """Rows."""
    width: int
    """Columns."""
    detector: str | None
    """Score: what scored it; None for other layers."""
    weights_version: str | None
    """Score: name and sha256 prefix of the weights."""
    config_hash: str | None
    """Score: hash of every parameter."""
    software: str
    """Program and version that made it."""
    path: str
    """File, below ``composites/`` in the state folder, with forward slashes."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Its checksum, hexadecimal."""
    simulated: bool
    """A drill, or pixels that hold what never happened."""
    geometry: BaseGeometry
    """Outline of the raster, EPSG:4326, lon/lat."""
    version: int = 1
    """Rises where a look that is judged again gives other pixels; given when stored."""
    recorded_at: datetime | None = None
    """When it was stored, UTC; None before."""
