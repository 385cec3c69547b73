"""``scarpwatch verification``, typed: pages and documents by region, the same figures on screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_a_month_of_every_region(stored: Any, cli: Any, read: Any, tmp_path: Path) -> None:
    out = tmp_path / "pages"
    found = read("verification", "--month", "2023-12", "--out", out)
    by_region = {one["region_id"]: one for one in found["regions"]}
    assert set(by_region) == {"san-rafael", "big-sur"}
    assert by_region["san-rafael"]["status"] != "actual", "a drill says so"
    coast = by_region["big-sur"]
    assert coast["status"] == "actual"
    assert sum(n for one in coast["looked"] for n in one["states"].values()) >= 1
    for one in by_region.values():
        page = Path(one.pop("page"))
        assert page == out / one["region_id"] / "2023-12.html"
        assert json.loads(page.with_suffix(".json").read_text()) == one
    assert "SIMULATED" in (out / "san-rafael" / "2023-12.html").read_text()

    shown = cli("verification", "big-sur", "--month", "2023-12", "--out", out).stdout
    assert "Big Sur coast" in shown
    assert "Precision, twelve months" in " ".join(shown.split())
    assert all(len(line) <= 100 for line in shown.splitlines() if "Written" not in line)


def test_what_is_no_month_and_what_is_empty(stored: Any, cli: Any) -> None:
    assert "2023-13" in cli("verification", "--month", "2023-13", status=2).stderr
    assert cli("verification", "nowhere", status=2).stderr
    quiet = cli("verification", "big-sur", "--month", "2022-02").stdout
    assert "No look of this month" in quiet
