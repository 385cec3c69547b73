"""Before and after on one map, in real Chromium: tiles of composites under an edge."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.browser.conftest import PHONE, Browser
from tests.browser.test_page import faults
from tests.optical_watch import DEBRIS, OpticalWatch, drill_channel
from tests.page_server import served_page
from tests.radar_layers import keep_radar


@pytest.fixture
def world(watch_optically: Any) -> OpticalWatch:
    """A confirmed landslide, SIMULATED, whose looks left their composites."""
    made = watch_optically(
        channels=(drill_channel("team", "valley"),),
        settings={"picture_timeout_s": 60.0, "keep_composites_days": 30},
    )
    slide = made.suspect()
    made.see(4, DEBRIS)
    made.confirm(5)
    keep_radar(made, slide)
    return made


@pytest.fixture
def page(world: OpticalWatch) -> Iterator[str]:
    with served_page(world.services) as address:
        yield address


def drawn(browser: Browser, eye: str) -> None:
    """Wait until all tiles of an eye are there."""
    browser.run(f"document.querySelector('[data-eye={eye}]').scrollIntoView()")
    browser.wait(lambda: browser.one(f"[data-eye={eye}]").get_attribute("data-drawn") == "all")


def middle(browser: Browser, eye: str) -> np.ndarray:
    """Return the middle of the map as the screen has it, (y, x, 3): inside the outline."""
    shot = browser.one(f"[data-eye={eye}] .map").screenshot_as_png
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=float)
    height, width = pixels.shape[:2]
    return pixels[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20]


def to_end(browser: Browser, eye: str, key: str) -> np.ndarray:
    """Move the edge to one end by the keyboard; return the middle."""
    browser.one(f"[data-eye={eye}] .cut").send_keys(key)
    return middle(browser, eye)


def test_the_edge_moves_between_before_and_after(
    browser: Browser, page: str, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    one = f"{page}/landslides/{landslide.id}"
    browser.open(one)
    for eye in ("radar", "optical"):
        drawn(browser, eye)
        browser.shot(f"composites-{eye}")
        assert browser.text(f"[data-eye={eye}] .stack-map .mark") == "EXERCISE SIMULATED"
        ends = [browser.text(f"[data-eye={eye}] .ends .{side}") for side in ("before", "after")]
        assert all(end.endswith("SIMULATED") for end in ends)
        after = to_end(browser, eye, Keys.HOME)
        before = to_end(browser, eye, Keys.END)
        assert browser.one(f"[data-eye={eye}] .cut").get_attribute("value") == "100"
        # Debris and a rough slope are brighter than what was there.
        assert after.mean() > before.mean() + 25, eye
        for _ in range(10):
            browser.one(f"[data-eye={eye}] .cut").send_keys(Keys.ARROW_LEFT)
        said = browser.one(f"[data-eye={eye}] .cut").get_attribute("aria-valuetext")
        assert said == "90 % before, 10 % after"
        assert np.array_equal(middle(browser, eye), before), "the middle is before still"
        # The pointer drags the edge, and the map below stays where it is.
        edge = browser.one(f"[data-eye={eye}] .edge")
        width = browser.one(f"[data-eye={eye}] .map").size["width"]
        ActionChains(browser.driver).drag_and_drop_by_offset(edge, -0.7 * width, 0).perform()
        assert np.array_equal(middle(browser, eye), after)
    # Other ways of drawing, and the scores over them.
    grey = middle(browser, "radar")
    assert np.median(np.ptp(grey, axis=-1)) == 0
    Select(browser.one("[data-eye=radar] .style")).select_by_value("vvvh")
    drawn(browser, "radar")
    assert np.ptp(middle(browser, "radar"), axis=-1).mean() > 10
    browser.click("[data-eye=radar] input.score")
    browser.click("[data-eye=radar] input.unseen")
    drawn(browser, "radar")
    browser.run("document.querySelector('[data-eye=radar]').scrollIntoView()")
    browser.shot("composites-radar-scores")
    red, _, blue = middle(browser, "radar").reshape(-1, 3).mean(axis=0)
    assert red > blue + 50, "brighter than before is orange"
    Select(browser.one("[data-eye=optical] .style")).select_by_value("nir")
    drawn(browser, "optical")
    browser.shot("composites-optical-nir")
    # Zoomed in by a key, the edge stays where it was.
    clip = "return document.querySelector('[data-eye=optical] .edge').style.left"
    held = browser.run(clip)
    browser.one("[data-eye=optical] .map").send_keys("+")
    drawn(browser, "optical")
    assert browser.run(clip) == held
    assert browser.complaints() == []


@pytest.mark.long
def test_maps_have_no_serious_fault_and_pictures_stand_in(
    browser: Browser, page: str, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    one = f"{page}/landslides/{landslide.id}"
    browser.size(*PHONE)
    browser.open(one)
    for eye in ("radar", "optical"):
        drawn(browser, eye)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    browser.shot("composites-phone")
    assert faults(browser) == []
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(one)
        sides = browser.all("[data-eye=optical] .sides figure")
        assert [side.text.split()[0] for side in sides] == ["Before", "After"]
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    shutil.rmtree(world.services.settings.composites)
    browser.open(one)
    assert "files of its composites are not there" in browser.text("[data-eye=optical] .why")
    assert browser.all(".over") == []
    # Asked for once they come into view.
    browser.run("document.querySelector('[data-eye=optical]').scrollIntoView()")
    browser.wait(lambda: len(browser.all("[data-eye=optical] .sides img")) == 2)
