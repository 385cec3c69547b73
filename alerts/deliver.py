"""Send one alert to one channel, in a process that can be killed.

Apprise and name look-ups have no time-out that can be trusted, and a thread cannot be killed. A
plain child is started rather than ``multiprocessing``'s, which would import the parent's main
module again, and with it Prefect. The job travels through a pipe: neither the arguments nor the
environment of the child show a secret.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import alerts
from alerts.actions import Exposure
from alerts.bulletins import render_bulletin
from alerts.channels.registry import refuse_mismatch, sender_for
from alerts.message import render_somehow
from alerts.records import Channel, Message, Picture
from detectors.bulletins import Bulletin
from detectors.errors import ConfigurationError, DeliveryFailed
from detectors.types import Alert

DEFAULT_TIMEOUT_S = 30.0
#: The checkout or site-packages; appended, so that it shadows nothing of the standard library.
_ROOT = str(Path(alerts.__file__).resolve().parents[1])
_BOOT = "import sys; sys.path.append(sys.argv[1]); from alerts.child import main; main()"
_ERROR_CLASS = re.compile(r"[A-Za-z_.]*(Error|Exception)(?=:|$)")


def deliver(
    alert: Alert | Bulletin,
    channel: Channel,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    remark: str | None = None,
    *,
    picture: Picture | None = None,
    templates: Path | None = None,
    exposure: Exposure | None = None,
    cap: str | None = None,
) -> dict[str, Any]:
    """Send one alert or bulletin to one channel and return the receipt.

    Sending twice is safe: the key is the alert's id, and targets that know keys drop repeats. A
    time-out does not tell whether the target took the message; the retry carries the same key.

    Args:
        alert: What to tell.
        channel: Where to; exercise against live is refused here and again in the child.
        timeout_s: Seconds from start to kill, the child's start-up (about half a second) included.
            A lease on the delivery must last longer: at least ``timeout_s + 5``.
        remark: Said above the message, below its marks, to this channel alone.
        picture: Goes along where the channel can carry one.
        templates: The agency's own folder of templates.
        exposure: What lies in the way; None takes what the alert knows.
        cap: The alert's CAP message, XML: a webhook gets it in the payload, a mail as a file.

    Returns:
        JSON-able: ``key``, ``channel``, ``kind``, ``accepted_at`` (UTC, when the target had
        answered) and what the kind adds (webhook: ``status``, ``receipt``, ``received_at``,
        ``repeated``, ``picture``; file: the last four; push: ``accepted``, ``form``,
        ``picture``), and ``template_fault`` where other templates than the channel's were used.

    Raises:
        ConfigurationError: the channel can never work, or exercise met live. Do not retry.
        DeliveryFailed: not delivered, or not known to be. The reason holds no secret.
        PermanentError: there is no message template for this kind of alert.
        ValueError: ``timeout_s`` is not positive.
    """
    if timeout_s <= 0:
        raise ValueError(f"a time-out must be positive, not {timeout_s}")
    fault: str | None = None
    if isinstance(alert, Bulletin):
        message = render_bulletin(alert)
    else:
        words, fault = render_somehow(
            alert, channel.languages, templates=templates, exposure=exposure, cap=cap
        )
        message = replace(words, picture=picture)
    if remark is not None:
        message = _remarked(message, remark)
    refuse_mismatch(channel, message)
    kind = sender_for(channel).kind
    job = {"channel": channel.to_job(), "message": message.to_job(), "timeout_s": timeout_s}
    answer = _run(json.dumps(job).encode(), channel.name, timeout_s)
    if "receipt" not in answer:
        reason = _named(channel.name, answer["reason"])
        if answer["error"] == "ConfigurationError":
            raise ConfigurationError(reason)
        raise DeliveryFailed(reason, answer.get("retry_after_s"))
    broken_words = {} if fault is None else {"template_fault": fault}
    return {
        "key": message.key,
        "channel": channel.name,
        "kind": kind,
        "accepted_at": answer["accepted_at"],
        **answer["receipt"],
        **broken_words,
    }


def _remarked(message: Message, remark: str) -> Message:
    """Put a remark before the message; the title keeps its marks in front."""
    text = f"{remark}\n\n{message.text}"
    return replace(
        message, text=text, payload=message.payload | {"text": text, "remark": remark}
    )  # fmt: skip


def _run(job: bytes, name: str, timeout_s: float) -> dict[str, Any]:
    """Start the child, feed it, and return its answer."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _BOOT, _ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # so that whatever the child starts can be killed with it
    ) as child:
        try:
            out, err = child.communicate(job, timeout=timeout_s)
        except BaseException as error:
            if child.poll() is None:  # once it is reaped, its number may be somebody else's
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                limit = f"no answer within {timeout_s:g} s, killed"
                raise DeliveryFailed(f"channel {name}: {limit}") from None
            raise
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        raise DeliveryFailed(f"channel {name}: {_last_words(child.returncode, err)}") from None
    return answer


def _environment() -> dict[str, str]:
    """Return the child's environment: no settings of ours, and no proxy between us and loopback."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SCARPWATCH_")}
    direct = [kept.get("no_proxy") or kept.get("NO_PROXY", ""), "127.0.0.1,localhost,::1"]
    kept["no_proxy"] = kept["NO_PROXY"] = ",".join(part for part in direct if part)
    return kept


def _last_words(status: int, stderr: bytes) -> str:
    """Return why a child ended without an answer: the class of its error, never the text."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    found = _ERROR_CLASS.match(lines[-1]) if lines else None
    return f"the sending process ended with {status}" + (f" ({found[0]})" if found else "")


def _named(name: str, reason: str) -> str:
    return reason if reason.startswith(f"channel {name}: ") else f"channel {name}: {reason}"
