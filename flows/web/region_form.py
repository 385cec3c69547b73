"""Regions drawn and changed by operators: the same checks as ``scarpwatch regions add``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from db import queries, store
from db.engine import transaction
from detectors import registry
from detectors.errors import ConfigurationError, InvalidRegion
from detectors.types import Level, Sensor, WatchedRegion
from flows.region_changes import watch
from flows.services import Services
from flows.web.accounts import Role
from flows.web.guards import Problem
from flows.web.map_page import owed_for
from flows.web.pages import Pages
from flows.web.region_texts import ORDER, Typed, of_form, read, typed_of
from flows.web.sessions import Sessions

#: Largest form, bytes: an outline of some ten thousand corners.
LARGEST = 2_000_000
#: What a new region is offered to be watched by.
SOURCES = ("opera-asf/OPERA_L2_RTC-S1_V1", "sentinel-2/sentinel-2-l2a")


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
        typed = typed_of(plain, 0)
        empty = {"watch_from": "", "geometry": ""}
        return self._form(request, None, replace(typed, texts={**typed.texts, **empty}))

    def edit(self, request: Request) -> Response:
        """Answer with the form of a region."""
        self._only_operators(request)
        region, revision = self._stored(request)
        return self._form(request, region, typed_of(region, revision))

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
        typed = of_form(given, known)
        try:
            region = read(typed, known, self._services.clock.now())
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
        told = replace(typed, revision=revision, faults=ordered)
        return self._form(request, known, told, status)

    def _form(
        self, request: Request, known: WatchedRegion | None, typed: Typed, status: int = 200
    ) -> Response:
        regions = [] if known is None else [known]
        return self._pages.answer(
            request, "region_form.html", status, known=known, typed=typed, faults=typed.faults,
            texts=typed.texts, detectors=registry.names(),
            sensors=tuple(Sensor), levels=tuple(Level),
            map_data=json.dumps({"own": known.id if known else None}), credits=owed_for(regions),
        )  # fmt: skip


def _place(name: str) -> int:
    """Return where a field stands in the form."""
    return ORDER.index(name) if name in ORDER else -1


def _nowhere() -> Any:
    from shapely.geometry import MultiPolygon

    return MultiPolygon()
