"""Pictures of alerts: drawn from real looks, kept, sent along, and never in the way."""

from __future__ import annotations

import io
import os
import signal
import time
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from alerts import journal
from alerts.receiver import Receiver
from alerts.records import Channel
from db import outbox
from detectors.errors import NothingObserved
from detectors.types import Alert, Kind, State, Unseen
from flows.alert_pictures import draw_alert, folder, picture_for
from flows.alert_sights import sights
from flows.drawing import drawing_in_turn, drawn_apart
from tests.optical_watch import DEBRIS

#: The first look that shows the landslide is published by then.
SHOWN = datetime(2023, 11, 22, tzinfo=UTC)
PICTURES = {"picture_timeout_s": 120.0}


def alerts(w: Any) -> list[Alert]:
    with w.open() as s:
        return [record.alert for record in outbox.list_alerts(s)]


def receipts(w: Any) -> dict[str, Any]:
    with w.open() as s:
        (record,) = outbox.list_alerts(s)
    return {one.channel: one.receipts[-1].content for one in record.deliveries}


def image(png: bytes) -> tuple[str, tuple[int, int]]:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.text["Title"], picture.size


def test_the_picture_goes_along_and_is_drawn_once(watch: Any, tmp_path: Any) -> None:
    told = tmp_path / "told.jsonl"
    with Receiver(tmp_path / "received.jsonl") as receiver:
        w = watch(
            channels=(
                Channel("duty", SecretStr(receiver.url), True),
                Channel("log", SecretStr(told.as_uri()), True),
            ),
            settings=PICTURES,
        )
        w.run(SHOWN)
        assert all(one.delivered and one.picture is None for one in w.deliver())
        (received,) = receiver.received()
    (alert,) = alerts(w)
    kept = folder(w.services) / f"{alert.id}.png"
    png = kept.read_bytes()
    title, (width, _) = image(png)
    assert title == "EXERCISE SIMULATED: Suspected landslide"
    assert width == 1080
    assert b64decode(received["body"]["picture"]["base64"]) == png
    (line,) = journal.read(told)
    assert (tmp_path / line["body"]["picture"]["file"]).read_bytes() == png
    assert line["body"]["picture"]["bytes"] == len(png)
    assert all(receipt["picture"] for receipt in receipts(w).values())
    made = kept.stat().st_mtime_ns
    assert picture_for(w.services, alert).picture.content == png
    assert kept.stat().st_mtime_ns == made


def test_it_shows_what_the_looks_show(watch: Any) -> None:
    w = watch()
    w.run(SHOWN)
    (alert,) = alerts(w)
    seen = sights(w.services, alert)
    radar, history = seen.radar, seen.history
    assert radar.geometry == "Sentinel-1A track 137, ascending"
    assert radar.post_lines[0] == "2023-11-21 01:59 UTC"
    assert radar.pre_lines[0] == "median of 8 looks"
    assert radar.pre_lines[1].endswith(" to 2023-11-09")
    # Ascending and looking right: the flight leans to the west of north, the look to the east.
    assert radar.flight == pytest.approx(349, abs=4)
    assert (radar.look - radar.flight) % 360 == pytest.approx(90)
    assert radar.hidden == {}
    assert history.moments[-1] == alert.sensed_at
    assert len(history.moments) == 9
    steps = {name: values[-1] - values[-2] for name, values in history.series.items()}
    assert steps["VV"] > 3
    assert steps["VH"] > 3
    assert seen.optical is None
    assert [look.id for look in seen.looks] == [
        one.acquisition.id for one in w.looks().values() if one.acquisition.item_id == alert.item_id
    ]


def test_later_looks_change_nothing_of_it(watch: Any) -> None:
    w = watch()
    w.run(SHOWN)
    (alert,) = alerts(w)
    first = sights(w.services, alert)
    w.run()
    again = sights(w.services, alert)
    assert again.history == first.history
    assert again.radar.post_lines == first.radar.post_lines


def test_looks_that_are_gone_leave_a_reason_and_a_picture(served: Any, files: Any) -> None:
    w = served()
    w.run(SHOWN)
    (alert,) = alerts(w)
    files.rules({"path": ".*", "status": 404})
    seen = sights(w.services, alert)
    assert "cannot be read just now" in str(seen.radar)
    assert "127.0.0.1" not in str(seen.radar)
    image(draw_alert(w.services, alert))


@pytest.mark.parametrize(
    ("limit", "blocked", "reason"),
    [(0.05, False, "not drawn within 0.05 s"), (0.0, False, "switched off"),
     (60.0, True, "cannot be kept")],
)  # fmt: skip
def test_the_alert_goes_without_a_picture_and_says_why(
    watch: Any, tmp_path: Any, limit: float, blocked: bool, reason: str
) -> None:
    told = tmp_path / "told.jsonl"
    w = watch(
        channels=(Channel("log", SecretStr(told.as_uri()), True),),
        settings={"picture_timeout_s": limit},
    )
    w.run(SHOWN)
    if blocked:
        folder(w.services).write_text("a file where the folder should be")
    (outcome,) = w.deliver()
    assert outcome.delivered
    assert reason in outcome.picture
    (line,) = journal.read(told)
    assert "picture" not in line["body"]
    assert reason in receipts(w)["log"]["picture_left_out"]
    assert receipts(w)["log"]["picture"] is False


def test_a_channel_that_refuses_pictures_gets_the_message_alone(
    watch: Any, misbehaving: Any, reply: Any
) -> None:
    refused, taken = reply({}, status=413), reply({"receipt": "1"})
    misbehaving.on("/duty", refused, refused, taken)
    w = watch(
        channels=(Channel("duty", SecretStr(f"{misbehaving.url}/duty"), True),), settings=PICTURES
    )
    w.run(SHOWN)
    for _ in range(3):
        (outcome,) = w.deliver()
        w.sql("UPDATE deliveries SET retry_at = now() WHERE retry_at IS NOT NULL")
    assert outcome.delivered
    assert outcome.picture == "left out after 2 failed attempts with it"
    sent = [asked.json for asked in misbehaving.asked_at("/duty")]
    assert ["picture" in one for one in sent] == [True, True, False]


def test_an_optical_verdict_is_shown_beside_radar(watch_optically: Any) -> None:
    w = watch_optically()
    landslide = w.suspect()
    w.see(4, DEBRIS)
    w.confirm(5)
    from db.engine import transaction

    with transaction(w.services.engine) as s:
        alert = next(r.alert for r in outbox.list_alerts(s) if r.alert.kind == "confirmed")
    assert alert.landslide.id == landslide.id
    assert alert.landslide.state is State.CONFIRMED
    assert alert.landslide.kind is Kind.LANDSLIDE
    seen = sights(w.services, alert)
    # The radar look of this world has no files.
    assert isinstance(seen.radar, str)
    assert len(seen.optical.outlines) == 2
    assert seen.optical.pre_lines[0].startswith(("1 look", "greenest of"))
    assert set(seen.optical.hidden) <= set(Unseen)
    title, _ = image(draw_alert(w.services, alert))
    assert title == "EXERCISE SIMULATED: Confirmed landslide"


def who_draws(services: Any, wanted: str) -> bytes:
    """Draw nothing but the number of the process; some subjects are its end."""
    del services
    if wanted == "too long":
        time.sleep(60)
    if wanted == "a crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if wanted == "a fault":
        raise ValueError(wanted)
    if wanted == "refused":
        raise NothingObserved("there is nothing")
    print("a library prints")
    return str(os.getpid()).encode()


def test_pictures_in_turn_are_drawn_by_one_process(watch: Any) -> None:
    services, what = watch().services, f"{__name__}:who_draws"

    def drawn(wanted: str = "", limit: float = 60.0) -> bytes | str:
        return drawn_apart(services, what, wanted, limit)

    assert drawn() != drawn()
    with drawing_in_turn():
        first = drawn()
        assert isinstance(first, bytes)
        assert drawn("x" * 200_000) == first
        assert drawn("a fault") == "the drawing broke: ValueError"
        assert drawn("refused") == "there is nothing"
        assert drawn() == first
        assert drawn("a crash") == "the drawing process ended with -11"
        second = drawn()
        assert drawn("too long", 0.2) == "not drawn within 0.2 s"
        third = drawn()
    assert len({first, second, third}) == 3
    assert not any(Path("/proc", str(int(one))).exists() for one in (first, second, third))
