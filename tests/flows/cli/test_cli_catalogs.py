"""``scarpwatch catalogs``: check, list and compare as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shapely.geometry import MultiPolygon, box

from db import store
from db.engine import transaction
from tests.flows.test_catalogs_mirrors import Apis, c1_item, product_item

RECORDED = Path(__file__).parents[1] / "recorded"


def test_check_counts_and_gives_each_reason(read):
    found = read("catalogs", "check", RECORDED)
    assert {name: found[name] for name in ("files", "items", "accepted", "refused", "crashed")} == {
        "files": 16, "items": 16, "accepted": 10, "refused": 6, "crashed": 0
    }  # fmt: skip
    assert len(found["refusals"]) == 6
    assert all(entry.keys() == {"id", "file", "reason"} for entry in found["refusals"])
    assert {look["platform"] for look in found["looks"]} >= {"sentinel-2c", "sentinel-1a"}


def test_check_shows_people_what_was_found(cli):
    shown = cli("catalogs", "check", RECORDED).stdout
    for words in ("accepted", "sentinel-2b, optical", "Refused because", "top of atmosphere"):
        assert words in shown


def test_check_needs_no_database_and_ends_with_failure_where_a_file_is_broken(
    cli, read, tmp_path, monkeypatch
):
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    (tmp_path / "cut.json").write_text("{", encoding="utf-8")
    wrong = cli("catalogs", "check", tmp_path, status=2)
    assert "is not JSON" in wrong.stderr
    (tmp_path / "fine.json").write_text((RECORDED / "indigo-rtc.json").read_text("utf-8"))
    found = read("catalogs", "check", tmp_path, status=1)
    assert (found["accepted"], [one["file"] for one in found["unreadable"]]) == (1, ["cut.json"])
    assert "there is no" in cli("catalogs", "check", tmp_path / "x", status=2).stderr


def test_list_tells_ready_made_and_configured_ones_and_no_secret(cli, read, home):
    settings = '[catalogues.own]\nkind = "stac"\nurl = "https://stac.example"\n'
    settings += '[catalogues.cdse]\nkind = "cdse"\ntoken = "KEY:hush-hush"\n'
    (home / "scarpwatch.toml").write_text(settings, encoding="utf-8")
    found = {entry["name"]: entry for entry in read("catalogs", "list")["catalogues"]}
    assert found["earth-search"]["collections"] == ["sentinel-2-c1-l2a", "sentinel-2-l2a"]
    assert (found["own"]["ready_made"], found["own"]["token_set"]) == (False, False)
    assert (found["cdse"]["ready_made"], found["cdse"]["token_set"]) == (True, True)
    assert found["sentinel-2"]["members"][0] == "earth-search/sentinel-2-c1-l2a"
    shown = cli("catalogs", "list").stdout
    assert "earth-search" in shown
    assert "hush" not in shown + json.dumps(found)


class TestCompare:
    @pytest.fixture
    def typed(self, home, misbehaving, reply, engine, make_region):
        apis = Apis(misbehaving, reply)
        apis.lists("one", c1_item(31), c1_item(21))
        apis.lists("two", product_item(31))
        (home / "scarpwatch.toml").write_text(
            "".join(
                f'[catalogues.{name}]\nkind = "stac"\nurl = "{own.url}"\nattempts = 1\n'
                for name, own in apis.known.items()
            ),
            encoding="utf-8",
        )
        with transaction(engine) as s:
            area = MultiPolygon([box(-62, -62, -56, -58)])
            store.save_region(s, make_region("slope", geometry=area))
        return ("catalogs", "compare", "one/sentinel-2-c1-l2a", "two/sentinel-2-l2a",
                "--region", "slope", "--since", "2025-07-01", "--until", "2025-08-02")  # fmt: skip

    def test_lists_what_one_lacks(self, typed, read, cli):
        found = read(*typed)
        assert (found["left"]["scenes"], found["right"]["scenes"], found["both"]) == (2, 1, 1)
        (missing,) = found["only_left"]
        assert missing["scene"] == "S2B_T20EPT_20250721T131905_L2A"
        assert missing["track"] == "T20EPT"
        assert found["only_right"] == []
        shown = cli(*typed).stdout
        assert "1 missing in two/sentinel-2-l2a" in shown
        assert "S2B_T20EPT_20250721T131905_L2A" in shown

    def test_wrong_words_are_named(self, typed, cli):
        swapped = [*typed[:-3], "2025-08-02", "--until", "2025-07-01"]
        assert "--since must lie before" in cli(*swapped, status=2).stderr
        assert "no region 'x'" in cli(*typed[:5], "x", status=2).stderr
        unknown = cli("catalogs", "compare", "three/x", "two/y", "--region", "slope", status=2)
        assert "no catalogue 'three'" in unknown.stderr
