"""What is judged, in which order, and keeping it, so that a run can be taken up again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.sar import filters, judging, series
from bench.sar.figures import Record
from detectors.simulation.parameters import Parameters

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".scarpwatch" / "bench-sar"
#: Seeds by use; the simulator's rule: tune under 1000, calibrate under 2000, report from there on.
#: Nothing over 3000 was looked at before the weather of looks was told apart in the page.
TUNING, CALIBRATION, HELD_BACK = 0, 1000, 3000
#: Files whose change makes kept looks void.
_SOURCES = (
    "bench/sar/judging.py", "bench/sar/series.py", "bench/sar/filters.py", "detectors/normalise.py",
    "detectors/radiometry.py", "detectors/sar_log_ratio.py", "detectors/sar_disturbance.py",
    "detectors/registry.py", "detectors/vectorize.py", "detectors/prediction.py",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One event or series: a few looks, kept as one file."""

    name: str
    run: Callable[[], Iterable[Record]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is judged."""

    calibration: int = 6
    """Simulated events that levels and scores are found on."""
    held_back: int = 8
    """Simulated events that figures come from."""
    tuning: int = 1
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
            yield Job(
                f"real-{burst}",
                lambda f=folder, b=burst, e=ending, at=latitude: series.real_series(
                    data, f, b, e, at, parameters
                ),
            )
    seeds = plan.seeds()
    for seed in (*seeds["calibration"], *seeds["held back"]):
        yield Job(
            f"event-{plan.size}-{seed}",
            lambda s=seed: series.simulated_event(s, parameters, size=plan.size),
        )
    for seed in seeds["tuning"]:
        for name in filters.FILTERS:
            yield Job(
                f"filter-{plan.size}-{name}-{seed}",
                lambda s=seed, n=name: filters.event(s, n, parameters, size=plan.size),
            )


def fingerprint(parameters: Parameters) -> str:
    """Return what changes whenever a look would be judged otherwise."""
    digest = hashlib.sha256(f"{judging.fingerprint()} {parameters.sha256}".encode())
    simulator = sorted((ROOT / "detectors" / "simulation").glob("*.py"))
    for path in (*(ROOT / name for name in _SOURCES), *simulator):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def done(job: Job, folder: Path, *, again: bool = False) -> list[Record]:
    """Return the looks of a job: those that are kept, or judge them now and keep them."""
    path = folder / f"{job.name}.json"
    if path.exists() and not again:
        kept: list[Record] = json.loads(path.read_bytes())
        return kept
    looks = list(job.run())
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(looks), encoding="utf-8")
    part.rename(path)
    return looks
