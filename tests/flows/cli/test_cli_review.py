"""A person's verdict on the command line, every step with its cause, and what was known when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any


def test_a_verdict_is_stored_shown_and_told(stored: Any, cli: Any, read: Any) -> None:
    before = datetime.now(UTC)
    digits = str(stored.likely.id)[:8]
    shown = cli("review", digits, "refute", "--reason", "a [quarry]", "--by", "Kari").stdout
    assert "is refuted: refuted by Kari: a [quarry]" in shown
    assert "1 alert in the outbox" in shown
    document = read("landslides", "show", digits)
    assert (document["state"], document["reviewed_by"]) == ("refuted", "Kari")
    assert document["alerts"][-1]["kind"] == "withdrawn"
    (said,) = document["reviews"]
    assert (said["verdict"], said["reason"]) == ("refute", "a [quarry]")
    # Its window was over long ago; that is stored before the verdict.
    last = document["transitions"][-1]
    assert (last["state_before"], last["state"], last["cause_kind"], last["reviewed_by"]) == (
        "unresolved", "refuted", "person", "Kari",
    )  # fmt: skip
    shown = cli("landslides", "show", digits).stdout
    for words in ("Steps", "radar look", "person", "decided by  Kari"):
        assert words in shown, shown
    now = {one["id"]: one["state"] for one in read("landslides", "list")["landslides"]}
    then = read("landslides", "list", "--as-of", before.isoformat())["landslides"]
    assert now[str(stored.likely.id)] == "refuted"
    assert {one["state"] for one in then} == {"suspected"}
    assert len(then) == len(now) == 2
    day = f"{before - timedelta(days=1):%Y-%m-%d}"
    assert f"No landslide was known on {day}" in cli("landslides", "list", "--as-of", day).stdout
    as_of = cli("landslides", "list", "--as-of", before.isoformat()).stdout
    assert f"As known on {before:%Y-%m-%d at %H:%M} UTC" in as_of


def test_a_verdict_in_json_and_what_cannot_be_one(stored: Any, cli: Any, read: Any) -> None:
    words = ("--reason", "seen", "--by", "Ola")
    document = read("review", stored.watched.id, "confirm", *words)
    assert (document["landslide"]["state"], document["alerts"]) == ("confirmed", 1)
    assert document["review"]["reviewer"] == "Ola"
    again = cli("review", stored.watched.id, "confirm", *words, status=2)
    assert "is confirmed by Ola already" in again.output
    wrong = cli("review", stored.watched.id, "deny", *words, status=2)
    assert "one of confirm, refute, close, reopen" in wrong.output.replace("\n", " ")
