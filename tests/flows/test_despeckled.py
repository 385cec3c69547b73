"""Despeckled looks that stay for later ones: less work, the same outcome bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db import store
from detectors import radiometry
from detectors.radiometry import Decibel, despeckle_db
from flows import despeckled, polling, steps
from flows.despeckled import despeckling
from flows.settings import Settings
from tests.series import END
from tests.watching import by_item


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """Count what is despeckled for real."""
    done: list[int] = []

    def despeckle(decibel: Decibel) -> Decibel:
        done.append(decibel.size)
        return despeckle_db(decibel)

    monkeypatch.setattr(despeckled, "despeckle_db", despeckle)
    return done


@pytest.fixture
def band() -> Decibel:
    draw = np.random.default_rng(4)
    made = draw.normal(-12, 3, (40, 30)).astype(np.float32)
    made[3:9, 4:8] = np.nan
    return Decibel(made)


def kept(settings: Settings) -> list[Path]:
    return [path for path in settings.despeckled.glob("??/*") if path.is_file()]


def test_a_look_that_is_known_is_taken_as_it_was(no_settings, counted, band) -> None:
    settings = Settings(home=no_settings)
    first = despeckling(settings)(band)
    again = despeckling(settings)(band.copy())
    assert len(counted) == 1
    assert again.tobytes() == first.tobytes() == despeckle_db(band).tobytes()
    # One pixel that is left out, and it is another look.
    band[20, 20] = np.nan
    assert np.isnan(despeckling(settings)(band)[20, 20])
    assert len(counted) == 2


def test_a_part_of_a_look_is_one_by_itself(no_settings, counted, band) -> None:
    despeckle = despeckling(Settings(home=no_settings))
    part = Decibel(band[:, ::2])
    assert despeckle(part).tobytes() == despeckle_db(part).tobytes()
    assert despeckle(Decibel(part.copy())).shape == part.shape
    assert despeckle(Decibel(np.ascontiguousarray(part).reshape(15, 40))).shape == (15, 40)
    assert len(counted) == 2


def test_a_damaged_file_is_made_again(no_settings, counted, band) -> None:
    settings = Settings(home=no_settings)
    whole = despeckling(settings)(band)
    (path,) = kept(settings)
    for spoilt in (path.read_bytes()[:-7], b"", b"\0" * path.stat().st_size):
        path.write_bytes(spoilt)
        assert despeckling(settings)(band).tobytes() == whole.tobytes()
    assert len(counted) == 4


def test_nowhere_to_keep_costs_the_keeping_alone(no_settings, counted, band) -> None:
    settings = Settings(home=no_settings)
    settings.despeckled.write_text("in the way")
    assert despeckling(settings)(band).tobytes() == despeckle_db(band).tobytes()


def test_none_stay_where_that_is_set(no_settings) -> None:
    assert despeckling(Settings(home=no_settings, despeckled_mb=0)) is despeckle_db


def test_another_filter_is_another_look(no_settings, counted, band, monkeypatch) -> None:
    settings = Settings(home=no_settings)
    despeckling(settings)(band)
    monkeypatch.setattr(despeckled.registry, "PREPARATION", {"tv_regularisation": 1.0})
    despeckled._filter.cache_clear()
    try:
        despeckling(settings)(band)
    finally:
        despeckled._filter.cache_clear()
    assert len(counted) == 2
    assert radiometry.TV_REGULARISATION != 1.0


def test_looks_that_are_judged_find_the_earlier_ones(served, counted) -> None:
    w = served(settings={"share_mb": 0})
    w.reach(END)
    polling.poll_region(w.services, "slope")
    judged = [one for one in steps.detect_due(w.services, "slope") if one.state == "processed"]
    once = len(counted)
    # Far fewer than the ten earlier looks and itself, each in two polarisations, for every look.
    assert len(judged) > 3
    assert once < len(judged) * 11
    mine = by_item(w, "slope")
    assert mine

    # A second region of the same ground despeckles nothing, and one that keeps none all of it.
    for name, mb in (("again", 4000), ("alone", 0)):
        with w.open() as s:
            store.save_region(s, replace(w.region, id=name, name=name))
        settings = w.services.settings.model_copy(update={"despeckled_mb": mb})
        services = replace(w.services, settings=settings)
        polling.poll_region(services, name)
        steps.detect_due(services, name)
        assert by_item(w, name) == mine
        assert (len(counted) > once) == (mb == 0)
