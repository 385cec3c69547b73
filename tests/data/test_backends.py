"""Another back end changes no figure of the shipped ensemble on its test side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import backends, ensemble
from detectors.backends import BACKENDS, EAGER
from detectors.ensemble import Ensemble
from detectors.training import metrics
from detectors.training.dataset import Split
from flows.patches import Pair, find
from tests.data.conftest import Record

pytestmark = [pytest.mark.data, pytest.mark.slow]

#: Turns of a picture, and every how manieth patch: a verdict takes eight times as long.
WORK = {"search": (1, 1), "verdict": (8, 10)}


@pytest.fixture(scope="module")
def pairs(data_folder: Path) -> list[Pair]:
    folder = data_folder / "l4s-rgb-png"
    return find(folder / "images", folder / "masks", Split.TEST)


@pytest.fixture(scope="module")
def ways() -> dict[str, Ensemble]:
    own = ensemble.load("landslide-rgb")
    return {EAGER: own, **others(own, [backends.export(n, 3) for n in own.networks])}


def others(own: Ensemble, graphs: list[bytes]) -> dict[str, Ensemble]:
    """The ensemble by every back end."""
    pairs = list(zip(own.networks, graphs, strict=True))
    return {n: own.running([backends.read(n, *pair, 3) for pair in pairs]) for n in BACKENDS}


def rows_of(
    ways: dict[str, Ensemble], what: str, pairs: list[Pair]
) -> list[tuple[str, str, int, float, float]]:
    """Work, back end, patches, F1 and largest difference of the mean probability from eager."""
    orientations, every = WORK[what]
    tallies: dict[str, list[metrics.Counts]] = {name: [] for name in ways}
    apart = dict.fromkeys(ways, 0.0)
    for pair in pairs[::every]:
        image, mask = pair.read()
        maps = {name: way.predict(image, orientations).mean for name, way in ways.items()}
        for name, said in maps.items():
            tallies[name].append(metrics.tally(said, mask))
            apart[name] = max(apart[name], float(np.abs(said - maps[EAGER]).max()))
    threshold = ways[EAGER].model.threshold
    return [
        (
            what,
            n,
            len(pairs[::every]),
            metrics.measure(np.sum(tallies[n], axis=0), threshold).f1,
            apart[n],
        )
        for n in ways
    ]


@pytest.mark.timeout(3600)
def test_f1_stays_and_so_does_every_verdict(
    ways: dict[str, Ensemble], pairs: list[Pair], record: Record
) -> None:
    found = [row for what in WORK for row in rows_of(ways, what, pairs)]
    record(
        "landslide-rgb, back ends",
        "Data set `l4s-rgb-png`, test side: what each way to run the networks says of it.",
        ["as in a", "back end", "patches", "F1", "largest difference"],
        [[what, name, n, f"{f1:.5f}", f"{away:.1e}"] for what, name, n, f1, away in found],
        "The difference is that of the mean probability at a pixel, from PyTorch's.",
    )
    before = {what: f1 for what, name, _, f1, _ in found if name == EAGER}
    for what, name, _, f1, away in found:
        assert abs(f1 - before[what]) <= 1e-3, name
        assert away <= backends.TOLERANCE, name
