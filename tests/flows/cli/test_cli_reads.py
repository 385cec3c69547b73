"""Looks, landslides, alerts, status: what is stored, as text and as JSON."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from db import outbox
from db.engine import transaction
from flows.cli import landslide_views
from tests.cap_reader import read as read_cap

HOOK = """
[channels.drill-file]
url = "file://{folder}/told.jsonl"
exercise = true
[channels.drill-hook]
url = "file://{folder}/hook.jsonl"
exercise = true
"""


def test_looks(stored: Any, cli: Any, read: Any) -> None:
    everything = read("looks", "list")
    assert (len(everything["looks"]), everything["more"]) == (8, False)
    look = everything["looks"][0]
    assert look["sensed_at"].endswith("Z")
    assert "hrefs" not in look
    assert look["share_seen"] == pytest.approx(0.981)
    assert (len(read("looks", "list", "--limit", 3)["looks"])) == 3
    (failed,) = read("looks", "list", "--state", "failed")["looks"]
    assert failed["reason"] == "because it was failed"
    drill = read("looks", "list", "--region", "san-rafael")["looks"]
    assert {look["region_id"] for look in drill} == {"san-rafael"}
    assert all(look["simulated"] for look in drill)

    shown = cli("looks", "list", "--limit", 2).stdout
    assert f"\n  {look['item_id']}\n" in shown
    assert "--limit 20" in shown
    assert "known: due" in " ".join(cli("looks", "list", "--state", "odd", status=2).stderr.split())
    assert "no region 'odd'" in cli("looks", "list", "--region", "odd", status=2).stderr


def test_landslides(stored: Any, cli: Any, read: Any) -> None:
    found = read("landslides", "list")["landslides"]
    assert [one["tier"] for one in found] == ["watch", "likely"]  # newest first
    likely = found[1]
    assert (likely["revision"], likely["looks"], likely["simulated"]) == (2, 2, True)
    assert likely["geometry"]["type"] == "MultiPolygon"
    lon, lat = likely["point"]
    assert (round(lon, 1), round(lat, 1)) == (-119.8, 34.6)
    for words, wanted in (
        (["--tier", "likely"], 1), (["--region", "big-sur"], 1), (["--state", "refuted"], 0),
        (["--since", "2023-12-01"], 1), (["--since", "2023-12-01T00:00:00+02:00"], 1),
        (["--since", "2030-01-01"], 0),
    ):  # fmt: skip
        assert len(read("landslides", "list", *words)["landslides"]) == wanted, words
    assert "is none of watch" in cli("landslides", "list", "--tier", "x", status=2).stderr
    told = " ".join(
        cli("landslides", "list", "--since", "2023-12-01T00:00", status=2).stderr.split()
    )
    assert "has no time zone" in told
    assert "no date like" in cli("landslides", "list", "--since", "soon", status=2).stderr
    assert "An empty answer" in cli("landslides", "list", "--state", "closed").stdout


@pytest.mark.parametrize("width", [80, 110, 120, 200])
def test_landslides_fit_the_screen(
    stored: Any, cli: Any, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = cli("landslides", "list").stdout
    assert all(len(line) <= width for line in shown.splitlines())
    assert "-119.811" in shown
    assert "34.61" in shown
    whole = re.search(r"-119\.\d{5}, 34\.\d{5}(?!\d)", shown)
    assert ("Evidence" in shown, whole is not None) == (width >= 120, width >= 120)
    assert "simulated" in shown


def test_show_a_landslide(stored: Any, cli: Any, read: Any) -> None:
    whole = str(stored.likely.id)
    document = read("landslides", "show", whole)
    assert [version["revision"] for version in document["versions"]] == [1, 2]
    assert [found["evidence"] for found in document["found"]] == [21.7, 22.4]
    assert [alert["id"] for alert in document["alerts"]] == [str(stored.alert.id)]
    assert read("landslides", "show", whole[:8].upper())["id"] == whole
    shown = cli("landslides", "show", whole[:8]).stdout
    for words in ("SIMULATED", "3.3 ha", "backscatter rose 4.3 dB", "not a probability",
                  "(lon, lat)", "after 2023-11-09 01:59 UTC", "EXERCISE", "drill-hook due",
                  "seen again", stored.look.item_id):  # fmt: skip
        assert words in shown
    assert "stored, not sent" in cli("landslides", "show", str(stored.watched.id)[:8]).stdout


def test_ids_by_their_first_digits(stored: Any, cli: Any, engine: Engine) -> None:
    from db.facts import landslide_ids

    with transaction(engine) as s:
        assert landslide_ids(s, str(stored.likely.id)) == [stored.likely.id]
        assert landslide_ids(s, "f" * 32) == []
        both = sorted([stored.likely.id, stored.watched.id], key=str)
        found = [one for digit in "0123456789abcdef" for one in landslide_ids(s, digit)]
        assert found == both
    for wrong in ("xyz", "", "a" * 33):
        assert "is no id" in cli("landslides", "show", wrong, status=2).stderr
    absent = next(d for d in "0123456789abcdef" if not any(str(i).startswith(d) for i in both))
    assert "no landslide" in cli("landslides", "show", absent, status=2).stderr
    assert "no alert" in cli("alerts", "resend", uuid.UUID(int=0), status=2).stderr


def test_ids_that_are_not_unique(stored: Any, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import db.facts

    # Two ids that begin alike cannot be had on purpose; that both are found is tested above.
    both = [stored.likely.id, stored.watched.id]
    monkeypatch.setattr(db.facts, "landslide_ids", lambda *_: both)
    assert "type more digits" in cli("landslides", "show", "ab", status=2).stderr


def test_alerts(stored: Any, cli: Any, read: Any) -> None:
    (alert,) = read("alerts", "list")["alerts"]
    assert (alert["exercise"], alert["simulated"], alert["kind"]) == (True, True, "suspected")
    states = {d["channel"]: d["state"] for d in alert["deliveries"]}
    assert sorted(states.values()) == ["delivered", "due"]
    assert read("alerts", "list", "--region", "big-sur")["alerts"] == []
    shown = cli("alerts", "list").stdout
    assert "EXERCISE suspected" in shown
    assert "HTTP 503" in shown


def test_resend(stored: Any, cli: Any, read: Any, home: Path, tmp_path: Path) -> None:
    key = str(stored.alert.id)
    # The channels are not in the settings any more: the message stays, with its reason.
    failed = read("alerts", "resend", key[:10], status=1)
    assert {d["state"] for d in failed["deliveries"]} == {"due"}
    assert "no channel" in failed["deliveries"][0]["reason"]
    (home / "scarpwatch.toml").write_text(HOOK.format(folder=tmp_path))
    sent = read("alerts", "resend", key)
    assert {d["state"] for d in sent["deliveries"]} == {"delivered"}
    assert {r["content"]["key"] for d in sent["deliveries"] for r in d["receipts"]} == {key}
    assert "2 times" in cli("alerts", "resend", key[:6]).stdout


def test_resend_finds_channels_for_an_alert_that_had_none(
    stored: Any, cli: Any, engine: Engine, home: Path, tmp_path: Path
) -> None:
    from sqlalchemy import delete

    from db import tables

    with transaction(engine) as s:
        s.execute(delete(tables.Receipt))
        s.execute(delete(tables.Delivery))
    assert "nobody was told" in cli("alerts", "list").stdout
    key = str(stored.alert.id)
    assert "takes this alert" in cli("alerts", "resend", key, status=2).stderr
    (home / "scarpwatch.toml").write_text(HOOK.format(folder=tmp_path))
    assert "drill-file" in cli("alerts", "resend", key).stdout
    with transaction(engine) as s:
        (record,) = outbox.list_alerts(s, alert_id=stored.alert.id)
    assert len(record.deliveries) == 2


def test_preview_shows_what_a_channel_gets(
    stored: Any, cli: Any, read: Any, home: Path, tmp_path: Path
) -> None:
    key = str(stored.alert.id)
    english = cli("alerts", "preview", key[:8]).stdout
    assert "SUSPECTED LANDSLIDE, NOT CONFIRMED" in english
    assert "WHAT TO DO NOW\n1. Do not treat it as confirmed." in english
    assert f"key {key}" in english
    norwegian = cli("alerts", "preview", key[:8], "--language", "nb").stdout
    assert norwegian.startswith("EXERCISE SIMULATED: Mistenkt skred")
    assert "DETTE GJØR DU NÅ" in norwegian
    (tmp_path / "own" / "nb" / "actions").mkdir(parents=True)
    own = tmp_path / "own" / "nb" / "actions" / "landslide-suspected.j2"
    own.write_text("Ring vakta.\n")
    words = ("--language", "nb", "--templates", tmp_path / "own")
    document = read("alerts", "preview", key, *words)
    assert document["actions"] == ["Ring vakta."]
    assert document["language"] == "nb"
    (home / "scarpwatch.toml").write_text(f'templates = "{tmp_path}/own"\n')
    assert "1. Ring vakta." in cli("alerts", "preview", key, "--language", "nb").stdout
    assert "known: en, nb" in cli("alerts", "preview", key, "--language", "xx", status=2).stderr
    assert cli("alerts", "templates", "check", tmp_path / "own").stdout.count("nb") == 1
    own.write_text("{{ nobody }}\n")
    told = cli("alerts", "templates", "check", tmp_path / "own", status=1).stdout
    assert "nb/actions/landslide-suspected.j2: unknown variable nobody" in " ".join(told.split())
    found = read("alerts", "templates", "check", tmp_path / "own", status=1)
    assert len(found["faults"]) == 1
    assert found["languages"] == {"nb": 1}


def test_try_out_channels(home: Path, cli: Any, read: Any, tmp_path: Path) -> None:
    assert "[channels.NAME]" in cli("alerts", "test", status=2).stderr
    live = f'[channels.duty]\nurl = "file://{tmp_path}/live.jsonl"\n'
    (home / "scarpwatch.toml").write_text(HOOK.format(folder=tmp_path) + live)
    shown = cli("alerts", "test", "drill-file").stdout
    assert "delivered an EXERCISE by file" in shown
    (line,) = (tmp_path / "told.jsonl").read_text(encoding="utf-8").splitlines()
    message = read_cap(json.loads(line)["body"]["cap"].encode())
    assert (message.plain["status"], message.plain["addresses"]) == ("Test", "drill-file")
    told = cli("alerts", "test", "duty").stdout
    assert "nothing was sent" in told
    assert not (tmp_path / "live.jsonl").exists()
    results = {one["channel"]: one for one in read("alerts", "test")["channels"]}
    assert results["drill-hook"]["receipt"]["kind"] == "file"
    assert results["duty"]["state"] == "checked"
    assert "withdrawn" in cli("alerts", "test", "--kind", "gossip", status=2).stderr
    cli("alerts", "test", "drill-file", "--kind", "withdrawn")
    known = cli("alerts", "test", "nope", status=2).stderr
    assert "known: drill-file, drill-hook, duty" in known


def test_a_channel_that_does_not_take_it(home: Path, read: Any, misbehaving: Any) -> None:
    (home / "scarpwatch.toml").write_text(
        f'[channels.hook]\nurl = "{misbehaving.url}/secret-path"\nexercise = true\n'
    )
    (result,) = read("alerts", "test", status=1)["channels"]
    assert result["state"] == "failed"
    assert "404" in result["reason"]
    assert "secret-path" not in str(result)


def test_status(stored: Any, cli: Any, read: Any) -> None:
    document = read("status")
    assert document["looks"] == {"due": 1, "processing": 0, "failed": 1}
    assert document["messages"]["delivered"] == 1
    assert len(document["undelivered"]) == 1
    assert any("look failed" in note for note in document["notes"])
    shown = cli("status").stdout
    for words in ("big-sur cannot be read", "1 message not delivered", "nobody would be told",
                  "drill-hook", "HTTP 503"):  # fmt: skip
        assert words in shown


def test_status_of_nothing(cli: Any, read: Any) -> None:
    assert "scarpwatch regions add FILE" in cli("status").stdout
    assert read("status")["regions"] == []
    assert "No alert so far" in cli("alerts", "list").stdout
    assert "scarpwatch poll" in cli("looks", "list").stdout
    assert cli("looks", "list", "--state", "failed").stdout == "No look is failed.\n"


def test_outlines_without_a_point_are_said_to_be_unknown(stored: Any) -> None:
    from dataclasses import replace

    from shapely.geometry import MultiPolygon

    assert landslide_views.where(replace(stored.likely, geometry=MultiPolygon())) == "unknown"
