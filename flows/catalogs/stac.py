"""Any STAC API, searched with pystac-client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import Acquisition
from flows.catalogs.base import CatalogueSettings, Found, Refused
from flows.catalogs.patience import Patience
from flows.catalogs.searching import iso, records, windows

if TYPE_CHECKING:
    from pystac_client import Client

    from flows.catalogs.stac_io import PatientIO

#: An item may be on two pages, even alone on the last; this many pages without news are a loop.
_STALE_PAGES = 5


class StacCatalogue:
    """A STAC API; see ``flows.catalogs.base.Catalogue`` for the contract."""

    #: Whether object storage (``s3:``) can be read where items offer it beside a web address.
    from_storage = False

    def __init__(self, name: str, settings: CatalogueSettings) -> None:
        """Keep the settings; nothing is asked before the first search.

        Raises:
            ConfigurationError: no address.
        """
        if settings.url is None:
            raise ConfigurationError(f"catalogue {name} needs a url")
        self.name = name
        self.settings = settings
        self.url = settings.url
        self._patience = Patience.of(settings)
        self._opened_io: PatientIO | None = None
        self._opened: Client | None = None
        self._collections: set[str] = set()

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
        """See ``Finder.find``."""
        features = self._features(collection, geometry, sensed_after, until, published_after)
        yield from records(
            features, f"{self.name}/{collection}", geometry, until, from_storage=self.from_storage
        )

    def _features(
        self, collection: str, geometry: BaseGeometry, sensed_after: datetime, until: datetime,
        published_after: datetime | None,
    ) -> Iterator[object]:  # fmt: skip
        self._insist_on(collection)
        by_publication = self.settings.published_property if published_after else None
        start = sensed_after
        if published_after:
            late = timedelta(0) if by_publication else self.settings.late
            start = max(sensed_after, published_after - late)
        for first, last in windows(start, until, self.settings.window):
            sensed = (sensed_after, until) if by_publication else (first, last)
            asked: dict[str, Any] = {
                "collections": [collection],
                "intersects": mapping(geometry),
                "datetime": f"{iso(sensed[0])}/{iso(sensed[1])}",
                "limit": self.settings.page_size,
            }
            if by_publication:
                asked |= self._published_between(by_publication, first, last)
            yield from self._paged(asked)

    def standing(self, collection: str, geometry: BaseGeometry) -> Iterator[object]:
        """Yield the items of a collection that knows no time, such as an elevation model's tiles.

        Args:
            collection: collection id.
            geometry: area, EPSG:4326, lon/lat.

        Raises:
            CatalogueUnavailable: after the last attempt.
            ConfigurationError: no such collection, or the search is refused.
        """
        self._insist_on(collection)
        yield from self._paged(
            {
                "collections": [collection],
                "intersects": mapping(geometry),
                "limit": self.settings.page_size,
            }
        )

    def _insist_on(self, collection: str) -> None:
        """Ask for the collection once: a misspelt one would look like a quiet one for ever."""
        if collection in self._collections:
            return
        url = f"{self.url.rstrip('/')}/collections/{quote(collection)}"
        try:
            self._io.request(url)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"catalogue {self.name} has no collection {collection}: {error}"
            ) from error
        self._collections.add(collection)

    def _published_between(self, name: str, first: datetime, last: datetime) -> dict[str, Any]:
        client = self._client()
        if client.conforms_to("FILTER"):
            terms = [
                {"op": op, "args": [{"property": name}, {"timestamp": iso(moment)}]}
                for op, moment in ((">=", first), ("<=", last))
            ]
            return {"filter": {"op": "and", "args": terms}, "filter_lang": "cql2-json"}
        if client.conforms_to("QUERY"):
            return {"query": {name: {"gte": iso(first), "lte": iso(last)}}}
        raise ConfigurationError(
            f"catalogue {self.name} cannot filter by {name}: leave published_property empty"
        )

    def _paged(self, asked: Mapping[str, Any]) -> Iterator[object]:
        """Follow next links to the end; totals are not believed."""
        known: set[str] = set()
        stale = 0
        for page in self._io.pages(self._client(), asked):
            features = page["features"]
            ids = {str(f.get("id")) if isinstance(f, dict) else repr(f) for f in features}
            stale = stale + 1 if ids <= known else 0
            if stale == _STALE_PAGES:
                raise CatalogueUnavailable(f"{self.name} sends the same pages again and again")
            known |= ids
            yield from features

    @property
    def _io(self) -> PatientIO:
        if self._opened_io is None:
            # pystac-client takes a third of a second to import; most commands do without.
            from flows.catalogs.stac_io import PatientIO

            self._opened_io = PatientIO(self._patience)
        return self._opened_io

    def _client(self) -> Client:
        if self._opened is None:
            self._opened = self._io.open(self.url)
        return self._opened

    def sign(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Return the href: nothing to sign."""
        return href

    def gdal_environment(self) -> Mapping[str, str]:
        """Return nothing special, or a bearer token where one is set."""
        return bearer(self.settings) if self.settings.token else {}

    def check(self) -> str:
        """See ``Catalogue.check``."""
        self._opened = None
        return f"{self.url}: {self._client().title or self._client().id}"


def bearer(settings: CatalogueSettings) -> dict[str, str]:
    """Return GDAL options that send the token to the host asked, and to no other after redirects.

    Archives redirect to signed object storage, which refuses a second credential, and would learn
    the token besides.
    """
    token = settings.token.get_secret_value() if settings.token else ""
    return {
        "GDAL_HTTP_HEADERS": f"Authorization: Bearer {token}",
        "CPL_VSIL_CURL_AUTHORIZATION_HEADER_ALLOWED_IF_REDIRECT": "IF_SAME_HOST",
    }
