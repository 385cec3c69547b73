"""A verification as a page and a document, and the one message that tells operators of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic_core import to_jsonable_python

from alerts import wording
from alerts.rules import marks
from db import outbox, queries, verification
from db.engine import transaction
from detectors.bulletins import Bulletin, Sort
from detectors.drift import Trend
from detectors.types import derive_id
from detectors.verification import FEWEST
from flows.files import write_whole
from flows.services import Services
from flows.silence import operators
from flows.verification import Verification, month_before, span_of, verify
from flows.verification_picture import draw

log = structlog.get_logger()

SCHEMA = "scarpwatch-verification/1"
#: Of the state folder.
FOLDER = "verification"


def document(made: Verification) -> dict[str, Any]:
    """Return a verification as JSON knows it, with what is worked out of its counts."""
    plain: dict[str, Any] = to_jsonable_python(made)
    for told, group in zip(plain["groups"], made.groups, strict=True):
        for span in ("month", "year"):
            share = getattr(group, span).precision
            told[span]["precision"] = {
                "confirmed": share.hits, "decided": share.of, "share": share.share,
                "interval": share.interval,
            }  # fmt: skip
        if group.false is not None:
            told["false"] |= {
                "per_1000_km2": group.false.per_1000_km2,
                "at_most": group.false.at_most,
            }
    return {"schema": SCHEMA, "status": mark_of(made) or "actual", **plain}


def mark_of(made: Verification) -> str:
    """Return the words that nothing of it may lose, empty for the real thing."""
    return marks(exercise=made.exercise, simulated=made.simulated)


def page(made: Verification, picture: bytes) -> str:
    """Return a verification as one HTML file that needs nothing else."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {
        "foreign": lambda text: wording.one_line(text, 400) if text else "",
        "moment": lambda when: f"{when:%Y-%m-%d %H:%M}",
        "took": took,
        "tenths": lambda value: "–" if value is None else f"{value:.2f}",
    }
    return templates.get_template("verification.html").render(
        made=made, mark=mark_of(made), fewest=FEWEST,
        picture=base64.b64encode(picture).decode(),
    )  # fmt: skip


def took(hours: float) -> str:
    """Return a length of time short enough for a table."""
    if abs(hours) < 1 / 30:
        return f"{3600 * hours:.0f} s"
    if abs(hours) < 2:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if abs(hours) < 48 else f"{hours / 24:.1f} d"


def report(
    services: Services, region_id: str, month: str, out: Path | None = None
) -> tuple[Verification, Path]:
    """Work out a verification and write it as ``MONTH.html`` and ``MONTH.json``.

    Args:
        services: what the step reaches the world through.
        region_id: watched region.
        month: such as 2026-10.
        out: folder for a folder by region; None: in the state folder.

    Raises:
        ConfigurationError: no such region, or not a month.
    """
    made = verify(services, region_id, month)
    with transaction(services.engine) as s:
        scores = verification.list_scores(s, region_id, span_of(month)[1], simulated=made.simulated)
    folder = (out or services.settings.home / FOLDER) / made.region_id
    folder.mkdir(parents=True, exist_ok=True)
    html = folder / f"{month}.html"
    text = json.dumps(document(made), indent=1, allow_nan=False)
    write_whole(folder / f"{month}.json", text.encode())
    write_whole(html, page(made, draw(made, scores, mark_of(made))).encode())
    return made, html


def report_due(services: Services) -> Iterator[tuple[Verification, bool]]:
    """Write last month's verification of each region, and tell operators: once a region and month.

    It may run any number of times; what is written again has the figures of today.

    Yields:
        The verification, and whether it is news to the operators.
    """
    month = month_before(services.clock.now())
    with transaction(services.engine) as s:
        regions = queries.list_regions(s)
    for region in regions:
        if region.watch_from >= span_of(month)[1]:
            continue
        made, path = report(services, region.id, month)
        told = _tell(services, made)
        log.info("verified", region=region.id, month=month, told=told, page=str(path))
        yield made, told


def _tell(services: Services, made: Verification) -> bool:
    channels = operators(services, exercise=made.exercise)
    if not channels:
        return False
    bulletin = Bulletin(
        id=derive_id("verification", made.region_id, made.month),
        sort=Sort.VERIFICATION,
        region_id=made.region_id,
        exercise=made.exercise,
        simulated=made.simulated,
        issued_at=made.made_at,
        content=content(made),
    )
    with transaction(services.engine) as s:
        return outbox.enqueue_bulletin(s, bulletin, channels)


def content(made: Verification) -> dict[str, Any]:
    """Return what the message to operators says."""
    return {
        "region": made.region,
        "region_id": made.region_id,
        "month": made.month,
        "looks": sum(one.states.get("processed", 0) for one in made.looked),
        "listed": sum(sum(one.states.values()) for one in made.looked),
        "alerts": sum(sum(kinds.values()) for kinds in made.alerts.values()),
        "groups": [
            {
                "name": one.name,
                "suspected": one.month.suspected,
                "open": one.month.open,
                "precision": one.year.precision.words,
            }
            for one in made.groups
            if one.year.suspected
        ],
        "missed": sum(one.mapped - one.found for one in made.missed) if made.missed else None,
        "drifting": [o.track for o in made.drifts if o.scores.trend is Trend.DRIFTS],
    }
