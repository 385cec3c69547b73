"""A new satellite is compared first: held while it is, told when it has passed, caught when off."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from db import outbox, platforms
from detectors.errors import ConfigurationError
from flows.archive.derive import derive
from flows.archive.manifest import open_archive
from flows.deciding import decide_platform
from flows.platforms import Standing, states
from flows.telling import tell_held
from tests.series import END, STEEP, part_of

#: The landslide is in the last two looks; the newcomer took three.
FIRST_OF_1D = "2023-11-09"
LANDSLIDE = "2023-11-21"


def with_newcomer(archive: Path, out: Path) -> Path:
    """Say of the last three looks that another satellite took them."""

    def keep(item: dict) -> bool:
        if item["properties"]["datetime"][:10] >= FIRST_OF_1D:
            item["properties"]["platform"] = "sentinel-1d"
        return True

    return part_of(archive, out, keep)


def standing(w) -> dict[str, Standing]:
    with w.open() as s:
        return {one.platform: one.standing for one in states(w.services, s, w.region)}


def alerts(w) -> list[str]:
    with w.open() as s:
        return [record.alert.kind for record in outbox.list_alerts(s)]


def held(w) -> int:
    with w.open() as s:
        return len(platforms.held_alerts(s, w.region.id))


@pytest.fixture(scope="module")
def loud_series(slide_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newcomer's looks a decibel too bright; SIMULATED."""
    folder = tmp_path_factory.mktemp("loud")

    def plant(item, looks):
        if item["properties"]["datetime"][:10] < FIRST_OF_1D:
            return None
        return {name: look * 10**0.1 for name, look in looks.items()}

    loud = derive(
        open_archive(slide_series), folder / "loud", plant, collection="loud",
        changes="1 dB brighter.", bursts=[STEEP],
    )  # fmt: skip
    return with_newcomer(loud.path, folder / "new")


def test_a_newcomer_is_held_until_it_has_passed(watch, slide_series, tmp_path) -> None:
    w = watch(with_newcomer(slide_series, tmp_path / "new"))
    w.reach()
    w.poll()
    assert [look.state for look in w.detect(limit=2)] == ["processed"] * 2
    assert standing(w) == {"sentinel-1a": Standing.KNOWN, "sentinel-1d": Standing.CHECKING}
    (look,) = w.detect(limit=1)
    assert (look.detections, look.alerts) == (1, 0)
    assert (alerts(w), held(w)) == ([], 1)
    advisory = w.looks()[LANDSLIDE].advisory
    assert advisory is not None
    assert "alerts held: sentinel-1d" in advisory
    assert "of 3 passes" in advisory
    # Judged again it says the same, once.
    w.sql("UPDATE looks SET state = 'due', finished_at = NULL WHERE advisory = :it", it=advisory)
    w.detect(limit=1)
    assert (alerts(w), held(w)) == ([], 1)

    (look,) = w.detect()
    assert look.alerts >= 1
    assert standing(w)["sentinel-1d"] is Standing.PASSED
    assert held(w) == 0
    assert "suspected" in alerts(w)
    told = alerts(w)
    with w.open() as s:
        assert tell_held(w.services, s, w.region) == 0
    assert alerts(w) == told


def test_a_decibel_is_caught_and_a_person_decides(served, loud_series) -> None:
    w = served(archive=loud_series)
    assert [look.state for look in w.run(END)] == ["processed"] * 4
    assert standing(w)["sentinel-1d"] is Standing.FAILED
    assert (alerts(w), held(w)) == ([], 1)
    with w.open() as s:
        (newcomer,) = (o for o in states(w.services, s, w.region) if o.platform == "sentinel-1d")
    assert newcomer.comparison.offset == pytest.approx(1, abs=0.5)

    for wrong in (
        {"platform": "sentinel-1x"},
        {"reason": " "},
        {"region_id": "elsewhere"},
        {"version": "9.9"},
    ):
        with pytest.raises(ConfigurationError):
            decide_platform(
                w.services,
                **{"platform": "sentinel-1d", "decision": "approved", "reason": "x", "by": "Kari"}
                | wrong,
            )
    why = {"reason": "known offset", "by": "Kari"}
    assert decide_platform(w.services, "sentinel-1d", "rejected", **why) == 0
    assert (standing(w)["sentinel-1d"], held(w)) == (Standing.REJECTED, 1)
    for told in (1, 0):
        assert decide_platform(w.services, "sentinel-1d", "approved", **why) == told
    assert standing(w)["sentinel-1d"] is Standing.APPROVED
    assert (alerts(w), held(w)) == (["suspected"], 0)
    with w.open() as s:
        kept = platforms.list_decisions(s)
    assert [(one.decision, one.reason, one.decided_by) for one in kept] == [
        ("rejected", "known offset", "Kari"), ("approved", "known offset", "Kari"),
    ]  # fmt: skip
    assert isinstance(kept[0].recorded_at, datetime)
