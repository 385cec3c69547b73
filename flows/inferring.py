"""How the networks of a model are run on this machine: by what was measured to be the fastest.

::

    .scarpwatch/inference/DIGITS-MACHINE/   MEMBER.onnx, prepared.json; may be removed at any time

DIGITS name the weights, MACHINE is a checksum over the processor and the libraries that read and
write graphs, so that nothing outlives what it was made with. Whatever goes wrong here is a warning,
``inference_backend_failed``, and the networks themselves go on: a verdict never waits for a graph.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib import metadata
from pathlib import Path

import structlog

from detectors import backends, ensemble, weights
from detectors.backends import BACKENDS, EAGER, Guarded
from detectors.ensemble import Ensemble, EnsembleMap
from detectors.errors import BackendFailed
from detectors.inference import ORIENTATIONS
from detectors.networks import Run
from detectors.types import FloatArray
from detectors.weights import Model
from flows.files import write_whole

log = structlog.get_logger()

AUTO = "auto"
#: Folder of the state folder that graphs are kept in.
FOLDER = "inference"
PREPARED = "prepared.json"
#: Processor seconds that a process spends on networks before it prepares graphs, which takes about
#: as many: nobody ever spends more than twice what the best choice had cost.
PRICE_S = 60.0
#: A back end that is not this many times faster at verdicts and at searches is not worth a graph.
GAIN = 1.1
#: Turns of which the fastest counts, after one that does not.
_TURNS = 3
_LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino")


@dataclass(frozen=True, slots=True)
class Way:
    """One back end, measured on this machine."""

    backend: str
    """Its name."""
    verdict_s: float | None = None
    """Processor seconds of a verdict on one window, all members; None where it failed."""
    search_s: float | None = None
    """Of a search in one window."""
    differs: float | None = None
    """Largest difference of a score, 0 to 1, from the networks' own."""
    failed: str = ""
    """Why it cannot be used."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made and measured for one model on one machine: ``prepared.json``."""

    version: str
    """Of the weights."""
    machine: Mapping[str, str]
    """Processor and libraries."""
    backend: str
    """The fastest."""
    export_s: float
    """Processor seconds that the graphs took."""
    ways: tuple[Way, ...]
    """Every back end."""
    graphs: Mapping[str, str]
    """sha256 of each member's graph, hex digits."""


@dataclass(slots=True)
class Asked:
    """An ensemble by its folder, and how it is run."""

    folder: Path
    """Of the model."""
    home: Path | None = None
    """State folder; None = nothing is kept."""
    backend: str = EAGER
    """``auto``, ``eager`` or a name of ``detectors.backends.BACKENDS``."""
    _loaded: Ensemble | None = field(default=None, repr=False)
    _spent_s: float = 0.0
    _tried: bool = False

    @property
    def model(self) -> Model:
        """Its description; the networks stay where they are.

        Raises:
            ConfigurationError, InvalidWeights: as ``detectors.weights.describe``.
        """
        return weights.describe(self.folder.name, self.folder.parent)

    def load(self) -> Ensemble:
        """Return the ensemble as it runs, loaded once.

        Raises:
            ConfigurationError, InvalidWeights: as ``detectors.ensemble.load``.
        """
        if self._loaded is None:
            self._loaded = self._as_wanted()
        return self._loaded

    def predict(self, picture: FloatArray, orientations: int = ORIENTATIONS) -> EnsembleMap:
        """Judge a picture; see ``Ensemble.predict``."""
        begun = time.process_time()
        said = self.load().predict(picture, orientations)
        self._spent_s += time.process_time() - begun
        if self.backend == AUTO and not self._tried and self._spent_s > PRICE_S:
            self._tried = True
            self._loaded = self._as_wanted(prepare_now=True)
        return said

    def _as_wanted(self, *, prepare_now: bool = False) -> Ensemble:
        own = ensemble.load(self.folder.name, self.folder.parent)
        if self.home is None or self.backend == EAGER:
            return own
        try:
            kept = read_prepared(own.model, self.home)
            if kept is None and (prepare_now or self.backend != AUTO):
                log.info("inference_prepares", model=own.model.version)
                kept = prepare(own, self.home)
            if kept is None:
                return own
            self._tried = True
            name = kept.backend if self.backend == AUTO else self.backend
            return own if name == EAGER else _running(own, name, kept, self.home)
        except (BackendFailed, OSError) as error:
            _warn(self.backend, own.model.version, str(error))
            return own


def prepare(asked: Ensemble, home: Path, done: Callable[[], None] = lambda: None) -> Prepared:
    """Export every member, measure every back end by turns, keep graphs and figures.

    Args:
        asked: the ensemble.
        home: state folder.
        done: called after each member and each back end.

    Raises:
        BackendFailed: a member cannot be exported.
        OSError: nothing can be written there.
    """
    model, bands = asked.model, len(asked.model.bands)
    begun = time.process_time()
    graphs = []
    for network in asked.networks:
        graphs.append(backends.export(network, bands))
        done()
    export_s = time.process_time() - begun
    runs: dict[str, Sequence[Run]] = {EAGER: [backends.eager(n) for n in asked.networks]}
    failed = []
    for name in BACKENDS:
        try:
            pairs = zip(asked.networks, graphs, strict=True)
            runs[name] = [backends.read(name, network, graph, bands) for network, graph in pairs]
        except BackendFailed as error:
            failed.append(Way(name, failed=str(error)))
        done()
    ways = (*_measured(runs, model), *failed)
    names = [member.name for member in model.members]
    prepared = Prepared(
        version=model.version,
        machine=machine(),
        backend=fastest(ways),
        export_s=export_s,
        ways=ways,
        graphs={n: hashlib.sha256(g).hexdigest() for n, g in zip(names, graphs, strict=True)},
    )
    place = _place(model, home)
    for outdated in place.parent.glob(f"{place.name.partition('-')[0]}-*"):
        if outdated != place:
            shutil.rmtree(outdated, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    for name, graph in zip(names, graphs, strict=True):
        write_whole(place / f"{name}.onnx", graph)
    write_whole(place / PREPARED, (json.dumps(asdict(prepared), indent=1) + "\n").encode())
    return prepared


def read_prepared(model: Model, home: Path) -> Prepared | None:
    """Return what was prepared for a model on this machine; None where nothing was.

    Raises:
        BackendFailed: the file is garbled.
    """
    path = _place(model, home) / PREPARED
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        ways = tuple(Way(**row) for row in document.pop("ways"))
        return Prepared(**document, ways=ways)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError) as error:
        raise BackendFailed(f"{path} is garbled ({error}); remove it") from None


def fastest(ways: Sequence[Way]) -> str:
    """Return the back end that takes least, ``GAIN`` times faster at both; else the networks."""
    (own,) = (way for way in ways if way.backend == EAGER)

    def times(way: Way) -> float:
        """The smaller of both gains."""
        pairs = (own.verdict_s, way.verdict_s), (own.search_s, way.search_s)
        return min(a / b if a and b else 0.0 for a, b in pairs)

    best = max(ways, key=times)
    return best.backend if times(best) >= GAIN else EAGER


@cache
def machine() -> Mapping[str, str]:
    """Return the processor and the libraries that what is prepared hangs on."""
    found = {"processor": _processor()}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = ""
    return found


def _processor() -> str:
    """Return the name of the processor and a checksum of what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    said = dict(line.replace("\t", "").partition(":")[::2] for line in lines)
    able = hashlib.sha256(said.get("flags", "").encode()).hexdigest()[:12]
    return f"{said.get('model name', platform.machine()).strip()} {able}"


def _place(model: Model, home: Path) -> Path:
    digest = hashlib.sha256(json.dumps(machine(), sort_keys=True).encode()).hexdigest()
    return home / FOLDER / f"{model.version.rpartition('/')[2]}-{digest[:12]}"


def _running(own: Ensemble, name: str, kept: Prepared, home: Path) -> Ensemble:
    """Return an ensemble that runs by a back end, each member checked against its network."""
    place = _place(own.model, home)
    runs = []
    for member, network in zip(own.model.members, own.networks, strict=True):
        path = place / f"{member.name}.onnx"
        graph = path.read_bytes()
        if hashlib.sha256(graph).hexdigest() != kept.graphs.get(member.name):
            raise BackendFailed(f"{path} was changed; remove {place}")
        run = backends.read(name, network, graph, len(own.model.bands))
        runs.append(Guarded(run, network, partial(_warn, name, own.model.version)))
    return own.running(runs)


def _warn(backend: str, version: str, reason: str) -> None:
    log.warning(
        "inference_backend_failed", backend=backend, model=version, reason=reason, goes_on=EAGER
    )


def _measured(runs: Mapping[str, Sequence[Run]], model: Model) -> list[Way]:
    """Measure by turns, in one process, so that what else the machine does counts alike."""
    sides, bands = model.sides or (model.window,), len(model.bands)
    least: dict[tuple[str, int], float] = dict.fromkeys(
        ((name, number) for name in runs for number in (1, ORIENTATIONS)), math.inf
    )
    differs = dict.fromkeys(runs, 0.0)
    for number in (ORIENTATIONS, 1):
        tiles = [backends.probe(bands, number, side) for side in sides]
        for turn in range(_TURNS + 1):
            for name, each in runs.items():
                begun = time.process_time()
                for run in each:
                    for tile in tiles:
                        run(tile)
                taken = time.process_time() - begun
                if turn:
                    least[name, number] = min(least[name, number], taken)
        for name, each in runs.items():
            for run, own in zip(each, runs[EAGER], strict=True):
                differs[name] = max(differs[name], *(backends.apart(run, own, t) for t in tiles))
    return [Way(name, least[name, ORIENTATIONS], least[name, 1], differs[name]) for name in runs]
