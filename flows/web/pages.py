"""Templates: how records read on a page."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from alerts import wording
from alerts.rules import marks
from detectors.types import Landslide
from flows.services import Services
from flows.web.accounts import Role

if TYPE_CHECKING:
    from flows.web.sessions import Sessions

HERE = Path(__file__).parent


def moment(when: datetime | None) -> str:
    """Return a time to the minute, UTC; a dash for none."""
    return "–" if when is None else f"{when:%Y-%m-%d %H:%M}"


def day(when: datetime | None) -> str:
    """Return a date, UTC; a dash for none."""
    return "–" if when is None else f"{when:%Y-%m-%d}"


def lasting(length: timedelta) -> str:
    """Return a length of time."""
    return wording.span(length)


def foreign(text: str | None, limit: int = 400) -> str:
    """Return foreign text as one printable line, empty for none."""
    return wording.one_line(text, limit) if text else ""


def where(landslide: Landslide) -> str:
    """Return a point inside the outline, latitude first."""
    point = wording.place(landslide.geometry)
    return f"{point[1]:.5f}, {point[0]:.5f}" if point else "unknown"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "moment": moment, "day": day, "lasting": lasting, "area": wording.area,
        "amount": wording.amount, "hundredths": wording.hundredths, "change": wording.change,
        "finding": wording.finding, "foreign": foreign, "where": where,
    }  # fmt: skip
    made.globals["marks"] = marks
    return made


class Pages:
    """Fills templates with what every page shows."""

    def __init__(self, services: Services, sessions: Sessions) -> None:
        self.exercise = services.settings.exercise
        self._sessions = sessions
        self._templates = _environment()

    def answer(self, request: Request, name: str, status: int = 200, **shown: Any) -> HTMLResponse:
        """Return a filled template."""
        text = self._templates.get_template(name).render(
            exercise=self.exercise,
            person=self._sessions.who(request),
            reviewer=self._sessions.who(request, Role.REVIEWER),
            operator=self._sessions.who(request, Role.OPERATOR),
            token=self._sessions.token_of(request),
            here=request.url.path,
            **shown,
        )
        return HTMLResponse(text, status)
