"""Simulated events on disk: an archive that replays, the truth beside it, simulated everywhere."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio

from db.cluster import Cluster
from detectors.errors import ConfigurationError, InvalidArchive
from detectors.simulation.parameters import load_parameters
from detectors.simulation.scene import simulate
from detectors.types import Sensor
from flows.archive.cogs import is_cog
from flows.archive.manifest import open_archive
from flows.replay import replay, whole_archive
from flows.settings import Settings
from flows.simulated_truth import LAYERS
from flows.simulating import OPTICAL, SimulationReport, write_events

SEED, SIZE = 15, 60


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """Two small events."""
    return write_events(
        tmp_path_factory.mktemp("simulated") / "made", seed=SEED, events=2, size=SIZE
    )


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """The first of them alone, with its optical pictures."""
    out = tmp_path_factory.mktemp("simulated") / "one"
    return write_events(out, seed=SEED, events=1, size=SIZE, optical=True)


def test_everything_says_simulated(single: SimulationReport) -> None:
    out = single.radar.path
    assert single.simulated
    for archive in (open_archive(out), open_archive(out / OPTICAL)):
        assert archive.simulated
        assert archive.collection["title"].startswith("SIMULATED")
        assert "SIMULATED" in (archive.path / "PROVENANCE.md").read_text("utf-8")
        for item in archive.items():
            assert item["id"].endswith("_SIM")
            assert item["properties"]["scarpwatch:simulated"] is True
            assert all("_SIM_" in asset["href"] for asset in item["assets"].values())
    loose = [path.name for path in out.iterdir() if path.suffix in (".tif", ".png", ".gpkg")]
    assert len(loose) == 1 + 1 + 1
    assert all("SIMULATED" in name for name in loose)
    for layer in LAYERS:
        told = pyogrio.read_info(single.truth, layer=layer)
        assert told["layer_metadata"]["SIMULATED"] == "yes"
    assert told["dataset_metadata"]["SIMULATED"] == "yes"


def test_looks_are_those_of_the_events(report: SimulationReport) -> None:
    archive = open_archive(report.radar.path)
    assert len(archive.items()) == 2 * 2 * 14
    scene = simulate(SEED + 1, size=SIZE, number=1)
    track = scene.tracks[1]
    sensed = track.stack.sensed_at[-1]
    (item,) = (
        item
        for item in archive.items()
        if item["properties"]["opera:burst_id"] == track.burst_id
        and item["properties"]["datetime"] == f"{sensed:%Y-%m-%dT%H:%M:%SZ}"
    )
    assert item["properties"]["sat:orbit_state"] == "descending"
    assert not item["properties"]["scarpwatch:orbit_state_derived"]
    assert item["properties"]["scarpwatch:parameters_sha256"] == load_parameters().sha256
    for band, name in enumerate(("VV", "VH")):
        path = archive.cog(item, name)
        assert is_cog(path)
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(1), track.stack.gamma0[-1, band])
            assert dataset.crs.to_epsg() == scene.grid.epsg
    with rasterio.open(archive.cog(item, "mask")) as dataset:
        mask = dataset.read(1)
    np.testing.assert_array_equal(mask == 2, track.unseen == 7)
    np.testing.assert_array_equal(mask == 1, track.unseen == 8)


def test_truth_is_that_of_the_scenes(report: SimulationReport) -> None:
    layers = {name: geopandas.read_file(report.truth, layer=name) for name in LAYERS}
    scenes = [simulate(SEED + k, size=SIZE, number=k) for k in range(2)]
    wanted = [(s.event_seed, one) for s in scenes for one in s.slides]
    slides = layers["slides"]
    assert slides["event"].tolist() == [seed for seed, _ in wanted]
    for row, (_, one) in zip(slides.itertuples(), wanted, strict=True):
        ascending, descending = one.views.values()
        assert row.geometry.area == pytest.approx(one.area_m2, rel=1e-6)
        assert row.contrast_db_ascending == pytest.approx(ascending.contrast_db)
        assert row.share_observable_descending == pytest.approx(descending.share_observable)
        assert row.visible == one.visible
        assert row.cover == one.cover.name.lower()
    assert len(layers["looks"]) == 2 * 2 * 14
    assert len(layers["look_alikes"]) == sum(len(s.look_alikes) for s in scenes)
    assert set(layers["parts"]["part"]) >= {"scarp", "transit", "deposit"}
    assert all(frame.crs.to_epsg() == scenes[0].grid.epsg for frame in layers.values())
    told = [(one.slides, one.visible) for one in report.events]
    assert told == [(len(s.slides), sum(o.visible for o in s.slides)) for s in scenes]


def test_same_seed_same_bytes(single: SimulationReport, tmp_path: Path) -> None:
    again = write_events(tmp_path / "again", seed=SEED, events=1, size=SIZE)
    one, other = single.radar.path, again.radar.path
    for path in sorted(p for p in other.rglob("*") if p.is_file()):
        assert path.read_bytes() == (one / path.relative_to(other)).read_bytes(), path.name


@pytest.mark.parametrize("wrong", [{"events": 0}, {"events": 51}, {"size": 59}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="1 to 50 events"):
        write_events(tmp_path / "out", **({"seed": 0, "events": 1, "size": 60} | wrong))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_or_left_behind(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep me")
    with pytest.raises(InvalidArchive, match="exists already"):
        write_events(tmp_path / "out", seed=1, events=1, size=60)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A state folder with a private cluster; the user the server runs as must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-own-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as operator:
        for name in [name for name in os.environ if name.startswith("SCARPWATCH_")]:
            operator.delenv(name)
        operator.setenv("SCARPWATCH_HOME", str(folder / "state"))
        yield Settings(home=folder / "state")
    Cluster(folder / "state").stop()
    shutil.rmtree(folder)


@pytest.mark.long
def test_a_simulated_archive_replays(settings: Settings, single: SimulationReport) -> None:
    happened = single.events[0].happened_at
    archive = open_archive(single.radar.path)
    region = whole_archive(archive)
    region = replace(region, detectors=("sar_log_ratio",))
    played = replay(settings, [single.radar.path, single.radar.path / OPTICAL], [region], happened)
    looks = [look for look in played.looks if look.acquisition.sensor is Sensor.SAR]
    assert len(looks) == 2 * 14
    states = [look.state for look in looks if look.acquisition.sensed_at >= happened]
    assert states == ["processed"] * 8
    assert all(look.acquisition.simulated for look in played.looks)
    assert all(one.simulated for one in played.landslides)
    assert json.loads(json.dumps(played.feature_collection()))["type"] == "FeatureCollection"
