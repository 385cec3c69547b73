"""Pictures of alerts: drawn in a process of their own, kept as files, never in the way of an alert.

``picture_for`` answers with the file, or with the reason why there is none. A file that crashes a
reader, a catalogue that does not answer and a machine without memory cost the alert its picture and
at most ``picture_timeout_s`` seconds; then it goes out without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alerts.records import Picture
from detectors.types import Alert
from flows.drawing import drawn_apart
from flows.files import write_whole
from flows.services import Services

if TYPE_CHECKING:
    from alerts.alert_picture import AlertPicture
    from flows.alert_sights import Sights


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, or why there is none."""

    picture: Picture | None
    """PNG; None where there is none."""
    reason: str | None
    """Why there is none; None where there is one."""


def folder(services: Services) -> Path:
    """Return where the pictures of alerts are kept: ``KEY.png``, or ``KEY.txt`` with a reason."""
    return services.settings.home / "pictures"


def kept_picture(services: Services, alert: Alert) -> Path | None:
    """Return the file of an alert's picture; None where it is not drawn, or could not be."""
    kept = folder(services) / f"{alert.id}.png"
    return kept if kept.is_file() else None


def picture_for(services: Services, alert: Alert) -> Drawn:
    """Return the picture of an alert, drawn at the first call; never raises.

    A failure is kept as well, so that no further channel waits for the same picture.
    """
    kept = folder(services) / f"{alert.id}.png"
    told = kept.with_suffix(".txt")
    limit = services.settings.picture_timeout_s
    try:
        if kept.exists():
            return Drawn(Picture(kept.name, kept.read_bytes()), None)
        if limit == 0:
            return Drawn(None, "pictures are switched off (picture_timeout_s = 0)")
        if told.exists():
            return Drawn(None, told.read_text(encoding="utf-8"))
        kept.parent.mkdir(parents=True, exist_ok=True)
        got = drawn_apart(services, f"{__name__}:draw_alert", alert, limit)
        if isinstance(got, str):
            write_whole(told, got.encode())
            return Drawn(None, got)
        write_whole(kept, got)
    except OSError as error:
        return Drawn(None, f"the picture cannot be kept: {type(error).__name__}")
    return Drawn(Picture(kept.name, got), None)


def draw_alert(services: Services, alert: Alert) -> bytes:
    """Draw the picture of an alert here and now, as PNG.

    Raises:
        ScarpwatchError: it cannot be drawn.
    """
    draw, compose, sights = load()
    seen = sights(services, alert)
    return draw(compose(alert, seen.radar, seen.optical, seen.history, seen.looks))


def load() -> tuple[Callable[..., bytes], Callable[..., AlertPicture], Callable[..., Sights]]:
    """Load matplotlib and the numerical libraries, which a delivery can do without.

    Returns:
        What draws, what composes, what reads the looks.
    """
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401 - loaded by the first picture otherwise

    from alerts.alert_picture import draw
    from alerts.picturing import compose
    from flows.alert_sights import sights

    return draw, compose, sights
