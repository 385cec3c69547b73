"""The ASGI application of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import js_lib_leaflet
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from detectors.errors import ScarpwatchError
from flows.guarding import Guard, Limits
from flows.services import Services
from flows.web.accounts import Accounts
from flows.web.composites import KIND, Composites
from flows.web.guards import Headers, Problem
from flows.web.hills import Hills
from flows.web.landslide_page import LandslidePage
from flows.web.map_page import MapPage
from flows.web.pages import HERE, Pages
from flows.web.region_form import RegionForm
from flows.web.region_page import RegionPage
from flows.web.review_page import ReviewPage
from flows.web.sessions import Sessions
from flows.web.sheets import Sheets
from flows.web.tiles import make_tiles

log = structlog.get_logger()

#: Names under which a browser on this machine asks.
LOCAL = ("127.0.0.1", "localhost", "::1")
#: Pictures wait for their turn to be drawn; forms read less than a body may have.
LIMITS = Limits(body=2**20, seconds=300.0)
_LEAFLET = Path(js_lib_leaflet.__file__).parent / "static" / "js_lib_leaflet"


def make_app(services: Services, names: Sequence[str] = ()) -> Headers:
    """Return the ASGI application.

    Args:
        services: What it shows; it writes nothing but verdicts and regions.
        names: Host names, besides those of this machine, under which a proxy passes requests on.
    """
    sessions = Sessions(Accounts(services.settings.home))
    pages = Pages(services, sessions)
    maps = MapPage(services, pages)
    shown = Composites(services)
    landslides = LandslidePage(services, pages, Sheets(services), shown)
    reviews = ReviewPage(services, pages, sessions, landslides)
    regions = RegionPage(services, pages)
    drawn = RegionForm(services, pages, sessions)
    hills = Hills(services)

    def problem(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, Problem) else _unforeseen(error)
        made = pages.answer(request, "problem.html", known.status, problem=known, credits=[])
        if known.retry_after_s is not None:
            made.headers["retry-after"] = str(known.retry_after_s)
        return made

    one = "/landslides/{landslide}"
    made = Starlette(
        routes=[
            Route("/", maps.show),
            Route("/map.json", maps.landslides),
            Route("/regions.json", maps.regions),
            Route("/hillshade.json", hills.layers),
            Mount("/tiles", make_tiles({"hillshade": hills.resolve, KIND: shown.resolve})),
            Route("/regions", regions.index),
            Route("/new-region", drawn.new),
            Route("/new-region", drawn.save_new, methods=["POST"]),
            Route("/regions/{region}", regions.show),
            Route("/regions/{region}/edit", drawn.edit),
            Route("/regions/{region}/edit", drawn.save, methods=["POST"]),
            Route("/regions/{region}/{act}", drawn.act, methods=["POST"]),
            Route(one, landslides.show),
            Route(f"{one}/review", reviews.review, methods=["POST"]),
            Route(f"{one}/history", landslides.history),
            Route(f"{one}/sheets/{{eye}}.png", landslides.sheet),
            Route(f"{one}/pairs/{{eye}}.json", landslides.pair),
            Route(f"{one}/pairs/{{eye}}-{{side}}.png", landslides.side),
            Route("/alerts/{alert}.png", landslides.alert),
            Route("/login", reviews.login),
            Route("/login", reviews.log_in, methods=["POST"]),
            Route("/logout", reviews.log_out, methods=["POST"]),
            Mount("/static", _Files(directory=HERE / "static")),
            Mount("/leaflet", _Files(directory=_LEAFLET)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, *names], www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=1000),
        ],
        exception_handlers={
            Problem: problem, HTTPException: problem, ScarpwatchError: problem, Exception: problem,
        },
    )  # fmt: skip
    # Outside of everything, so that what breaks goes out with the headers too.
    return Headers(Guard(made, LIMITS, headers={}))


class _Files(StaticFiles):
    """Files that a browser may keep for an hour, and asks after by their tag."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        made = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        made.headers["cache-control"] = "public, max-age=3600"
        return made


def _unforeseen(error: Exception) -> Problem:
    """Return what is said of an error; the details are for the operator's log."""
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return Problem(404, "There is no such page", "The map leads to all there are.")
        return Problem(error.status_code, "That cannot be done here", str(error.detail))
    log.error("a page could not be shown", error=type(error).__name__, reason=str(error))
    if isinstance(error, ScarpwatchError):
        return Problem(
            503, "The page cannot be shown just now", "Try again; scarpwatch doctor tells more."
        )
    return Problem(500, "Something broke that nobody foresaw", "The server's log has more.")
