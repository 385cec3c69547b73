"""Regions drawn in real Chromium: by mouse, by keys, by file; refused where they are bad."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from db import queries
from db.engine import transaction
from flows.cli import region_views
from tests.browser.conftest import DESKTOP, PHONE, Browser
from tests.browser.test_page import faults
from tests.optical_watch import OpticalWatch
from tests.page_server import OPERATOR, PASSWORD, served_page

BOW_TIE = "9.5, 46.6\n9.6, 46.7\n9.6, 46.6\n9.5, 46.7"


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    return watch_optically(before=(), simulated=False)


@pytest.fixture
def page(world: OpticalWatch) -> Iterator[str]:
    with served_page(world.services) as address:
        yield address


def log_in(browser: Browser, page: str, leads: str) -> None:
    browser.open(f"{page}/login?next={leads}")
    browser.one("input[name=name]").send_keys(OPERATOR)
    browser.one("input[name=password]").send_keys(PASSWORD + Keys.ENTER)
    browser.wait(lambda: browser.driver.current_url.endswith(leads))


def ready(browser: Browser) -> None:
    browser.wait(lambda: browser.one("#draw").get_attribute("data-corners") is not None)


def fill(browser: Browser, selector: str, text: str) -> None:
    field = browser.one(selector)
    field.clear()
    field.send_keys(text)


def regions(world: OpticalWatch) -> dict[str, object]:
    with transaction(world.services.engine) as s:
        return {one.id: one for one in queries.list_regions(s)}


def listed(world: OpticalWatch) -> str:
    """Return what ``scarpwatch regions list`` prints."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(region_views.as_table(region_views.load(world.services, everything=False)))
    return console.export_text()


def corners(browser: Browser) -> int:
    return int(browser.one("#draw").get_attribute("data-corners"))


def test_an_operator_draws_by_mouse_moves_a_corner_and_stops_watching(
    browser: Browser, page: str, world: OpticalWatch
) -> None:
    browser.open(f"{page}/regions")
    assert not browser.all("a[href='/new-region']"), "reading is not drawing"
    log_in(browser, page, "/regions")
    browser.click("a[href='/new-region']")
    ready(browser)
    # The regions there are lie in view; the map adds corners from the start.
    assert browser.one("#draw-on").get_attribute("aria-pressed") == "true"
    place = browser.one("#draw")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", place)
    for x, y in ((-120, -80), (110, -90), (130, 90), (-100, 100)):
        ActionChains(browser.driver).move_to_element_with_offset(place, x, y).click().perform()
    assert corners(browser) == 4
    typed = browser.one("#field-geometry").get_attribute("value")
    assert len(typed.splitlines()) == 4
    fill(browser, "input[name=name]", "Upper valley")
    browser.shot("draw-desktop", whole=True)
    browser.click(".region-form .buttons button")
    browser.wait(lambda: browser.driver.current_url.endswith("/regions/upper-valley#versions"))
    made = regions(world)["upper-valley"]
    assert "Upper valley" in listed(world)
    drawn = [tuple(map(float, line.split(","))) for line in typed.splitlines()]
    assert list(made.geometry.geoms[0].exterior.coords)[:-1] == drawn
    assert OPERATOR in browser.text("#versions ~ .wide tbody")

    browser.click("a[href$='/edit']")
    ready(browser)
    assert browser.one("#draw-on").get_attribute("aria-pressed") == "false"
    first = browser.all(".corner")[0]
    browser.run("arguments[0].scrollIntoView({block: 'center'})", place_of(browser))
    ActionChains(browser.driver).drag_and_drop_by_offset(first, -40, -30).perform()
    browser.wait(lambda: "moved" in browser.text("#draw-note"))
    browser.click(".region-form .buttons button")
    browser.wait(lambda: browser.driver.current_url.endswith("#versions"))
    moved = list(regions(world)["upper-valley"].geometry.geoms[0].exterior.coords)
    assert moved[0][0] < drawn[0][0]
    assert moved[0][1] > drawn[0][1]
    assert moved[1:4] == drawn[1:]
    assert "geometry" in browser.text("#versions ~ .wide tbody tr")
    browser.shot("region-drawn", whole=True)

    browser.click("form[action$=pause] button")
    browser.wait(lambda: "paused" in browser.text("main"))
    browser.click("input[name=sure]")
    browser.click("form[action$=remove] button")
    browser.wait(lambda: "no longer watched" in browser.text("main"))
    assert "upper-valley" not in regions(world)
    assert browser.complaints() == []


def place_of(browser: Browser) -> object:
    return browser.one("#draw")


def test_keys_alone_draw_a_region(browser: Browser, page: str, world: OpticalWatch) -> None:
    log_in(browser, page, "/new-region")
    ready(browser)

    def press(*keys: str) -> None:
        ActionChains(browser.driver).send_keys(*keys).perform()

    def focused(selector: str) -> bool:
        return bool(browser.run(f"return document.activeElement.matches({selector!r})"))

    def tab_to(selector: str) -> None:
        for _ in range(60):
            if focused(selector):
                return
            press(Keys.TAB)
        raise AssertionError(f"no key leads to {selector}")

    def centre() -> str:
        return str(browser.one("#field-geometry").get_attribute("value")).splitlines()[-1]

    tab_to("#draw")
    press(Keys.ENTER)
    assert corners(browser) == 1
    for way in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN):
        before = centre()
        press(way)

        def moved(before: str = before) -> bool:
            # The map glides; a corner is set once it has come to rest elsewhere.
            press(Keys.ENTER)
            if centre() != before:
                return True
            browser.run("document.getElementById('draw-undo').click()")
            return False

        browser.wait(moved)
    browser.wait(lambda: corners(browser) == 3)
    tab_to(".corner")
    shifted = browser.one("#field-geometry").get_attribute("value").splitlines()
    press(Keys.ARROW_UP)
    now = browser.one("#field-geometry").get_attribute("value").splitlines()
    assert now[0] != shifted[0]
    assert now[1:] == shifted[1:]
    assert focused(".corner"), "the corner that moved keeps the focus"
    tab_to(".between")
    press(Keys.ENTER)
    assert corners(browser) == 4
    assert focused(".corner")
    press(Keys.DELETE)
    assert corners(browser) == 3
    tab_to("input[name=name]")
    press("By keys")
    tab_to(".region-form .buttons button")
    press(Keys.ENTER)
    browser.wait(lambda: browser.driver.current_url.endswith("/regions/by-keys#versions"))
    assert len(regions(world)["by-keys"].geometry.geoms[0].exterior.coords) == 4


def test_a_bad_outline_is_refused_beside_its_field_and_nothing_is_lost(
    browser: Browser, page: str, world: OpticalWatch, tmp_path: Path
) -> None:
    log_in(browser, page, "/new-region")
    ready(browser)
    fill(browser, "#field-geometry", BOW_TIE)
    fill(browser, "input[name=name]", "Tied")
    fill(browser, "textarea[name=sources]", "nowhere/x")
    fill(browser, "input[name=min_area_m2]", "-3")
    browser.click(".region-form .buttons button")
    browser.wait(lambda: browser.all("#faults"))
    assert "Self-intersection" in browser.text("#fault-geometry")
    assert "greater than 0" in browser.text("#fault-min_area_m2")
    assert browser.run("return document.activeElement.id") == "faults"
    assert browser.one("#field-geometry").get_attribute("value") == BOW_TIE
    assert browser.one("input[name=name]").get_attribute("value") == "Tied"
    assert browser.one("textarea[name=sources]").get_attribute("value") == "nowhere/x"
    found: set[str] = set()
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        browser.size(*size)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        found |= {f"{name}: {fault}" for fault in faults(browser)}
        browser.shot(f"draw-refused-{name}", whole=True)
    assert found == set()
    browser.size(*DESKTOP)
    # A file mends the outline; the next fault is the catalogue.
    file = tmp_path / "tied.geojson"
    ring = [[9.5, 46.6], [9.6, 46.6], [9.6, 46.7], [9.5, 46.7], [9.5, 46.6]]
    hole = [[9.54, 46.64], [9.54, 46.66], [9.56, 46.66], [9.56, 46.64], [9.54, 46.64]]
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [ring, hole]}))
    browser.one("#draw-file").send_keys(str(file))
    browser.wait(lambda: corners(browser) == 8)
    fill(browser, "input[name=min_area_m2]", "")
    browser.click(".region-form .buttons button")
    browser.wait(lambda: browser.all("#fault-sources"))
    assert "no catalogue 'nowhere'" in browser.text("#fault-sources")
    assert "tied" not in regions(world)
    fill(browser, "textarea[name=sources]", "opera-asf/OPERA_L2_RTC-S1_V1")
    browser.click(".region-form .buttons button")
    browser.wait(lambda: browser.driver.current_url.endswith("/regions/tied#versions"))
    tied = regions(world)["tied"]
    assert len(tied.geometry.geoms[0].interiors) == 1
    assert tied.min_area_m2 == 5_400
