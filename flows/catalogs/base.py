"""What every catalogue can do, and the settings it is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from shapely.geometry.base import BaseGeometry

from detectors.types import Acquisition, FloatArray, Grid


@dataclass(frozen=True, slots=True)
class Refused:
    """A catalogue item that cannot be used; it is stored once with its reason."""

    item_id: str
    """STAC item id, or a made-up one for an item without."""
    reason: str
    """Why, in words a person can act on."""
    footprint: BaseGeometry | None = field(default=None, compare=False)
    """Where it is, EPSG:4326, lon/lat; None where that cannot be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search yields, with the name that other catalogues give the same scene, too."""

    scene: str
    """See ``flows.catalogs.items.scene_name``; the item id of a refused item."""
    record: Acquisition | Refused
    """The item."""


class Quota(BaseModel):
    """What an account may spend; requests of all processes on the machine are counted together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_a_month: int = Field(default=10_000, ge=1)
    """Requests in a calendar month, UTC."""
    units_a_month: float = Field(default=10_000.0, gt=0)
    """Processing units in a calendar month, UTC."""
    requests_a_minute: int = Field(default=300, ge=1)
    """Requests in any 60 seconds."""
    units_a_minute: float = Field(default=300.0, gt=0)
    """Processing units in any 60 seconds."""
    connections: int = Field(default=4, ge=1)
    """Requests under way at a time."""


class CatalogueSettings(BaseModel):
    """How to reach one catalogue. Unknown keys are refused, so a typing error is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = ""
    """Name in ``flows.catalogs.registry.KINDS``; the ready-made catalogues know theirs."""
    url: str | None = None
    """Landing page of the API; the ready-made kinds know theirs."""
    token: SecretStr | None = None
    """Earthdata token, subscription key or whatever the kind needs for reading pixels."""
    client_id: SecretStr | None = None
    """Kind ``sentinel-hub``: OAuth client of the account."""
    client_secret: SecretStr | None = None
    """Kind ``sentinel-hub``: its secret."""
    token_url: str | None = None
    """Kind ``sentinel-hub``: where tokens are asked for; CDSE's own where ``url`` is not set."""
    quota: Quota = Quota()
    """Kind ``sentinel-hub``: what the account may spend."""
    sar_pixel_m: float = Field(default=30.0, ge=10.0, le=100.0)
    """Kind ``sentinel-hub``: pixel size radar looks are rendered at, m."""
    dem: str = Field(default="COPERNICUS_30", pattern=r"^[A-Z0-9_]+$")
    """Kind ``sentinel-hub``: elevation model radar looks are corrected with."""
    cache_gb: float = Field(default=5.0, ge=0)
    """Kind ``sentinel-hub``: disk for rendered pixels, so that none is paid for twice; 0 = none."""
    state: Path | None = None
    """Folder for what the processes of this machine share; the state folder unless set."""
    members: tuple[str, ...] = ()
    """Kind ``mirrors``: sources (catalogue/collection) of one collection, the first asked first."""
    cross_check: bool = True
    """Kind ``mirrors``: ask a second member, too, and take the scenes only that one has."""
    published_property: str | None = None
    """Item property that the server can filter by and that only ever moves forward."""
    window: timedelta = Field(default=timedelta(days=60), gt=timedelta(0))
    """Longest span of one search; longer spans are cut, because deep paging breaks."""
    late: timedelta = Field(default=timedelta(days=60), ge=timedelta(0))
    """How long after sensing a look may still turn up; bounds every poll but the first where the
    server cannot filter by publication."""
    page_size: int = Field(default=100, ge=1, le=10_000)
    """Items asked for per page; servers may give fewer."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Per request, seconds."""
    attempts: int = Field(default=4, ge=1, le=10)
    """How often a request is made at most."""
    backoff_s: float = Field(default=1.0, ge=0)
    """First wait between attempts, seconds; doubles each time."""
    longest_wait_s: float = Field(default=60.0, ge=0)
    """Bound for every single wait, also for what a server demands with Retry-After."""


@runtime_checkable
class Catalogue(Protocol):
    """A place where looks are announced. Implementations hold no state a process may not lose."""

    @property
    def name(self) -> str:
        """Name in the settings; ``source`` of an acquisition is ``name/collection``."""
        ...

    def search(
        self,
        collection: str,
        geometry: BaseGeometry,
        *,
        sensed_after: datetime,
        until: datetime,
        published_after: datetime | None = None,
    ) -> Iterator[Acquisition | Refused]:
        """Yield every look over an area, each id once, in no particular order.

        With ``published_after`` a catalogue that can filter by publication returns only what came
        out since; one that cannot returns what was sensed ``late`` before that or later, and the
        database drops what it knows. Choose ``published_after`` as the last successful poll minus
        an overlap.

        Args:
            collection: collection id.
            geometry: area, EPSG:4326, lon/lat; looks that do not touch it are left out.
            sensed_after: start of the sensing span, UTC.
            until: end of the search, UTC; the clock of the poll.
            published_after: publication time after which looks are wanted, UTC.

        Raises:
            CatalogueUnavailable: after the last attempt; nothing is lost by asking again.
            ConfigurationError: the catalogue refuses the question or the credentials.
        """
        ...

    def sign(self, href: str, *, renew: bool = False) -> str:
        """Return the href in a form that can be read now; call just before reading.

        Args:
            href: as stored with the acquisition.
            renew: a signature given before was refused (403); do not reuse it.

        Raises:
            ImageryUnavailable: no signature could be had just now.
            ConfigurationError: a token is missing.
        """
        ...

    def gdal_environment(self) -> Mapping[str, str]:
        """Return GDAL configuration (may hold secrets) under which signed hrefs can be read.

        Raises:
            ConfigurationError: a token is missing.
        """
        ...

    def check(self) -> str:
        """Ask for the landing page; return one line about what answered.

        Raises:
            CatalogueUnavailable: no answer.
            ConfigurationError: the address or the credentials are wrong.
        """
        ...


@runtime_checkable
class Renderer(Protocol):
    """A catalogue whose service renders pixels on a grid instead of serving files."""

    def render(self, acquisition: Acquisition, bands: Sequence[str], grid: Grid) -> FloatArray:
        """Return bands of one acquisition on a grid.

        Args:
            acquisition: what to render.
            bands: polarisations, ``lia`` and ``shadow`` (SAR); STAC common names, ``scl`` and
                ``cloud`` (optical).
            grid: where.

        Returns:
            float32 (band, y, x), NaN = no data: linear gamma0 and degrees; stored numbers, to which
            scale and offset of the acquisition apply, classes, per cent.

        Raises:
            ImageryUnavailable: nothing could be had just now.
            UnreadableRaster: what came is not what was asked for.
        """
        ...

    def native_grid(self, acquisition: Acquisition) -> Grid:
        """Return the grid of the whole acquisition at its own resolution."""
        ...


def charges(catalogue: Catalogue) -> bool:
    """Tell whether each reading is charged: what may not be needed is then not read ahead."""
    return isinstance(catalogue, Renderer)


@runtime_checkable
class Finder(Catalogue, Protocol):
    """A catalogue that names scenes, so that several of them can be compared."""

    def find(
        self,
        collection: str,
        geometry: BaseGeometry,
        *,
        sensed_after: datetime,
        until: datetime,
        published_after: datetime | None = None,
    ) -> Iterator[Found]:
        """Search as ``search`` does, and name every scene."""
        ...
