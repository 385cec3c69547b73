"""What the whole drill has to show: what was decided, beside what has arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alerts.cap_rules import faults, parse
from alerts.cap_structure import tag
from db import outbox, queries
from db.engine import transaction
from db.records import AlertRecord
from detectors.types import Kind, Landslide, State
from flows import soundness
from flows.demo.stage import Stage
from flows.drilling.inbox import KEY, MailBox, cap_of

#: The inbox of the web hook, among those of the receiver.
HOOK = "/alerts/alerts"


@dataclass(frozen=True, slots=True)
class DrillSummary:
    """What ``summary.json`` holds; everything is read from the database and from what arrived."""

    suspected: int
    """Landslides that were suspected, whatever became of them."""
    updated: int
    """Messages that a second look has seen one."""
    confirmed: int
    """Landslides an optical look confirmed."""
    refuted: int
    """Landslides an optical look refuted."""
    unresolved: int
    """Landslides nobody could see in time."""
    closed: int
    """Landslides that are over."""
    ponds: int
    """Of all, new water behind a blockage."""
    cap_alert: int
    """CAP messages of type Alert that arrived by mail."""
    cap_update: int
    """The same of type Update."""
    cap_cancel: int
    """The same of type Cancel."""
    cap_faults: int
    """What is wrong with them."""
    alerts: int
    """Alerts that were decided."""
    delivered: int
    """Messages that arrived, by mail and by web hook, each counted once."""
    in_feed: int
    """Alerts whose CAP message is in the feed."""
    repeated_same_key: int
    """Messages that came once more, under the same key."""
    duplicates: int
    """Messages about the same alert under another key."""
    lost: int
    """Alerts missing from the mails, from the web hook or from the feed."""
    broken: tuple[str, ...]
    """Rules of ``flows.soundness`` that did not hold at the end."""

    @property
    def complete(self) -> bool:
        """Whether every state was reached and every message arrived as it should."""
        reached = (
            self.updated, self.confirmed, self.refuted, self.unresolved, self.closed, self.ponds,
            self.cap_alert, self.cap_update, self.cap_cancel, self.repeated_same_key,
        )  # fmt: skip
        return all(reached) and not (self.duplicates or self.lost or self.cap_faults or self.broken)


def keep_cap(post: MailBox, folder: Path) -> list[bytes]:
    """Write the CAP messages that came by mail into a folder, one file each; return them."""
    folder.mkdir(exist_ok=True)
    kept: dict[str, bytes] = {}
    for mail in post.mails:
        content = cap_of(mail)
        if content is not None:
            kept[str(mail[KEY])] = content
    for key, content in kept.items():
        (folder / f"{key}.xml").write_bytes(content)
    return list(kept.values())


def summarise(on: Stage, post: MailBox, cap: Sequence[bytes]) -> DrillSummary:
    """Read the result."""
    region = on.regions[0].id
    with transaction(on.engine) as s:
        landslides = queries.list_landslides(s, region)
        history = [v for one in landslides for v in queries.landslide_history(s, one.id)]
        records = outbox.list_alerts(s)
    types = Counter(parse(one).findtext(tag("msgType")) for one in cap)
    mailed = Counter(str(mail[KEY]) for mail in post.mails)
    pushed = Counter((line["inbox"], line["key"]) for line in on.receiver.received())
    hooked = {key for inbox, key in pushed if inbox == HOOK}
    fed = {path.stem for path in (on.home / "feed" / "exercise" / "cap").glob("*.xml")}
    wanted = {str(record.alert.id) for record in records}
    return DrillSummary(
        suspected=len(landslides),
        updated=_told(records, "updated"),
        confirmed=_reached(history, State.CONFIRMED),
        refuted=_reached(history, State.REFUTED),
        unresolved=_reached(history, State.UNRESOLVED),
        closed=_reached(history, State.CLOSED),
        ponds=sum(one.kind is Kind.PONDING for one in landslides),
        cap_alert=types["Alert"],
        cap_update=types["Update"],
        cap_cancel=types["Cancel"],
        cap_faults=sum(len(faults(one)) for one in cap),
        alerts=len(wanted),
        delivered=len(mailed) + len(hooked),
        in_feed=len(wanted & fed),
        repeated_same_key=sum(n - 1 for n in [*mailed.values(), *pushed.values()]),
        duplicates=len({*mailed, *(key for _, key in pushed)} - wanted),
        lost=sum(len(wanted - keys) for keys in (mailed.keys(), hooked, fed)),
        broken=tuple(
            f"{one.rule}: {one.what}"
            for one in soundness.broken(on.services, on.receiver.received(), {"webhook": HOOK})
        ),
    )


def _told(records: Sequence[AlertRecord], kind: str) -> int:
    return sum(record.alert.kind == kind for record in records)


def _reached(history: Sequence[Landslide], state: State) -> int:
    return len({version.id for version in history if version.state is state})
