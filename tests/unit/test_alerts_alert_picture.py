"""The picture of an alert: whatever happened, it can be read on a phone at night."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image

from alerts import portrait
from alerts.alert_picture import AlertPicture, draw, lay_out
from alerts.panels import VEILS
from detectors.types import Unseen
from tests.alert_pictures import cases, radar, suspected
from tests.golden.make import GOLDEN_PICTURE, thumbnail

NAMES = ("radar", "confirmed", "refuted", "ponding", "unseen", "tiny", "large", "no-history")


@pytest.fixture(scope="module")
def pictures() -> dict[str, AlertPicture]:
    found = cases()
    assert tuple(found) == NAMES
    return found


def texts(shown: AlertPicture) -> list[Text]:
    """Every text of a picture that is drawn, after it is drawn."""
    figure = lay_out(shown)
    figure.canvas.draw()
    return [one for one in figure.findobj(Text) if one.get_text().strip() and one.get_visible()]


def said(shown: AlertPicture) -> str:
    return " ".join(one.get_text() for one in lay_out(shown).findobj(Text))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_as_wide_as_a_phone(name: str, pictures: dict[str, AlertPicture]) -> None:
    png = draw(pictures[name])
    with Image.open(io.BytesIO(png)) as image:
        assert image.width == 1080
        assert image.height > 1500 or name == "no-history"
        kept = " ".join(image.text.values())
    assert len(png) < 400_000
    # Whoever looks at the file alone finds its marks, its key and its credits.
    for words in (*pictures[name].marks.split(), pictures[name].key, pictures[name].credit):
        assert words in kept


@pytest.mark.parametrize("name", ["confirmed", "unseen", "no-history"])
def test_every_word_can_be_read_and_is_on_the_page(
    name: str, pictures: dict[str, AlertPicture]
) -> None:
    for text in texts(pictures[name]):
        assert text.get_fontsize() >= 26, text.get_text()
        box = text.get_window_extent()
        # Numbers of an axis may lie outside and are not drawn then.
        if box.width and text.axes is None:
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= 1080, text.get_text()


@pytest.mark.parametrize(("name", "maps"), [("radar", 2), ("confirmed", 4), ("large", 2)])
def test_marks_stand_above_below_and_on_every_map(
    name: str, maps: int, pictures: dict[str, AlertPicture]
) -> None:
    shown = pictures[name]
    found = [one for one in texts(shown) if one.get_text() == shown.marks]
    assert len(found) == maps + 2
    assert sum(one.axes is not None for one in found) == maps


def test_a_real_one_has_no_marks(pictures: dict[str, AlertPicture]) -> None:
    words = said(pictures["tiny"])
    assert "EXERCISE" not in words
    assert "SIMULATED" not in words


@pytest.mark.parametrize("name", ["radar", "confirmed"])
def test_both_sides_share_one_stretch(name: str, pictures: dict[str, AlertPicture]) -> None:
    images = lay_out(pictures[name]).findobj(AxesImage)
    before, after = images[:2]
    assert before.get_clim() == after.get_clim()
    if name == "confirmed":
        # Colours are stretched beforehand: what did not change has the same colour.
        pre, post = (np.asarray(one.get_array()) for one in images[2:4])
        both = (pre[..., 3] == 1) & (post[..., 3] == 1)
        assert np.median(np.abs(pre - post)[both]) < 0.05


def test_what_could_not_be_seen_is_said_and_hatched(pictures: dict[str, AlertPicture]) -> None:
    words = said(pictures["unseen"])
    assert "57 % of the outline was NOT SEEN by this radar look." in words
    assert "100 % of the outline was NOT SEEN by this optical look." in words
    for share in (
        "radar shadow: 31 % of the outline",
        "layover: 22 % of the outline",
        "cloud: 100 %",
    ):
        assert share in words
    assert "All of the outline was seen by this radar look." in said(pictures["radar"])


def test_every_reason_has_a_hatch_of_its_own() -> None:
    veils = [VEILS[code] for code in Unseen if code is not Unseen.SEEN]
    assert len({veil.hatch for veil in veils}) == len({veil.label for veil in veils}) == len(veils)


def test_dates_track_direction_and_bracket_are_named(pictures: dict[str, AlertPicture]) -> None:
    words = said(pictures["confirmed"])
    for part in (
        "2022-09-03 to 2023-01-01", "2023-01-13 01:59 UTC", "track 137", "flight", "radar looks",
        "Sentinel-2 tile T10SEG", "2022-12-11 to 2022-12-21", "2023-01-11 18:45 UTC", "200 m", "N",
        "it happened between 2023-01-01 01:59 UTC and 2023-01-13", "+4.3 dB", "VV", "VH",
        "Contains modified Copernicus Sentinel data",
    ):  # fmt: skip
        assert part in words


def test_new_water_shows_the_level_of_water(pictures: dict[str, AlertPicture]) -> None:
    words = said(pictures["ponding"])
    assert "VV: water below" in words
    assert "not what holds it" in words
    assert "DOWNSTREAM" in words


def test_a_part_that_is_missing_says_why(pictures: dict[str, AlertPicture]) -> None:
    words = said(pictures["no-history"])
    assert "RADAR: the look cannot be read any more: HTTP 404" in words
    assert "OPTICAL: only clouds so far" in words
    assert "too few for a curve" in words


def test_foreign_names_are_drawn_as_they_are_or_as_question_marks() -> None:
    shown = replace(suspected(), facts=(("Where", "$\\frac{x$ 山 Ørsta " + "n" * 200),))
    words = said(shown)
    assert "$\\frac{x$ ? Ørsta" in words
    draw(shown)


def test_what_nobody_saw_can_be_drawn() -> None:
    blind = radar()
    empty = np.full_like(blind.pre, np.nan)
    codes = np.full_like(blind.unseen, Unseen.NO_DATA)
    gone = replace(blind, pre=empty, post=empty, unseen=codes, hidden={Unseen.NO_DATA: 1.0})
    assert "100 % of the outline was NOT SEEN" in said(replace(suspected(), radar=gone))


def test_type_is_broken_at_blanks_and_long_words_anywhere() -> None:
    lines = portrait.wrapped("one two " + "x" * 300, 300, 28)
    assert all(portrait.width_of(line, 28) <= 300 for line in lines)
    assert "".join(lines).replace(" ", "") == "onetwo" + "x" * 300


def test_it_looks_as_it_did(pictures: dict[str, AlertPicture]) -> None:
    # Fonts and matplotlib are pinned; a twentieth of the page-high scale leaves room for patches.
    with Image.open(GOLDEN_PICTURE) as stored:
        golden = np.asarray(stored.convert("RGB"), dtype=float)
    now = np.asarray(thumbnail(draw(pictures["radar"])), dtype=float)
    assert now.shape == golden.shape
    assert np.abs(now - golden).mean() < 4
    assert np.percentile(np.abs(now - golden), 99) < 40
