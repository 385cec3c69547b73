"""Recorded items as files: what would be taken, what would not, and what is no item at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from detectors.errors import ConfigurationError
from flows.catalogs import recorded
from flows.catalogs.recorded import examine, items_in

SHIPPED = Path(__file__).parent / "recorded"


def test_shipped_items():
    found = examine(SHIPPED)
    assert (found.files, found.items) == (16, 16)
    assert len(found.looks) == 10
    assert found.crashes == found.unreadable == []
    assert found.without_items == ["collection.json"]
    assert found.unknown_platforms == {}
    reasons = {refusal.file: refusal.reason for refusal in found.refusals}
    assert reasons.keys() == {
        "cdse-mosaic.json", "earth-search-v1-grd.json", "earth-search-v1-l1c.json", "odata.json",
        "search-without-assets.json",
    }  # fmt: skip
    assert "without rasters" in reasons["odata.json"]
    assert {look.sensor for look in found.looks} == {"sar", "optical"}
    look = next(look for look in found.looks if look.file == "earth-search-v1.json")
    assert look.scene == "S2B_T20EPT_20250731T131905_L2A"
    assert set(look.offset.values()) == {0.0}


def test_relative_hrefs_start_at_the_file(tmp_path):
    text = (SHIPPED / "stactools-t01wcp.json").read_text("utf-8")
    (tmp_path / "item.json").write_text(text, encoding="utf-8")
    assert len(examine(tmp_path / "item.json").looks) == 1


def feature(**changes: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": "x", "properties": {}, "assets": {}, **changes}


@pytest.mark.parametrize(
    ("document", "count"),
    [
        (feature(), 1),
        ({"type": "FeatureCollection", "features": [feature(), None, 7]}, 3),
        ({"features": [feature()]}, 1),
        ([feature(), {"type": "Collection"}, 3], 1),
        ({"request": {}, "response": {"features": [feature()]}}, 1),
        ({"request": {}, "response": feature()}, 1),
        ({"request": {}, "response": None}, 0),
        ({"value": [{"Name": "S2A.SAFE"}, {"other": 1}, None]}, 1),
        ({"results": [{"sceneID": "a"}]}, 1),
        ({"type": "Collection", "features": None}, 0),
        ({"type": "Catalog", "links": []}, 0),
        ({"Contents": [{"Key": "a"}]}, 0),
        ({"value": 3}, 0), ({}, 0), ([], 0), (47, 0), ("text", 0), (None, 0),
    ],
)  # fmt: skip
def test_what_counts_as_an_item(document, count):
    assert len(list(items_in(document))) == count


def test_every_refusal_has_id_file_and_reason(tmp_path):
    (tmp_path / "sub").mkdir()
    page = {"type": "FeatureCollection", "features": [feature(), None, feature(id=None)]}
    (tmp_path / "sub" / "page.geojson").write_text(json.dumps(page), encoding="utf-8")
    found = examine(tmp_path)
    assert [(r.file, bool(r.id)) for r in found.refusals] == [("sub/page.geojson", True)] * 3
    reasons = [refusal.reason for refusal in found.refusals]
    assert reasons[0].startswith("neither a Sentinel-1 nor a Sentinel-2 look")
    assert reasons[1:] == ["not a STAC item", "no id"]


def test_fault_of_our_own_is_counted_and_the_rest_goes_on(monkeypatch):
    real = recorded.to_acquisition

    def faulty(item: Any, *args: Any, **options: Any) -> Any:
        if "20EPT" in str(item.get("id")):
            raise ZeroDivisionError("oops")
        return real(item, *args, **options)

    monkeypatch.setattr(recorded, "to_acquisition", faulty)
    found = examine(SHIPPED)
    assert len(found.crashes) == 4
    assert "ZeroDivisionError: oops (test_catalogs_recorded.py:" in found.crashes[0].reason
    assert found.items == 16


def test_unknown_platform_is_taken_and_counted(tmp_path):
    item = json.loads((SHIPPED / "earth-search-c1.json").read_text("utf-8"))
    item["properties"]["platform"] = "sentinel-next"
    (tmp_path / "a.json").write_text(json.dumps(item), encoding="utf-8")
    assert examine(tmp_path).unknown_platforms == {"sentinel-next": 1}


def test_odd_characters_can_be_printed(tmp_path):
    odd = [feature(id="a\0"), feature(platform="\ud800"), {"Name": "\ud800"}]
    odd[1]["properties"] = {"platform": "\ud800"}
    for number, entry in enumerate([odd[0], odd[1], {"value": [odd[2]]}]):
        (tmp_path / f"{number}.json").write_text(json.dumps(entry), encoding="utf-8")
    found = examine(tmp_path)
    assert len(found.refusals) == 3
    assert all((one.id + one.reason).encode() for one in found.refusals)


def test_broken_file_among_others_is_told_apart(tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(feature()), encoding="utf-8")
    (tmp_path / "cut.json").write_text('{"type": "Feat', encoding="utf-8")
    (tmp_path / "deep.json").write_text("[" * 200_000, encoding="utf-8")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    found = examine(tmp_path)
    assert (found.files, found.items) == (4, 1)
    assert [one.file for one in found.unreadable] == ["binary.json", "cut.json", "deep.json"]
    assert all(one.reason.startswith("not JSON") for one in found.unreadable)


def test_nothing_to_read_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no .*missing; name a file or folder"):
        examine(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match=r"no .json or .geojson file below"):
        examine(tmp_path)
    (tmp_path / "cut.json").write_text("{", encoding="utf-8")
    for path in (tmp_path, tmp_path / "cut.json"):
        with pytest.raises(ConfigurationError, match=r"cut\.json is not JSON: .*Save what"):
            examine(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / "closed.json").write_text("{}", encoding="utf-8")
    (tmp_path / "closed.json").chmod(0)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        examine(tmp_path)
