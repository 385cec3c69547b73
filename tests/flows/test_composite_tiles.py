"""Tiles of kept composites over real HTTP: what they draw, and that a name is never a path."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import numpy as np
import pytest
from morecantile import tms
from PIL import Image

from db import composites
from db.engine import transaction
from detectors.types import Landslide
from tests.optical_watch import OpticalWatch
from tests.page_server import served_page
from tests.radar_layers import LAYOVER, keep_radar


@pytest.fixture
def world(watch_optically: Any) -> OpticalWatch:
    """A landslide that radar suspects."""
    made = watch_optically(before=(), settings={"keep_composites_days": 30})
    made.suspect()
    return made


@pytest.fixture
def client(world: OpticalWatch) -> Iterator[httpx.Client]:
    with served_page(world.services) as address, httpx.Client(base_url=address, timeout=60) as made:
        yield made


def layers(client: httpx.Client, one: Landslide) -> dict[str, Any]:
    """Return what the page tells its script of the one look there is."""
    page = client.get(f"/landslides/{one.id}").text
    (told,) = re.findall(r"data-over='(.*?)'", page)
    (look,) = json.loads(unescape(told))["looks"]
    return look


def pixels(client: httpx.Client, address: str, one: Landslide) -> np.ndarray:
    """Return the tile over a landslide's middle, (y, x, 4)."""
    middle = one.geometry.representative_point()
    at = tms.get("WebMercatorQuad").tile(middle.x, middle.y, 14)
    answer = client.get(address.format(z=at.z, x=at.x, y=at.y))
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"), dtype=int)


def test_tiles_draw_what_was_kept(client: httpx.Client, world: OpticalWatch) -> None:
    (one,) = world.landslides()
    assert "none of its looks was judged since" in client.get(f"/landslides/{one.id}").text
    keep_radar(world, one)
    look = layers(client, one)
    assert look["marks"] == "EXERCISE SIMULATED"
    assert list(look["before"]) == list(look["after"]) == ["vv", "vvvh"]
    before, after = (pixels(client, look[side]["vv"], one) for side in ("before", "after"))
    seen = before[..., 3] == 255
    assert not np.ptp(before[..., :3][seen], axis=-1).any(), "grey"
    # -11 dB between -20 and 0 dB; the slide is 6 dB brighter: 76 of 255.
    assert abs(np.median(before[seen][:, 0]) - 115) < 3
    brighter = after[..., 0] - before[..., 0]
    assert abs(np.median(brighter[brighter > 45]) - 76) < 12
    score = pixels(client, look["score"], one)
    drawn = score[..., 3] > 100
    assert drawn.sum() > 30
    assert np.median(brighter[drawn]) > 45, "scores lie where it got brighter"
    assert (score[drawn][:, 0] > score[drawn][:, 2]).all(), "orange"
    unseen = pixels(client, look["unseen"], one)
    assert set(np.unique(unseen[..., 3])) == {0, 170}, "codes are never mixed"
    height, width = (side.stop - side.start for side in LAYOVER)
    share = (unseen[..., 3] == 170).sum() / seen.sum()
    assert abs(share - height * width / 160**2) < 0.01
    _a_browser_keeps_them(client, look, one)


def _a_browser_keeps_them(client: httpx.Client, look: dict[str, Any], one: Landslide) -> None:
    middle = one.geometry.representative_point()
    at = tms.get("WebMercatorQuad").tile(middle.x, middle.y, 14)
    before, after = (
        look[side]["vv"].format(z=at.z, x=at.x, y=at.y) for side in ("before", "after")
    )
    first, outside = client.get(before), client.get(before.replace(f"/{at.x}/", f"/{at.x + 99}/"))
    assert (first.status_code, outside.status_code) == (200, 204)
    for answer in (first, outside):
        assert answer.headers.get_list("cache-control") == ["private, max-age=3600"]
    tag = {"If-None-Match": first.headers["etag"]}
    again = client.get(before, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    # The same place of another file, or drawn otherwise, is another tile.
    for address in (after, before.replace(".vv.", ".vvvh.")):
        assert client.get(address, headers=tag).status_code == 200


def test_names_are_looked_up_and_lead_nowhere_else(
    client: httpx.Client, world: OpticalWatch
) -> None:
    (one,) = world.landslides()
    pre, *_ = keep_radar(world, one)
    address = layers(client, one)["before"]["vv"].format(z=14, x=2738, y=6497)
    there = client.get(address)
    assert there.status_code in (200, 204)
    tag = {"If-None-Match": there.headers["etag"]}
    assert client.get(address, headers=tag).status_code == 304
    name = address.split("/")[3]
    stem, kind, style, digits = name.split(".")
    outside = world.services.settings.composites.parent / "secret.tif"
    outside.write_bytes((world.services.settings.composites / pre.path).read_bytes())
    for wrong in (
        f"{stem}.{kind}.{style}.{'0' * 12}", f"{stem}.{kind}.true.{digits}",
        f"{stem}.score.{style}.{digits}", f"{stem}.{kind}.{style}",
        f"{stem}x.{kind}.{style}.{digits}",
        "..%2Fsecret.tif", f"..%2F{name}", pre.path.replace("/", "%2F"), f"{name}%00",
        f"%00.{kind}.{style}.{digits}", f"{stem}'--.{kind}.{style}.{digits}",
    ):  # fmt: skip
        status = 400 if "%00" in wrong else 404
        refused = client.get(address.replace(name, wrong))
        assert (refused.status_code, refused.headers["cache-control"]) == (status, "no-store"), (
            wrong
        )
    assert client.get(f"{address}?url=/etc/passwd").status_code == 400
    # What no row names is not served, whether its file is there or not.
    with transaction(world.services.engine) as s:
        composites.remove_composites(s, [pre.path])
    assert client.get(address, headers=tag).status_code == 404
    assert "the files of its composites are not there" in client.get(f"/landslides/{one.id}").text


def test_the_page_says_why_there_is_no_map(watch_optically: Any) -> None:
    made = watch_optically(before=(), settings={"keep_composites_days": 0})
    one = made.suspect()
    with served_page(made.services) as address:
        page = httpx.get(f"{address}/landslides/{one.id}", timeout=60).text
    assert "No map to zoom into: no composites are kept here (keep_composites_days is 0)." in page
    assert f"/landslides/{one.id}/pairs/radar-before.png" in page
