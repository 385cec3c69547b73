"""Microsoft's Planetary Computer: a STAC API whose pixels need signed links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from detectors.errors import CatalogueUnavailable, ConfigurationError, ImageryUnavailable
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.patience import ask
from flows.catalogs.stac import StacCatalogue

DEFAULT_URL = "https://planetarycomputer.microsoft.com/api/stac/v1"
TOKEN_PATH = "/api/sas/v1/token"  # noqa: S105 - a path, not a secret
_STORAGE = ".blob.core.windows.net"
#: Containers that are signed for holders of a subscription key only.
_FOR_KEY_HOLDERS = {"sentinel1euwestrtc/sentinel1-grd-rtc"}
#: Tokens are said to live 45 minutes, some less: one this close to its end is not used.
_SPARE = timedelta(minutes=5)


class PlanetaryComputerCatalogue(StacCatalogue):
    """Planetary Computer; signing asks its token service and remembers tokens while they last."""

    def __init__(self, name: str, settings: CatalogueSettings) -> None:
        """Keep the settings; nothing is asked before the first search."""
        super().__init__(name, settings.model_copy(update={"url": settings.url or DEFAULT_URL}))
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def sign(self, href: str, *, renew: bool = False) -> str:
        """Append a token to a link into blob storage; other links come back as they are.

        Raises:
            ImageryUnavailable: the token service does not answer.
            ConfigurationError: no subscription key, where one is needed (``sentinel-1-rtc``), or
                the service refuses.
        """
        parts = urlsplit(href)
        host = parts.hostname or ""
        if not host.endswith(_STORAGE):
            return href
        container = parts.path.lstrip("/").partition("/")[0]
        place = f"{host.removesuffix(_STORAGE)}/{container}"
        token, ends = self._tokens.get(place, ("", datetime.min.replace(tzinfo=UTC)))
        if renew or ends - datetime.now(UTC) < _SPARE:
            token, ends = self._new_token(place)
            self._tokens[place] = (token, ends)
        return f"{href.partition('?')[0]}?{token}"

    def _new_token(self, place: str) -> tuple[str, datetime]:
        import requests

        key = self.settings.token
        if key is None and place in _FOR_KEY_HOLDERS:
            raise ConfigurationError(
                f"catalogue {self.name} needs a Planetary Computer subscription key as its token"
            )
        api = urlsplit(self.url)
        url = f"{api.scheme}://{api.netloc}{TOKEN_PATH}/{place}"
        headers = {"Ocp-Apim-Subscription-Key": key.get_secret_value()} if key else {}
        try:
            answer = self._patience.persist(
                lambda: ask(
                    partial(requests.get, url, headers=headers), url, self.settings.timeout_s
                )
            )
            token = str(answer["token"]).lstrip("?")
            return token, datetime.fromisoformat(answer["msft:expiry"]).astimezone(UTC)
        except CatalogueUnavailable as error:
            raise ImageryUnavailable(f"no signature for {place}: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ImageryUnavailable(f"the token service answered no token: {error!r}") from error

    def gdal_environment(self) -> Mapping[str, str]:
        """Return nothing: the signature is part of the link."""
        return {}
