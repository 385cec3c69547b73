"""Regions drawn and changed by operators: the same checks as ``scarpwatch regions add``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from db import queries, store
from db.engine import transaction
from detectors import registry
from detectors.errors import ConfigurationError, InvalidRegion
from detectors.types import WatchedRegion
from flows.region_changes import watch
from flows.regions import region_of, slug
from flows.services import Services
from flows.web.accounts import Role
from flows.web.corners import as_text, read_outline
from flows.web.guards import Problem
from flows.web.map_page import owed_for
from flows.web.pages import Pages
from flows.web.sessions import Sessions

#: Largest form, bytes: an outline of some ten thousand corners.
LARGEST = 2_000_000
#: What a new region is offered to be watched by.
SOURCES = ("opera-asf/OPERA_L2_RTC-S1_V1", "sentinel-2/sentinel-2-l2a")
#: Texts of the form; detectors and ``simulated`` are ticks.
TEXTS = (
    "id", "name", "geometry", "sources", "tags", "min_area_m2", "poll_every_minutes", "priority",
    "watch_from",
)  # fmt: skip
_TICK = "detector-"
_ORDER = ("revision", "geometry", "name", *(name for name in TEXTS if name != "geometry"))


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was typed, and what is wrong with it."""

    texts: Mapping[str, str]
    """By name, one of ``TEXTS``."""
    detectors: tuple[str, ...]
    """Ticked ones."""
    simulated: bool = False
    """A drill."""
    revision: int = 0
    """Version that is changed, 0 for a new region."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, by name of the field."""


class RegionForm:
    """Answers for forms of regions."""

    def __init__(self, services: Services, pages: Pages, sessions: Sessions) -> None:
        self._services = services
        self._pages = pages
        self._sessions = sessions

    def new(self, request: Request) -> Response:
        """Answer with an empty form."""
        self._only_operators(request)
        plain = WatchedRegion("", "", _nowhere(), SOURCES)
        typed = _typed(plain, 0)
        empty = {"watch_from": "", "geometry": ""}
        return self._form(request, None, Typed({**typed.texts, **empty}, typed.detectors))

    def edit(self, request: Request) -> Response:
        """Answer with the form of a region."""
        self._only_operators(request)
        region, revision = self._stored(request)
        return self._form(request, region, _typed(region, revision))

    async def save_new(self, request: Request) -> Response:
        """Watch a new region, or send the form back."""
        given = await self._sessions.form(request, LARGEST)
        return await run_in_threadpool(self._save, request, None, given)

    async def save(self, request: Request) -> Response:
        """Change a region, or send the form back."""
        given = await self._sessions.form(request, LARGEST)
        region, _ = await run_in_threadpool(self._stored, request)
        return await run_in_threadpool(self._save, request, region, given)

    async def act(self, request: Request) -> Response:
        """Pause a region, let it go on, or stop watching it."""
        given = await self._sessions.form(request)
        return await run_in_threadpool(self._act, request, given)

    def _act(self, request: Request, given: Mapping[str, str]) -> Response:
        by, act = self._only_operators(request), request.path_params["act"]
        region, _ = self._stored(request)
        if act not in ("pause", "resume", "remove"):
            raise Problem(404, "There is no such page", "The map leads to all there are.")
        if act == "remove" and "sure" not in given:
            raise Problem(400, "Say that you are sure", "Go back and tick the box beside it.")
        try:
            with transaction(self._services.engine) as s:
                if act == "remove":
                    store.remove_region(s, region.id, by)
                else:
                    store.set_paused(s, region.id, act == "pause", by)
        except ConfigurationError as error:
            raise Problem(409, "That cannot be done any more", str(error)) from None
        return RedirectResponse(f"/regions/{region.id}", 303)

    def _only_operators(self, request: Request) -> str:
        name = self._sessions.who(request, Role.OPERATOR)
        if name is None:
            raise Problem(
                403, "Only operators draw and change regions", "Log in as one and try again."
            )
        return name

    def _stored(self, request: Request) -> tuple[WatchedRegion, int]:
        """Return the region of the address, removed or not, and its version."""
        with transaction(self._services.engine) as s:
            versions = queries.region_history(s, request.path_params["region"])
        if not versions:
            raise Problem(
                404, "There is no such region", "The list of regions has those there are."
            )
        return versions[-1].region, versions[-1].revision

    def _save(
        self, request: Request, known: WatchedRegion | None, given: Mapping[str, str]
    ) -> Response:
        by = self._only_operators(request)
        typed = _of_form(given, known)
        try:
            region = _read(typed, known, self._services.clock.now())
            change = watch(
                self._services, region, since_unsaid=not typed.texts["watch_from"], by=by,
                revision=typed.revision,
            )  # fmt: skip
        except InvalidRegion as error:
            faults = error.faults or {"geometry": str(error)}
        except ConfigurationError as error:
            faults = {"sources": str(error)}
        else:
            return RedirectResponse(f"/regions/{change.region.id}#versions", 303)
        status = 409 if "revision" in faults else 400
        revision = typed.revision
        if status == 409 and known is not None:
            _, revision = self._stored(request)
        ordered = {name: faults[name] for name in sorted(faults, key=_place)}
        told = Typed(typed.texts, typed.detectors, typed.simulated, revision, ordered)
        return self._form(request, known, told, status)

    def _form(
        self, request: Request, known: WatchedRegion | None, typed: Typed, status: int = 200
    ) -> Response:
        regions = [] if known is None else [known]
        return self._pages.answer(
            request, "region_form.html", status, known=known, typed=typed, faults=typed.faults,
            texts=typed.texts, detectors=registry.names(),
            map_data=json.dumps({"own": known.id if known else None}), credits=owed_for(regions),
        )  # fmt: skip


def _place(name: str) -> int:
    """Return where a field stands in the form."""
    return _ORDER.index(name) if name in _ORDER else -1


def _typed(region: WatchedRegion, revision: int) -> Typed:
    texts = {
        "id": region.id,
        "name": region.name,
        "geometry": as_text(region.geometry),
        "sources": "\n".join(region.sources),
        "tags": ", ".join(region.tags),
        "min_area_m2": f"{region.min_area_m2:.15g}",
        "poll_every_minutes": f"{region.poll_every / timedelta(minutes=1):.15g}",
        "priority": str(region.priority),
        "watch_from": _since(region.watch_from),
    }
    return Typed(texts, region.detectors, region.simulated, revision)


def _since(moment: datetime) -> str:
    """Return a time as the input of a form has it, UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _of_form(given: Mapping[str, str], known: WatchedRegion | None) -> Typed:
    texts = {name: given.get(name, "").replace("\r\n", "\n").strip() for name in TEXTS}
    if known is not None:
        texts["id"] = known.id
    ticked = tuple(name for name in registry.names() if f"{_TICK}{name}" in given)
    revision = given.get("revision", "")
    simulated = known.simulated if known is not None else "simulated" in given
    counted = int(revision) if revision.isascii() and revision.isdigit() else 0
    return Typed(texts, ticked, simulated, counted if known is not None else 0)


def _read(typed: Typed, known: WatchedRegion | None, now: datetime) -> WatchedRegion:
    """Make a region of a form by way of the document that a region file would hold.

    Raises:
        InvalidRegion: what is wrong, by field.
        ConfigurationError: a source that is none.
    """
    texts, faults = typed.texts, {}
    properties: dict[str, Any] = {name: texts[name] or None for name in ("id", "name")}
    for name in ("min_area_m2", "poll_every_minutes", "priority"):
        properties[name] = texts[name] or None
    properties["sources"] = texts["sources"].split()
    properties["tags"] = [tag.strip() for tag in texts["tags"].split(",") if tag.strip()]
    properties["detectors"] = list(typed.detectors)
    properties["simulated"] = typed.simulated
    if since := texts["watch_from"]:
        stays = known is not None and since == _since(known.watch_from)
        properties["watch_from"] = known.watch_from if stays and known else f"{since}Z"
    if not texts["name"]:
        faults["name"] = "say what people call it"
    if not typed.detectors:
        faults["detectors"] = "tick one or more"
    geometry = None
    try:
        geometry = read_outline(texts["geometry"])
    except InvalidRegion as error:
        faults |= error.faults
    try:
        region = region_of(
            {"type": "Feature", "properties": properties, "geometry": geometry},
            slug(texts["name"]), now,
        )  # fmt: skip
    except InvalidRegion as error:
        raise InvalidRegion(str(error), error.faults | faults) from None
    if faults:
        raise InvalidRegion("; ".join(faults.values()), faults)
    return region


def _nowhere() -> Any:
    from shapely.geometry import MultiPolygon

    return MultiPolygon()
