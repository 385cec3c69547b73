"""Ways to run a trained network: PyTorch itself, or a runtime that reads a graph of it.

A graph (ONNX) takes any number of windows of any size, so that one serves verdicts and searches. A
runtime that cannot read it, or says something else than the network, is a named error before the
first window is judged; where it fails later, the network itself goes on. Where graphs are kept and
which way is the fastest on a machine is not known here.

What may not change is a verdict: each time a graph is read, its scores of probe windows differ by
``TOLERANCE`` at most.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from detectors.errors import BackendFailed, ConfigurationError
from detectors.networks import Run, half_precision, scores_of

if TYPE_CHECKING:
    from torch import Tensor, nn

#: PyTorch, without a graph.
EAGER = "eager"
#: Largest difference from the network's own scores, 0..1.
TOLERANCE = 0.01
#: Windows, and their side in pixels, that a graph is compared on.
_PROBE = 2, 64


@dataclass(frozen=True, slots=True)
class Backend:
    """One runtime for graphs."""

    package: str
    """What has to be installed, as it is imported."""
    read: Callable[[Any, bytes, int], Run]
    """From package, graph and number of threads to what runs it."""
    silenced: str = ""
    """What it would report its use with, over the network: never imported."""

    def load(self) -> Any:
        """Import its package.

        Raises:
            ImportError: it is not installed.
        """
        if self.silenced:
            # None stands for a module that is not there; the package does without.
            sys.modules.setdefault(self.silenced, None)  # type: ignore[arg-type]
        return importlib.import_module(self.package)


def _onnxruntime(package: Any, graph: bytes, threads: int) -> Run:
    import torch

    options = package.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by turning round would take the cores of the runs beside this one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = package.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(windows: Tensor) -> Tensor:
        (logits,) = session.run(None, {name: windows.contiguous().numpy()})
        return torch.from_numpy(logits)

    return run


def _openvino(package: Any, graph: bytes, threads: int) -> Run:
    import torch

    core = package.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # Where it is not said, bfloat16 is taken, on processors that are slower with it too.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(core.read_model(graph), "CPU", options).create_infer_request()

    def run(windows: Tensor) -> Tensor:
        request.infer([windows.contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(request.get_output_tensor().data.copy())

    return run


#: Add a runtime here; tests hold every one of them against the networks.
BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        "onnx": Backend("onnxruntime", _onnxruntime),
        "openvino": Backend("openvino", _openvino, silenced="openvino_telemetry"),
    }
)


def export(network: nn.Module, bands: int) -> bytes:
    """Return a network as a graph, ONNX, single precision; takes about ten processor seconds.

    Args:
        network: in evaluation mode.
        bands: that it looks at.

    Raises:
        BackendFailed: the exporter cannot express it.
    """
    import torch

    free = torch.export.Dim.DYNAMIC
    number, side = _PROBE
    try:
        program = torch.onnx.export(
            network,
            (torch.zeros(number, bands, side, side),),
            dynamo=True,
            dynamic_shapes=({0: free, 2: free, 3: free},),
            verbose=False,
        )
        graph: bytes = program.model_proto.SerializeToString()  # type: ignore[union-attr]
    except Exception as error:
        raise BackendFailed(f"the network cannot be exported: {_short(error)}") from error
    return graph


def read(name: str, network: nn.Module, graph: bytes, bands: int) -> Run:
    """Return what runs a graph, once it has said the same as its network.

    Args:
        name: of the back end.
        network: that the graph is of.
        graph: as ``export`` made it.
        bands: that it looks at.

    Raises:
        BackendFailed: its package is not installed, it cannot read the graph, or it says something
            else than the network.
        ConfigurationError: there is no such back end.
    """
    import torch

    backend = _known(name)
    try:
        run = backend.read(backend.load(), graph, torch.get_num_threads())
        away = apart(run, eager(network, exact=True), probe(bands, *_PROBE))
    except ImportError:
        raise BackendFailed(f"{name}: the package {backend.package} is not installed") from None
    except Exception as error:
        raise BackendFailed(f"{name}: {_short(error)}") from error
    if not away <= TOLERANCE:
        raise BackendFailed(f"{name}: scores differ by {away:.3g} from the network's")
    return run


def probe(bands: int, number: int, side: int) -> Tensor:
    """Return windows (number, bands, side, side), the same each time: noise in several sizes."""
    import torch
    from torch.nn import functional

    random = torch.Generator().manual_seed(0)
    windows = torch.zeros(number, bands, side, side)
    for cell in (2, 8, 32):
        coarse = torch.randn(number, bands, -(-side // cell), -(-side // cell), generator=random)
        windows += functional.interpolate(coarse, (side, side), mode="bilinear")
    return windows / windows.std(dim=(2, 3), keepdim=True)


def eager(network: nn.Module, *, exact: bool = False) -> Run:
    """Return a network as the loop runs it; exact = in single precision wherever that is."""
    import torch

    def run(windows: Tensor) -> Tensor:
        with torch.inference_mode(), nullcontext() if exact else half_precision():
            logits: Tensor = network(windows.contiguous(memory_format=torch.channels_last))
        return logits.float()

    return run


def apart(one: Run, other: Run, windows: Tensor) -> float:
    """Return the largest difference of scores, 0..1, between two runs."""
    return float((scores_of(one(windows)) - scores_of(other(windows))).abs().max())


@dataclass(slots=True)
class Guarded:
    """A run that its network takes over from for good once it fails."""

    run: Run
    """Of a back end."""
    network: nn.Module = field(repr=False)
    """What it runs."""
    told: Callable[[str], None]
    """Hears why it failed."""

    def __call__(self, windows: Tensor) -> Tensor:
        """Return logits."""
        try:
            return self.run(windows)
        except Exception as error:
            if self.run is self.network:
                raise
            self.told(_short(error))
            self.run = self.network
            logits: Tensor = self.network(windows)
            return logits


def _known(name: str) -> Backend:
    if name not in BACKENDS:
        known = ", ".join((EAGER, *BACKENDS))
        raise ConfigurationError(f"no inference back end {name!r}; known: {known}")
    return BACKENDS[name]


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'nothing said'}"
