"""The whole drill's parts: a real inbox, what it counts as lost, and the order of its stops."""

from __future__ import annotations

import smtplib
from dataclasses import fields, replace
from datetime import timedelta
from email.message import EmailMessage

from alerts.receiver import Receiver
from flows.drill import WHOLE
from flows.drill_optical import PASSES
from flows.drilling.inbox import CAP_TYPE, KEY, MailBox, cap_of
from flows.drilling.scene import FIRST_SUSPECTED, FIRST_VERDICT, PLAY, STOPS
from flows.drilling.summary import DrillSummary
from flows.settings import Settings


def test_the_inbox_takes_mails_with_their_cap_message() -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@drill.invalid", "b@drill.invalid", "drill"
    mail[KEY] = "key"
    mail.set_content("words")
    kind, _, name = CAP_TYPE.partition("/")
    mail.add_attachment(b"<alert/>", maintype=kind, subtype=name, filename="key.xml")
    with MailBox() as post:
        port = int(post.url.split(":")[2].split("/")[0])
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as server:
            server.send_message(mail)
        (taken,) = post.mails
    assert taken[KEY] == "key"
    assert cap_of(taken) == b"<alert/>"


def test_a_mail_without_cap_has_none() -> None:
    mail = EmailMessage()
    mail.set_content("words")
    assert cap_of(mail) is None


def good() -> DrillSummary:
    numbers = {one.name: 1 for one in fields(DrillSummary)}
    return DrillSummary(**(numbers | {"cap_faults": 0, "duplicates": 0, "lost": 0, "broken": ()}))


def test_complete_means_every_state_and_nothing_lost() -> None:
    assert good().complete
    for name in ("duplicates", "lost", "cap_faults"):
        assert not replace(good(), **{name: 1}).complete
    assert not replace(good(), broken=("a rule: somewhere",)).complete
    for name in ("updated", "confirmed", "refuted", "unresolved", "closed", "ponds",
                 "cap_alert", "cap_update", "cap_cancel", "repeated_same_key"):  # fmt: skip
        assert not replace(good(), **{name: 0}).complete


def test_the_stops_leave_time_for_every_state() -> None:
    assert list(STOPS) == sorted(STOPS)
    first, last = (min(one.happened_at for one in WHOLE.planted), STOPS[-1])
    assert STOPS[0] > first
    cleared = [one.clear_from for one in PLAY.drill.planted if one.clear_from is not None]
    shown = [one.sensed_at for one in PASSES if one.sensed_at >= min(cleared)]
    # A second radar look comes before the first verdict, which comes with the first clear look.
    assert FIRST_SUSPECTED < STOPS[2] < min(shown) < FIRST_VERDICT
    settings = Settings()
    window = max(settings.optical_window, settings.close_after)
    assert last - max(shown) > window + timedelta(days=1)
    assert any(one.clear_from is None for one in PLAY.drill.planted)
    assert any(one.pond is not None for one in PLAY.drill.planted)


def test_a_silent_receiver_keeps_its_answer_back(tmp_path) -> None:
    import threading

    import httpx

    with Receiver(tmp_path / "inbox.jsonl") as receiver:
        receiver.answers.clear()
        answered = threading.Event()

        def post() -> None:
            httpx.post(receiver.url, json={}, headers={"Idempotency-Key": "k"}, timeout=30)
            answered.set()

        thread = threading.Thread(target=post)
        thread.start()
        while not receiver.received():
            assert not answered.is_set()
        assert not answered.wait(0.2)
        receiver.answers.set()
        assert answered.wait(20)
        thread.join()
