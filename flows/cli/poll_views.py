"""What a poll brought, and how it looks on the screen."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.padding import Padding

from flows.cli.output import counted, details, plain, some, styled
from flows.confirming import CheckOutcome
from flows.delivering import DeliveryOutcome
from flows.steps import LookOutcome

#: States a look can end in, the good first.
ENDS = ("processed", "skipped", "failed", "due")
#: States an optical look, or the end of waiting, puts a landslide into.
DECIDED = ("confirmed", "refuted", "unresolved")
#: Reasons that are shown for one state; the rest is counted.
REASONS = 6
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class RegionRun:
    """What one poll of one region brought."""

    region_id: str
    paused: bool = False
    new: int = 0
    refused: int = 0
    errors: tuple[str, ...] = ()
    put_off: str | None = None
    looks: list[LookOutcome] = field(default_factory=list)
    checks: list[CheckOutcome] = field(default_factory=list)


def print_run(console: Console, run: RegionRun) -> None:
    """Say what became of one region."""
    if run.paused:
        console.print(
            f"[name]{run.region_id}[/]  [warn]paused[/]; to go on: "
            f"scarpwatch regions resume {run.region_id}"
        )
        return
    refused = f", {some(run.refused, 'item')} refused" if run.refused else ""
    console.print(f"[name]{run.region_id}[/]  {some(run.new, 'new look')}{refused}")
    if run.errors:
        console.print(details([("[fail]not read[/]", plain(error)) for error in run.errors]))
    if run.looks:
        ends = Counter(look.state for look in run.looks)
        console.print(f"  {counted(ends, ENDS)}".replace("\n", ", ") + f"; {_found(run.looks)}")
    if run.put_off:
        console.print(Padding(f"[warn]put off[/]: {plain(run.put_off)}", (0, 0, 0, 2)))
    _print_checks(console, run.checks)
    _print_reasons(console, run.looks)


def _found(looks: Sequence[LookOutcome]) -> str:
    detections = sum(look.detections for look in looks)
    found = some(detections, "detection") if detections else "nothing found"
    return found + _alerts(sum(look.alerts for look in looks))


def _alerts(number: int) -> str:
    return f", [likely]{some(number, 'alert')}[/]" if number else ""


def _print_checks(console: Console, checks: Sequence[CheckOutcome]) -> None:
    """Say what optical looks made of landslides: the decided one by one, the rest counted."""
    decided = [one for one in checks if one.state in DECIDED]
    for one in decided:
        said = f"landslide {one.landslide_id[:8]}{_alerts(one.alerts)}"
        console.print(f"  {styled(one.state)}: {said}")
        console.print(Padding(plain(one.reason), (0, 0, 0, 4)))
    rest = Counter(one.finding for one in checks if one.state not in DECIDED)
    if rest:
        said = ", ".join(f"{finding} {number}" for finding, number in sorted(rest.items()))
        console.print(f"  {some(rest.total(), 'optical check')} without a verdict: {said}")


def _print_reasons(console: Console, looks: Sequence[LookOutcome]) -> None:
    """Say why looks were not judged; reasons that differ in numbers only are one reason."""
    alike: defaultdict[tuple[str, str], list[LookOutcome]] = defaultdict(list)
    for look in looks:
        if look.state != "processed":
            alike[look.state, _NUMBER.sub("", look.reason or "")].append(look)
    shown = sorted(alike.items(), key=lambda entry: ENDS.index(entry[0][0]))
    for (state, _), same in shown[:REASONS]:
        word = f"{styled(state)} again later" if state == "due" else styled(state)
        several = f"{some(len(same), 'look')}, for instance " if len(same) > 1 else ""
        console.print(f"  {word}: {several}{plain(same[0].item_id)}", soft_wrap=True)
        console.print(Padding(plain(same[0].reason) or "no reason stored", (0, 0, 0, 4)))
    if len(shown) > REASONS:
        console.print(f"  and {len(shown) - REASONS} more; see: scarpwatch looks list")


def print_messages(console: Console, messages: Sequence[DeliveryOutcome]) -> None:
    """Say what was sent, and what was not."""
    sent = Counter(message.channel for message in messages if message.delivered)
    for channel, number in sorted(sent.items()):
        console.print(f"[ok]sent[/]  {some(number, 'message')} to {channel}")
    for message in messages:
        if not message.delivered:
            console.print(
                f"[fail]not sent[/]  {message.alert_id[:8]} to {message.channel}: "
                f"{plain(message.reason)}"
            )


def print_scene(console: Console, judged: dict[str, Any]) -> None:
    """Say what became of one look that was judged anew."""
    found = some(judged["detections"], "detection") if judged["detections"] else "nothing found"
    said = plain(judged["reason"]) or found
    alerts = f", [likely]{some(judged['alerts'], 'alert')}[/]" if judged["alerts"] else ""
    console.print(f"[name]{judged['region_id']}[/]  {styled(judged['state'])}: {said}{alerts}")
