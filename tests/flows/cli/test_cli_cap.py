"""CAP on the command line: messages as they were sent, and checks of anybody's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from alerts.cap import Profile, compose
from alerts.sample import sample_alert
from db.engine import transaction
from flows.capping import keep_cap
from tests.cap_reader import read as read_cap

PROFILE = Profile("alerts.example.org", "Example agency", "Duty desks")


@pytest.fixture
def message(tmp_path: Path) -> Path:
    at = datetime(2023, 1, 1, tzinfo=UTC)
    file = tmp_path / "good.xml"
    file.write_text(compose(sample_alert(at), PROFILE, (), at).xml, encoding="utf-8")
    return file


def test_the_message_of_an_alert(stored: Any, engine: Engine, cli: Any, read: Any) -> None:
    key = str(stored.alert.id)
    assert "older than CAP" in cli("alerts", "cap", key, status=2).stderr
    assert "no alert" in cli("alerts", "cap", "0000", status=2).stderr
    with transaction(engine) as s:
        keep_cap(s, PROFILE, stored.alert, ())
    shown = cli("alerts", "cap", key[:9]).stdout
    assert read_cap(shown.encode()).plain["identifier"] == key
    document = read("alerts", "cap", key)
    assert (document["document"], document["faults"]) == (shown, [])
    assert (document["sender"], document["msg_type"]) == ("alerts.example.org", "Alert")


def test_check(cli: Any, read: Any, message: Path, tmp_path: Path) -> None:
    assert "good.xml  valid" in cli("cap", "check", message).stdout.replace("\n", " ")
    swapped = tmp_path / "swapped.xml"
    text = message.read_text(encoding="utf-8")
    swapped.write_text(text.replace("<polygon>", "<polygon>95.0,10.0 "), encoding="utf-8")
    hostile = tmp_path / "hostile.xml"
    hostile.write_text('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
    shown = cli("cap", "check", message, swapped, hostile, status=1).stdout
    assert "off-the-earth" in shown
    assert "not-xml" in shown
    files = read("cap", "check", message, swapped, hostile, status=1)["files"]
    assert [one["valid"] for one in files] == [True, False, False]
    assert {one["name"] for one in files[1]["faults"]} == {"off-the-earth"}
    remark = tmp_path / "remark.xml"
    remark.write_text(text.replace("<note>", "<code/><note>"), encoding="utf-8")
    assert "valid, 1 remark" in cli("cap", "check", remark).stdout.replace("\n", " ")


def test_check_with_a_schema_of_ones_own(
    cli: Any, read: Any, message: Path, tmp_path: Path
) -> None:
    schema = tmp_path / "cap.xsd"
    schema.write_text(
        '<schema xmlns="http://www.w3.org/2001/XMLSchema" '
        'targetNamespace="urn:oasis:names:tc:emergency:cap:1.2"><element name="other"/></schema>'
    )
    (one,) = read("cap", "check", message, "--schema", schema, status=1)["files"]
    assert [fault["name"] for fault in one["faults"]] == ["schema"]
    schema.write_text("<a/>")
    assert (
        "no usable XML schema" in cli("cap", "check", message, "--schema", schema, status=2).stderr
    )
    assert json.loads(cli("cap", "check", message, "--json").stdout)["files"][0]["faults"] == []


def test_files_that_cannot_be_read_are_named(cli: Any, tmp_path: Path) -> None:
    assert "is a folder" in cli("cap", "check", tmp_path, status=2).stderr
    assert "gone.xml" in cli("cap", "check", tmp_path / "gone.xml", status=2).stderr
