"""The CAP message of an alert: composed once, in the transaction that decides it, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from alerts.actions import recommended
from alerts.cap import CapMessage, Context, Header, Picture, Profile, compose
from alerts.exposed import in_the_way, lines
from alerts.feed import picture_path
from alerts.languages import language
from alerts.message import credits_line
from alerts.rules import is_exercise
from db import cap
from db.records import AlertRecord, CapRecord
from detectors.types import Alert
from flows.settings import Settings

log = structlog.get_logger()


def keep_cap(
    s: Session,
    profile: Profile,
    alert: Alert,
    earlier: Sequence[AlertRecord],
    context: Context | None = None,
    templates: Path | None = None,
) -> None:
    """Compose the CAP message of an alert that was just enqueued, and keep it.

    Args:
        s: The transaction that enqueued it.
        profile: What all messages say of their sender.
        alert: What is told.
        earlier: The alerts it follows, of its landslide and of those it was made of.
        context: What else is known of the look; what lies there, what to do and which landslides
            it was joined from or split off is added here.
        templates: The agency's own folder of templates.
    """
    # A real message must not be read together with exercises, nor the other way round.
    alike = [one for one in earlier if is_exercise(one.alert) is is_exercise(alert)]
    kept = cap.messages(s, [record.alert.id for record in alike])
    ordered = sorted(alike, key=lambda record: record.recorded_at)
    headers = [_header(kept[record.alert.id]) for record in ordered if record.alert.id in kept]
    known = _known(alert, context or Context(), profile, templates)
    message = compose(alert, profile, headers, datetime.now(UTC), known)
    cap.keep_message(s, alert.id, _record(message))


def picture_link(settings: Settings, alert: Alert) -> Picture | None:
    """Return the picture that a CAP message links to, which is drawn when the alert is sent.

    None where there will be none, or where nobody knows its address.
    """
    url = settings.feed.address(exercise=is_exercise(alert))
    if not url or settings.feed.folder is None or settings.picture_timeout_s == 0:
        return None
    return Picture(
        None, f"What the looks show; {credits_line(alert)}", url + picture_path(alert.id)
    )


def _known(alert: Alert, context: Context, profile: Profile, templates: Path | None) -> Context:
    """Return the context with what the alert itself tells."""
    landslide = alert.landslide
    others = [*landslide.merged_from, *([landslide.split_from] if landslide.split_from else [])]
    told, instructions = {}, {}
    for tag in profile.languages:
        try:
            spoken = language(tag, templates)
            if alert.exposure is not None:
                told[tag] = lines(alert.exposure, landslide.kind, spoken.words)
            said = recommended(alert, spoken, in_the_way(alert.exposure, spoken.words))
        except Exception as error:  # noqa: BLE001 - an agency's template may do anything
            # The message has words of its own, and must not be silenced.
            log.error("no recommended actions in a CAP message", language=tag, reason=str(error))  # noqa: TRY400
            continue
        instructions[tag] = "\n".join(said)
    return replace(
        context,
        incidents=(*context.incidents, *map(str, others)),
        exposure={**told, **context.exposure},
        instructions={**instructions, **context.instructions},
    )


def _header(kept: CapRecord) -> Header:
    return Header(kept.sender, kept.identifier, kept.sent, kept.msg_type)


def _record(message: CapMessage) -> CapRecord:
    header = message.header
    return CapRecord(header.sender, header.identifier, header.sent, header.msg_type, message.xml)
