"""pystac-client with our patience: every request is retried, bounded and checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pystac import Link, STACError, STACTypeError
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import DoesNotConformTo

from detectors.errors import CatalogueUnavailable, ConfigurationError
from flows.catalogs.patience import Patience, TryAgain, ask

_MALFORMED = (STACError, STACTypeError, AttributeError, KeyError, TypeError, ValueError)
_STAC_TYPES = {"Catalog", "Collection", "Feature", "FeatureCollection"}


class PatientIO(StacApiIO):
    """Answers JSON text or raises our errors; pystac-client builds requests and follows links."""

    def __init__(self, patience: Patience) -> None:
        super().__init__(max_retries=None)
        self._patience = patience

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Make one request as often as patience allows.

        Raises:
            CatalogueUnavailable: no JSON object after the last attempt.
            ConfigurationError: the server refuses the question.
        """
        # Not self.timeout: opening a client sets that back to "wait for ever".
        verb = (method or "GET").upper()
        body: dict[str, Any] = {"params" if verb == "GET" else "json": parameters}

        def once() -> dict[str, Any]:
            return _insist_on_stac(
                ask(
                    partial(self.session.request, verb, href, headers=headers, **body),
                    href,
                    self._patience.timeout_s,
                )
            )

        return json.dumps(self._patience.persist(once))

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """Read what a catalogue names; pystac-client would open a file of this machine.

        Raises:
            CatalogueUnavailable: it is no address of a server.
            ConfigurationError: the server refuses the question.
        """
        parts = urlsplit(source.href if isinstance(source, Link) else str(source))
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise CatalogueUnavailable(f"no address of a server: {parts.path[:100]!r}")
        return str(super().read_text(source, *args, **kwargs))

    def open(self, url: str) -> Client:
        """Read the landing page.

        Raises:
            CatalogueUnavailable: what answers is no STAC API.
            ConfigurationError: the server refuses.
        """
        try:
            return Client.open(url, stac_io=self)
        except (ClientTypeError, *_MALFORMED) as error:
            raise CatalogueUnavailable(f"{url} is no STAC API: {error}") from error

    def pages(self, client: Client, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Search and yield page after page.

        Raises:
            CatalogueUnavailable: a page that cannot be had or followed.
            ConfigurationError: the API has no item search.
        """
        offered = {str(link.extra_fields.get("method", "GET")).upper()
                   for link in client.links if link.rel == "search"}  # fmt: skip
        method = "GET" if offered == {"GET"} else "POST"
        try:
            yield from client.search(method=method, **asked).pages_as_dicts()
        except DoesNotConformTo as error:
            raise ConfigurationError(f"{client.self_href} has no item search") from error
        except _MALFORMED as error:
            raise CatalogueUnavailable(f"a page cannot be followed: {error!r}") from error


def _insist_on_stac(answer: dict[str, Any]) -> dict[str, Any]:
    # pystac-client takes any object without features for the end of the list: an error that
    # comes with status 200 would look like "nothing new".
    if answer.get("type") == "FeatureCollection" and not isinstance(answer.get("features"), list):
        raise TryAgain("the catalogue answered a page without a list of features")
    # A list or an object is no name, and no set can be asked for it.
    if not isinstance(answer.get("type"), str) or answer["type"] not in _STAC_TYPES:
        raise TryAgain("the catalogue answered JSON that is not STAC")
    return answer
