"""What the page draws and keeps without a server: charts, typed corners, a bounded folder."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box, shape

from detectors.errors import InvalidRegion
from flows.web.charts import NARROW, WIDE, charts
from flows.web.corners import as_text, read_outline
from flows.web.histories import Posterior, TrackHistory, parsed
from flows.web.sheets import prune

START = datetime(2023, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LOOKS = tuple(START + 12 * n * DAY for n in range(30))
SEEN = LOOKS[20]
GAPS = ((LOOKS[18], LOOKS[19], 0.25), (LOOKS[19], SEEN, 0.75))
STEPPED = TrackHistory(
    "137-ascending", LOOKS,
    {
        "VV": tuple(-12.0 + 3.0 * (n >= 20) for n in range(30)),
        "VH": tuple(None if n == 5 else -18.0 for n in range(30)),
    },
    1, None, Posterior(LOOKS[18], LOOKS[19] + 6 * DAY, SEEN, (3.0, 0.1), GAPS),
)  # fmt: skip
BETWEEN = (LOOKS[19], SEEN)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_looks_step_where_they_did_and_the_posterior_lies_before(width: int) -> None:
    (chart,) = (one for one in charts([STEPPED], (), BETWEEN) if one.width == width)
    (panel,) = chart.panels
    vv = [one for one in panel.points if one.kind == "vv"]
    assert [one.after for one in vv] == [n >= 20 for n in range(30)]
    assert vv[20].y < vv[19].y, "brighter is higher up"
    assert chart.left <= vv[0].x < vv[-1].x <= chart.right
    assert all(panel.upper <= one.y <= panel.lower for one in panel.points)
    assert len(panel.points) == 59, "what was not seen is no point"
    assert [kind for kind, _ in panel.lines] == ["vv", "vh", "vh"], "nor is a line drawn across it"
    assert chart.bracket == (vv[19].x, vv[20].x)
    (_, _, low, _), (left, wide, high, title) = panel.bars
    assert high == pytest.approx(3 * low, rel=0.02)
    assert (left, left + wide) == (vv[19].x, pytest.approx(vv[20].x, abs=0.2))
    assert title.startswith("75% between 2023-08-17")
    assert panel.interval is not None
    assert panel.interval[0] == vv[18].x
    assert [mark.at for mark in chart.times] == sorted(mark.at for mark in chart.times)
    apart = [b.at - a.at for a, b in zip(chart.times, chart.times[1:], strict=False)]
    assert min(apart) > 45, "labels do not run into each other"


def test_nothing_to_show_is_no_chart() -> None:
    assert charts([], (), BETWEEN) == ()
    empty = TrackHistory("t", (), {"VV": (), "VH": ()}, 3, "0 looks", None)
    assert charts([empty], (), BETWEEN) == ()


def test_one_look_alone_is_drawn() -> None:
    one = TrackHistory("t", (SEEN,), {"VV": (-9.0,), "VH": (None,)}, 0, "1 look", None)
    assert len(charts([one], (), BETWEEN)[0].panels[0].points) == 1


def test_what_is_damaged_is_not_believed() -> None:
    for kept in (b"", b"{}", b'{"tracks": [{}]}', b'{"tracks": 3}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            parsed(kept)


degrees = st.floats(-80, 80, allow_subnormal=False)


@given(
    st.lists(
        st.builds(lambda x, y: box(x, y, x + 0.125, y + 0.125), degrees, degrees),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_corners_come_back_bit_for_bit(parts: list[Polygon]) -> None:
    outline = MultiPolygon(parts)
    assert shape(read_outline(as_text(outline))).wkb == outline.wkb


def test_holes_are_geojson() -> None:
    holed = MultiPolygon([box(0, 0, 3, 3).difference(box(1, 1, 2, 2))])
    assert as_text(holed).startswith("{")
    assert shape(read_outline(as_text(holed))).equals(holed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "draw an outline"),
        ("9.5 46.6\n9.6 46.6", "a part has 2 corners"),
        ("9.5, 46.6\n9.6, 46.6\n9.5, 46.6", "a part has 2 corners"),
        ("9.5, 46.6\nnorth, 46.6", "line 2: 'north, 46.6' is no longitude, latitude"),
        ("9.5, 46.6\n9.6, 46.6, 3\n9.6, 46.7", "line 2"),
        ("9.5, 96.6\n9.6, 46.6\n9.6, 46.7", "line 1: longitude is up to 180"),
        ("9.5, nan\n9.6, 46.6\n9.6, 46.7", "line 1: longitude"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "not a GeoJSON Feature"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "holds one feature"),
    ],
)
def test_what_cannot_be_an_outline_is_told_by_line(text: str, words: str) -> None:
    with pytest.raises(InvalidRegion) as error:
        read_outline(text)
    assert words in error.value.faults["geometry"]


def test_what_nobody_looks_at_goes_first(tmp_path: Path) -> None:
    now = time.time()
    for name, days, size in (("old", 100, 10), ("a", 3, 400), ("b", 2, 400), ("c", 1, 400)):
        path = tmp_path / f"{name}.png"
        path.write_bytes(b"x" * size)
        os.utime(path, (now - days * 86_400,) * 2)
    (tmp_path / ".c.png.1.part").write_bytes(b"being written")
    (tmp_path / "folder").mkdir()

    def left() -> str:
        return "".join(sorted(path.stem for path in tmp_path.glob("*.png")))

    prune(tmp_path, timedelta(days=90), 10_000)
    assert left().replace(".c.png.1", "") == "abc", "too old"
    prune(tmp_path, timedelta(days=90), 900)
    assert left() == "bc", "too heavy"
    prune(tmp_path, timedelta(days=90), 0)
    assert left() == "c", "the newest stays: somebody waits for it"
    assert (tmp_path / ".c.png.1.part").exists()
