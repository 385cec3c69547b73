"""Optical looks on the command line: what they confirmed, refuted and found by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.optical_watch import DEBRIS, EVENT, OpticalWatch, drill_channel
from tests.optical_world import EVERYWHERE, Patch, clouds
from tests.watching import landing_page

#: What radar suspected for nothing, and what it did not see.
NOTHING: Patch = (slice(20, 40), slice(120, 140))
UNSEEN: Patch = (slice(120, 145), slice(20, 38))


@pytest.fixture
def world(
    watch_optically: Callable[..., OpticalWatch], home: Path, tmp_path: Path, misbehaving: Any,
    reply: Any, monkeypatch: pytest.MonkeyPatch,
) -> OpticalWatch:  # fmt: skip
    """Two suspicions of radar, one of them wrong; a cloudy look, and a clear one that shows more.

    The catalogue answers, and lists nothing that is not known already.
    """
    nothing = {"type": "FeatureCollection", "features": [], "links": []}
    misbehaving.on("/", reply(landing_page(misbehaving.url)))
    misbehaving.on("/search", reply(nothing))
    for name in ("opera-rtc-s1", "sentinel-2-l2a"):
        misbehaving.on(f"/collections/{name}", reply({"type": "Collection", "id": name}))
    (home / "scarpwatch.toml").write_text(
        f"""
        [catalogues.local]
        kind = "stac"
        url = "{misbehaving.url}"
        attempts = 1
        [channels.drill-file]
        url = "file://{tmp_path}/told.jsonl"
        exercise = true
        """
    )
    monkeypatch.setenv("SCARPWATCH_CLOCK_FILE", str(home / "clock"))
    made = watch_optically(home=home, channels=(drill_channel("drill-file"),))
    made.suspect()
    made.suspect(NOTHING)
    made.see(3, DEBRIS, scl=clouds(EVERYWHERE))
    made.see(6, DEBRIS, (UNSEEN, "debris"))
    made.clock.set(EVENT + timedelta(days=7))
    return made


def test_poll_says_what_optical_looks_decided(world: OpticalWatch, cli: Any, read: Any) -> None:
    shown = cli("poll").stdout
    for words in ("slope  0 new looks", "confirmed: ", "refuted: ", "vegetation unchanged",
                  "not seen 2", "2 detections\n", ", 1 alert\n", "sent  4 messages"):  # fmt: skip
        assert words in shown, shown
    assert cli("poll").stdout == "slope  0 new looks\n"

    found = {one["state"]: one for one in read("landslides", "list")["landslides"]}
    assert set(found) == {"confirmed", "refuted", "suspected"}
    sources = {state: one["source"] for state, one in found.items()}
    assert sources == {"confirmed": "sar", "refuted": "sar", "suspected": "optical"}
    confirmed, refuted, alone = (found[s] for s in ("confirmed", "refuted", "suspected"))
    assert confirmed["verdict_at"] == "2024-06-16T02:00:00Z"
    assert confirmed["d_ndvi"] < -0.4 < -0.1 < refuted["d_ndvi"]
    assert alone["change_db"] is None

    document = read("landslides", "show", confirmed["id"])
    findings = [check["finding"] for check in document["checks"]]
    assert findings == ["not seen", "agrees"]
    assert document["checks"][0]["unseen"] == {"cloud": 1.0}
    assert [version["state"] for version in document["versions"]] == ["suspected", "confirmed"]
    assert [alert["kind"] for alert in document["alerts"]][-1] == "confirmed"
    shown = cli("landslides", "show", confirmed["id"]).stdout
    for words in ("Optical looks", "06-13 02:00 UTC  not seen\n    0% of", "02:00 UTC  agrees\n",
                  "backscatter rose 4.2 dB", "NDVI -0.", "ensemble 0."):  # fmt: skip
        assert words in shown, shown
    assert "withdrawn" in cli("landslides", "show", refuted["id"]).stdout


def test_what_only_optical_looks_saw_is_shown(
    world: OpticalWatch, cli: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.confirm(7)
    (alone,) = (one for one in world.landslides() if one.change_db is None)
    document = read("landslides", "show", alone.id)
    assert (document["source"], document["change_db"], document["checks"]) == ("optical", None, [])
    (found,) = document["found"]
    assert (found["source"], found["change_db"]) == ("optical", None)
    shown = cli("landslides", "show", alone.id).stdout
    assert "in 1 optical look; radar has not seen it" in shown
    monkeypatch.setenv("COLUMNS", "140")
    assert "-0.64 NDVI" in cli("landslides", "list").stdout
    for command in (
        ["status"],
        ["alerts", "list"],
        ["regions", "show", "slope"],
        ["looks", "list"],
    ):
        assert "None" not in cli(*command).stdout
        assert read(*command)


@pytest.mark.long
def test_pictures_by_either_eye(world: OpticalWatch, cli: Any, tmp_path: Path) -> None:
    world.confirm(7)
    out = tmp_path / "picture.png"
    for landslide in world.landslides():
        eyes = ["--optical"] if landslide.change_db is None else ["", "--optical"]
        for eye in eyes:
            words = [word for word in (eye,) if word]
            assert "(optical)" in cli("landslides", "picture", landslide.id, out, *words).stdout
            assert out.read_bytes().startswith(b"\x89PNG")
            out.unlink()
    told = cli("landslides", "picture", alone(world).id, out, "--radar", status=2).stderr
    assert "radar has not seen" in told
    assert not out.exists()


def test_the_picture_of_an_alert(world: OpticalWatch, cli: Any, read: Any, tmp_path: Path) -> None:
    world.confirm(7)
    out = tmp_path / "alert.png"
    for alert in read("alerts", "list")["alerts"][:2]:
        digits = str(alert["id"])[:8]
        assert alert["kind"] in cli("alerts", "picture", digits, out).stdout
        assert out.read_bytes().startswith(b"\x89PNG")
    assert "no alert 0123" in cli("alerts", "picture", "0123", out, status=2).stderr
    assert (
        "no folder" in cli("alerts", "picture", digits, tmp_path / "no" / "a.png", status=2).stderr
    )


def alone(world: OpticalWatch) -> Any:
    (found,) = (one for one in world.landslides() if one.change_db is None)
    return found
