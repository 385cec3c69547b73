"""Water finds its level."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.shoreline import ERROR_M, Setting, setting_of

ROWS, COLUMNS = np.mgrid[0:40, 0:40].astype(np.float32)
PATCH = np.hypot(ROWS - 20, COLUMNS - 20) < 4


@pytest.mark.parametrize(
    ("elevation", "setting"),
    [
        (np.full((40, 40), 300.0), Setting.FLAT),
        (3.0 * np.hypot(ROWS - 20, COLUMNS - 20), Setting.BASIN),
        # A valley that falls along its axis, dammed: 3 m a pixel, walls of 10.
        (10.0 * np.abs(COLUMNS - 20) - 0.5 * ROWS, Setting.BASIN),
        (8.0 * ROWS, Setting.SLOPE),
        (-3.0 * np.hypot(ROWS - 20, COLUMNS - 20), Setting.SLOPE),
        (6.0 * np.abs(COLUMNS - 20) * np.sign(COLUMNS - 20), Setting.SLOPE),
    ],
    ids=["plain", "bowl", "valley", "slope", "hilltop", "wall"],
)
def test_where_water_can_lie(elevation: np.ndarray, setting: Setting) -> None:
    assert setting_of(elevation.astype(np.float32), PATCH) is setting


def test_what_the_model_errs_by_is_allowed_for() -> None:
    noise = np.random.default_rng(3).normal(0.0, ERROR_M / 3, (40, 40)).astype(np.float32)
    assert setting_of(300.0 + noise, PATCH) is Setting.FLAT
    assert setting_of(3.0 * np.hypot(ROWS - 20, COLUMNS - 20) + noise, PATCH) is Setting.BASIN


def test_the_height_of_the_sea_plays_no_part() -> None:
    bowl = (3.0 * np.hypot(ROWS - 20, COLUMNS - 20)).astype(np.float32)
    assert setting_of(bowl - 4000.0, PATCH) is setting_of(bowl + 4000.0, PATCH) is Setting.BASIN


def test_unknown_heights_say_nothing() -> None:
    unknown = np.full((40, 40), np.nan, dtype=np.float32)
    assert setting_of(unknown, PATCH) is None
    half = np.where(COLUMNS < 20, 5.0, np.nan).astype(np.float32)
    assert setting_of(half, COLUMNS > 18) is None
    assert setting_of(np.zeros((3, 3), dtype=np.float32), np.ones((3, 3), dtype=bool)) is None
