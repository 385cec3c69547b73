"""Composites over 2.5 years in which nothing happened: what looks like lost vegetation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from detectors.compositing import choose_before, d_ndvi, greenest, pair, same_season
from detectors.types import Composite, OpticalLook, Unseen
from tests.data.conftest import Record
from tests.optical import BANDS, ground, optical_grid

pytestmark = pytest.mark.data

#: Looks before and after that are read at most, and how long after.
BEFORE, AFTER, WITHIN = 12, 3, timedelta(days=30)
LOSS = -0.15
SEASONS = {"spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11), "winter": (12, 1, 2)}


@pytest.fixture(scope="module")
def series(data_folder: Path) -> list[OpticalLook]:
    """The series as looks: NDVI is given, bands that have it are made up."""
    folder = data_folder / "s2-timeseries-eolearn-slovenia"
    times = json.loads((folder / "timestamps.json").read_text(encoding="utf-8"))
    index, likely, cloud = (
        np.load(folder / f"{name}.npy")[..., 0] for name in ("NDVI", "CLP", "CLM")
    )
    looks = []
    for k, text in enumerate(times):
        hidden = (likely[k] >= 0.5) | (cloud[k] == 1)
        bands = ground(np.clip(index[k], -0.99, 0.99))
        bands[:, hidden] = np.nan
        unseen = np.where(hidden, Unseen.CLOUD, Unseen.SEEN).astype(np.uint8)
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        looks.append(
            OpticalLook(optical_grid(*index[k].shape), BANDS, bands, unseen, moment, (str(k),))
        )
    return looks


def preferred(looks: Sequence[OpticalLook], season: datetime) -> list[OpticalLook]:
    moments = [look.sensed_at for look in looks]
    chosen = choose_before(moments, moments[-1], season)
    return [looks[k] for k in chosen[:BEFORE]]


def all_against_all(
    looks: Sequence[OpticalLook], season: datetime, after: Sequence[OpticalLook]
) -> tuple[Composite, Composite]:
    return greenest(preferred(looks, season)), greenest(after)


def matched(
    looks: Sequence[OpticalLook], season: datetime, after: Sequence[OpticalLook]
) -> tuple[Composite, Composite]:
    return pair(preferred(looks, season), after)


def earlier_years(
    looks: Sequence[OpticalLook], season: datetime, after: Sequence[OpticalLook]
) -> tuple[Composite, Composite]:
    alike = same_season(season)
    old = [
        look
        for look in looks[::-1]
        if alike(look.sensed_at) and season - look.sensed_at > timedelta(days=200)
    ]
    return pair(old[:BEFORE], after)


def test_unequal_look_counts_imitate_loss_on_real_vegetation(
    series: list[OpticalLook], record: Record
) -> None:
    ways = {
        "all looks before, all after": all_against_all,
        "as many before as after": matched,
        "the same, earlier years only": earlier_years,
    }
    found: dict[str, list[tuple[int, float, float, float]]] = {name: [] for name in ways}
    for k, look in enumerate(series):
        # A year of history, and something to see.
        early = look.sensed_at - series[0].sensed_at < timedelta(days=400)
        if early or (look.unseen == Unseen.SEEN).mean() < 0.5:
            continue
        after = [one for one in series[k:] if one.sensed_at <= look.sensed_at + WITHIN][:AFTER]
        for name, way in ways.items():
            change = d_ndvi(*way(series[:k], look.sensed_at, after))
            change = change[np.isfinite(change)]
            found[name].append((
                look.sensed_at.month, float(change.mean()), float((change <= LOSS).mean()),
                float((change - np.median(change) <= LOSS).mean()),
            ))  # fmt: skip
    rows = []
    for name, lines in found.items():
        values = np.array(lines)
        for season, months in ({"year": tuple(range(1, 13))} | SEASONS).items():
            here = values[np.isin(values[:, 0], months)]
            rows.append([
                name, season, len(here), f"{here[:, 1].mean():+.3f}",
                *(f"{share:.1%}" for share in here[:, 2:].mean(axis=0)),
            ])  # fmt: skip
    mean = {name: np.array(lines)[:, 1:].mean(axis=0) for name, lines in found.items()}
    record(
        "Quiet vegetation (Slovenia)",
        f"""Data set `s2-timeseries-eolearn-slovenia`, 68 dates over 2.5 years, 1 km2 of hills, NDVI
and cloud mask as given (neither shadow nor snow is masked, which is harder than SCL). From the
second year on every clear date stands for the first look after an event that did not happen: up to
{AFTER} looks of {WITHIN.days} days after it against up to {BEFORE} before (`choose_before`). *Loss*
is the share of pixels that lost {-LOSS:g} NDVI or more; all of it is false.""",
        ["looks", "season", "dates", "mean d_ndvi", "loss", "loss against the median of the scene"],
        rows,
        """Earlier years of the same season would follow winter better than the last 90 days do, but
a look of last year also takes every change since then for the event, old scars above all. So recent
looks come first, and the season is taken out against the surroundings.""",
    )
    biased, fair = mean["all looks before, all after"], mean["as many before as after"]
    assert biased[0] < -0.08
    assert abs(fair[0]) < 0.4 * abs(biased[0])
    assert fair[1] < 0.7 * biased[1]
    assert fair[2] < 0.06
