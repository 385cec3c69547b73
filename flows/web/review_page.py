"""Logging in, and a person's verdict: the same way as ``scarpwatch review``."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from detectors.errors import ConfigurationError
from detectors.types import Verdict
from flows.reviewing import review_landslide
from flows.services import Services
from flows.web.accounts import Role
from flows.web.asking import read_id
from flows.web.guards import Problem
from flows.web.landslide_page import LandslidePage
from flows.web.pages import Pages
from flows.web.sessions import Sessions, remember, visitor

LONGEST_REASON = 2000
#: Where a login may lead: our own pages only.
_NEXT = re.compile(r"/(landslides/[0-9a-f-]{36}|regions(/[a-z0-9-]+(/edit)?)?|new-region)?")


class ReviewPage:
    """Answers for logins and verdicts."""

    def __init__(
        self, services: Services, pages: Pages, sessions: Sessions, landslides: LandslidePage
    ) -> None:
        self._services = services
        self._pages = pages
        self._sessions = sessions
        self._landslides = landslides

    def login(self, request: Request) -> Response:
        """Answer with the form of the login."""
        return self._login(request, 200, "")

    def _login(self, request: Request, status: int, wrong: str) -> Response:
        word = visitor(request)
        made = self._pages.answer(
            request, "login.html", status, wrong=wrong, own=self._sessions.token(word),
            leads=_leads(request.query_params.get("next", "")), credits=[],
        )  # fmt: skip
        remember(made, request, word)
        return made

    async def log_in(self, request: Request) -> Response:
        """Open a session, or say what was wrong."""
        given = await self._sessions.form(request)
        name, password = given.get("name", "").strip(), given.get("password", "")
        try:
            word = await run_in_threadpool(self._sessions.log_in, request, name, password)
        except Problem as problem:
            if problem.status != 403:
                raise
            return await run_in_threadpool(self._login, request, 403, problem.title)
        made = RedirectResponse(_leads(given.get("next", "")), 303)
        remember(made, request, word)
        return made

    async def log_out(self, request: Request) -> Response:
        """End a session."""
        await self._sessions.form(request)
        self._sessions.close(request)
        return RedirectResponse("/", 303)

    async def review(self, request: Request) -> Response:
        """Store a verdict and show what came of it."""
        wanted = read_id(request.path_params["landslide"])
        given = await self._sessions.form(request)
        name = await run_in_threadpool(self._sessions.who, request, Role.REVIEWER)
        if name is None:
            raise Problem(403, "Only reviewers may decide", "Log in as one and send it again.")
        verdict, reason = given.get("verdict", ""), given.get("reason", "").strip()
        if verdict not in list(Verdict):
            wrong = "Choose a verdict."
        elif not reason or len(reason) > LONGEST_REASON:
            wrong = f"A verdict needs a reason of 1 to {LONGEST_REASON} characters."
        else:
            try:
                await run_in_threadpool(
                    review_landslide, self._services, wanted, Verdict(verdict), reason, name
                )
            except ConfigurationError as error:
                wrong = str(error)
            else:
                return RedirectResponse(f"/landslides/{wanted}#history", 303)
        return await run_in_threadpool(
            self._landslides.page, request, wanted, 400, wrong, reason[:LONGEST_REASON]
        )


def _leads(text: str) -> str:
    return text if _NEXT.fullmatch(text) else "/"
