"""Made-up series of looks at a small place, with or without a step. SIMULATED."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2020, 10, 1, 10, 0, tzinfo=UTC)


def level(
    seed: int,
    looks: int = 60,
    every: float = 12.0,
    step_db: float = 0.0,
    at: float | None = None,
    season_db: float = 1.5,
    speckle: float = 0.6,
    lasts: float = 20.0,
) -> tuple[list[datetime], np.ndarray, datetime]:
    """Looks, (look, 2) dB, and when it stepped: speckle, weather that lasts, and a season."""
    random = np.random.default_rng(seed)
    days = np.arange(looks) * every
    alike = (1 - speckle) * np.exp(-np.abs(days[:, None] - days) / lasts) + speckle * np.eye(looks)
    noise = np.linalg.cholesky(alike) @ random.normal(size=(looks, 2))
    when = random.uniform(days[6], days[-5]) if at is None else at
    phase = random.uniform(0, 2 * np.pi, 2)
    step = random.choice([-1, 1], 2) * step_db * random.uniform(0.7, 1.3, 2)
    db = noise + season_db * np.cos(2 * np.pi * days[:, None] / 365.25 + phase) + [-10, -17]
    db += step * (days[:, None] >= when)
    return [START + timedelta(days=day) for day in days], db, START + timedelta(days=when)


def pixels(db: np.ndarray, seed: int = 0) -> np.ndarray:
    """Linear power of 3 x 3 pixels whose mean is that level, float32 (look, 2, 3, 3)."""
    speckle = np.random.default_rng(seed).gamma(4.0, 0.25, (*db.shape, 3, 3))
    speckle /= speckle.mean(axis=(2, 3), keepdims=True)
    return (10 ** (db[..., None, None] / 10) * speckle).astype(np.float32)


def write_csv(
    path: Path, moments: list[datetime], power: np.ndarray, site: int, burst: str
) -> Path:
    """The layout of the validation harness of dist-s1, its wrong ``site_lat`` included."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["", "datetime", "burst_id", "site_id", "site_lon", "site_lat", "vv", "vh"])
        for number, (moment, bands) in enumerate(zip(moments, power, strict=True)):
            lists = [str([float(value) for value in band.ravel()]) for band in bands]
            out.writerow([number, f"{moment:%Y-%m-%d %H:%M:%S}", burst, site, 7.0, 7.0, *lists])
    return path
