"""A landslide's own ground through time, and hillshades below the map, in real Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db import queries, store
from db.engine import transaction
from flows import hillshades
from tests.browser.conftest import DESKTOP, PHONE, Browser
from tests.browser.test_page import faults
from tests.hills import heights
from tests.page_server import served_page
from tests.series import END


@pytest.fixture
def world(watch: Any) -> Any:
    """A region in which radar has found a SIMULATED landslide of 21 November, over real looks."""
    w = watch(settings={"picture_timeout_s": 60.0})
    w.run()
    w.reach(END)
    return w


def test_the_history_is_read_once_and_drawn_for_both_widths(browser: Browser, world: Any) -> None:
    with transaction(world.services.engine) as s:
        (landslide,) = queries.list_landslides(s, world.region.id)
    with served_page(world.services) as page:
        browser.open(f"{page}/landslides/{landslide.id}")
        browser.run("document.querySelector('[data-series]').scrollIntoView()")
        browser.wait(lambda: browser.all("svg.chart.screen"), 120)
        kept = list((world.services.settings.home / "web").glob("*-history.json"))
        assert len(kept) == 1
        # From now on the page comes with it, without a script and without a raster.
        browser.open(f"{page}/landslides/{landslide.id}")
        assert not browser.all("[data-series]")
        points = browser.all("svg.chart.screen .point")
        assert len(points) == 20, "ten looks in VV and VH"
        assert len(browser.all("svg.chart.screen .point.after")) == 4, "two looks after it"
        assert "unknown: 10 looks" in browser.text("#series ~ ul")
        rows = browser.all("[aria-label='Backscatter look by look'] tbody tr")
        assert len(rows) == 10
        found: set[str] = set()
        for name, size, shown in (("desktop", DESKTOP, "screen"), ("phone", PHONE, "phone")):
            browser.size(*size)
            assert browser.one(f"svg.chart.{shown}").is_displayed()
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
            small = browser.run(
                "const all = document.querySelectorAll(`svg.chart.${arguments[0]} text`);"
                "return Math.min(...[...all]"
                ".map((one) => one.getBoundingClientRect().height))", shown,
            )  # fmt: skip
            assert small > 9, "type that can be read"
            found |= {f"{name}: {fault}" for fault in faults(browser)}
            browser.run("document.getElementById('series').scrollIntoView()")
            browser.shot(f"history-{name}")
        assert found == set()


def test_what_cannot_be_read_is_said_and_is_no_fault_of_the_page(
    browser: Browser, world: Any, tmp_path: Path
) -> None:
    with transaction(world.services.engine) as s:
        (landslide,) = queries.list_landslides(s, world.region.id)
    update = {"picture_timeout_s": 0.0, "home": tmp_path}
    settings = world.services.settings.model_copy(update=update)
    services = type(world.services)(settings, world.services.engine, world.services.clock, ())
    with served_page(services) as page:
        browser.open(f"{page}/landslides/{landslide.id}")
        browser.run("document.querySelector('[data-series]').scrollIntoView()")
        told = "[data-series] .about"
        browser.wait(lambda: "cannot be read" in browser.text(told), 120)
        assert "pictures are switched off" in browser.text(told)
        assert browser.all("[data-series] li")[0].text.startswith("Bracket: after")
        browser.wait(lambda: browser.text("[data-eye=radar] .about").startswith("No picture"))
        assert browser.complaints() == []


def test_hillshades_are_made_in_the_background_and_shown(
    browser: Browser, watch: Any, tmp_path: Path
) -> None:
    w = watch()
    model = heights(tmp_path / "dem.tif", w.region.geometry, 32611)
    settings = w.services.settings.model_copy(update={"elevation": (str(model),)})
    services = type(w.services)(settings, w.services.engine, w.services.clock, ())
    with served_page(services) as page:
        browser.open(f"{page}/regions/{w.region.id}")
        hills = browser.one("#region-map")
        browser.wait(lambda: hills.get_attribute("data-hills") == "1", 120)
        browser.wait(
            lambda: browser.run(
                "const all = [...document.querySelectorAll('.hills img')];"
                "return all.length && all.every((one) => one.complete && one.naturalWidth === 256)"
            )
        )
        assert browser.text("#ground-credit") == "Hillshade: waves <b>of our own</b>"
        assert faults(browser) == []
        browser.shot("hillshade-region", whole=True)
        browser.open(f"{page}/")
        browser.wait(lambda: browser.all("#map .hills img.leaflet-tile-loaded"))
        browser.shot("hillshade-map")
        assert browser.complaints() == []
    kept = hillshades.kept(services, w.region)
    assert kept is not None
    assert kept.pixel_m == 30
    with transaction(services.engine) as s:
        store.remove_region(s, w.region.id)
