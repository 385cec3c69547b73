"""``scarpwatch evaluate-series`` and ``date-series`` as they are typed, on tables made here."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from tests.histories import START, level, pixels, write_csv

FIGURES = [
    "series", "quiet_series_years", "false_total", "false_per_series_year", "changed_total",
    "changed_detected", "median_delay_days",
]  # fmt: skip
#: Where the detector does not matter.
QUICK = ("--detector", "sar_log_ratio")
CHANGE = START + timedelta(days=500)


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def table(
    folder: Path, site: int, *, step_db: float = 0.0, end: int = 90, burst: str = "T1"
) -> Path:
    """Two years of a place, with or without a drop at ``CHANGE``."""
    moments, db, _ = level(site, looks=90, every=8.0, season_db=0.5)
    db[np.array(moments) >= CHANGE] -= step_db
    path = folder / f"rtc_summary_burst_{burst}_site{site}.csv"
    return write_csv(path, moments[:end], pixels(db, site)[:end], site, burst)


def labels(path: Path, **sites: tuple[str, str | None]) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {
                "site_id": int(name[1:]), "change_label": label, "change_time": moment,
                "last_observation_time": None,
            },
            "geometry": {"type": "Point", "coordinates": [7.0, 46.0]},
        }
        for name, (label, moment) in sites.items()
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """Two quiet places, one that drops, one whose drop nobody could have seen, one of no count."""
    folder = tmp_path / "series"
    folder.mkdir()
    table(folder, 1)
    table(folder, 2)
    table(folder, 3, step_db=6.0)
    table(folder, 4, step_db=6.0, end=60)
    table(folder, 5, step_db=6.0)
    moment = f"{CHANGE:%Y-%m-%d}"
    sites = labels(
        tmp_path / "sites.geojson", s1=("noChange", None), s2=("noChange", None),
        s3=("VLmaj", moment), s4=("VLmaj", moment), s5=("OCmin", moment),
    )  # fmt: skip
    return folder, sites


def evaluate(world: tuple[Path, Path], *more: object) -> Result:
    return typed("evaluate-series", "--series", world[0], "--sites", world[1], *more)


def document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_figures_are_counted(world: tuple[Path, Path]) -> None:
    figures = document(evaluate(world, "--detector", "series_step", "--json"))
    assert list(figures) == FIGURES
    assert figures["series"] == 5
    # Judged from a year on: 89 gaps of 8 days, less 368 days before the first judged look.
    assert figures["quiet_series_years"] == pytest.approx(2 * (89 * 8 - 368) / 365.2422, abs=0.01)
    assert (figures["false_total"], figures["false_per_series_year"]) == (0, 0.0)
    assert (figures["changed_total"], figures["changed_detected"]) == (1, 1)
    assert 0 < figures["median_delay_days"] <= 48


def test_early_alarm_is_false(world: tuple[Path, Path]) -> None:
    # The same drop, said to have come two months later than it did.
    late = f"{CHANGE + timedelta(days=64):%Y-%m-%d}"
    labels(world[1], s1=("noChange", None), s2=("noChange", None), s3=("VLmaj", late),
           s4=("VLmin", late), s5=("OCmin", late))  # fmt: skip
    figures = document(evaluate(world, "--json"))
    assert figures["false_total"] == 1
    assert (figures["changed_total"], figures["changed_detected"]) == (1, 0)
    assert figures["median_delay_days"] is None


def test_change_in_a_quiet_place_is_false(world: tuple[Path, Path]) -> None:
    labels(world[1], **{f"s{n}": ("noChange", None) for n in range(1, 6)})
    figures = document(evaluate(world, "--json"))
    assert figures["false_total"] == 2
    assert figures["false_per_series_year"] == pytest.approx(2 / figures["quiet_series_years"])


def test_every_series_can_be_shown(world: tuple[Path, Path]) -> None:
    each = document(evaluate(world, "--json", "--by-series"))["by_series"]
    assert [one["site"] for one in each] == ["1", "2", "3", "4", "5"]
    assert each[2]["change_time"] == f"{CHANGE:%Y-%m-%d}T00:00:00Z"
    assert each[2]["counts_as_changed"]
    assert not each[3]["counts_as_changed"]
    shown = evaluate(world, "--by-series")
    assert shown.exit_code == 0
    assert "noChange" in shown.stdout
    assert "false per series year" in shown.stdout


def test_scene_detector_judges_series_too(world: tuple[Path, Path]) -> None:
    figures = document(evaluate(world, "--json", *QUICK))
    # No year of history is asked for: the first look is judged after six, and counts after seven.
    assert figures["quiet_series_years"] == pytest.approx(2 * (89 - 7) * 8 / 365.2422, abs=0.01)


def test_unknown_detector_is_named(world: tuple[Path, Path]) -> None:
    result = evaluate(world, "--detector", "nope")
    assert result.exit_code == 2
    assert "no detector of series 'nope'; known: series_step" in " ".join(result.stderr.split())


NONE = "[" + ", ".join(["nan"] * 9) + "]"
HEAD = "datetime,burst_id,site_id,vv,vh\n"
GOOD = '2021-01-01,T1,1,"[1, 1, 1, 1]","[1, 1, 1, 1]"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rows"),
        ("datetime,vv\n2021-01-01,[1]\n", "no column burst_id, site_id, vh"),
        (HEAD + f'2021-01-01,T1,1,"{NONE}","{NONE}"\n', "no look shows anything"),
        (HEAD + GOOD + "never,T1,1,[1],[1]\n", "line 3"),
        (HEAD + GOOD + "2021-02-01,T2,1,[1],[1]\n", "mixed"),
        (HEAD + '2021-01-01,T1,1,"[1, 2, 3]","[1, 2, 3]"\n', "no square"),
        (
            HEAD
            + GOOD
            + GOOD.replace("-01-01", "-01-13")
            + '2021-02-01,T1,1,"[1, 2, 3]","[1, 1, 1, 1]"\n',
            "3 pixels among lists of 4",
        ),
        (HEAD + GOOD.replace("1, 1", "-9, -9"), "linear power"),
        (HEAD + GOOD.replace("[1, 1", "[x"), "line 2"),
        (HEAD + GOOD.replace(",1,", ",77,"), "site 77 is not in sites.geojson"),
    ],
)
def test_odd_file_is_left_out_and_named(world: tuple[Path, Path], text: str, said: str) -> None:
    before = document(evaluate(world, "--json", *QUICK))
    (world[0] / "odd.csv").write_text(text)
    result = evaluate(world, "--json", *QUICK)
    assert document(result) == before
    line = " ".join(result.stderr.split())
    assert "odd.csv" in line
    assert said in line


def test_binary_file_is_left_out(world: tuple[Path, Path]) -> None:
    (world[0] / "odd.csv").write_bytes(bytes(range(128, 256)))
    result = evaluate(world, "--json", *QUICK)
    assert result.exit_code == 0
    assert "odd.csv: no CSV" in " ".join(result.stderr.split())


def test_repeated_passes_unordered_rows_and_gaps_change_nothing(world: tuple[Path, Path]) -> None:
    before = document(evaluate(world, "--json", "--by-series", *QUICK))
    path = world[0] / "rtc_summary_burst_T1_site3.csv"
    head, *rows = path.read_text().splitlines()
    first, second = rows[40].split('"')[1], rows[40].split('"')[3]
    # The pass that comes twice, in one list; the row twice; a look that saw nothing; another order.
    twice = rows[40].replace(first, first[:-1] + ", " + first[1:])
    twice = twice.replace(second, second[:-1] + ", " + second[1:])
    day = rows[40].split(",")[1]
    blind = rows[40].replace(day, "2021-08-20 23:00:00").replace(first, NONE).replace(second, NONE)
    path.write_text("\n".join([head, *reversed(rows), twice, blind]) + "\n")
    assert document(evaluate(world, "--json", "--by-series", *QUICK)) == before


def test_no_usable_series_is_an_error(tmp_path: Path, world: tuple[Path, Path]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = evaluate((empty, world[1]), "--json", *QUICK)
    assert result.exit_code == 1
    assert "no series (*.csv)" in " ".join(result.stderr.split())
    (empty / "odd.csv").write_text("")
    result = evaluate((empty, world[1]), "--json", *QUICK)
    assert result.exit_code == 1
    assert "none of 1 series can be judged; odd.csv" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no GeoJSON"),
        ('{"features": [{"properties": {"site_id": 1}}]}', "change_label"),
        (
            (
                '{"features": [{"properties": {"site_id": 1, "change_label": "noChange"}},'
                ' {"properties": {"site_id": 1, "change_label": "VLmaj"}}]}'
            ),
            "site 1 has two different labels",
        ),
        ("[]", "no GeoJSON"),
    ],
)
def test_labels_that_are_none_are_an_error(world: tuple[Path, Path], text: str, said: str) -> None:
    world[1].write_text(text)
    result = evaluate(world, "--json", *QUICK)
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())


def test_change_without_a_time_is_left_out(world: tuple[Path, Path]) -> None:
    labels(world[1], s1=("noChange", None), s3=("VLmaj", None))
    result = evaluate(world, "--json", *QUICK)
    assert document(result)["series"] == 1
    assert "without change_time" in " ".join(result.stderr.split())


def test_step_is_dated(world: tuple[Path, Path], tmp_path: Path) -> None:
    path = world[0] / "rtc_summary_burst_T1_site3.csv"
    picture = tmp_path / "dated.png"
    dated = document(typed("date-series", path, "--json", "--png", picture))
    assert dated["known"] is True
    assert dated["not_before"] <= dated["date"] <= dated["not_after"]
    assert abs(float(dated["step_db"]["VH"]) + 6.0) < 2.0
    assert sum(gap["probability"] for gap in dated["posterior"]) == pytest.approx(1.0, abs=0.1)
    assert f"{CHANGE - timedelta(days=16):%Y-%m-%d}" <= dated["date"][:10]
    assert dated["date"][:10] <= f"{CHANGE + timedelta(days=16):%Y-%m-%d}"
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = typed("date-series", path, "--from", "2021-10-01", "--to", "2022-06-01")
    assert shown.exit_code == 0
    assert "90 % between" in shown.stdout


def test_weak_evidence_is_unknown(world: tuple[Path, Path], tmp_path: Path) -> None:
    path = world[0] / "rtc_summary_burst_T1_site1.csv"
    dated = document(typed("date-series", path, "--json", "--png", tmp_path / "unknown.png"))
    assert dated["known"] is False
    assert dated["date"] is dated["not_before"] is dated["not_after"] is None
    assert "evidence" in dated["reason"]
    assert "unknown" in typed("date-series", path).stdout


def test_date_series_names_what_is_wrong(world: tuple[Path, Path], tmp_path: Path) -> None:
    path = world[0] / "rtc_summary_burst_T1_site1.csv"
    assert typed("date-series", path, "--from", "2022-01-01", "--to", "2021-01-01").exit_code == 2
    missing = typed("date-series", path, "--png", tmp_path / "nowhere" / "a.png")
    assert missing.exit_code == 2
    assert "no folder" in " ".join(missing.stderr.split())
    short = table(tmp_path, 9, end=5)
    result = typed("date-series", short)
    assert result.exit_code == 1
    assert "5 looks" in result.stderr
    assert typed("date-series", tmp_path / "none.csv").exit_code == 2
