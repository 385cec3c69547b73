"""A month's verification: counted from what is stored, honest when empty, told once."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from alerts import journal
from alerts.records import Channel
from db import queries
from detectors.drift import Trend
from detectors.errors import ConfigurationError
from detectors.types import Sensor, Tier, Verdict
from flows.delivering import deliver_due
from flows.reviewing import review_landslide
from flows.verification import month_before, span_of, verify
from flows.verification_report import document, report, report_due
from tests.series import END

#: The landslide is in the last two of four judged looks: 21 November and 3 December.
MONTH = "2023-11"


@pytest.fixture
def world(watch, tmp_path):
    """A drill in which radar suspected one landslide, told and refuted by a person."""
    url = SecretStr((tmp_path / "told.jsonl").as_uri())
    w = watch(
        channels=(Channel("ops", url, exercise=True),), simulated=True,
        settings={"operators": ["ops"], "channels": {"ops": {"url": url, "exercise": True}}},
    )  # fmt: skip
    w.run()
    w.deliver()
    return w


def test_a_month_is_counted_and_told_once(world, tmp_path) -> None:
    w = world
    made = verify(w.services, "slope", MONTH)
    radar, optical = made.looked
    assert (radar.sensor, radar.states, radar.days) == (Sensor.SAR, {"processed": 2}, 2)
    assert optical.states == {}
    assert radar.km2 == pytest.approx(radar.km2_days)
    assert 0 < radar.km2 <= 2 * 3.7
    assert {tier: dict(kinds) for tier, kinds in made.alerts.items()} == {
        Tier.LIKELY: {"suspected": 1}, Tier.WATCH: {},
    }  # fmt: skip
    likely = made.groups[0]
    assert (likely.month.suspected, likely.month.open, likely.year.suspected) == (1, 1, 1)
    assert likely.month.precision.words == "none decided"
    steps = {(one.step, one.of): one.took for one in made.latencies}
    assert steps["sensed to published", "radar looks"].count == 2
    assert steps["stored to delivered", "alerts that a channel took"].count == 1
    assert steps["stored to delivered", "alerts that a channel took"].p90_h is None
    (track,) = made.drifts
    assert (track.track, track.scores.trend, track.scores.looks) == (
        "137-ascending", Trend.TOO_FEW, 2,
    )  # fmt: skip
    assert set(track.offsets_db) == {"VV", "VH"}

    # A person refutes it: the old month's figures follow.
    with w.open() as s:
        (landslide,) = queries.list_landslides(s, "slope")
    review_landslide(w.services, landslide.id, Verdict.REFUTE, "quarry", "Kari")
    again = verify(w.services, "slope", MONTH).groups[0]
    assert (again.month.refuted_by_person, again.month.open) == (1, 0)
    assert again.month.precision.words == "0 of 1, too few for a percentage"
    assert again.false is not None
    assert again.false.false == 1

    # Next month began: pages for the last one, and one message, however often it is asked.
    w.clock.set(datetime(2023, 12, 1, 6, tzinfo=UTC))
    before = len(journal.read(tmp_path / "told.jsonl"))
    assert [told for _, told in report_due(w.services)] == [True]
    assert [told for _, told in report_due(w.services)] == [False]
    deliver_due(w.services)
    (told,) = [
        one for one in journal.read(tmp_path / "told.jsonl")[before:]
        if one["body"]["kind"] == "verification"
    ]  # fmt: skip
    text = told["body"]["text"]
    assert "EXERCISE SIMULATED" in text
    assert "radar, likely: 1 suspected in the month, 0 of them open" in text
    assert "scarpwatch verification slope --month 2023-11" in text
    page = w.services.settings.home / "verification" / "slope" / "2023-11.html"
    kept = json.loads(page.with_suffix(".json").read_text())
    assert kept["status"] == "EXERCISE SIMULATED"
    assert kept["groups"][0]["month"]["precision"] == {
        "confirmed": 0, "decided": 1, "share": None,
        "interval": pytest.approx([0, 0.853], abs=1e-3),
    }  # fmt: skip
    html = page.read_text()
    assert html.count("EXERCISE SIMULATED") >= 3
    assert not re.search(r"""(src|href)=["'](?!data:)""", html)
    picture = re.search(r"data:image/png;base64,([^\"]+)", html)
    assert picture is not None
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")

    # The same looks in a real region count for nothing there.
    world.sql("UPDATE regions SET simulated = false")
    made, path = report(world.services, "slope", MONTH, tmp_path / "out")
    assert made.empty
    assert made.left_out == 1
    assert not made.alerts[Tier.LIKELY]
    assert [one.year.suspected for one in made.groups] == [0, 0, 0, 0]
    assert made.drifts == ()
    html = path.read_text()
    assert "No look of this month was there to be judged" in html
    assert "1 SIMULATED landslides are not counted" in html
    assert path == tmp_path / "out" / "slope" / "2023-11.html"
    assert document(made)["status"] == "actual"
    assert not verify(w.services, "slope", "2024-01").over
    with pytest.raises(ConfigurationError):
        verify(w.services, "nowhere", MONTH)


def test_months_are_written_one_way() -> None:
    assert span_of("2023-12") == (
        datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert month_before(END) == "2023-12"
    for wrong in ("2023-13", "2023", "last", "0000-01", "2023-1"):
        with pytest.raises(ConfigurationError, match="2026-10"):
            span_of(wrong)
