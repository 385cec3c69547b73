"""What is kept for a machine, what is taken of it, and that nothing there can stop a verdict."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import structlog
from structlog.testing import capture_logs

from detectors import backends, weights
from detectors.backends import BACKENDS, EAGER, Guarded
from detectors.types import FloatArray
from flows import inferring
from flows.inferring import AUTO, Asked, Way, fastest, read_prepared

pytestmark = pytest.mark.slow

#: The architecture that is exported soonest.
MEMBER = "linknet-resnet"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped ensemble cut down to one member."""
    shipped = weights.MODELS / "landslide-rgb"
    folder = tmp_path_factory.mktemp("models") / "landslide-rgb"
    shutil.copytree(shipped, folder)
    document = json.loads((folder / weights.DESCRIPTION).read_text(encoding="utf-8"))
    for name, asset in list(document["assets"].items()):
        if "mlm:weights" in asset["roles"] and name != MEMBER:
            del document["assets"][name]
    (folder / weights.DESCRIPTION).write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that ran before in this process may have set the log to errors only."""
    everything = structlog.make_filtering_bound_logger(0)
    own = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=everything)
    monkeypatch.setattr(inferring, "log", own)


@pytest.fixture(scope="module")
def once(
    model: Path, picture: FloatArray, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Asked, Path]:
    """Asked about one picture when the price of preparing was nothing."""
    home = tmp_path_factory.mktemp("once")
    asked = Asked(model, home, AUTO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inferring, "PRICE_S", 0.0)
        asked.predict(picture, 1)
    assert list((home / "inference").rglob("*.onnx"))
    return asked, home


@pytest.fixture
def home(once: tuple[Asked, Path], tmp_path: Path) -> Path:
    shutil.copytree(once[1], tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def picture() -> FloatArray:
    windows = backends.probe(3, 1, 128)
    return np.asarray(windows[0].numpy(), dtype=np.float32)


def graphs(home: Path) -> list[Path]:
    return sorted((home / inferring.FOLDER).rglob("*.onnx"))


def choose(home: Path, model: Path, backend: str) -> None:
    """Let a back end be the one that was measured to be the fastest."""
    (path,) = (home / inferring.FOLDER).rglob(inferring.PREPARED)
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "backend": backend}), encoding="utf-8")


def test_auto_measures_every_back_end_once_and_takes_the_fastest(
    once: tuple[Asked, Path], picture: FloatArray
) -> None:
    asked, home = once
    prepared = read_prepared(asked.model, home)
    assert prepared is not None
    assert {way.backend for way in prepared.ways} == {EAGER, *BACKENDS}
    for way in prepared.ways:
        assert way.failed == ""
        assert way.verdict_s > way.search_s > 0
        assert way.differs <= backends.TOLERANCE
    assert prepared.backend == fastest(prepared.ways)
    assert bool(asked.load().runs) == (prepared.backend != EAGER)
    (kept,) = graphs(home)
    assert kept.stem == MEMBER
    written = kept.stat().st_mtime_ns
    asked.predict(picture, 1)
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize("name", BACKENDS)
def test_a_verdict_is_the_same(name: str, home: Path, model: Path, picture: FloatArray) -> None:
    own = Asked(model).predict(picture, 1)
    choose(home, model, name)
    for how in (name, AUTO):
        asked = Asked(model, home, how)
        with capture_logs() as logs:
            said = asked.predict(picture, 1)
        assert logs == []
        assert isinstance(asked.load().runs[0], Guarded)
        assert (said.threshold, said.version) == (own.threshold, own.version)
        np.testing.assert_allclose(said.mean, own.mean, atol=backends.TOLERANCE)


def test_auto_stays_with_the_networks_until_they_took_long(
    model: Path, tmp_path: Path, picture: FloatArray
) -> None:
    asked = Asked(model, tmp_path, AUTO)
    asked.predict(picture, 1)
    assert asked.load().runs == ()
    assert graphs(tmp_path) == []


def test_eager_needs_nothing(model: Path, home: Path, picture: FloatArray) -> None:
    asked = Asked(model, home, EAGER)
    asked.predict(picture, 1)
    assert asked.load().runs == ()


@pytest.mark.parametrize("harm", ["changed", "gone", "garbled", "folder"])
def test_what_is_broken_is_a_warning_and_the_networks_go_on(
    harm: str, home: Path, model: Path, picture: FloatArray
) -> None:
    choose(home, model, "onnx")
    (graph,) = graphs(home)
    if harm == "changed":
        content = bytearray(graph.read_bytes())
        content[-1] ^= 1
        graph.write_bytes(content)
    elif harm == "gone":
        graph.unlink()
    elif harm == "garbled":
        (graph.parent / inferring.PREPARED).write_text('{"ways": 3}', encoding="utf-8")
    else:
        graph.unlink()
        graph.mkdir()
    asked = Asked(model, home, AUTO)
    with capture_logs() as logs:
        said = asked.predict(picture, 1)
    assert [entry["event"] for entry in logs] == ["inference_backend_failed"]
    assert logs[0]["log_level"] == "warning"
    assert logs[0]["goes_on"] == EAGER
    np.testing.assert_array_equal(said.mean, Asked(model).predict(picture, 1).mean)


def test_what_was_made_elsewhere_is_not_taken(
    home: Path, model: Path, picture: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(home, model, "onnx")
    other = {**inferring.machine(), "processor": "another"}
    monkeypatch.setattr(inferring, "machine", lambda: other)
    asked = Asked(model, home, AUTO)
    asked.predict(picture, 1)
    assert asked.load().runs == ()


def test_the_fastest_is_so_at_both_or_the_networks_stay() -> None:
    own = Way(EAGER, 1.0, 0.10, 0.0)
    assert fastest([own]) == EAGER
    assert fastest([own, Way("a", 0.5, 0.05), Way("b", 0.6, 0.02)]) == "a"
    assert fastest([own, Way("a", 0.2, 0.099)]) == EAGER
    assert fastest([own, Way("a", failed="why"), Way("b", 0.8, 0.08)]) == "b"
    assert fastest([own, replace(own, backend="a")]) == EAGER
