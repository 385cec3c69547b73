"""Sentinel Hub as a catalogue that renders; see ``flows.catalogs.base`` for both contracts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from shapely.prepared import prep

from detectors.errors import (
    CatalogueUnavailable,
    ConfigurationError,
    ImageryUnavailable,
    QuotaSpent,
    UnreadableRaster,
    UnusableItem,
)
from detectors.projections import to_projected
from detectors.types import Acquisition, FloatArray, Grid, Sensor
from flows.catalogs.base import CatalogueSettings, Refused
from flows.catalogs.patience import Patience
from flows.catalogs.searching import name_of, place_of, windows
from flows.catalogs.sentinel_hub.budget import Budget
from flows.catalogs.sentinel_hub.items import to_acquisition
from flows.catalogs.sentinel_hub.kept import Kept
from flows.catalogs.sentinel_hub.recipes import S1, S2, Recipe, recipes

if TYPE_CHECKING:
    from flows.catalogs.sentinel_hub.client import Hub

CDSE_URL = "https://sh.dataspace.copernicus.eu"
CDSE_TOKEN_URL = (
    "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"  # noqa: S105
)
#: Side of one request, pixels: the service takes 2500, and large ones fail while terrain loads.
TILE_PIXELS = 1024
#: The service refuses coarser pixels, m.
COARSEST_M = 1500.0
OPTICAL_PIXEL_M = 10.0
#: Footprints are drawn roughly; nothing further out than this is rendered, m.
_MARGIN_M = 5_000.0
#: Known items in a row, in pages, that mean that the pages go round.
_STALE_PAGES = 5


class SentinelHubCatalogue:
    """A deployment of Sentinel Hub; CDSE's unless the settings name another."""

    def __init__(self, name: str, settings: CatalogueSettings) -> None:
        """Keep the settings; nothing is asked before the first search.

        Raises:
            ConfigurationError: an own address without that of its tokens.
        """
        if settings.url and not settings.token_url:
            # Otherwise the secret of one deployment would be sent to another.
            raise ConfigurationError(f"catalogue {name} has a url and needs its token_url")
        self.name = name
        self.settings = settings
        self._url = (settings.url or CDSE_URL).rstrip("/")
        self._token_url = settings.token_url or CDSE_TOKEN_URL
        self._hub: Hub | None = None
        client = settings.client_id
        account = f"{self._url} {client.get_secret_value() if client else ''}"
        self._budget = Budget(settings.state, account, settings.quota)

    def search(
        self,
        collection: str,
        geometry: BaseGeometry,
        *,
        sensed_after: datetime,
        until: datetime,
        published_after: datetime | None = None,
    ) -> Iterator[Acquisition | Refused]:
        """See ``Catalogue.search``; the service cannot filter by publication."""
        if collection not in (S1, S2):
            raise ConfigurationError(
                f"catalogue {self.name} has no collection {collection}: {S1} or {S2}"
            )
        start = sensed_after
        if published_after:
            start = max(sensed_after, published_after - self.settings.late)
        area, source = prep(geometry), f"{self.name}/{collection}"
        for feature in self._features(collection, geometry, start, until):
            name = name_of(feature)
            if not isinstance(feature, Mapping):
                yield Refused(name, "not a STAC item")
                continue
            try:
                acquisition = to_acquisition(feature, source, until)
            except UnusableItem as error:
                yield Refused(name, str(error), place_of(feature))
                continue
            if area.intersects(acquisition.footprint):
                yield acquisition

    def _features(
        self, collection: str, geometry: BaseGeometry, start: datetime, until: datetime
    ) -> Iterator[Any]:
        """Yield each feature once; the service is not trusted to come to an end."""
        known: set[str] = set()
        size = self.settings.page_size
        for first, last in windows(start, until, self.settings.window):
            stale = 0
            for feature in self._service().features(collection, geometry, first, last, size):
                name = name_of(feature)
                stale = stale + 1 if name in known else 0
                if stale > _STALE_PAGES * max(size, 100):
                    raise CatalogueUnavailable(f"{self.name} sends the same pages again and again")
                if not stale:
                    known.add(name)
                    yield feature

    def sign(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Return the href: what it names is rendered, not fetched."""
        return href

    def gdal_environment(self) -> Mapping[str, str]:
        """Return nothing: GDAL does not read here."""
        return {}

    def check(self) -> str:
        """See ``Catalogue.check``; says what the account has spent, too."""
        found = self._service().collections()
        if missing := [name for name in (S1, S2) if name not in found]:
            raise ConfigurationError(f"{self._url} has no collection {', '.join(missing)}")
        spent, quota = self._budget.spent(), self.settings.quota
        return (
            f"{self._url}: {len(found)} collections; this month {spent.requests} of "
            f"{quota.requests_a_month} requests, {spent.units:.0f} of {quota.units_a_month:g} "
            "processing units by this machine"
        )

    def native_grid(self, acquisition: Acquisition) -> Grid:
        """Return the grid of a whole scene: UTM, edges on multiples of the pixel size.

        10 m for optical scenes, whose own pixels lie so; ``sar_pixel_m`` for radar, 30 m like the
        products that detectors and thresholds were made with.
        """
        radar = acquisition.sensor is Sensor.SAR
        size = self.settings.sar_pixel_m if radar else OPTICAL_PIXEL_M
        epsg = _utm(acquisition)
        west, south, east, north = to_projected(acquisition.footprint, epsg).bounds
        left, top = math.floor(west / size), math.ceil(north / size)
        width, height = math.ceil(east / size) - left, top - math.floor(south / size)
        return Grid(epsg, Affine(size, 0, left * size, 0, -size, top * size), height, width)

    def render(self, acquisition: Acquisition, bands: Sequence[str], grid: Grid) -> FloatArray:
        """See ``Renderer.render``. Large grids are asked for in tiles and put together.

        Raises:
            ImageryUnavailable: nothing could be had just now.
            QuotaSpent: the account's month is spent.
            UnreadableRaster: what came is not what was asked for.
            ConfigurationError: the service refuses the question or the credentials.
        """
        if max(grid.transform.a, -grid.transform.e) > COARSEST_M:
            raise UnreadableRaster(f"pixels over {COARSEST_M:g} m are not rendered")
        asked = recipes(acquisition, bands, self.settings.dem)
        whole = np.full((len(bands), *grid.shape), np.nan, dtype=np.float32)
        ground = to_projected(acquisition.footprint, grid.epsg).buffer(_MARGIN_M)
        for tile, rows, columns in _tiles(grid):
            if not ground.intersects(box(*tile.bounds)):
                continue
            for recipe in asked:
                layers = self._rendered(acquisition, recipe, tile)
                for number, band in enumerate(bands):
                    if band in layers:
                        whole[number, rows, columns] = layers[band]
        return whole

    def _rendered(
        self, acquisition: Acquisition, recipe: Recipe, tile: Grid
    ) -> Mapping[str, FloatArray]:
        # Needs rasterio, which most commands do without.
        from flows.catalogs.sentinel_hub.pixels import read_answer

        try:
            return self._service().render(
                recipe, tile, lambda body: read_answer(body, recipe, tile)
            )
        except QuotaSpent:
            raise
        except CatalogueUnavailable as error:
            raise ImageryUnavailable(f"{acquisition.item_id}: {error}") from error
        except UnreadableRaster as error:
            raise UnreadableRaster(f"{acquisition.item_id}: {error}") from error

    def _service(self) -> Hub:
        if self._hub is None:
            # sentinelhub takes half a second to import; most commands do without.
            from flows.catalogs.sentinel_hub.client import Hub
            from flows.catalogs.sentinel_hub.tokens import Access

            settings = self.settings
            if settings.client_id is None or settings.client_secret is None:
                raise ConfigurationError(
                    f"catalogue {self.name} needs client_id and client_secret of an OAuth client "
                    "(CDSE: dashboard of Sentinel Hub, user settings)"
                )
            access = Access(self._url, self._token_url, settings.client_id, settings.client_secret)
            kept = Kept(settings.state, settings.cache_gb * 1e9)
            self._hub = Hub(access, Patience.of(settings), self._budget, kept)
        return self._hub


def _utm(acquisition: Acquisition) -> int:
    """Return the EPSG code of the UTM zone: that of the tile, or of the middle of the scene."""
    if acquisition.tile is not None:
        zone, south = int(acquisition.tile[1:3]), acquisition.tile[3] < "N"
    else:
        middle = acquisition.footprint.representative_point()
        zone, south = int((middle.x + 180) // 6) % 60 + 1, middle.y < 0
    return (32700 if south else 32600) + zone


def _tiles(grid: Grid) -> Iterator[tuple[Grid, slice, slice]]:
    """Cut a grid into tiles of equal size, none over ``TILE_PIXELS``."""
    for top, bottom in _cuts(grid.height):
        for left, right in _cuts(grid.width):
            transform = grid.transform @ Affine.translation(left, top)
            tile = Grid(grid.epsg, transform, bottom - top, right - left)
            yield tile, slice(top, bottom), slice(left, right)


def _cuts(length: int) -> list[tuple[int, int]]:
    pieces = math.ceil(length / TILE_PIXELS)
    edges = [round(k * length / pieces) for k in range(pieces + 1)]
    return list(itertools.pairwise(edges))
