"""The Copernicus Data Space Ecosystem: a STAC API over the whole archive, pixels in S3.

Searching needs no account. Reading does: its web links want an access token that lives ten minutes,
so the object storage is read instead, with S3 keys that last as long as their owner chooses. Links
are signed just before reading, which keeps the keys out of GDAL and away from other hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from detectors.errors import ConfigurationError
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.presigning import presign
from flows.catalogs.stac import StacCatalogue

DEFAULT_URL = "https://stac.dataspace.copernicus.eu/v1"
STORAGE = "https://eodata.dataspace.copernicus.eu"
_REGION = "default"
_BUCKET = "s3://eodata/"
#: A read of one block takes seconds; a leaked link shall not last.
LASTING = timedelta(minutes=30)


class CdseCatalogue(StacCatalogue):
    """CDSE; the token is the S3 key pair, written ``ACCESS_KEY:SECRET_KEY``."""

    from_storage = True

    def __init__(self, name: str, settings: CatalogueSettings) -> None:
        """Keep the settings; nothing is asked before the first search."""
        super().__init__(name, settings.model_copy(update={"url": settings.url or DEFAULT_URL}))

    def sign(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Turn a place in object storage into a link that is good for half an hour.

        Raises:
            ConfigurationError: no S3 keys.
        """
        if not href.startswith(_BUCKET):
            return href
        access_key, secret_key = self._keys()
        return presign(
            f"{STORAGE}/{href.removeprefix('s3://')}", access_key, secret_key,
            region=_REGION, now=datetime.now(UTC), lasting=LASTING,
        )  # fmt: skip

    def gdal_environment(self) -> Mapping[str, str]:
        """Return nothing: the signature is part of the link.

        Raises:
            ConfigurationError: no S3 keys; search works without, reading does not.
        """
        self._keys()
        return {}

    def _keys(self) -> tuple[str, str]:
        token = self.settings.token.get_secret_value() if self.settings.token else ""
        access_key, colon, secret_key = token.partition(":")
        if not (access_key and colon and secret_key):
            raise ConfigurationError(
                f"catalogue {self.name} needs S3 keys: make a pair at "
                "eodata-s3keysmanager.dataspace.copernicus.eu and set it as the catalogue's token, "
                "written ACCESS_KEY:SECRET_KEY"
            )
        return access_key, secret_key
