"""Every listening service under fire over real HTTP: it may refuse, and never breaks.

Requests are drawn from OpenAPI descriptions, as they should be and as they should not. The draw is
the same each time; ``FUZZ_EXAMPLES`` says how many there are of each operation and sort.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation.modes import GenerationMode

from db.engine import transaction
from db.queries import list_regions
from detectors.types import State, Tier
from flows.feed_server import make_app as make_feeds
from flows.feeding import write_feeds
from flows.ogc import COLLECTIONS, SCHEMA
from flows.ogc import make_app as make_ogc
from flows.web.app import make_app as make_page
from tests.fuzz.descriptions import describe, known, with_names
from tests.listening import listening
from tests.optical_watch import OpticalWatch, drill_channel
from tests.page_server import PASSWORD, REVIEWER

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
CANARY = "canary-4711"
TEXT = {"type": "string", "maxLength": 60}
#: What an answer must not hold: insides of the program, of the machine, of the settings.
INSIDES = re.compile(
    r"Traceback|site-packages|\.py\"|psycopg|asyncpg|sqlalchemy|pydantic_core|SELECT |FROM scarpw|"
    rf"{CANARY}|scrypt|\.s\.PGSQL|/flows/|/home/|/tmp/|/root/"
)
TYPES = {
    # What a guard refuses, it refuses in JSON.
    "page": {"text/html", "application/json", "image/png", "text/plain", "text/css",
             "text/javascript"},
    "ogc": {"application/json", "application/geo+json", "application/vnd.mapbox-vector-tile",
            "application/schema+json", "application/vnd.oai.openapi+json;version=3.0", "text/csv",
            "application/geo+json-seq", "application/ndjson", "application/vnd.oai.openapi+json"},
    "feeds": {"application/atom+xml", "application/geo+json", "application/cap+xml", "image/png",
              "text/plain", "application/json"},
}  # fmt: skip


@dataclass
class Service:
    """One of them, listening."""

    name: str
    url: str
    description: dict[str, Any]
    headers: Callable[[str], Mapping[str, str]] = lambda _: {}
    seen: dict[int, int] = field(default_factory=dict)


@pytest.fixture
def world(watch_optically: Callable[..., OpticalWatch]) -> OpticalWatch:
    channel = drill_channel("team", "valley")
    made = watch_optically(channels=(channel,), before=())
    made.suspect()
    return made


def page_of(world: OpticalWatch, url: str, application: Any) -> Service:
    (landslide,) = world.landslides()

    def token(text: str) -> str:
        return re.findall(r'name="token" value="([0-9a-f]{64})"', text)[-1]

    with httpx.Client(base_url=url, timeout=60) as client:
        own = token(client.get("/login").text)
        client.post("/login", data={"token": own, "name": REVIEWER, "password": PASSWORD})
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        own = token(client.get(f"/landslides/{landslide.id}").text)
    numbers = {"anyOf": [{"type": "number"}, TEXT]}
    filters = {
        "region": known("slope"), "state": known(*State), "tier": known(*Tier),
        "from": known("2023-01-01"), "to": known("2023-12-31"), "least": numbers, "most": numbers,
        "page": known("1", "2", "20000"),
    }  # fmt: skip
    box = {"bbox": known("-120,34,-119,35", "-180,-90,180,90"), "zoom": known("3", "13")}
    forms = {
        "/landslides/{landslide}/review": {
            "token": known(own), "verdict": known("confirm", "refute", "close", "reopen"),
            "reason": {"type": "string"},
        },
        "/login": {"token": known(own), "name": TEXT, "password": TEXT, "next": TEXT},
        "/logout": {"token": TEXT},
    }  # fmt: skip
    paths = {
        "landslide": known(str(landslide.id)), "region": known("slope"),
        "eye": known("radar", "optical"), "side": known("before", "after"),
        "alert": known(str(landslide.id)),
    }  # fmt: skip
    description = describe(
        _routes(application), paths, {"/": filters, "/map.json": filters | box}, forms
    )
    return Service(
        "page", url, description, lambda path: {} if path == "/logout" else {"cookie": cookie}
    )


@contextmanager
def served_page(world: OpticalWatch) -> Iterator[Service]:
    from flows.web.accounts import Accounts

    Accounts(world.services.settings.home).add(REVIEWER, PASSWORD)
    application = make_page(world.services)
    with listening(application) as url:
        yield page_of(world, url, application)


@contextmanager
def served_ogc(world: OpticalWatch) -> Iterator[Service]:
    address = world.services.engine.url.set(drivername="postgresql")
    (landslide,) = world.landslides()
    with listening(make_ogc(address.render_as_string(hide_password=False))) as url:
        description = httpx.get(f"{url}/api", timeout=60).raise_for_status().json()
        names = {
            "collectionId": known(*(f"{SCHEMA}.{view}" for view in COLLECTIONS)),
            "itemId": known(str(landslide.id)), "tileMatrixSetId": known("WebMercatorQuad"),
        }  # fmt: skip
        yield Service("ogc", url, with_names(description, names))


@contextmanager
def served_feeds(world: OpticalWatch) -> Iterator[Service]:
    folder = world.services.settings.home / "public"
    write_feeds(world.services, folder)
    (message,) = (folder / "exercise" / "cap").iterdir()
    application = make_feeds(folder)
    served = ("alerts.atom", "alerts.geojson", "cap.atom", "exercise/alerts.atom")
    description = describe(_routes(application), {}, {}, {})
    for name in (*served, f"exercise/cap/{message.name}"):
        description["paths"][f"/{name}"] = {"get": {"responses": {"default": {"description": ""}}}}
    with listening(application) as url:
        yield Service("feeds", url, description)


def _routes(application: Any) -> Any:
    while not hasattr(application, "routes"):
        application = application.app
    return application.routes


SERVICES = {"page": served_page, "ogc": served_ogc, "feeds": served_feeds}


def judge(service: Service, answer: Any) -> None:
    """Hold an answer against what no answer may be."""
    asked = f"{answer.request.method} {answer.request.url}"
    status = answer.status_code
    # schemathesis keeps every value of a header.
    told = {name: value if isinstance(value, str) else value[0]
            for name, value in answer.headers.items()}  # fmt: skip
    headers = {name.lower(): value for name, value in told.items()}
    service.seen[status] = service.seen.get(status, 0) + 1
    assert status < 500, f"{asked}: {status} {answer.content[:400]!r}"
    content = answer.content
    if content:
        kind = headers["content-type"].partition("; ")[0]
        assert kind in TYPES[service.name], f"{asked}: {kind}"
        if not kind.startswith(("image/", "application/vnd.mapbox")):
            found = INSIDES.search(content.decode("utf-8", "replace"))
            # What was asked for may be repeated, as text.
            assert found is None or found[0] in requests.utils.unquote(asked), (
                f"{asked}: {found[0]!r} in {content[:400]!r}"
            )
        if "json" in kind:
            answer.json()
    # What is no HTTP at all is refused by the server itself, in words of its own.
    assert content == b"Invalid HTTP request received." or (
        headers["x-content-type-options"] == "nosniff"
    ), asked
    assert "server" not in headers or "Python" not in headers["server"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # morecantile's, of zooms there are not
@pytest.mark.parametrize("name", SERVICES)
def test_nothing_breaks_a_service(name: str, world: OpticalWatch) -> None:
    with SERVICES[name](world) as service:
        schema = schemathesis.openapi.from_dict(service.description)
        with requests.Session() as session:
            session.trust_env = False
            operations = [found.ok() for found in schema.get_all_operations()]
            many = max(EXAMPLES, 30 // len(operations))
            for operation in operations:
                fuzz(service, operation, session, many)
        assert service.seen.get(200, 0) > 0, "something has to be reached"
        assert sum(service.seen.values()) > EXAMPLES
        with transaction(world.services.engine) as s:
            assert list_regions(s), "and the database is there all the same"


def fuzz(service: Service, operation: Any, session: requests.Session, many: int) -> None:
    """Ask one operation, as it should be asked and as it should not."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=many, derandomize=True, database=None, deadline=None,
            suppress_health_check=list(HealthCheck), phases=[hypothesis.Phase.generate],
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            answer = case.call(
                base_url=service.url, session=session, timeout=20, allow_redirects=False,
                headers=dict(service.headers(operation.path)),
            )  # fmt: skip
            judge(service, answer)

        try:
            ask()
        except hypothesis.errors.Unsatisfiable:
            continue  # nothing about it can be wrong


#: As no client writes them.
PATHS = (
    "/%00", "/%ff%fe", "/..%2f..%2fetc/passwd", "//evil.example", "/" + "a" * 9_000, "/%0d%0aX: 1",
    "/landslides/%00", "/regions/%00", "/map.json?bbox=nan,nan,nan,nan", "/map.json?zoom=-1",
    "/?" + "&".join(f"a{n}=1" for n in range(2_000)), "/?region=%00", "/?from=%00", "/?page=1e9",
    "/map.json?bbox=-180,-90,180,90&zoom=19&least=1e308", "/?region=" + "a" * 5_000,
    "/collections/x%00/items", f"/collections/{SCHEMA}.detections/items?bbox=%00",
    f"/collections/{SCHEMA}.detections/items?limit=99999999999999999999",
    f"/collections/{SCHEMA}.detections/items?offset=-1",
    f"/collections/{SCHEMA}.detections/items?datetime=%00/..",
    f"/collections/{SCHEMA}.detections/items?region_id=%00",
    f"/collections/{SCHEMA}.detections/items?filter=%00&filter-lang=cql2-text",
    f"/collections/{SCHEMA}.detections/items?filter=" + "(" * 3_000,
    f"/collections/{SCHEMA}.detections/items?filter=1%3D1%3BDROP%20TABLE%20x",
    f"/collections/{SCHEMA}.detections/items?sortby=%00",
    f"/collections/{SCHEMA}.detections/items/%00",
    f"/collections/{SCHEMA}.detections/tiles/WebMercatorQuad/99/99999999/-1",
    f"/collections/{SCHEMA}.detections/tiles/WebMercatorQuad/30/1e9/1",
    "/cap/%00.xml", "/exercise/../alerts.atom", "/exercise/cap/..%2f..%2f..%2freviewers.json",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # morecantile's, of zooms there are not
@pytest.mark.parametrize("name", SERVICES)
def test_what_no_client_writes_is_answered(name: str, world: OpticalWatch) -> None:
    with SERVICES[name](world) as service, httpx.Client(base_url=service.url) as client:
        for path in PATHS:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
                if method in {"GET", "POST"} or path == "/%00":
                    judge(service, client.request(method, service.url + path, timeout=20))
        for headers in (
            {"host": "evil.example"}, {"host": "\xff"}, {"cookie": "scarpwatch-session=\xff;;="},
            {"accept-encoding": "gzip;q=x"}, {"if-modified-since": "x"}, {"if-none-match": "\x01"},
            {"x-forwarded-for": "';--"}, {"range": "bytes=9-1,x"}, {"content-type": "x/y;;;"},
        ):  # fmt: skip
            for path in ("/", "/login", "/alerts.atom", "/collections"):
                own = {key: value.encode("latin-1") for key, value in headers.items()}
                judge(service, client.get(path, headers=own, timeout=20))
