"""Ledger, costs and platforms, as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from db import costs, store
from db.engine import transaction


def test_the_ledger_says_what_became_of_each_pass(stored: Any, cli: Any, read: Any) -> None:
    found = read("ledger", "--since", "2023-01-01")
    by_region = {one["region_id"]: one for one in found["regions"]}
    assert set(by_region) == {"san-rafael", "big-sur"}
    coast = by_region["big-sur"]
    assert coast["tracks"] == {}, "nothing came for years: no cycle is known today"
    outcomes = [line["outcome"] for line in coast["passes"]]
    assert outcomes[:5] == ["processed", "skipped", "failed", "waiting", "processed"]
    assert outcomes[5:] == ["missing"] * 3, "the track has ended"
    assert coast["passes"][2]["reason"] == "because it was failed"
    assert coast["passes"][0]["sensed_at"].endswith("Z")
    assert by_region["san-rafael"]["simulated"]

    # Six passes came to the coast, two to the drill.
    assert coast["warming_up"] == {}
    assert by_region["san-rafael"]["warming_up"] == {
        "137-ascending": {"passes": 4, "judged_at": None}
    }
    shown = cli("ledger", "san-rafael", "--since", "2023-01-01").stdout
    assert "warming up: 4 more passes" in shown
    assert read("status")["warming_up"] == {"san-rafael": by_region["san-rafael"]["warming_up"]}
    assert "san-rafael: 137-ascending is warming up: 4 more passes" in " ".join(
        cli("status").stdout.split()
    )

    shown = cli("ledger", "big-sur", "--since", "2023-01-01").stdout
    for said in ("Missing", "failed here", "because it was failed", "137-ascending "):
        assert said in shown, shown
    quiet = cli("ledger").stdout
    assert "drill" in quiet
    assert cli("ledger", "nowhere", status=2).stderr


def test_costs_and_what_is_left_of_the_quota(
    stored: Any, engine: Engine, make_region: Any, cli: Any, read: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    today = datetime.now(UTC).date()
    with transaction(engine) as s:
        store.save_region(s, make_region("big-sur", requests_a_month=100, bytes_a_month=10**9))
        for item, requests in (("LOOK_1", 60), ("LOOK_2", 45), ("", 3)):
            spent = costs.Spending(requests, 2_500_000, 12.5, 1.5)
            costs.add_costs(
                s, today, "local/x", "judge" if item else "poll", item, {"big-sur": spent}
            )
    one = read("ledger", "big-sur", "--cost")["regions"][0]
    assert one["month"] == {"requests": 108, "bytes": 7_500_000, "seconds": 37.5, "units": 4.5}
    assert one["quota"] == {"requests": 100, "bytes": 10**9, "units": None}
    assert [(line["work"], line["looks"]) for line in one["work"]] == [("judge", 2), ("poll", 0)]
    assert [look["item_id"] for look in one["looks"]] == ["LOOK_1", "LOOK_2"]
    shown = cli("ledger", "big-sur", "--cost").stdout
    for said in ("108 of 100 requests this month", "looks wait until", "5.0 MB", "LOOK_2"):
        assert said in shown, shown
    assert "nothing spent" in cli("ledger", "--cost").stdout
    monkeypatch.setenv("SCARPWATCH_QUOTA__UNITS_A_MONTH", "9")
    assert read("ledger", "big-sur", "--cost")["regions"][0]["quota"]["units"] == 9
    assert "4.5 of 9 units this month (the default)" in cli("ledger", "big-sur", "--cost").stdout
    assert "9 processing units (default)" in cli("regions", "show", "big-sur").stdout
    assert "100 requests" in cli("regions", "show", "big-sur").stdout
    status = read("status")
    assert status["put_off"]["big-sur"] in status["notes"]
    assert status["alerts_held"] == {}


def test_platforms_are_listed_and_decided_upon(stored: Any, cli: Any, read: Any) -> None:
    one = read("platforms", "--region", "big-sur")["regions"][0]["platforms"]
    assert [(p["platform"], p["standing"], p["may_alert"]) for p in one] == [
        ("sentinel-1a", "known", True)
    ]
    said = cli(
        "platforms", "reject", "sentinel-1a", "--reason", "broken antenna", "--by", "Kari"
    ).stdout
    assert "sentinel-1a is rejected by Kari" in said
    shown = cli("platforms").stdout
    for word in ("rejected", "Kari", "broken antenna", "137-ascending"):
        assert word in shown, shown
    cli("platforms", "approve", "sentinel-1a", "--reason", "mended", "--by", "Kari")
    (now,) = read("platforms", "--region", "big-sur")["regions"][0]["platforms"]
    assert (now["standing"], now["decision"]["decided_by"]) == ("approved", "Kari")
    wrong = cli("platforms", "approve", "sentinel-1z", "--reason", "x", "--by", "Kari", status=2)
    assert "no look of sentinel-1z is known" in wrong.stderr
