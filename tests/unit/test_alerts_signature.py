"""Signatures that any Standard Webhooks library can check."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.signature import sign, verify
from detectors.errors import ConfigurationError


def test_the_published_example_comes_out() -> None:
    """Values from the specification's own example."""
    headers = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(min_size=1), st.uuids().map(str), st.binary())
def test_what_is_signed_verifies_and_nothing_else(secret: str, key: str, body: bytes) -> None:
    secret = f"s{secret}".encode(errors="replace").decode()
    headers = sign(secret, key, 1_000, body)
    assert verify(secret, headers, body, now=1_200)
    assert not verify(secret, headers, body + b"x", now=1_200)
    assert not verify(f"{secret}x", headers, body, now=1_200)
    assert not verify(secret, headers, body, now=1_301)
    assert not verify(secret, {**headers, "webhook-id": f"{key}x"}, body, now=1_200)


@pytest.mark.parametrize(
    "broken",
    [{}, {"webhook-timestamp": "soon"}, {"webhook-timestamp": "²"}, {"webhook-timestamp": "-1"}],
)
def test_broken_headers_do_not_verify(broken: dict[str, str]) -> None:
    assert not verify("secret", broken, b"", now=0)


def test_a_secret_that_is_no_base64_is_named_but_not_shown() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        sign("whsec_t0ken!", "k", 0, b"")
    assert "t0ken" not in str(refusal.value)
