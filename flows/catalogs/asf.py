"""OPERA RTC-S1 at NASA's ASF archive, found with CMR's granule search.

CMR-STAC lists the same products (kind ``stac`` reads it), but its items tell neither flight
direction nor orbit nor publication, and it filters by sensing time only. The granule search tells
all three and answers "what came in since". Why not through asf_search: see README.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from shapely.geometry.base import BaseGeometry

from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import Acquisition, require_utc
from flows.catalogs.base import CatalogueSettings, Found, Refused
from flows.catalogs.cmr_granules import granule_item
from flows.catalogs.patience import Patience, TryAgain, answer, as_object
from flows.catalogs.searching import iso, records, windows
from flows.catalogs.stac import bearer

DEFAULT_URL = "https://cmr.earthdata.nasa.gov/search"
#: Collections by the names people use: NASA's short name, and the same with version as in STAC.
SHORT_NAMES = {
    "OPERA_L2_RTC-S1_V1": "OPERA_L2_RTC-S1_V1",
    "OPERA_L2_RTC-S1_V1_1": "OPERA_L2_RTC-S1_V1",
}
#: Names the next page; CMR sends it until there is none.
_NEXT = "CMR-Search-After"
_LARGEST_PAGE = 2_000


class AsfCatalogue:
    """OPERA RTC-S1 at ASF; see ``flows.catalogs.base.Catalogue`` for the contract."""

    def __init__(self, name: str, settings: CatalogueSettings) -> None:
        """Keep the settings; nothing is asked before the first search."""
        self.name = name
        self.settings = settings
        self.url = (settings.url or DEFAULT_URL).rstrip("/")
        self._patience = Patience.of(settings)

    def search(
        self,
        collection: str,
        geometry: BaseGeometry,
        *,
        sensed_after: datetime,
        until: datetime,
        published_after: datetime | None = None,
    ) -> Iterator[Acquisition | Refused]:
        """See ``Catalogue.search``."""
        for found in self.find(
            collection, geometry, sensed_after=sensed_after, until=until,
            published_after=published_after,
        ):  # fmt: skip
            yield found.record

    def find(
        self,
        collection: str,
        geometry: BaseGeometry,
        *,
        sensed_after: datetime,
        until: datetime,
        published_after: datetime | None = None,
    ) -> Iterator[Found]:
        """See ``Finder.find``.

        Raises:
            CatalogueUnavailable: after the last attempt.
            ConfigurationError: an unknown collection, or the search is refused.
        """
        if collection not in SHORT_NAMES:
            raise ConfigurationError(
                f"{self.name} serves {', '.join(SHORT_NAMES)}, not {collection}"
            )
        asked = {
            "short_name": SHORT_NAMES[collection],
            "provider": "ASF",
            "page_size": str(min(self.settings.page_size, _LARGEST_PAGE)),
        }
        if published_after is not None:
            # Follows the day a granule arrived or was replaced, not the day it was sensed.
            asked["updated_since"] = iso(require_utc(published_after, "published_after"))

        def features() -> Iterator[object]:
            # A publication filter keeps answers short whatever the sensing span.
            whole = until - sensed_after if published_after is not None else self.settings.window
            for first, last in windows(sensed_after, until, whole):
                for box in _boxes(geometry):
                    span = {"temporal": f"{iso(first)},{iso(last)}", "bounding_box": box}
                    yield from self._granules(asked | span)

        yield from records(features(), f"{self.name}/{collection}", geometry, until)

    def _granules(self, asked: Mapping[str, str]) -> Iterator[object]:
        """Follow the pages to the end; the announced number of hits is not believed."""
        following: str | None = None
        while True:
            headers = {_NEXT: following} if following else {}
            items, after = self._patience.persist(partial(self._page, asked, headers))
            yield from map(granule_item, items)
            if after is None or not items:
                return
            if after == following:
                raise CatalogueUnavailable(f"{self.name} sends the same page again and again")
            following = after

    def _page(
        self, asked: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[list[object], str | None]:
        import requests

        url = f"{self.url}/granules.umm_json"
        response = answer(
            partial(requests.post, url, data=dict(asked), headers=dict(headers)),
            url,
            self.settings.timeout_s,
        )
        items = as_object(response, url).get("items")
        if not isinstance(items, list):
            raise TryAgain(f"{urlsplit(url).hostname} answered a page without a list of items")
        return items, response.headers.get(_NEXT)

    def sign(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Return the href: the token travels in a header."""
        return href

    def gdal_environment(self) -> Mapping[str, str]:
        """Return the Earthdata token as a header.

        Raises:
            ConfigurationError: there is none; search works without, reading does not.
        """
        if self.settings.token is None:
            raise ConfigurationError(
                f"catalogue {self.name} needs an Earthdata token: make one at "
                "urs.earthdata.nasa.gov under Generate Token and set it as the catalogue's token"
            )
        return bearer(self.settings)

    def check(self) -> str:
        """See ``Catalogue.check``."""
        import requests

        url = f"{self.url}/health"
        self._patience.persist(
            lambda: answer(partial(requests.get, url), url, self.settings.timeout_s)
        )
        return f"{url}: healthy"


def _boxes(geometry: BaseGeometry) -> list[str]:
    """West, south, east, north; two boxes for an area on both sides of the antimeridian."""
    west, _, east, _ = geometry.bounds
    parts = list(getattr(geometry, "geoms", [geometry]))
    groups = [parts]
    if east - west > 180:
        groups = [
            [part for part in parts if part.centroid.x < 0],
            [part for part in parts if part.centroid.x >= 0],
        ]
    boxes = []
    for group in groups:
        if group:
            edges = list(zip(*(part.bounds for part in group), strict=True))
            box = (min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3]))
            boxes.append(",".join(f"{edge:.6f}" for edge in box))
    return boxes
