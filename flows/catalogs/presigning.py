"""Links into S3 object storage that carry their own signature (AWS Signature Version 4)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


def presign(
    url: str, access_key: str, secret_key: str, *, region: str, now: datetime, lasting: timedelta
) -> str:
    """Return a link that whoever holds it may GET for a while.

    Args:
        url: ``https://host/bucket/key``, not encoded, without query.
        access_key: name of the key pair; it stands in the link.
        secret_key: signs, and stays here.
        region: of the storage.
        now: UTC; storage refuses links from the future.
        lasting: how long the link is good.
    """
    parts = urlsplit(url)
    path = quote(parts.path)
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    query = urlencode(
        {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(int(lasting.total_seconds())),
            "X-Amz-SignedHeaders": "host",
        },
        quote_via=quote,
        safe="",
    )
    asked = "\n".join(["GET", path, query, f"host:{parts.netloc}\n", "host", "UNSIGNED-PAYLOAD"])
    digest = hashlib.sha256(asked.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256")
    return f"{parts.scheme}://{parts.netloc}{path}?{query}&X-Amz-Signature={signature.hex()}"
