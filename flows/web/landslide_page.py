"""One landslide: all that is known of it, its pictures, and what was told."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerts.exposed import lines
from alerts.message import credit
from alerts.rules import EXCLUDED_FROM, severity
from db import cap, queries
from db.composites import composites_of
from db.engine import transaction
from detectors.types import Landslide, Sensor, State, Verdict
from flows import dossiers
from flows.alert_pictures import kept_picture
from flows.dating import plan_dating
from flows.dossiers import Dossier
from flows.services import Services
from flows.web.asking import read_id
from flows.web.charts import Chart, charts
from flows.web.composites import Composites
from flows.web.guards import Problem
from flows.web.histories import TrackHistory
from flows.web.outlines import sketch
from flows.web.pages import Pages
from flows.web.sheets import Sheets

_EYES = {"radar": Sensor.SAR, "optical": Sensor.OPTICAL}
_SIDES = ("before", "after")


class LandslidePage:
    """Answers for one landslide and its pictures."""

    def __init__(
        self, services: Services, pages: Pages, sheets: Sheets, composites: Composites
    ) -> None:
        self._services = services
        self._pages = pages
        self._sheets = sheets
        self._composites = composites

    def show(self, request: Request) -> Response:
        """Answer with the page."""
        return self.page(request, read_id(request.path_params["landslide"]))

    def page(
        self, request: Request, wanted: uuid.UUID, status: int = 200, wrong: str = "",
        reason: str = "",
    ) -> Response:  # fmt: skip
        """Return the page of a landslide, with what was wrong with a form that was sent from it."""
        with transaction(self._services.engine) as s:
            self._latest(s, wanted)
            known = dossiers.load(s, wanted)
            region = queries.get_region(s, known.latest.region_id, include_removed=True)
            messages = cap.messages(s, [record.alert.id for record in known.alerts])
            kept = composites_of(s, wanted)
        latest = known.latest
        history = self._kept(latest)
        eyes = {
            name: self._composites.shown(latest, sensor, kept)
            for name, sensor in _EYES.items()
            if name in _eyes(known)
        }
        return self._pages.answer(
            request, "landslide.html", status,
            known=known, one=latest, region=region, cap=messages,
            sketch=sketch(known), eyes=eyes, history=history,
            charts=_charts(known, history),
            there=[] if known.exposure is None else lines(known.exposure, latest.kind),
            severity=severity(latest, known.exposure).value.lower(),
            kept_back=known.excluded is not None and known.excluded.share >= EXCLUDED_FROM,
            drawn={
                record.alert.id
                for record in known.alerts
                if kept_picture(self._services, record.alert) is not None
            },
            credits=_credits(known), verdicts=_verdicts(latest), wrong=wrong, reason=reason,
        )  # fmt: skip

    async def sheet(self, request: Request) -> Response:
        """Answer with the sheet of one eye, PNG; the server goes on while it is drawn."""
        eye = _eye(request)
        landslide = await run_in_threadpool(self._asked, request)
        return _png(await self._sheets.sheet(landslide, eye))

    async def pair(self, request: Request) -> Response:
        """Answer with what before and after show, JSON; ``missing``: why there is no picture."""
        landslide, eye = await run_in_threadpool(self._asked, request), _eye(request)
        try:
            return JSONResponse((await self._sheets.pair(landslide, eye))["about"])
        except Problem as error:
            return JSONResponse({"missing": error.advice})

    async def side(self, request: Request) -> Response:
        """Answer with before or after, PNG."""
        side = request.path_params["side"]
        if side not in _SIDES:
            raise Problem(404, "There is no such picture", "It is before or after.")
        landslide = await run_in_threadpool(self._asked, request)
        return _png((await self._sheets.pair(landslide, _eye(request)))[side])

    async def alert(self, request: Request) -> Response:
        """Answer with the picture that went out with an alert, PNG."""
        return _png(await self._sheets.alert(read_id(request.path_params["alert"])))

    async def history(self, request: Request) -> Response:
        """Answer with the history of its own ground; 202 while it is being read.

        That it cannot be read, with the archive away for example, is an answer: the bracket and
        what optical looks say stand there all the same.
        """
        landslide = await run_in_threadpool(self._asked, request)
        looks = await run_in_threadpool(self._looks, landslide)
        found, missing = None, ""
        try:
            found = await self._sheets.history(landslide, looks)
        except Problem as error:
            missing = error.advice
        return await run_in_threadpool(self._history, request, landslide, found, missing)

    def _history(
        self, request: Request, landslide: Landslide, found: tuple[TrackHistory, ...] | None,
        missing: str,
    ) -> Response:  # fmt: skip
        with transaction(self._services.engine) as s:
            known = dossiers.load(s, landslide.id)
        return self._pages.answer(
            request, "history.html", 202 if found is None and not missing else 200, known=known,
            one=known.latest, history=found, missing=missing, charts=_charts(known, found),
            credits=_credits(known),
        )  # fmt: skip

    def _looks(self, landslide: Landslide) -> int:
        """Return how many passes go into its history."""
        return plan_dating(self._services, landslide.id).total

    def _kept(self, landslide: Landslide) -> tuple[TrackHistory, ...] | None:
        try:
            return self._sheets.kept_history(landslide, self._looks(landslide))
        except Problem:
            return None

    def _asked(self, request: Request) -> Landslide:
        with transaction(self._services.engine) as s:
            return self._latest(s, read_id(request.path_params["landslide"]))

    @staticmethod
    def _latest(s: Session, wanted: uuid.UUID) -> Landslide:
        found = queries.get_landslide(s, wanted)
        if found is None:
            raise Problem(404, f"There is no landslide {wanted}", "The map shows those there are.")
        return found


def _charts(known: Dossier, found: tuple[TrackHistory, ...] | None) -> tuple[Chart, ...]:
    latest = known.latest
    return charts(found or (), known.checks, (latest.not_before, latest.not_after))


def _eye(request: Request) -> Sensor:
    eye = _EYES.get(request.path_params["eye"])
    if eye is None:
        raise Problem(404, "There is no such picture", "It is radar or optical.")
    return eye


def _eyes(known: Dossier) -> list[str]:
    """Return which eyes have something to show."""
    sources = {one.source for one in known.detections}
    eyes = ["radar"] if Sensor.SAR in sources else []
    return [*eyes, "optical"] if known.checks or Sensor.OPTICAL in sources else eyes


def _credits(known: Dossier) -> list[str]:
    """Return the credits of everything that went into it."""
    first = known.versions[0].not_before
    owed = [credit(first, one.not_after, one.item_ids[-1]) for one in known.detections]
    owed += [credit(first, check.sensed_at, check.item_ids[-1]) for check in known.checks]
    maps = () if known.exposure is None else known.exposure.credits
    return list(dict.fromkeys([*owed, *(f"map: {one}" for one in maps)]))


def _verdicts(latest: Landslide) -> list[Verdict]:
    """Return what a person may say of it now."""
    if latest.merged_into is not None:
        return []
    stands = latest.reviewed_by is not None
    silly = {
        Verdict.CONFIRM: stands and latest.state is State.CONFIRMED,
        Verdict.REFUTE: stands and latest.state is State.REFUTED,
        Verdict.CLOSE: latest.state is State.CLOSED,
        Verdict.REOPEN: latest.state is State.SUSPECTED,
    }
    return [verdict for verdict, is_silly in silly.items() if not is_silly]


def _png(content: bytes) -> Response:
    return Response(
        content, media_type="image/png", headers={"cache-control": "private, max-age=600"}
    )
