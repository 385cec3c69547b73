"""The records that flow through the system. Frozen; datetimes are aware and UTC.

A datum's way: ``Acquisition`` -> ``LookStack`` (pre) and ``LookStack`` of one (the new look) ->
``ScoreMap`` -> ``Detection`` -> ``Landslide`` -> ``Alert``.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from detectors.errors import IncomparableLooks
from detectors.exposure import Exposure

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

#: Root of every identifier we derive: the same input always gets the same id.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:scarpwatch")


#: Looks closer than this are of one pass: a pass takes seconds, the same track comes after days,
#: and the other direction is half a day away.
SAME_PASS = timedelta(hours=6)
#: Fewest looks of a track that a place must have been seen in before a new one can be judged.
MINIMUM_LOOKS = 6


def derive_id(*parts: object) -> uuid.UUID:
    """Return the uuid5 of the parts, so that doing the same thing twice yields the same id."""
    return uuid.uuid5(NAMESPACE, "\x1f".join(str(p) for p in parts))


def require_utc(moment: datetime, name: str) -> datetime:
    """Return ``moment`` in UTC.

    Raises:
        ValueError: the datetime is naive; guessing a zone is how hours get lost.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{name} has no time zone: {moment!r}")
    return moment.astimezone(UTC)


class OrbitState(enum.StrEnum):
    """Flight direction, as in the STAC ``sat`` extension."""

    ASCENDING = "ascending"
    DESCENDING = "descending"


class Sensor(enum.StrEnum):
    """What kind of eye took a look."""

    SAR = "sar"
    OPTICAL = "optical"


class Unseen(enum.IntEnum):
    """Why a pixel could not be judged; the codes of an observability raster (uint8)."""

    SEEN = 0
    NO_DATA = 1
    CLOUD = 2
    CLOUD_SHADOW = 3
    SNOW = 4
    WATER = 5
    SATURATED = 6
    LAYOVER = 7
    RADAR_SHADOW = 8
    TOO_FEW_LOOKS = 9
    """SAR: seen now, but not often enough before."""


class Kind(enum.StrEnum):
    """What a change is taken for."""

    LANDSLIDE = "landslide"
    """Ground that moved."""
    PONDING = "ponding"
    """New water, as behind a blocked valley."""


class Finding(enum.StrEnum):
    """What one look says about one landslide."""

    AGREES = "agrees"
    """Optical: vegetation was lost and the ensemble sees a landslide. Radar: it shows again."""
    DISAGREES = "disagrees"
    """The look had the power to see it and shows nothing."""
    UNDECIDED = "undecided"
    """Seen, but neither the one nor the other."""
    NOT_SEEN = "not seen"
    """Clouds, shadow, snow, layover or missing data lie on the landslide's own pixels."""


class State(enum.StrEnum):
    """What we believe of a landslide."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNRESOLVED = "unresolved"
    CLOSED = "closed"


class Cause(enum.StrEnum):
    """What makes a version of a landslide."""

    RADAR_LOOK = "radar look"
    OPTICAL_LOOK = "optical look"
    PERSON = "person"
    """Somebody's verdict: it outranks every look."""
    WINDOW_OVER = "window over"
    """Nobody could decide in time."""
    MERGE = "merge"
    """One look saw several landslides as one body."""
    SPLIT = "split"
    """Looks saw separate bodies inside one outline."""
    CLOSURE = "closure"
    """Confirmed, and nothing changed for a while."""


class Verdict(enum.StrEnum):
    """What a person says of a landslide."""

    CONFIRM = "confirm"
    REFUTE = "refute"
    CLOSE = "close"
    REOPEN = "reopen"
    """Looks may decide again."""


class Drawn(enum.StrEnum):
    """What a person did to an outline."""

    REDRAW = "redraw"
    MERGE = "merge"
    """One landslide became part of another."""
    SPLIT = "split"
    """A part became a landslide of its own."""


class Tier(enum.StrEnum):
    """How far evidence goes: *watch* is stored and shown, *likely* alerts."""

    WATCH = "watch"
    LIKELY = "likely"


class Level(enum.StrEnum):
    """How sure it must be before a region alerts; each takes in what comes after it."""

    WATCH = "watch"
    """Whatever is suspected."""
    LIKELY = "likely"
    """What is suspected and likely."""
    CONFIRMED = "confirmed"
    """Only what optical looks or people confirmed."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up pixel raster in a projected coordinate system."""

    epsg: int
    """EPSG code of a projected system in metres."""
    transform: Affine
    """Pixel (column, row) corner to map coordinates, metres."""
    height: int
    """Rows, at least 1."""
    width: int
    """Columns, at least 1."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a grid needs pixels, not {self.height} x {self.width}")
        if self.transform.b or self.transform.d or self.transform.a <= 0 or self.transform.e >= 0:
            raise ValueError("a grid must be north-up without rotation")

    @property
    def pixel_area_m2(self) -> float:
        """Area of one pixel, square metres."""
        return abs(self.transform.a * self.transform.e)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.height, self.width)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in map coordinates, metres."""
        west, north = self.transform.c, self.transform.f
        return (
            west,
            north + self.height * self.transform.e,
            west + self.width * self.transform.a,
            north,
        )


@dataclass(frozen=True, slots=True)
class WatchedRegion:
    """An area somebody wants to be told about."""

    id: str
    """Short name for commands and routing: lower-case letters, digits, hyphens."""
    name: str
    """What people call it."""
    geometry: MultiPolygon
    """Area of interest, EPSG:4326, lon/lat, valid."""
    sources: tuple[str, ...]
    """Where looks come from, as ``catalogue/collection`` names known to the settings."""
    detectors: tuple[str, ...] = ("sar_log_ratio", "sar_disturbance")
    """Names in the detector registry; the mean of their scores counts."""
    watch_from: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Looks sensed before are baseline only: they feed pre stacks and are never judged."""
    min_area_m2: float = 5_400.0
    """Smallest polygon that is stored, m2 (six OPERA pixels)."""
    poll_every: timedelta = timedelta(minutes=30)
    """Interval of the region's schedule."""
    priority: int = 100
    """Lower goes first."""
    paused: bool = False
    """Paused regions keep their history and are not polled."""
    simulated: bool = False
    """A drill: everything that comes out of this region says simulated and goes out as Exercise."""
    tags: tuple[str, ...] = ()
    """For routing alerts to channels."""
    requests_a_month: int | None = None
    """Requests the region may make in a calendar month, UTC; None: no limit."""
    bytes_a_month: int | None = None
    """Bytes it may fetch in one; None: no limit."""
    units_a_month: float | None = None
    """Processing units (``sentinel-hub``) it may spend in one; None: no limit."""
    poll_cron: str | None = None
    """When it is polled instead of by ``poll_every``: five fields of cron, then an IANA time zone
    where it is not UTC; None: by ``poll_every``."""
    windows: tuple[str, ...] = ()
    """Times of the year in which it is polled and judged (``detectors.windows``); none: always.
    Looks sensed outside are baseline only."""
    sensors: tuple[Sensor, ...] = (Sensor.SAR, Sensor.OPTICAL)
    """Whose looks are judged; those of the other are baseline only."""
    alert_from: Level = Level.LIKELY
    """How sure it must be before anybody is alerted."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One catalogue item we can use: one burst, scene or tile of one pass, in STAC words."""

    source: str
    """``catalogue/collection`` the item came from."""
    item_id: str
    """STAC item id."""
    platform: str
    """For instance ``sentinel-1a``; unknown platforms are kept, never dropped."""
    sensor: Sensor
    """SAR: terrain-corrected gamma0. OPTICAL: surface or top-of-atmosphere reflectance."""
    sensed_at: datetime
    """Start of sensing, UTC."""
    published_at: datetime
    """When the product became available, UTC."""
    footprint: BaseGeometry
    """Polygon or MultiPolygon, EPSG:4326, lon/lat."""
    orbit_state: OrbitState | None
    """Flight direction; None where an optical item does not tell."""
    relative_orbit: int | None
    """1 to 175; None where an optical item does not tell."""
    polarisations: tuple[str, ...]
    """SAR: upper case, co-polarised first, e.g. ``("VV", "VH")``. OPTICAL: none."""
    assets: Mapping[str, str]
    """Unsigned href, signed only when read: by polarisation (SAR) or by STAC common name ``blue``,
    ``green``, ``red``, ``nir``, and ``scl``, ``cloud`` (cloud probability) where there are any."""
    burst_id: str | None = None
    """Burst of the product (``T137-292321-IW2``), None for whole scenes."""
    processing_version: str | None = None
    """Version of the producer's processor."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Multihash or e-tag by asset, where the catalogue tells."""
    created_at: datetime | None = None
    """STAC ``created``: when the catalogue took the item in, UTC."""
    tile: str | None = None
    """MGRS tile of an optical item as text, e.g. ``T01LAC``: the leading zero matters."""
    cloud_cover: float | None = None
    """Per cent of the whole tile, 0 to 100; None where unknown. Never decides anything here."""
    scale: Mapping[str, float] = field(default_factory=dict)
    """OPTICAL, by band: reflectance = stored number x scale + offset (``flows.catalogs``)."""
    offset: Mapping[str, float] = field(default_factory=dict)
    """OPTICAL, by band: see ``scale``; 0.0 where the producer has applied it already."""
    simulated: bool = False
    """The pixels hold something that never happened."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensed_at", require_utc(self.sensed_at, "sensed_at"))
        object.__setattr__(self, "published_at", require_utc(self.published_at, "published_at"))
        if self.created_at is not None:
            object.__setattr__(self, "created_at", require_utc(self.created_at, "created_at"))

    @property
    def id(self) -> uuid.UUID:
        """Identity: the same item of the same source is the same acquisition."""
        return derive_id("acquisition", self.source, self.item_id)

    @property
    def track(self) -> str:
        """Name of the viewing geometry; SAR looks of different tracks are never mixed."""
        if self.sensor is Sensor.OPTICAL:
            return self.tile or "optical"
        if self.relative_orbit is None or self.orbit_state is None:
            raise ValueError(f"{self.item_id}: a SAR look without relative orbit or direction")
        geometry = f"{self.relative_orbit:03d}-{self.orbit_state.value}"
        return f"{geometry}-{self.burst_id}" if self.burst_id else geometry


@dataclass(frozen=True, slots=True)
class LookStack:
    """Looks of one track on one grid, oldest first."""

    grid: Grid
    """Where the pixels are."""
    track: str
    """Viewing geometry all looks share."""
    polarisations: tuple[str, ...]
    """Names along axis 1."""
    gamma0: FloatArray
    """Terrain-corrected gamma0, LINEAR POWER, float32 (look, polarisation, y, x), NaN = no data."""
    sensed_at: tuple[datetime, ...]
    """Start of sensing per look, UTC, ascending."""
    item_ids: tuple[tuple[str, ...], ...]
    """Catalogue items each look was read from."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "sensed_at", tuple(require_utc(t, "sensed_at") for t in self.sensed_at)
        )
        expected = (len(self.sensed_at), len(self.polarisations), *self.grid.shape)
        if self.gamma0.shape != expected:
            raise IncomparableLooks(f"array {self.gamma0.shape} does not fit {expected}")
        if self.gamma0.dtype != np.float32:
            raise IncomparableLooks(f"looks must be float32, not {self.gamma0.dtype}")
        if list(self.sensed_at) != sorted(self.sensed_at):
            raise IncomparableLooks("looks must be ordered by sensing time")
        if len(self.item_ids) != len(self.sensed_at):
            raise IncomparableLooks("every look needs the items it was read from")

    def __len__(self) -> int:
        return len(self.sensed_at)


@dataclass(frozen=True, slots=True)
class OpticalLook:
    """One optical pass on one grid."""

    grid: Grid
    """Where the pixels are."""
    bands: tuple[str, ...]
    """STAC common names along axis 0."""
    reflectance: FloatArray
    """float32 (band, y, x), 0 to 1 (a little below 0 and above 1 happens), NaN where not SEEN."""
    unseen: NDArray[np.uint8]
    """uint8 (y, x), codes of ``Unseen``."""
    sensed_at: datetime
    """Start of sensing, UTC."""
    item_ids: tuple[str, ...]
    """Catalogue items it was read from."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensed_at", require_utc(self.sensed_at, "sensed_at"))
        if self.reflectance.shape != (len(self.bands), *self.grid.shape):
            raise IncomparableLooks(f"reflectance {self.reflectance.shape} does not fit the grid")
        if self.unseen.shape != self.grid.shape:
            raise IncomparableLooks(f"mask {self.unseen.shape} does not fit {self.grid.shape}")


@dataclass(frozen=True, slots=True)
class Composite:
    """Several optical looks as one: all bands of a pixel come from one date."""

    grid: Grid
    """Where the pixels are."""
    bands: tuple[str, ...]
    """STAC common names along axis 0."""
    reflectance: FloatArray
    """float32 (band, y, x), NaN where no look was clear."""
    looks: NDArray[np.uint8]
    """uint8 (y, x), how many clear looks went in."""
    date: NDArray[np.int16]
    """int16 (y, x), index into ``sensed_at`` of the look the pixel came from, -1 = none."""
    sensed_at: tuple[datetime, ...]
    """The looks, oldest first, UTC."""
    item_ids: tuple[str, ...]
    """Every catalogue item that went in."""
    preferred: FloatArray | None = None
    """float32 (y, x), NDVI of the first look that each pixel took, NaN where there is none: what
    was seen nearest to the event, be it the greenest or not; None where it is not known."""


def ensure_comparable(pre: LookStack, post: LookStack) -> None:
    """Refuse to compare looks that differ in more than time.

    Raises:
        IncomparableLooks: other grid, polarisations or track, or pre does not end before post.
    """
    if pre.grid != post.grid:
        raise IncomparableLooks("pre and post lie on different grids")
    if pre.polarisations != post.polarisations:
        raise IncomparableLooks(f"pre {pre.polarisations} against post {post.polarisations}")
    if pre.track != post.track:
        raise IncomparableLooks(f"track {pre.track} against track {post.track}")
    if pre.sensed_at and post.sensed_at and pre.sensed_at[-1] >= post.sensed_at[0]:
        raise IncomparableLooks("the pre stack must end before the post look")


#: How far scores of the same look may lie apart between machines, sigma: threads and processors sum
#: floating-point numbers in different orders. The golden maps are compared within it; a tenth of
#: what separates watch from likely for a patch of 25 pixels.
SCORE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Observability:
    """What a look could see, pixel by pixel, and why not the rest."""

    grid: Grid
    """Where the pixels are."""
    codes: NDArray[np.uint8]
    """uint8 (y, x), codes of ``Unseen``; SEEN = could be judged."""

    def __post_init__(self) -> None:
        if self.codes.shape != self.grid.shape:
            raise IncomparableLooks(f"codes {self.codes.shape} do not fit {self.grid.shape}")

    @classmethod
    def of(cls, grid: Grid, seen: BoolArray) -> Observability:
        """Return one that knows no other reason than missing data, (y, x) True = seen."""
        return cls(grid, np.where(seen, Unseen.SEEN, Unseen.NO_DATA).astype(np.uint8))

    @property
    def share_seen(self) -> float:
        """Share of the grid that could be judged, 0 to 1."""
        return float((self.codes == Unseen.SEEN).mean())

    def by_reason(self, inside: BoolArray | None = None) -> Mapping[str, float]:
        """Return the share of pixels that could not be seen, 0 to 1, by reason.

        Args:
            inside: (y, x), pixels that count; None for all of the grid.

        Returns:
            Lower-case names of ``Unseen``, largest share first; reasons that do not occur are
            left out, and nothing is returned where no pixel counts.
        """
        counts = np.bincount(
            (self.codes if inside is None else self.codes[inside]).ravel(),
            minlength=max(Unseen) + 1,
        )
        total = int(counts.sum())
        there = [code for code in Unseen if code is not Unseen.SEEN and counts[code]]
        there.sort(key=lambda code: -int(counts[code]))
        return {code.name.lower(): int(counts[code]) / total for code in there}


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """What one detector says of one look, pixel by pixel."""

    grid: Grid
    """Where the pixels are."""
    score: FloatArray
    """float32 (y, x), sigma of quiet ground, signed (positive = brighter), NaN = not judged."""
    change_db: FloatArray
    """Co-polarised change as read, wide shifts removed, float32 (y, x), dB, NaN = not judged."""
    detector: str
    """Name in the registry."""
    weights_version: str
    """Name and sha256 prefix of the weights, or ``none``."""
    config_hash: str
    """Hash of every parameter that shaped the scores."""
    wet_scene: bool
    """Advisory: the look as a whole departs from its stack (wet soil, snow, freeze)."""
    complete: bool
    """Two polarisations, and every detector that was asked for could judge; otherwise nothing rises
    above *watch*, and that takes more evidence."""
    observability: Observability
    """What could be judged, and why not the rest: SEEN exactly where there is a score."""

    def __post_init__(self) -> None:
        if self.score.shape != self.grid.shape or self.change_db.shape != self.grid.shape:
            raise IncomparableLooks(f"scores {self.score.shape} do not fit {self.grid.shape}")
        if not np.array_equal(self.observability.codes == Unseen.SEEN, np.isfinite(self.score)):
            raise IncomparableLooks("a pixel is scored exactly where it is seen")

    @property
    def share_seen(self) -> float:
        """Share of the grid that could be judged, 0 to 1."""
        return self.observability.share_seen


@dataclass(frozen=True, slots=True)
class Detection:
    """What one look says about one place."""

    region_id: str
    """Watched region."""
    acquisition_id: uuid.UUID
    """The look that was judged."""
    polygon: Polygon
    """Outline, EPSG:4326, lon/lat, valid, may have holes."""
    area_m2: float
    """Area on the projected grid, m2."""
    score_max: float
    """Largest absolute score inside, sigma of quiet ground (OPTICAL: of the surroundings)."""
    score_mean: float
    """Mean absolute score inside."""
    evidence: float
    """Evidence of the patch (see ``detectors.vectorize``), 0 or more; decides the tier."""
    change_db: float | None
    """Mean co-polarised change inside, dB; None for an optical look."""
    tier: Tier
    """How far the evidence of this look goes."""
    not_before: datetime
    """Last look of the pre stack, UTC: it had not happened yet."""
    not_after: datetime
    """The judged look, UTC: it had happened."""
    item_ids: tuple[str, ...]
    """Every catalogue item that went in, pre and post."""
    detector: str
    """Registry name, or names joined by ``+`` where several had to agree."""
    weights_version: str
    """Weights of the detector."""
    config_hash: str
    """Hash of detector and polygon parameters."""
    source: Sensor = Sensor.SAR
    """Which kind of look it was."""
    d_ndvi: float | None = None
    """OPTICAL: mean NDVI change inside against the surroundings, -2 to 2; None for SAR."""
    ensemble_score: float | None = None
    """OPTICAL: mean of the ensemble inside, 0 to 1; None for SAR."""
    advisory: str | None = None
    """Why to be careful (``wet scene``), None where nothing speaks against it."""
    simulated: bool = False
    """A drill."""
    kind: Kind = Kind.LANDSLIDE
    """What it is taken for."""

    @property
    def id(self) -> uuid.UUID:
        """Same region, look, detector, weights, configuration and outline: same detection."""
        kind = () if self.kind is Kind.LANDSLIDE else (self.kind,)
        return derive_id(
            "detection", self.region_id, self.acquisition_id, self.detector, self.weights_version,
            self.config_hash, self.polygon.normalize().wkb_hex, *kind,
        )  # fmt: skip


#: A time that follows from other fields where nobody gives it.
_LEFT_OUT: Any = None


@dataclass(frozen=True, slots=True)
class Landslide:
    """What we believe about one place, one version of it."""

    id: uuid.UUID
    """Identity over time: derived from the first detection."""
    region_id: str
    """Watched region."""
    revision: int
    """1 for the first version, rising by one."""
    state: State
    """Where in its life it is."""
    tier: Tier
    """What all radar looks together make of it; once decided by optical looks it stays."""
    geometry: MultiPolygon
    """Outline, EPSG:4326, lon/lat."""
    area_m2: float
    """Area of the outline, m2."""
    not_before: datetime
    """Latest look known to be without it, UTC."""
    not_after: datetime
    """Earliest look known to be with it, UTC."""
    detections: tuple[uuid.UUID, ...]
    """Every detection that joined, in order of sensing."""
    looks: int
    """Number of distinct looks among the detections."""
    score_max: float
    """Highest absolute score of any detection, sigma of quiet ground."""
    evidence: float
    """Highest evidence of any detection; the outline is that detection's."""
    change_db: float | None
    """Mean co-polarised change of that detection, dB; None where only optical looks saw it."""
    cause: str
    """Why this version exists, in words."""
    source: Sensor = Sensor.SAR
    """Which kind of look suspected it first."""
    d_ndvi: float | None = None
    """NDVI change against the surroundings at the optical look that decided, None before one."""
    ensemble_score: float | None = None
    """Mean of the optical ensemble at that look, 0 to 1; None before one."""
    verdict_at: datetime | None = None
    """When the optical look that decided was taken, or a person decided, UTC; None before that."""
    advisory: str | None = None
    """Why to be careful, None where nothing speaks against it."""
    simulated: bool = False
    """A drill."""
    kind: Kind = Kind.LANDSLIDE
    """What it is taken for; what is of different kinds never merges."""
    valid_from: datetime = _LEFT_OUT
    """Since when this version holds in the world: when the look that made it was taken, the window
    ended, or the person spoke, UTC. Left out: since ``not_after``."""
    cause_kind: Cause = Cause.RADAR_LOOK
    """What made this version; ``cause`` says why in words."""
    acquisition_id: uuid.UUID | None = None
    """The look that made it; None where none did."""
    reviewed_by: str | None = None
    """Person whose verdict stands, so that no look may change the state; None where none does."""
    merged_into: uuid.UUID | None = None
    """Landslide it became part of, which ended it."""
    merged_from: tuple[uuid.UUID, ...] = ()
    """Landslides that became part of it, in order of merging."""
    split_from: uuid.UUID | None = None
    """Landslide it was a part of before."""
    split_into: tuple[uuid.UUID, ...] = ()
    """Landslides that were parts of it, in order of splitting."""
    follows: uuid.UUID | None = None
    """Landslide that had ended on the same ground before this one began."""
    drawn_by: str | None = None
    """Person who drew the outline, so that no look may change it; None where none did."""

    def __post_init__(self) -> None:
        if self.valid_from is _LEFT_OUT:
            object.__setattr__(self, "valid_from", self.not_after)


@dataclass(frozen=True, slots=True)
class OpticalCheck:
    """What one optical look says about one landslide: the evidence behind a verdict."""

    landslide_id: uuid.UUID
    """Landslide that was looked at."""
    revision: int
    """Its version whose outline was judged."""
    acquisition_id: uuid.UUID
    """The optical look."""
    sensed_at: datetime
    """When it was taken, UTC."""
    finding: Finding
    """What it says."""
    reason: str
    """Why, in words."""
    share_clear: float
    """Share of the landslide's own pixels clear in this look and before, 0 to 1."""
    unseen: Mapping[str, float]
    """Share of its pixels that could not be seen, by reason (lower-case names of ``Unseen``)."""
    ndvi_before: float | None
    """Median NDVI of its pixels before, None where nothing was clear."""
    d_ndvi: float | None
    """Median NDVI change of its pixels against the surroundings, None where nothing was clear."""
    share_changed: float | None
    """Share of its clear pixels that lost vegetation, 0 to 1."""
    ensemble_score: float | None
    """Mean of the ensemble over the changed pixels, 0 to 1."""
    ensemble_spread: float | None
    """Mean spread of its members there."""
    outline: MultiPolygon | None
    """Optical outline, EPSG:4326, where it agrees."""
    outline_area_m2: float | None
    """Its area, m2."""
    item_ids: tuple[str, ...]
    """Every catalogue item that went in, pre and post."""
    weights_version: str
    """Weights of the ensemble."""
    config_hash: str
    """Hash of every parameter of the rule."""

    @property
    def id(self) -> uuid.UUID:
        """Same landslide and look: same check."""
        return derive_id("optical-check", self.landslide_id, self.acquisition_id)


@dataclass(frozen=True, slots=True)
class Relief:
    """What the ground inside an outline is like."""

    elevation_min_m: float
    """Lowest pixel, metres, in the elevation model's own datum."""
    elevation_max_m: float
    """Highest pixel, metres."""
    slope_deg: float
    """Mean slope of its pixels, degrees."""
    aspect_deg: float | None
    """Direction its ground falls in on the whole, degrees clockwise from north; None where flat."""


@dataclass(frozen=True, slots=True)
class LandCover:
    """What covers the ground inside an outline."""

    name: str
    """Commonest class."""
    share: float
    """Share of the outline in it, 0 to 1."""


@dataclass(frozen=True, slots=True)
class OutlineEdit:
    """What a person drew of a landslide."""

    id: uuid.UUID
    """Identity of the edit."""
    kind: Drawn
    """What was done."""
    landslide_id: uuid.UUID
    """Landslide whose outline it is; SPLIT: the new one."""
    other_id: uuid.UUID | None
    """MERGE: what became part of it. SPLIT: what it was a part of. None for REDRAW."""
    geometry: MultiPolygon
    """Its outline, EPSG:4326, lon/lat."""
    area_m2: float
    """Area of that outline, m2."""
    author: str
    """Who drew it."""
    reason: str
    """Why, in the person's words; may be empty."""
    said_at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True)
class Review:
    """A person's verdict on a landslide."""

    landslide_id: uuid.UUID
    """Landslide that was reviewed."""
    verdict: Verdict
    """What was decided."""
    reason: str
    """Why, in the person's words."""
    reviewer: str
    """Who."""
    said_at: datetime
    """When, UTC."""

    @property
    def id(self) -> uuid.UUID:
        """Same landslide, verdict, person and time: same review."""
        return derive_id(
            "review", self.landslide_id, self.verdict, self.reviewer, self.said_at.isoformat()
        )


@dataclass(frozen=True, slots=True)
class RadarCheck:
    """What one radar look says about one landslide: the evidence behind its tier."""

    landslide_id: uuid.UUID
    """Landslide that was looked at."""
    acquisition_id: uuid.UUID
    """The radar look."""
    sensed_at: datetime
    """When it was taken, UTC."""
    finding: Finding
    """AGREES: it shows. DISAGREES: looked and sees nothing. UNDECIDED: neither, or a look that may
    not speak (wet scene, one polarisation). NOT_SEEN: too little of the ground could be seen."""
    reason: str
    """Why, in words."""
    share_seen: float
    """Share of the landslide's own pixels that could be judged, 0 to 1."""
    unseen: Mapping[str, float]
    """Share of its pixels that could not be, by reason (lower-case names of ``Unseen``)."""
    score_mean: float | None
    """Mean absolute score of its pixels, sigma of quiet ground; None where none was judged."""
    evidence: float | None
    """Evidence of the landslide in this look (see ``detectors.vectorize``); None likewise."""
    tier: Tier | None = None
    """What this look alone found here; None where no detection joined."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What we tell: one message about one version of one landslide."""

    landslide: Landslide
    """Snapshot the message speaks of."""
    kind: str
    """``suspected``, ``confirmed`` or ``withdrawn``."""
    region_name: str
    """What people call the region."""
    tags: tuple[str, ...]
    """Routing tags of the region."""
    item_id: str
    """The catalogue item that decided it."""
    sensed_at: datetime
    """When that look was taken, UTC."""
    published_at: datetime
    """When that look was published, UTC."""
    exercise: bool
    """Goes out as EXERCISE: drills and replays."""
    references: tuple[uuid.UUID, ...] = ()
    """Keys of the earlier alerts of this landslide, oldest first."""
    exposure: Exposure | None = None
    """What lies there, as the maps showed it when this was decided; None: no map reaches it."""

    @property
    def id(self) -> uuid.UUID:
        """The idempotency key: landslide, kind and revision."""
        return derive_id("alert", self.landslide.id, self.kind, self.landslide.revision)
