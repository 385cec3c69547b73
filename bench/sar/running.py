"""What is judged, in which order, and keeping it, so that a run can be taken up again."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from bench.sar import filters, judging, series
from bench.sar.figures import Record
from detectors.simulation.parameters import Parameters
from flows.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".scarpwatch" / "bench-sar"
#: What names of the peer's jobs begin with.
PEER = "peer-"
#: Seeds by use; the simulator's rule: tune under 1000, calibrate under 2000, report from there on.
#: 1100 and 5000 on: nothing there was looked at before snow lines and averaging were chosen.
TUNING, CALIBRATION, HELD_BACK = 0, 1100, 5000
#: Files whose change makes kept looks void: those of the peer's looks, and further ones of ours.
_SHARED = (
    "bench/sar/judging.py", "bench/sar/series.py", "bench/sar/planting.py",
    "detectors/prediction.py",
)  # fmt: skip
_SOURCES = (
    "bench/sar/filters.py", "detectors/normalise.py", "detectors/snow.py",
    "detectors/conditions.py", "detectors/radiometry.py", "detectors/sar_log_ratio.py",
    "detectors/sar_disturbance.py", "detectors/registry.py", "detectors/vectorize.py",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One event or series: a few looks, kept as one file."""

    name: str
    run: Callable[[], Iterable[Record]]
    """Travels between processes."""
    peer: bool = False
    """Looks of the peer, which do not change with our code."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is judged."""

    calibration: int = 6
    """Simulated events that levels and scores are found on."""
    held_back: int = 8
    """Simulated events that figures come from."""
    tuning: int = 4
    """Simulated events that filters are compared on."""
    size: int = 300
    """Pixels on each side of an event."""

    @classmethod
    def quick(cls) -> Plan:
        """Return one that runs in two minutes and shows nothing but that it runs."""
        return cls(calibration=2, held_back=2, tuning=1, size=160)

    def seeds(self) -> dict[str, list[int]]:
        """Return the seeds by use."""
        return {
            "tuning": list(range(TUNING + 1, TUNING + 1 + self.tuning)),
            "calibration": list(range(CALIBRATION, CALIBRATION + self.calibration)),
            "held back": list(range(HELD_BACK, HELD_BACK + self.held_back)),
        }


def jobs(plan: Plan, parameters: Parameters, data: Path | None) -> Iterator[Job]:
    """Return all there is to do: real series first, because they are quick."""
    if data is not None:
        for folder, burst, ending, latitude, _ in series.REAL:
            for peer in (False, True):
                yield Job(
                    f"{PEER * peer}real-{burst}",
                    functools.partial(
                        series.real_series, data / folder, burst, ending, latitude, parameters,
                        peer=peer,
                    ),
                    peer,
                )  # fmt: skip
    seeds = plan.seeds()
    for seed in (*seeds["calibration"], *seeds["held back"]):
        for peer in (False, True):
            event = functools.partial(
                series.simulated_event, seed, parameters, size=plan.size, peer=peer
            )
            yield Job(f"{PEER * peer}event-{plan.size}-{seed}", event, peer)
    for seed in seeds["tuning"]:
        for name in filters.FILTERS:
            yield Job(
                f"filter-{plan.size}-{name}-{seed}",
                functools.partial(filters.event, seed, name, parameters, size=plan.size),
            )


def fingerprint(parameters: Parameters, *, peer: bool = False) -> str:
    """Return what changes whenever a look would be judged otherwise, by us or by the ``peer``."""
    own = judging.peer_fingerprint() if peer else judging.fingerprint()
    digest = hashlib.sha256(f"{own} {parameters.sha256}".encode())
    simulator = sorted((ROOT / "detectors" / "simulation").glob("*.py"))
    for path in (*(ROOT / name for name in (_SHARED if peer else _SHARED + _SOURCES)), *simulator):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run(
    todo: Sequence[Job], parameters: Parameters, processes: int, *, again: bool = False
) -> Iterator[tuple[str, list[Record]]]:
    """Yield name and looks of each job as it is done."""
    folders = {peer: KEPT / fingerprint(parameters, peer=peer) for peer in (False, True)}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = {pool.submit(done, job, folders[job.peer], again=again): job for job in todo}
        for one in as_completed(waiting):
            yield waiting[one].name, one.result()


def with_peer(looks: Mapping[str, Sequence[Record]]) -> dict[str, list[Record]]:
    """Join the peer's patches to the looks that ours were found on."""
    joined = {}
    for name, records in looks.items():
        if name.startswith(PEER):
            continue
        theirs = {_key(one): one["patches"] for one in looks.get(PEER + name, ())}
        joined[name] = [
            {**one, "patches": {**one["patches"], **theirs.get(_key(one), {})}} for one in records
        ]
    return joined


def _key(look: Record) -> tuple[object, ...]:
    return look["orbit"], look["kind"], look["look"]


def done(job: Job, folder: Path, *, again: bool = False) -> list[Record]:
    """Return the looks of a job: those that are kept, or judge them now and keep them."""
    path = folder / f"{job.name}.json"
    if path.exists() and not again:
        kept: list[Record] = json.loads(path.read_bytes())
        return kept
    looks = list(job.run())
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(looks).encode())
    return looks
