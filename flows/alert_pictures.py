"""Pictures of alerts: drawn in a process of their own, kept as files, never in the way of an alert.

``picture_for`` answers with the file, or with the reason why there is none. A file that crashes a
reader, a catalogue that does not answer and a machine without memory cost the alert its picture and
at most ``picture_timeout_s`` seconds; then it goes out without.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flows
from alerts.records import Picture
from db.engine import make_engine
from detectors.errors import ScarpwatchError
from detectors.types import Alert
from flows.files import write_whole
from flows.services import Services
from flows.workers import end_with_parent

#: The checkout or site-packages; appended, so that it shadows nothing of the standard library.
_ROOT = str(Path(flows.__file__).resolve().parents[1])
_BOOT = "import sys; sys.path.append(sys.argv[1]); from flows.alert_pictures import main; main()"


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
        made = _in_a_process(services, alert, limit)
        if made.picture is not None:
            write_whole(kept, made.picture.content)
        else:
            write_whole(told, (made.reason or "").encode())
    except OSError as error:
        return Drawn(None, f"the picture cannot be kept: {type(error).__name__}")
    return made


def draw_alert(services: Services, alert: Alert) -> bytes:
    """Draw the picture of an alert here and now, as PNG.

    Raises:
        ScarpwatchError: it cannot be drawn.
    """
    # Load matplotlib and the numerical libraries, which a delivery can do without.
    from alerts.alert_picture import draw
    from alerts.picturing import compose
    from flows.alert_sights import sights

    seen = sights(services, alert)
    return draw(compose(alert, seen.radar, seen.optical, seen.history, seen.looks))


def _in_a_process(services: Services, alert: Alert, limit: float) -> Drawn:
    """Draw in a child that is killed when its time is up."""
    url = services.engine.url.render_as_string(hide_password=False)
    # Through a pipe: neither arguments nor environment of the child show a secret of the settings.
    job = pickle.dumps((services.settings, url, services.clock, alert))
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _BOOT, _ROOT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,
    ) as child:  # fmt: skip
        try:
            out, _ = child.communicate(job, timeout=limit)
        except BaseException as error:
            if child.poll() is None:  # once it is reaped, its number may be somebody else's
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                return Drawn(None, f"not drawn within {limit:g} s")
            raise
    head, _, content = out.partition(b"\n")
    try:
        answer: dict[str, Any] = json.loads(head)
    except ValueError:
        return Drawn(None, f"the drawing process ended with {child.returncode}")
    if "reason" in answer:
        return Drawn(None, str(answer["reason"]))
    return Drawn(Picture(f"{alert.id}.png", content), None)


def main() -> None:
    """Read a job, draw, answer: one line of JSON, and the picture behind it."""
    # Libraries that print must not spoil the answer: stdout is ours alone.
    private = os.dup(1)
    os.dup2(2, 1)
    settings, url, clock, alert = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent
    services = Services(settings, make_engine(url), clock, ())
    content = b""
    try:
        content = draw_alert(services, alert)
        answer: dict[str, Any] = {"bytes": len(content)}
    except ScarpwatchError as error:
        answer = {"reason": str(error)}
    except Exception as error:  # noqa: BLE001 - the process boundary: the parent must hear of it
        answer = {"reason": f"the drawing broke: {type(error).__name__}"}
    with os.fdopen(private, "wb") as out:
        out.write(json.dumps(answer).encode() + b"\n" + content)
