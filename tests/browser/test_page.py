"""The page as a person uses it, in real Chromium: open, filter, open one, compare, decide."""

from __future__ import annotations

import io
from importlib.resources import files

import httpx
import numpy as np
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from detectors.types import State
from tests.browser.conftest import DESKTOP, PHONE, Browser
from tests.optical_watch import OpticalWatch
from tests.page_server import PASSWORD, REVIEWER

AXE = files("axe_selenium_python") / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def faults(browser: Browser) -> list[str]:
    """Return what axe-core finds serious on the page that is open."""
    browser.run(AXE.read_text(encoding="utf-8"))
    found = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done);"
    )
    assert found["passes"], "axe looked at nothing"
    return [
        f"{one['id']}: {node['html']}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def compared(browser: Browser) -> None:
    """Wait until the two pictures of the optical eye lie upon each other."""
    browser.run("document.querySelector('[data-eye=optical]').scrollIntoView()")
    browser.wait(lambda: browser.all("[data-eye=optical].compare"))
    browser.wait(
        lambda: browser.run(
            "return [...document.querySelectorAll('[data-eye=optical] img')]"
            ".every((one) => one.complete && one.naturalWidth > 0)"
        )
    )


def test_a_reviewers_way_from_the_map_to_the_verdict(
    browser: Browser, page: str, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    browser.open(page)
    browser.wait(lambda: browser.one("#map").get_attribute("data-shown") == "1")
    assert browser.text("h1") == "1 landslide"
    assert "SIMULATED" in browser.text(".list li")
    browser.shot("map-desktop")

    browser.click(".filter summary")
    browser.click("input[value=refuted]")
    browser.click(".filter button")
    browser.wait(lambda: "state=refuted" in browser.driver.current_url)
    assert browser.text("h1") == "0 landslides of this filter"
    browser.wait(lambda: browser.one("#map").get_attribute("data-shown") == "0")
    browser.click("input[value=refuted]")
    browser.click("input[value=confirmed]")
    Select(browser.one("select[name=region]")).select_by_value("slope")
    browser.click(".filter button")
    browser.wait(lambda: browser.all(".list li"))
    shared = browser.driver.current_url
    assert "region=slope" in shared

    browser.click(".list a")
    browser.wait(lambda: browser.driver.current_url.endswith(f"/landslides/{landslide.id}"))
    assert browser.text("h1").startswith("Confirmed landslide")
    assert "EXERCISE SIMULATED" in browser.text("h1")
    compared(browser)
    edge = browser.one("[data-eye=optical] input[type=range]")
    for _ in range(10):
        edge.send_keys(Keys.ARROW_LEFT)
    cut = browser.run(
        "return getComputedStyle(document.querySelector('[data-eye=optical] .after')).clipPath"
    )
    assert edge.get_attribute("value") == "40"
    assert "40%" in cut
    assert edge.get_attribute("aria-valuetext") == "40 % before, 60 % after"
    browser.shot("landslide-desktop", whole=True)

    browser.click(".who a")
    browser.one("input[name=name]").send_keys(REVIEWER)
    browser.one("input[name=password]").send_keys(PASSWORD)
    browser.shot("login-desktop")
    browser.click("main form button")
    browser.wait(lambda: browser.all("section.review"))
    browser.click("input[value=refute]")
    browser.one("textarea").send_keys("A quarry; been there.")
    browser.shot("review-desktop")
    browser.click("section.review button")
    browser.wait(lambda: browser.text("h1").startswith("Refuted landslide"))
    history = browser.all("#history ~ .wide tbody tr")
    assert "person" in history[-1].text
    assert REVIEWER in history[-1].text
    now = world.now(landslide)
    assert (now.state, now.reviewed_by) == (State.REFUTED, REVIEWER)
    assert world.kinds()[-1] == "withdrawn"
    assert browser.complaints() == []


def test_no_page_has_a_serious_fault(browser: Browser, page: str, world: OpticalWatch) -> None:
    (landslide,) = world.landslides()
    found: set[str] = set()
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        for shot, path in {
            "map": "/", "landslide": f"/landslides/{landslide.id}", "region": "/regions/slope",
            "regions": "/regions", "login": "/login", "problem": "/?state=melted",
        }.items():  # fmt: skip
            browser.size(*size)
            browser.open(page + path)
            if shot == "map":
                browser.wait(lambda: browser.one("#map").get_attribute("data-shown") == "1")
            if shot == "landslide":
                compared(browser)
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), shot
            found |= {f"{name} {shot}: {fault}" for fault in faults(browser)}
            browser.shot(f"{shot}-{name}", whole=shot not in ("map", "login", "problem"))
    assert found == set()


def test_pictures_say_what_they_are_and_lists_need_no_script(
    browser: Browser, page: str, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    one = f"{page}/landslides/{landslide.id}"
    browser.open(one)
    compared(browser)
    captions = [caption.text for caption in browser.all("[data-eye=optical] .said p")]
    assert [caption.split(":")[0] for caption in captions] == ["Before", "After"]
    assert all(caption.endswith("EXERCISE SIMULATED") for caption in captions)
    # This world has no radar images.
    about = "[data-eye=radar] .about"
    browser.wait(lambda: browser.text(about).startswith("No picture"))
    assert "cannot be read just now" in browser.text(about)
    assert browser.complaints() == [], "what is not there is said, and is no fault of the page"

    before, after = (picture(f"{one}/pairs/optical-{side}.png") for side in ("before", "after"))
    assert before.shape == after.shape
    changed = np.abs(before - after).sum(axis=-1) > 60
    # The slide lies in the middle; what lies around it did not change, and is drawn alike.
    height, width = changed.shape
    middle = changed[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    assert middle.mean() > 0.3
    assert changed[: height // 8].mean() < 0.05

    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(f"{page}/?tier=likely")
        (link,) = browser.all(".list a")
        assert "needs JavaScript" in browser.text(".stage")
        link.click()
        assert browser.text("h1").startswith("Confirmed landslide")
        sides = browser.all("[data-eye=optical] .sides figure")
        assert [side.text.split()[0] for side in sides] == ["Before", "After"]
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def picture(address: str) -> np.ndarray:
    """Return a picture (y, x, 3)."""
    answer = httpx.get(address, timeout=60)
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), dtype=int)
