"""OAuth: a token for the account, asked for within bounds, renewed in time, shown to nobody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from sentinelhub.config import SHConfig
from sentinelhub.download.session import SentinelHubSession

from detectors.errors import ConfigurationError
from flows.catalogs.patience import Patience, Told, TryAgain, as_object, receive, retry_after

#: A token is renewed this long before its end, or at three quarters of a short life.
_SPARE_S = 60.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Access:
    """Where the service is and who asks."""

    url: str
    """Base address of the deployment."""
    token_url: str
    """Where tokens are asked for."""
    client_id: SecretStr
    """OAuth client."""
    client_secret: SecretStr
    """Its secret."""

    def __post_init__(self) -> None:
        for url in (self.url, self.token_url):
            parts = urlsplit(url)
            if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
                raise ConfigurationError(f"{parts.hostname}: credentials go over https only")


class Session(SentinelHubSession):
    """The package's session; nothing is asked before the first request needs a token.

    The package's own way to a token has no time-out, and lets its libraries write the secret into
    their debug logs.
    """

    def __init__(self, config: SHConfig, access: Access, patience: Patience) -> None:
        self._access, self._patience = access, patience
        self._lock = threading.Lock()
        expired = {"access_token": "", "expires_at": 0.0}
        super().__init__(config, refresh_before_expiry=0.0, _token=expired)

    @property
    def session_headers(self) -> dict[str, str]:
        """Return the headers of a request, with a token that is still good for a while."""
        with self._lock:
            return super().session_headers

    def renewed(self, refused: Mapping[str, str]) -> dict[str, str]:
        """Return other headers than the ones that were refused; threads share one renewal."""
        with self._lock:
            if refused["Authorization"] == f"Bearer {self._token['access_token']}":
                self._token = self._collect_new_token()
        return self.session_headers

    def blacken(self, text: str) -> str:
        """Take the secrets out of a text: a server may repeat what it was sent."""
        secrets = (
            self._access.client_secret.get_secret_value(),
            self._access.client_id.get_secret_value(),
            str(self._token["access_token"]),
        )
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
        return text

    def _collect_new_token(self) -> dict[str, Any]:
        return self._patience.persist(self._ask)

    def _ask(self) -> dict[str, Any]:
        """Ask for a token once.

        Raises:
            TryAgain: no answer, or none that holds a token.
            ConfigurationError: the credentials are refused.
        """
        url = self._access.token_url
        place = f"{urlsplit(url).hostname}{urlsplit(url).path}"
        form = {
            "grant_type": "client_credentials",
            "client_id": self._access.client_id.get_secret_value(),
            "client_secret": self._access.client_secret.get_secret_value(),
        }
        send = partial(requests.post, url, data=form, allow_redirects=False)
        told = receive(send, place, self._patience.timeout_s)
        if told.status in (requests.codes.request_timeout, 425, 429) or told.status >= 500:
            raise TryAgain(
                f"{place} answered {told.status}", retry_after(told.headers.get("Retry-After"))
            )
        if told.status != requests.codes.ok:
            raise ConfigurationError(
                f"{place} gives no token for client_id and client_secret: {told.status} "
                f"{_error_code(told)}"
            )
        return _token(as_object(told, url), place)


def _token(answer: Mapping[str, Any], place: str) -> dict[str, Any]:
    token, lifetime = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(lifetime, int | float):
        raise TryAgain(f"{place} answered no token")
    spare = min(_SPARE_S, lifetime / 4)
    return {"access_token": token, "expires_at": time.time() + lifetime - spare}


def _error_code(told: Told) -> str:
    """Return OAuth's word for what is wrong; anything else may repeat the secret."""
    try:
        code = json.loads(told.content)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    known = isinstance(code, str) and code.replace("_", "").isalpha() and len(code) < 40
    return code if known else ""
