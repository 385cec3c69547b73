"""Measure the ways to run the shipped ensemble on the processor, for ``bench.models``.

Every way judges the same tiles by turns in one process: those of a verdict (one window of 128
pixels in eight orientations) and of a search (one window as it is), each in the four sizes and by
one member of each architecture. Times are processor seconds of one thread, children (compilers)
included, the least of several turns.
"""

from __future__ import annotations

import copy
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detectors import backends, ensemble
from detectors.backends import Backend
from detectors.networks import Run, half_precision, scores_of

NAME = "landslide-rgb"
TURNS = 3
#: Windows, each orientation counted, that a network is shown at once.
WORK = {"verdict": 8, "search": 1}
IN_USE = "eager, channels-last"


def seconds() -> float:
    """Return the processor seconds of this process and of the children that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def resident_mb() -> float:
    """Return the memory that this process holds just now, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def torch_run(
    network: Callable[[Tensor], Tensor], layout: torch.memory_format, precision: torch.dtype | None
) -> Run:
    """Return a network as PyTorch runs it; no precision = as this machine's ensemble does."""

    def context() -> AbstractContextManager[object]:
        if precision is None:
            return half_precision()
        if precision == torch.float32:
            return nullcontext()
        return torch.autocast("cpu", precision)

    def run(windows: Tensor) -> Tensor:
        with torch.inference_mode(), context():
            return network(windows.contiguous(memory_format=layout)).float()

    return run


def openvino_bfloat16(package: Any, graph: bytes, threads: int) -> Run:
    """Return the run of OpenVINO in bfloat16, whatever this processor is built for."""

    class Core(package.Core):  # type: ignore[misc]
        def compile_model(self, model: Any, device: str, options: dict[str, Any]) -> Any:
            wanted = {**options, "INFERENCE_PRECISION_HINT": "bf16"}
            return super().compile_model(model, device, wanted)

    class Bent:
        pass

    Bent.Core = Core  # type: ignore[attr-defined]
    return backends.BACKENDS["openvino"].read(Bent, graph, threads)


def onnx_int8(package: Any, graph: bytes, threads: int, seen: Sequence[Tensor]) -> Run:
    """Return the run of ONNX Runtime in int8, ranges taken from the very windows it is asked about.

    Weights have seven bits: without VNNI the sums of eight overflow.
    """
    from onnxruntime import quantization

    class Ranges(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            name = package.InferenceSession(graph).get_inputs()[0].name
            self.windows = iter([{name: one.numpy()} for tile in seen for one in tile.split(1)])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.windows, None)

    with tempfile.TemporaryDirectory() as folder:
        whole, simple, small = (Path(folder) / name for name in ("whole", "simple", "small"))
        whole.write_bytes(graph)
        quantization.shape_inference.quant_pre_process(whole, simple, skip_symbolic_shape=True)
        quantization.quantize_static(
            simple, small, Ranges(), per_channel=True, reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
        )  # fmt: skip
        return backends.BACKENDS["onnx"].read(package, small.read_bytes(), threads)


def compiled(network: nn.Module, shapes: Sequence[tuple[int, ...]]) -> Run:
    """Return a network out of ``torch.compile``, which is slow until it has seen some shapes."""
    run = torch_run(torch.compile(network, dynamic=True), torch.channels_last, None)
    for shape in shapes:
        run(torch.zeros(shape))
    return run


@contextmanager
def without_cache() -> Iterator[None]:
    """Let ``torch.compile`` find nothing of an earlier run."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        yield


def tiles_of(number: int, sides: Sequence[int], bands: int) -> list[Tensor]:
    """Return what a network is shown of one piece of work."""
    return [backends.probe(bands, number, side) for side in sides]


def measure(turns: int = TURNS) -> dict[str, Any]:
    """Measure every way of this machine."""
    loaded = ensemble.load(NAME)
    chosen = {m.network.architecture: n for m, n in zip(
        loaded.model.members, loaded.networks, strict=True)}  # fmt: skip
    networks = list(chosen.values())
    bands, sides = len(loaded.model.bands), loaded.model.sides
    work = {what: tiles_of(number, sides, bands) for what, number in WORK.items()}
    begun = seconds()
    graphs = [backends.export(network, bands) for network in networks]
    found: dict[str, Any] = {
        "model": loaded.model.version,
        "architectures": list(chosen),
        "export_s": seconds() - begun,
        "graphs_mb": sum(map(len, graphs)) / 1e6,
        "packages": {p: version(p) for p in ("torch", "onnxruntime", "openvino")},
        "ways": {},
        "refused": {},
    }
    bent = replace(backends.BACKENDS["openvino"], read=openvino_bfloat16)
    seen = [*work["verdict"], *work["search"]]
    small = replace(backends.BACKENDS["onnx"], read=partial(onnx_int8, seen=seen))

    def by_graph(backend: Backend) -> list[Run]:
        package = backend.load()
        return [backend.read(package, graph, torch.get_num_threads()) for graph in graphs]

    def by_torch(layout: torch.memory_format, precision: torch.dtype | None) -> list[Run]:
        laid = [copy.deepcopy(n).to(memory_format=layout) for n in networks]
        return [torch_run(network, layout, precision) for network in laid]

    makers: dict[str, Callable[[], list[Run]]] = {
        "eager": lambda: by_torch(torch.contiguous_format, None),
        IN_USE: lambda: by_torch(torch.channels_last, None),
        "eager, channels-last, bfloat16": lambda: by_torch(torch.channels_last, torch.bfloat16),
        "onnx": lambda: by_graph(backends.BACKENDS["onnx"]),
        "onnx, int8": lambda: by_graph(small),
        "openvino": lambda: by_graph(backends.BACKENDS["openvino"]),
        "openvino, bfloat16": lambda: by_graph(bent),
    }
    take_turns(started(makers, work, found), work, turns, found["ways"])
    return found


def measure_compile(turns: int = TURNS) -> dict[str, Any]:
    """Measure ``torch.compile`` beside what is in use, on the first member."""
    loaded = ensemble.load(NAME)
    network, bands = loaded.networks[0], len(loaded.model.bands)
    work = {what: tiles_of(n, loaded.model.sides, bands) for what, n in WORK.items()}
    shapes = [tuple(tile.shape) for tiles in work.values() for tile in tiles]
    found: dict[str, Any] = {"ways": {}, "refused": {}}
    makers: dict[str, Callable[[], list[Run]]] = {
        IN_USE: lambda: [torch_run(network, torch.channels_last, None)],
        "compile": lambda: [compiled(network, shapes)],
    }
    with without_cache():
        take_turns(started(makers, work, found), work, turns, found["ways"])
    return found


def started(
    makers: dict[str, Callable[[], list[Run]]], work: dict[str, list[Tensor]], found: dict[str, Any]
) -> dict[str, list[Run]]:
    """Return the runs that can be made; adds what each start takes, or why there is none."""
    runs: dict[str, list[Run]] = {}
    for way, make in makers.items():
        before, begun = resident_mb(), seconds()
        try:
            made = make()
            start_s = seconds() - begun
            judge(made, work["verdict"])
        except Exception as error:  # noqa: BLE001 - whatever keeps a runtime from working
            found["refused"][way] = str(error).strip().splitlines()[0][:120]
            continue
        runs[way] = made
        found["ways"][way] = {"start_s": start_s, "resident_mb": resident_mb() - before}
    return runs


def judge(runs: Sequence[Run], tiles: Sequence[Tensor]) -> list[Tensor]:
    """Return the scores of every member on every tile."""
    return [scores_of(run(tile)) for run in runs for tile in tiles]


def take_turns(
    runs: dict[str, list[Run]],
    work: dict[str, list[Tensor]],
    turns: int,
    ways: dict[str, dict[str, Any]],
) -> None:
    """Add seconds, times faster than what is in use, and differences from it to each way."""
    for what, tiles in work.items():
        least = dict.fromkeys(runs, float("inf"))
        said: dict[str, list[Tensor]] = {}
        for _ in range(turns + 1):
            for way, run in runs.items():
                begun = time.process_time()
                said[way] = judge(run, tiles)
                least[way] = min(least[way], time.process_time() - begun)
        for way, own in said.items():
            apart = torch.cat(
                [(a - b).abs().flatten() for a, b in zip(own, said[IN_USE], strict=True)]
            )
            ways[way][what] = {
                "seconds": least[way],
                "tiles_per_s": WORK[what] * len(own) / least[way],
                "times_in_use": least[IN_USE] / least[way],
                "differs_max": float(apart.max()),
                "differs_mean": float(apart.mean()),
            }
