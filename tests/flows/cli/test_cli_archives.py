"""``scarpwatch archive`` and ``scarpwatch replay``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from shapely.geometry import shape

from db.cluster import Cluster
from tests.begun import Begun


def test_build_says_what_was_left_out(cli: Any, read: Any, products: Path, tmp_path: Path) -> None:
    (products / "readme.tif").write_bytes(b"no raster")
    out = tmp_path / "out"
    report = read("archive", "build", products, out, "--title", "Two bursts", "--licence", "MIT")
    assert (report["items"], len(report["bursts"]), report["simulated"]) == (6, 2, False)
    assert report["first"] == "2022-12-20T01:58:58Z"
    assert [entry["name"] for entry in report["unused"]] == ["readme.tif"]
    assert json.loads((out / "collection.json").read_text())["license"] == "MIT"

    assert "exists already" in cli("archive", "build", products, out, status=1).stderr
    shown = cli("archive", "build", products, out, "--replace", "--simulated").stdout
    for words in ("SIMULATED", "6 of 2 bursts", "2022-12-20 to 2023-01-13", "1 left out",
                  "readme.tif\n    not named like", "scarpwatch replay"):  # fmt: skip
        assert words in shown


def test_build_of_nothing(cli: Any, tmp_path: Path) -> None:
    told = cli("archive", "build", tmp_path, tmp_path / "out", status=1).stderr
    assert "holds no GeoTIFF" in told


def test_serve_until_told_to_stop(
    archive_folder: Path, database_url: str, home: Path, begun: Callable[..., Begun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)
    serving = begun("archive", "serve", str(archive_folder), "--port", "0")
    said = serving.until("sources")
    url = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
    assert "opera-rtc-s1  6 looks" in said
    found = httpx.get(f"{url}/collections/opera-rtc-s1/items", timeout=60).json()
    assert len(found["features"]) == 6
    assert serving.end() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_serve_needs_an_archive(cli: Any, tmp_path: Path) -> None:
    assert "is no archive" in cli("archive", "serve", tmp_path, status=1).stderr


@pytest.fixture
def replaying(cluster: Cluster, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays use the private cluster of the state folder; here the tests' own, thrown away."""
    monkeypatch.setattr("flows.replay.Cluster", lambda _: cluster)


@pytest.mark.usefixtures("replaying")
def test_replay(
    cli: Any, read: Any, drill_archive: Path, slope: Path, tmp_path: Path,
    region_file: Callable[..., Path],
) -> None:  # fmt: skip
    out = tmp_path / "suspected.geojson"
    report = read("replay", drill_archive, "--region", slope, "--from", "2023-03-01",
                  "--to", "2023-03-27", "--out", out)  # fmt: skip
    assert report["regions"]["slope"]["looks"] == {"baseline": 5, "processed": 2, "skipped": 1}
    (found,) = report["landslides"]
    assert (found["tier"], found["simulated"]) == ("likely", True)
    (alert,) = report["alerts"]
    assert alert["exercise"]
    written = json.loads(out.read_text())
    (feature,) = written["features"]
    assert shape(feature["geometry"]).equals(shape(found["geometry"]))

    shown = cli("replay", drill_archive, "--region", slope, "--to", "2023-03-20").stdout
    assert "Nothing suspected" in shown
    assert "0 alerts would have gone out" in shown


def test_replay_of_what_is_wrong(cli: Any, tmp_path: Path, drill_archive: Path) -> None:
    told = cli("replay", drill_archive, "--from", "2023-02-01", "--to", "2023-01-01", status=2)
    assert "--from must be before --to" in " ".join(told.stderr.split())
    assert "is no archive" in cli("replay", tmp_path, status=1).stderr
    lost = tmp_path / "none" / "x.geojson"
    assert "there is no folder" in cli("replay", drill_archive, "--out", lost, status=2).stderr
    absent = tmp_path / "none.geojson"
    assert "No such file" in cli("replay", drill_archive, "--region", absent, status=1).stderr
