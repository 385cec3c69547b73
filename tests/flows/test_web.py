"""The page over real HTTP: what every answer carries, who may decide, and what is refused."""

from __future__ import annotations

import html
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from db import queries, store
from db.engine import transaction
from db.records import RegionVersion
from detectors.types import Sensor, State
from flows.web.accounts import NAME, Accounts
from flows.web.guards import POLICY
from tests.optical_watch import EVENT, OpticalWatch, drill_channel
from tests.page_server import OPERATOR, PASSWORD, REVIEWER, served_page

EVIL = "<script>alert('1')</script>"


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    """One suspected landslide in a region with a name that means no good."""
    made = watch_optically(channels=(drill_channel("team", "valley"),), before=(), name=EVIL)
    made.suspect()
    return made


@pytest.fixture
def client(world: OpticalWatch) -> Iterator[httpx.Client]:
    with served_page(world.services) as address, httpx.Client(base_url=address, timeout=60) as made:
        yield made


def token(answer: httpx.Response) -> str:
    return re.findall(r'name="token" value="([0-9a-f]{64})"', answer.text)[-1]


def log_in(client: httpx.Client, password: str = PASSWORD, name: str = REVIEWER) -> httpx.Response:
    own = token(client.get("/login"))
    return client.post("/login", data={"token": own, "name": name, "password": password})


def decide(client: httpx.Client, landslide: object, own: str, **fields: str) -> httpx.Response:
    given = {"token": own, "verdict": "confirm", "reason": "seen it"} | fields
    return client.post(f"/landslides/{landslide}/review", data=given)


def test_every_answer_is_guarded_and_holds_no_script_of_its_own(
    client: httpx.Client, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    for path, status in {
        "/": 200, "/map.json?bbox=-120,34,-119,35&zoom=13": 200, "/regions.json": 200,
        f"/landslides/{landslide.id}": 200, f"/landslides/{landslide.id}/history": 202,
        "/hillshade.json": 200, "/new-region": 403, "/regions/slope/edit": 403, "/regions": 200,
        "/regions/slope": 200, "/login": 200,
        "/static/map.js": 200, "/leaflet/leaflet.js": 200, "/?state=melted": 400, "/map.json": 400,
        "/nowhere": 404, "/regions/nowhere": 404, "/landslides/x": 404,
        "/landslides/00000000-0000-0000-0000-000000000000": 404, "/static/../app.py": 404,
        "/?region=nowhere": 400, "/?page=7": 404, "/logout": 405,
    }.items():  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == status, path
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        if answer.headers["content-type"].startswith("text/html"):
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", answer.text), path
            assert EVIL not in answer.text
            assert "<h1" in answer.text
            assert "https://" not in answer.text, "nothing comes from the internet"
    with transaction(world.services.engine) as s:
        region = queries.get_region(s, "slope")
        (look,) = queries.list_looks(s, region_id="slope", sensor=Sensor.SAR)
        own = replace(look.acquisition, source=region.sources[0])
        store.record_acquisitions(s, region, [own])
    world.clock.set(EVENT + timedelta(days=1))
    page = client.get("/regions/slope").text
    assert "&lt;script&gt;" in page
    assert "137-ascending: warming up: 5 more passes before one can be judged." in page


def test_simulated_says_so_wherever_it_is_shown(client: httpx.Client, world: OpticalWatch) -> None:
    (landslide,) = world.landslides()
    (spot,) = client.get("/map.json?bbox=-120,34,-119,35&zoom=13").json()["spots"]
    assert spot["marks"] == "EXERCISE SIMULATED"
    assert spot["outline"]["type"] == "MultiPolygon"
    page = client.get(f"/landslides/{landslide.id}").text
    headings = re.findall(r"<h[12][ >].*?</h[12]>", page, re.DOTALL)
    assert len(headings) > 5
    assert all("EXERCISE SIMULATED" in heading for heading in headings)


def test_requests_under_other_names_are_refused(client: httpx.Client, world: OpticalWatch) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    with served_page(world.services, ["watch.example.org"]) as address:
        own = {"host": "watch.example.org"}
        assert httpx.get(address, headers=own).status_code == 200


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(
    client: httpx.Client,
) -> None:
    answer = log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert f"Reviewer <b>{REVIEWER}</b>" in client.get("/").text
    client.post("/logout", data={"token": token(client.get("/"))})
    assert ">Log in<" in client.get("/").text
    by_proxy = client.get("/login", headers={"x-forwarded-proto": "https"})
    assert "Secure" in by_proxy.headers["set-cookie"]


def test_a_login_gives_a_new_word(client: httpx.Client) -> None:
    client.get("/login")
    before = client.cookies["scarpwatch-session"]
    log_in(client)
    assert client.cookies["scarpwatch-session"] != before


def test_only_a_reviewer_decides_and_only_by_a_form_from_here(
    client: httpx.Client, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    stranger = token(client.get("/login"))
    assert decide(client, landslide.id, stranger).status_code == 403
    log_in(client)
    own = token(client.get(f"/landslides/{landslide.id}"))
    for answer in (
        decide(client, landslide.id, stranger),
        decide(client, landslide.id, ""),
        client.post(
            f"/landslides/{landslide.id}/review",
            data={"token": own, "verdict": "confirm", "reason": "x"},
            headers={"origin": "https://evil.example"},
        ),
        client.post(
            f"/landslides/{landslide.id}/review",
            data={"token": own, "verdict": "confirm", "reason": "x"},
            headers={"sec-fetch-site": "cross-site"},
        ),
    ):
        assert answer.status_code == 403
        assert "did not come from here" in answer.text
    assert decide(client, landslide.id, own, reason="x" * 30_000).status_code == 413
    assert world.now(landslide).state is State.SUSPECTED
    assert decide(client, landslide.id, own).status_code == 303
    now = world.now(landslide)
    assert (now.state, now.reviewed_by) == (State.CONFIRMED, REVIEWER)
    assert world.kinds() == ["suspected", "confirmed"]


def test_a_verdict_that_says_nothing_is_sent_back_with_its_words(
    client: httpx.Client, world: OpticalWatch
) -> None:
    (landslide,) = world.landslides()
    log_in(client)
    own = token(client.get(f"/landslides/{landslide.id}"))
    for fields, wrong in (
        ({"verdict": "melt"}, "Choose a verdict."),
        ({"reason": "zero \x00 byte"}, "That is no form"),
        ({"reason": "  "}, "needs a reason"),
        ({"verdict": "reopen", "reason": "kept words"}, "is suspected already"),
    ):
        answer = decide(client, landslide.id, own, **fields)
        assert answer.status_code == 400
        assert wrong in answer.text
    assert "kept words" in answer.text
    assert len(world.history(landslide)) == 1


def test_guessing_passwords_ends_in_a_wait(client: httpx.Client) -> None:
    for _ in range(5):
        assert log_in(client, "wrong password").status_code == 403
    answer = log_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    # Others are not locked out by it.
    assert log_in(client, "wrong password", "Ola").status_code == 403


def test_a_new_password_ends_what_the_old_one_opened(
    client: httpx.Client, world: OpticalWatch
) -> None:
    accounts = Accounts(world.services.settings.home)
    log_in(client)
    assert "Log out" in client.get("/").text
    accounts.add(REVIEWER, "another long password")
    assert "Log out" not in client.get("/").text
    log_in(client, "another long password")
    assert "Log out" in client.get("/").text
    accounts.remove(REVIEWER)
    assert "Log out" not in client.get("/").text
    path = world.services.settings.home / NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_login_leads_to_our_own_pages_only(client: httpx.Client, world: OpticalWatch) -> None:
    (landslide,) = world.landslides()
    for wanted, leads in {
        f"/landslides/{landslide.id}": f"/landslides/{landslide.id}",
        "//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/",
        "/regions/slope/edit": "/regions/slope/edit", "/new-region": "/new-region",
        "/regions/slope/edit/../../x": "/",
    }.items():  # fmt: skip
        own = token(client.get("/login"))
        given = {"token": own, "name": REVIEWER, "password": PASSWORD, "next": wanted}
        assert client.post("/login", data=given).headers["location"] == leads


CORNERS = "9.5, 46.6\n9.6, 46.6\n9.6, 46.7"
FORM = {
    "name": "Albula", "geometry": CORNERS, "sources": "opera-asf/OPERA_L2_RTC-S1_V1",
    "detector-sar_log_ratio": "on", "sensor-sar": "on", "sensor-optical": "on",
    "min_area_m2": "9000", "tags": "road, village",
}  # fmt: skip


def draw(client: httpx.Client, path: str = "/new-region", **fields: str) -> httpx.Response:
    page = client.get(path)
    found = re.search(r'name="revision" value="(\d+)"', page.text)
    given = {"token": token(page), "revision": found[1] if found else "0", **FORM, **fields}
    return client.post(path, data=given)


def versions(world: OpticalWatch, region_id: str) -> list[RegionVersion]:
    with transaction(world.services.engine) as s:
        return queries.region_history(s, region_id)


def test_only_operators_draw_and_only_by_a_form_from_here(
    client: httpx.Client, world: OpticalWatch
) -> None:
    log_in(client)  # a reviewer
    own = token(client.get("/"))
    for path in ("/new-region", "/regions/slope/edit", "/regions/slope/pause"):
        assert client.post(path, data={"token": own, **FORM}).status_code == 403
    assert "Draw a region" not in client.get("/regions").text
    log_in(client, name=OPERATOR)
    assert "Draw a region" in client.get("/regions").text
    assert client.post("/new-region", data=FORM).status_code == 403
    (landslide,) = world.landslides()
    own = token(client.get("/"))
    assert decide(client, landslide.id, own).status_code == 403, "an operator reviews nothing"
    assert len(versions(world, "slope")) == 1


def test_a_drawn_region_is_what_a_file_would_make_it(
    client: httpx.Client, world: OpticalWatch
) -> None:
    log_in(client, name=OPERATOR)
    answer = draw(client, watch_from="2025-01-01T12:00")
    assert (answer.status_code, answer.headers["location"]) == (303, "/regions/albula#versions")
    (first,) = versions(world, "albula")
    assert (first.changed_by, first.revision) == (OPERATOR, 1)
    assert first.region.watch_from == datetime(2025, 1, 1, 12, tzinfo=UTC)
    assert (first.region.tags, first.region.min_area_m2) == (("road", "village"), 9000)
    assert first.region.detectors == ("sar_log_ratio",)
    # Nothing changed is no version; a real change is one.
    assert draw(client, "/regions/albula/edit", watch_from="2025-01-01T12:00").status_code == 303
    assert len(versions(world, "albula")) == 1
    assert draw(client, "/regions/albula/edit", priority="5").status_code == 303
    assert [one.region.priority for one in versions(world, "albula")] == [100, 5]
    # The id of another is not taken over.
    answer = draw(client, id="slope")
    assert answer.status_code == 400
    assert "there is a region of this id" in answer.text


def test_every_fault_stands_beside_its_field_and_nothing_typed_is_lost(
    client: httpx.Client, world: OpticalWatch
) -> None:
    log_in(client, name=OPERATOR)
    for fields, name, words in (
        ({"geometry": CORNERS.replace("9.6, 46.7", "9.6")}, "geometry", "line 3: &#39;9.6&#39;"),
        ({"geometry": "34.6, 119.9\n34.7, 119.9\n34.7, 119.8"}, "geometry", "line 1: longitude"),
        ({"geometry": ""}, "geometry", "draw an outline"),
        ({"name": ""}, "name", "say what people call it"),
        ({"id": "Alb ula"}, "id", "lower-case letters"),
        ({"sources": ""}, "sources", "say where looks come from"),
        ({"sources": "opera-asf"}, "sources", "catalogue/collection"),
        ({"sources": "nowhere/x"}, "sources", "no catalogue"),
        ({"min_area_m2": "much"}, "min_area_m2", "valid number"),
        ({"poll_every_minutes": "0"}, "poll_every_minutes", "greater than 0"),
        ({"priority": "1.5"}, "priority", "valid integer"),
        ({"watch_from": "yesterday"}, "watch_from", "valid datetime"),
    ):
        answer = draw(client, **fields)
        assert answer.status_code == 400, fields
        fault = re.search(rf'id="fault-{name}">(.*?)</span>', answer.text, re.DOTALL)
        assert fault, (fields, name)
        assert words in fault[1]
        for value in (FORM | fields).values():
            assert html.escape(value) in answer.text, value
        assert f'aria-describedby="fault-{name}"' in answer.text
    assert "2 things to mend" in draw(client, name="", priority="x").text
    evil = draw(client, name=EVIL, geometry=EVIL)
    assert EVIL not in evil.text
    assert draw(client, geometry="9" * 2_100_000).status_code == 413
    with transaction(world.services.engine) as s:
        assert [one.id for one in queries.list_regions(s)] == ["slope"]


def test_who_is_slower_is_told_before_anything_is_written_over(
    client: httpx.Client, world: OpticalWatch
) -> None:
    log_in(client, name=OPERATOR)
    draw(client)
    page = client.get("/regions/albula/edit")
    draw(client, "/regions/albula/edit", name="By the first")
    given = {"token": token(page), "revision": "1", **FORM, "name": "By the second"}
    answer = client.post("/regions/albula/edit", data=given)
    assert answer.status_code == 409
    assert f"{OPERATOR} changed it" in answer.text
    assert "By the second" in answer.text
    assert versions(world, "albula")[-1].region.name == "By the first"
    given["revision"] = re.findall(r'name="revision" value="(\d+)"', answer.text)[0]
    assert client.post("/regions/albula/edit", data=given).status_code == 303
    assert versions(world, "albula")[-1].region.name == "By the second"


def test_pausing_and_stopping_are_versions_too(client: httpx.Client, world: OpticalWatch) -> None:
    log_in(client, name=OPERATOR)
    own = token(client.get("/regions/slope"))
    assert client.post("/regions/slope/pause", data={"token": own}).status_code == 303
    assert client.post("/regions/slope/resume", data={"token": own}).status_code == 303
    assert client.post("/regions/slope/melt", data={"token": own}).status_code == 404
    assert client.post("/regions/slope/remove", data={"token": own}).status_code == 400
    answer = client.post("/regions/slope/remove", data={"token": own, "sure": "on"})
    assert answer.status_code == 303
    assert client.post("/regions/slope/pause", data={"token": own}).status_code == 409
    told = versions(world, "slope")
    assert [one.changed_by for one in told] == [None, OPERATOR, OPERATOR, OPERATOR]
    assert [one.region.paused for one in told] == [False, True, False, False]
    assert [one.removed for one in told] == [False, False, False, True]
    assert "no longer watched" in client.get("/regions/slope").text


def test_a_database_that_is_gone_is_a_page_of_its_own(world: OpticalWatch, engine) -> None:
    from dataclasses import replace

    from db.engine import make_engine

    gone = make_engine("postgresql://nobody@127.0.0.1:1/none")
    with served_page(replace(world.services, engine=gone)) as address:
        answer = httpx.get(address, timeout=60)
    gone.dispose()
    assert answer.status_code == 503
    assert "cannot be shown just now" in answer.text
    assert "127.0.0.1:1" not in answer.text
