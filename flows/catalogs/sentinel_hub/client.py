"""The only one that talks to the service, through the package ``sentinelhub``.

The package builds and describes the requests. What it leaves open is decided here: it retries 429
for ever, asks for tokens without a time-out, reads its settings from the home folder, and knows
neither quotas nor other processes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from sentinelhub.api.catalog import SentinelHubCatalog
from sentinelhub.api.process import SentinelHubRequest
from sentinelhub.config import SHConfig
from sentinelhub.constants import CRS, MimeType
from sentinelhub.download.models import DownloadRequest, DownloadResponse
from sentinelhub.download.sentinelhub_client import SentinelHubDownloadClient
from sentinelhub.geometry import BBox, Geometry
from shapely.geometry.base import BaseGeometry

from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import FloatArray, Grid
from flows.catalogs.patience import WHOLE, Patience, TryAgain, receive, retry_after
from flows.catalogs.sentinel_hub.answers import (
    charged,
    excerpt,
    json_object,
    like,
    pause,
    says_quota,
    search_page,
)
from flows.catalogs.sentinel_hub.budget import Budget
from flows.catalogs.sentinel_hub.kept import Kept
from flows.catalogs.sentinel_hub.recipes import S1, Recipe, search_units
from flows.catalogs.sentinel_hub.tokens import Access, Session
from flows.meter import count

#: Layers of an answer by name, see ``pixels``.
Layers = Mapping[str, FloatArray]
#: Turns a worker waits for others at most: the minute that is spent, and what is under way.
_TURN_S = 180.0


class Hub:
    """One deployment of the service, one account."""

    def __init__(self, access: Access, patience: Patience, budget: Budget, kept: Kept) -> None:
        """Ask nothing yet."""
        # Never the package's own defaults: they are read from, and written to, the home folder.
        self._config = SHConfig(
            use_defaults=True,
            sh_client_id=access.client_id.get_secret_value(),
            sh_client_secret=access.client_secret.get_secret_value(),
            sh_base_url=access.url,
            sh_token_url=access.token_url,
        )
        self._kept = kept
        self._client = _Client(Session(self._config, access, patience), patience, budget)

    def collections(self) -> list[str]:
        """Return the names of what the account may search."""
        catalog = self._catalog()
        try:
            return [str(entry["id"]) for entry in catalog.get_collections()]
        except (KeyError, TypeError) as error:
            raise CatalogueUnavailable(f"no list of collections: {error!r}") from error

    def features(
        self, collection: str, area: BaseGeometry, first: datetime, last: datetime, page_size: int
    ) -> Iterator[dict[str, Any]]:
        """Yield what was sensed over an area, page after page.

        Raises:
            CatalogueUnavailable, ConfigurationError, QuotaSpent: see ``Catalogue.search``.
        """
        catalog = self._catalog()
        self._client.units = search_units(area, last - first)
        found = catalog.search(
            collection,
            time=(first, last),
            geometry=Geometry(area, CRS.WGS84),
            filter="sar:instrument_mode='IW'" if collection == S1 else None,
            limit=min(page_size, 100),
        )
        try:
            yield from found
        except (KeyError, TypeError, AttributeError) as error:
            raise CatalogueUnavailable(f"a page cannot be followed: {error!r}") from error

    def render(self, recipe: Recipe, grid: Grid, read: Callable[[bytes], Layers]) -> Layers:
        """Have a grid rendered, unless it was before, and read the answer.

        Args:
            recipe: what.
            grid: where.
            read: turns the answer into layers; raises ``TryAgain`` on a broken one.
        """
        asked = self._asked(recipe, grid)
        content = json.dumps([asked.url, asked.post_values], sort_keys=True).encode()
        key = hashlib.sha256(content).hexdigest()
        kept = self._kept.get(key)
        if kept is not None:
            try:
                return read(kept)
            except TryAgain:
                self._kept.forget(key)
        units = recipe.units(grid)
        body, layers = self._client.persist(asked, units, lambda found: (found, read(found)))
        # Emptiness is not kept: a scene may be announced before its pixels are there.
        if any(np.isfinite(layer).any() for layer in layers.values()):
            self._kept.put(key, body)
        return layers

    def _asked(self, recipe: Recipe, grid: Grid) -> DownloadRequest:
        request = SentinelHubRequest(
            evalscript=recipe.script,
            # A plain dictionary: the package's own would name another deployment.
            input_data=[
                {
                    "type": recipe.collection,
                    "dataFilter": recipe.data_filter,
                    "processing": recipe.processing,
                }
            ],
            responses=[
                SentinelHubRequest.output_response(part.name, MimeType.TIFF)
                for part in recipe.parts
            ],
            bbox=BBox(grid.bounds, CRS(grid.epsg)),
            size=(grid.width, grid.height),
            config=self._config,
        )
        return request.download_list[0]

    def _catalog(self) -> SentinelHubCatalog:
        catalog = SentinelHubCatalog(config=self._config)
        catalog.client = self._client
        return catalog


class _Client(SentinelHubDownloadClient):
    """The package's client with our patience, budget and judgement of answers."""

    def __init__(self, session: Session, patience: Patience, budget: Budget) -> None:
        super().__init__(session=session, config=session.config)
        self._tokens = session
        self._patience = patience
        self._budget = budget
        self.units = 0.01

    def _execute_download(self, request: DownloadRequest) -> DownloadResponse:
        """Answer the package's own calls (catalogue)."""
        read = search_page if request.url and request.url.endswith("/search") else json_object
        body, _ = self.persist(request, self.units, lambda found: (found, read(found)))
        return DownloadResponse(request=request, content=body)

    def persist[T](self, request: DownloadRequest, units: float, read: Callable[[bytes], T]) -> T:
        """Ask as often as patience allows.

        Raises:
            CatalogueUnavailable: no usable answer after the last attempt.
            ConfigurationError: the service refuses the question or the credentials.
            QuotaSpent: the month is spent.
        """
        return self._patience.persist(lambda: self._once(request, units, read))

    def _once[T](self, request: DownloadRequest, units: float, read: Callable[[bytes], T]) -> T:
        headers = self._tokens.session_headers
        for renewed in (False, True):
            lease = self._patience.timeout_s * WHOLE
            with self._budget.spend(units, wait_s=_TURN_S, lease_s=lease) as bill:
                status, told, body = self._send(request, headers)
                if status == requests.codes.unauthorized and not renewed:
                    headers = self._tokens.renewed(headers)
                    continue
                self._judge(request, status, told, body)
                bill.charged = charged(told, units)
                count(units=bill.charged)
            return read(body)
        raise AssertionError("the second round returns or raises")

    def _send(
        self, request: DownloadRequest, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one request and read the whole answer, within bounds of time and size."""
        place = _place(request)
        send = partial(
            requests.request, request.request_type.value, request.url or "",
            json=request.post_values, headers={**headers, **request.headers},
            allow_redirects=False,
        )  # fmt: skip
        told = receive(send, place, self._patience.timeout_s)
        return told.status, told.headers, told.content

    def _judge(
        self, request: DownloadRequest, status: int, told: Mapping[str, str], body: bytes
    ) -> None:
        place = _place(request)
        if status == requests.codes.too_many_requests:
            wait = min(pause(told.get("Retry-After")), self._patience.longest_wait_s)
            self._budget.hold(wait)
            raise TryAgain(f"{place} answered 429", wait)
        if status in (requests.codes.request_timeout, 425) or status >= 500:
            raise TryAgain(f"{place} answered {status}", retry_after(told.get("Retry-After")))
        if status == requests.codes.forbidden and says_quota(body):
            raise self._budget.refuse()
        if status == requests.codes.unauthorized:
            raise ConfigurationError(f"{place} refuses a token that it has just given")
        if status != requests.codes.ok:
            raise ConfigurationError(
                f"{place} refuses: {status} {self._tokens.blacken(excerpt(body))}"
            )
        wanted, kind = request.headers.get("accept"), told.get("Content-Type", "")
        if wanted and kind.partition(";")[0].strip().lower() not in like(wanted):
            raise TryAgain(f"{place} answered {kind or 'something'} instead of {wanted}")


def _place(request: DownloadRequest) -> str:
    parts = urlsplit(request.url or "")
    return f"{parts.hostname}{parts.path}"
