"""Back ends say what the networks say, or are a named error."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from detectors import backends, ensemble
from detectors.backends import BACKENDS, EAGER, TOLERANCE, Backend, Guarded
from detectors.ensemble import Ensemble
from detectors.errors import BackendFailed, ConfigurationError
from detectors.networks import Network, Run
from flows.inferring import AUTO
from flows.settings import Settings

NAME = "landslide-rgb"


class Tiny(nn.Module):
    """Exported in a moment."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x)


def architectures() -> list[str]:
    """What is shipped: the members by name, and each architecture with random weights."""
    members = ensemble.load(NAME).model.members
    return [m.name for m in members] + sorted({f"random {m.network.architecture}" for m in members})


@cache
def exported(what: str) -> tuple[nn.Module, bytes]:
    loaded: Ensemble = ensemble.load(NAME)
    if what.startswith("random "):
        torch.manual_seed(1)
        architecture, options = what.removeprefix("random "), {"encoder_depth": 4}
        if architecture == "Unet":
            options["decoder_channels"] = (32, 16, 16, 8)  # type: ignore[assignment]
        network = Network(architecture, "tu-resnet10t", options)
        built = network.build(3).eval().to(memory_format=torch.channels_last)
    else:
        names = [member.name for member in loaded.model.members]
        built = loaded.networks[names.index(what)]
    return built, backends.export(built, 3)


@pytest.mark.long
@pytest.mark.parametrize("what", architectures())
def test_every_back_end_says_what_the_network_says(what: str) -> None:
    network, graph = exported(what)
    own = backends.eager(network, exact=True)
    for name in BACKENDS:
        run = backends.read(name, network, graph, 3)
        for number, side in ((1, 64), (3, 80), (2, 128)):
            windows = backends.probe(3, number, side)
            assert run(windows).shape == (number, 1, side, side)
            assert run(windows).dtype == torch.float32
            assert backends.apart(run, own, windows) <= TOLERANCE, (name, side)
            kept = run(windows)
            run(windows * 0)
            assert torch.equal(kept, run(windows)), "an answer changed after it was given"


@pytest.fixture(scope="module")
def tiny() -> tuple[nn.Module, bytes]:
    network = Tiny().eval()
    return network, backends.export(network, 3)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_nothing_is_reported_to_anybody(backend: Backend) -> None:
    """In a process of its own, since a package is imported once."""
    code = (
        "import sys, socket\n"
        "from detectors.backends import BACKENDS\n"
        "def refuse(*_): raise SystemExit('asked for the network')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        f"[b.load() for b in BACKENDS.values() if b.package == {backend.package!r}]\n"
        "names = [n for n, m in sys.modules.items() if m is not None and 'telemetry' in n]\n"
        "print([n for n in names if not n.startswith('openvino.tools')])"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_settings_name_every_back_end() -> None:
    annotation = Settings.model_fields["inference_backend"].annotation
    assert set(get_args(annotation)) == {AUTO, EAGER, *BACKENDS}


def test_probe_windows_are_the_same_each_time_and_hold_something() -> None:
    windows = backends.probe(3, 2, 80)
    assert torch.equal(windows, backends.probe(3, 2, 80))
    assert windows.shape == (2, 3, 80, 80)
    assert torch.allclose(windows.std(dim=(2, 3)), torch.ones(2, 3), atol=1e-5)


@pytest.mark.parametrize("name", BACKENDS)
def test_what_says_something_else_is_refused(name: str, tiny: tuple[nn.Module, bytes]) -> None:
    network, graph = tiny
    other = Tiny().eval()
    with torch.no_grad():
        other.one.bias += 1.0
    backends.read(name, network, graph, 3)
    with pytest.raises(BackendFailed, match=rf"{name}: scores differ by 0\.[12]"):
        backends.read(name, other, graph, 3)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_graph_that_is_none_is_refused(name: str, tiny: tuple[nn.Module, bytes]) -> None:
    with pytest.raises(BackendFailed, match=name):
        backends.read(name, tiny[0], b"no graph", 3)


def test_a_package_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tiny: tuple[nn.Module, bytes]
) -> None:
    def read(*_: Any) -> Run:
        raise AssertionError

    absent = {"absent": Backend("no_such_package", read)}
    monkeypatch.setattr(backends, "BACKENDS", absent)
    with pytest.raises(BackendFailed, match="absent: the package no_such_package is not installed"):
        backends.read("absent", *tiny, 3)


def test_an_unknown_back_end_is_refused(tiny: tuple[nn.Module, bytes]) -> None:
    with pytest.raises(ConfigurationError, match=r"no inference back end 'fast'; known: eager"):
        backends.read("fast", *tiny, 3)


def test_a_network_that_cannot_be_exported_is_named() -> None:
    class Wayward(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > len(str(x)) else -x

    with pytest.raises(BackendFailed, match="cannot be exported"):
        backends.export(Wayward().eval(), 3)


def test_the_network_goes_on_where_a_back_end_fails() -> None:
    asked, told = [], []

    def failing(windows: Tensor) -> Tensor:
        asked.append(len(windows))
        raise MemoryError("no room")

    network = Tiny().eval()
    run = Guarded(failing, network, told.append)
    windows = torch.zeros(2, 3, 16, 16)
    for _ in range(2):
        assert torch.equal(run(windows), network(windows))
    assert told == ["MemoryError: no room"]
    assert asked == [2]


def test_an_error_of_the_network_itself_is_raised() -> None:
    def failing(_: Tensor) -> Tensor:
        raise MemoryError

    told: list[str] = []
    run = Guarded(failing, failing, told.append)  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        run(torch.zeros(1, 3, 16, 16))
    assert told == []
