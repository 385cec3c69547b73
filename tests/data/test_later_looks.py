"""Real looks, SIMULATED changes: is a landslide seen again at the next pass, and gone when gone?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rasterio import features

from detectors.fusion import RULE, look_again
from detectors.normalise import MAXIMUM_LOOKS
from detectors.projections import to_projected
from detectors.radiometry import Decibel, to_power
from detectors.tracking import track
from detectors.types import Detection, Finding, Landslide, LookStack, derive_id
from detectors.vectorize import Outline
from flows.judging import LEVELS
from tests.data.conftest import Record
from tests.judged import found, score
from tests.scenes import read_series, take

pytestmark = [pytest.mark.data, pytest.mark.slow]

BURSTS = ("T137-292320-IW2", "T137-292321-IW2", "T137-292322-IW2", "T137-292319-IW2")
#: Pixels of the planted ellipses, and by how much they change in both polarisations, dB.
SIZES, CHANGES = (12, 30, 66), (3.0, 4.5, -4.5)


def ellipses(shape: tuple[int, int], pixels: int, rng: np.random.Generator) -> np.ndarray:
    """(y, x), some ellipses of so many pixels that do not touch each other."""
    rows, columns = np.indices(shape)
    made = np.zeros(shape, dtype=bool)
    for row, column in ((r, c) for r in (18, 50, 82) for c in (18, 50, 82)):
        angle, long = rng.uniform(0, np.pi), np.sqrt(2 * pixels / np.pi)
        y, x = rows - row - rng.uniform(-6, 6), columns - column - rng.uniform(-6, 6)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        made |= (along / long) ** 2 + (2 * across / long) ** 2 <= 1
    return made


def planted(look: LookStack, where: np.ndarray, change_db: np.ndarray) -> LookStack:
    gamma0 = look.gamma0.copy()
    gamma0[0][:, where] *= to_power(Decibel(change_db.astype(np.float32)))
    return replace(look, gamma0=gamma0)


def landslide_of(outline: Outline, looks: LookStack) -> Landslide:
    (landslide,) = track([
        Detection(
            "quiet", derive_id("look"), outline.polygon, outline.area_m2, outline.score_max,
            outline.score_mean, outline.evidence, outline.change_db, outline.tier,
            looks.sensed_at[0], looks.sensed_at[-1], (), "d", "none", "c",
        )
    ], [])  # fmt: skip
    return landslide


def test_a_landslide_is_seen_again_while_it_is_there(data_folder: Path, record: Record) -> None:
    rng = np.random.default_rng(20260101)
    said: dict[tuple[int, float], list[tuple[Finding, Finding]]] = {}
    for burst in BURSTS:
        series = read_series(data_folder / "s1-rtc-opera-t137-california", burst)
        for number in range(MAXIMUM_LOOKS, len(series) - 1, 3):
            pre = take(series, slice(number - MAXIMUM_LOOKS, number))
            first, second = (take(series, slice(k, k + 1)) for k in (number, number + 1))
            gone = score(pre, second)
            if gone.wet_scene:
                continue
            for pixels in SIZES:
                change_db = CHANGES[int(rng.integers(len(CHANGES)))]
                where = ellipses(series.grid.shape, pixels, rng)
                change = change_db + rng.normal(0.0, 1.2, int(where.sum()))
                again = score(pre, planted(second, where, change))
                for outline in found(score(pre, planted(first, where, change))):
                    own = features.geometry_mask(
                        [to_projected(outline.polygon, series.grid.epsg)], series.grid.shape,
                        series.grid.transform, invert=True,
                    )  # fmt: skip
                    if not (own & where).any():
                        continue
                    landslide = landslide_of(outline, take(series, slice(number - 1, number + 1)))
                    checks = [
                        look_again(landslide, derive_id("x"), m, own, LEVELS, steady=True)
                        for m in (again, gone)
                    ]
                    pair = tuple(check.finding for check in checks if check is not None)
                    said.setdefault((pixels, change_db), []).append((pair[0], pair[1]))
    every = [pair for pairs in said.values() for pair in pairs]

    def share(pairs: list[tuple[Finding, Finding]], which: int, finding: Finding) -> float:
        return float(np.mean([pair[which] is finding for pair in pairs]))

    record(
        "Later looks (SIMULATED changes, in-sample)",
        f"""Changes multiplied into two looks that follow each other on the four land bursts, the
outline taken from the first, the second one asked: with the change still there, and without. *Seen
again* from {RULE.again:g} sigma on, *gone* under {RULE.gone:g}.""",
        ["pixels", "change, dB", "outlines", "seen again", "gone though there", "gone when gone",
         "seen though gone"],
        [
            [str(pixels), f"{change_db:+.1f}", str(len(pairs)),
             f"{share(pairs, 0, Finding.AGREES):.0%}", f"{share(pairs, 0, Finding.DISAGREES):.0%}",
             f"{share(pairs, 1, Finding.DISAGREES):.0%}", f"{share(pairs, 1, Finding.AGREES):.0%}"]
            for (pixels, change_db), pairs in sorted(said.items())
        ],
        "Two wide-spread wet dates are left out: such looks neither raise nor lower.",
    )  # fmt: skip
    assert len(every) >= 100
    assert share(every, 0, Finding.AGREES) >= 0.9
    assert share(every, 0, Finding.DISAGREES) <= 0.01
    assert share(every, 1, Finding.DISAGREES) >= 0.95
    assert share(every, 1, Finding.AGREES) <= 0.01
