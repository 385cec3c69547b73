"""Real Chromium, headless, driven over WebDriver; it reaches nothing but loopback."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.optical_watch import DEBRIS, OpticalWatch, drill_channel
from tests.page_server import served_page

#: Pictures of the pages, kept as build output.
SHOTS = Path(__file__).resolve().parents[2] / "build" / "browser"
DESKTOP, PHONE = (1280, 800), (390, 844)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """What the tests do with a browser."""

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver

    def size(self, width: int, height: int) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def open(self, address: str) -> None:
        self.driver.get(address)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(self.one(selector).text)

    def click(self, selector: str) -> None:
        found = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait[Found](self, until: Callable[[], Found], seconds: float = 60) -> Found:
        # A page that goes away while it is looked at is asked again.
        gone = [StaleElementReferenceException]
        return WebDriverWait(self.driver, seconds, 0.05, gone).until(lambda _: until())

    def shot(self, name: str, *, whole: bool = False) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        if whole:
            width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
            before = self.run("return innerHeight")
            self.size(width, min(height, 8000))
            time.sleep(0.2)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))
        if whole:
            self.size(width, before)

    def complaints(self) -> list[str]:
        """Return what the console says since the last call: faults, refused scripts and styles."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def driver() -> Iterator[WebDriver]:
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    if program is None or chromedriver is None:
        pytest.skip("no Chromium with its driver; run: sh infra/browser.sh")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--lang=en",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options, Service(chromedriver))
    yield made
    made.quit()


@pytest.fixture
def browser(driver: WebDriver) -> Browser:
    made = Browser(driver)
    driver.delete_all_cookies()
    made.size(*DESKTOP)
    made.complaints()
    return made


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    """One landslide that an optical look confirmed, one of watch, both SIMULATED."""
    made = watch_optically(
        channels=(drill_channel("team", "valley"),), settings={"picture_timeout_s": 60.0}
    )
    made.suspect()
    made.see(4, DEBRIS)
    made.confirm(5)
    return made


@pytest.fixture
def page(world: OpticalWatch) -> Iterator[str]:
    with served_page(world.services) as address:
        yield address
