"""Asking the catalogues what is new, for one region or for all that are due; twice is once.

The regions of a batch ask together (``flows.asking``); what is stored for each is what it would
have been told alone. One that cannot be asked for, or stored for, does not keep the others from
theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from shapely.errors import ShapelyError
from sqlalchemy.orm import Session

from db import queries, store
from db.engine import transaction
from detectors.errors import CatalogueUnavailable, ConfigurationError, PermanentError
from detectors.types import Acquisition, WatchedRegion
from flows.asking import Answer, Asker, Question, Share, questions
from flows.catalogs.mirrors import asked_members
from flows.catalogs.registry import split_source
from flows.costs import charging_all
from flows.services import Services

log = structlog.get_logger()

#: Questions in a row without an answer after which a source is down for this batch, and that were
#: refused after which it is set up wrongly.
UNANSWERED, REFUSED = 3, 16


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What one poll of one region brought."""

    new: int
    """Looks that are new to the region."""
    refused: int
    """Items that cannot be used, each stored with its reason."""
    errors: tuple[str, ...]
    """Sources that could not be read, and why."""
    unanswered: bool = False
    """One of them did not answer: asking again soon may help."""


@dataclass(slots=True)
class _Tally:
    """A ``PollOutcome`` in the making."""

    new: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)
    unanswered: bool = False


def poll_region(services: Services, region_id: str) -> PollOutcome:
    """Ask every source of a region what is new, and store it.

    One source that fails does not keep the others from being read; its watermark stays.

    Raises:
        ConfigurationError: no such region.
        DatabaseUnavailable: nothing could be stored; asking again loses nothing.
    """
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
    return poll_together(services, [region]).get(region_id, PollOutcome(0, 0, ()))


def poll_together(services: Services, regions: Collection[WatchedRegion]) -> dict[str, PollOutcome]:
    """Ask every source of some regions what is new, together, and store it for each.

    Returns:
        By region; paused ones are left out.

    Raises:
        DatabaseUnavailable: what was stored stays; asking again loses nothing.
    """
    asking = [region for region in regions if not region.paused]
    tallies = {region.id: _Tally() for region in asking}
    for source in dict.fromkeys(source for region in asking for source in region.sources):
        mine = [region for region in asking if source in region.sources]
        _poll_source(services, mine, source, tallies)
    for region_id, tally in tallies.items():
        if tally.new or tally.errors:
            log.info("polled", region=region_id, new=tally.new, failed=len(tally.errors))
    log.info("polls done", regions=len(tallies), new=sum(one.new for one in tallies.values()))
    return {
        region_id: PollOutcome(one.new, one.refused, tuple(one.errors), one.unanswered)
        for region_id, one in tallies.items()
    }


def _poll_source(
    services: Services, regions: Sequence[WatchedRegion], source: str, tallies: dict[str, _Tally]
) -> None:
    """Read one source from each region's mark on, and store what it holds for each."""
    now = services.clock.now()
    with transaction(services.engine) as s:
        marks = queries.poll_watermarks(s, source, [region.id for region in regions])
        for region in regions:
            if region.id in marks and marks[region.id] - services.settings.overlap > now:
                # Our clock was ahead when it was set: what came out since would be overlooked.
                log.warning("the clock was ahead: reading again", region=region.id, source=source)
                store.forget_watermarks(s, region.id, source)
                del marks[region.id]
    askers = [
        Asker(
            region,
            min(region.watch_from, now) - services.settings.history,
            marks[region.id] - services.settings.overlap if region.id in marks else None,
        )
        for region in regions
    ]
    for question, answer in _answers(services, questions(source, askers, now)):
        if isinstance(answer, Answer):
            _store(services, question, answer, tallies)
        else:
            _fail(services, question, question.region_ids, answer, tallies)


def _answers(
    services: Services, asked: Collection[Question]
) -> Iterator[tuple[Question, Answer | Exception]]:
    """Yield each question with its answer, or with why it has none.

    A question of several regions that fails is asked again in halves, down to the one region it
    fails for, unless the source itself does not answer.
    """
    waiting, held = deque(asked), deque[tuple[Question, Exception]]()
    answered, unanswered, refused = False, 0, 0
    while waiting or held:
        if not waiting:
            question, failed = held.popleft()
            waiting.extend(question.halves() if answered else ())
            if not answered:
                yield question, failed
            continue
        question = waiting.popleft()
        try:
            answer = _ask(services, question)
        except (CatalogueUnavailable, ConfigurationError, ShapelyError) as error:
            silent = isinstance(error, CatalogueUnavailable)
            unanswered, refused = unanswered + silent, refused + (not silent)
            if unanswered >= UNANSWERED or refused >= REFUSED:
                rest = [question, *waiting, *(one for one, _ in held)]
                yield from ((one, error) for one in rest)
                return
            if not question.halves():
                yield question, error
            elif silent and not answered:
                held.append((question, error))
            else:
                waiting.extend(question.halves())
        else:
            answered, unanswered, refused = True, 0, 0
            yield question, answer


def _ask(services: Services, question: Question) -> Answer:
    name, collection = split_source(question.source)
    with charging_all(services, question.region_ids, question.source, "poll"):
        return Answer(
            services.catalogue(name).search(
                collection,
                question.area(),
                sensed_after=question.sensed_after,
                until=question.until,
                published_after=question.published_after,
            )
        )


def _store(
    services: Services, question: Question, answer: Answer, tallies: dict[str, _Tally]
) -> None:
    """Give each region its share; most polls bring nothing, and are noted all at once."""
    shares: dict[str, Share] = {}
    for asker in question.askers:
        try:
            shares[asker.region.id] = answer.share(asker)
        except ShapelyError as error:
            _fail(services, question, [asker.region.id], error, tallies)
    refused = _know(services, shares.values())
    wanted = {
        region_id: [one for one in share.usable if one.id not in refused]
        for region_id, share in shares.items()
    }
    with transaction(services.engine) as s:
        fresh = store.unqueued(s, {key: [one.id for one in items] for key, items in wanted.items()})
    quiet = []
    for region in (asker.region for asker in question.askers if asker.region.id in shares):
        items = [one for one in wanted[region.id] if one.id in fresh[region.id]]
        reasons = [(one.item_id, one.reason) for one in shares[region.id].refused]
        reasons += [refused[one.id] for one in shares[region.id].usable if one.id in refused]
        if not (items or reasons):
            quiet.append(region.id)
            continue
        try:
            with transaction(services.engine) as s:
                new = store.queue_looks(s, region, items)
                store.record_refusals(s, region.id, question.source, reasons)
                _finish(s, services, question, [region.id])
        except (PermanentError, ConfigurationError) as error:
            _fail(services, question, [region.id], error, tallies)
            continue
        tallies[region.id].new += len(new)
        tallies[region.id].refused += len(reasons)
    with transaction(services.engine) as s:
        _finish(s, services, question, quiet)


def _know(services: Services, shares: Collection[Share]) -> dict[UUID, tuple[str, str]]:
    """Store what somebody is handed; return what cannot be stored, by id: item and reason."""
    found = {one.id: one for share in shares for one in share.usable}
    try:
        with transaction(services.engine) as s:
            store.know_acquisitions(s, found.values())
    except PermanentError:
        return _know_each(services, found.values())
    return {}


def _know_each(
    services: Services, found: Collection[Acquisition]
) -> dict[UUID, tuple[str, str]]:  # fmt: skip
    """Store items one by one: one that the database refuses costs no other."""
    refused = {}
    for one in found:
        try:
            with transaction(services.engine) as s:
                store.know_acquisitions(s, [one])
        except PermanentError as error:
            refused[one.id] = (one.item_id, str(error))
    return refused


def _fail(
    services: Services, question: Question, region_ids: Collection[str], error: Exception,
    tallies: dict[str, _Tally],
) -> None:  # fmt: skip
    """Note that a source could not be read for some regions; their marks stay."""
    with transaction(services.engine) as s:
        _finish(s, services, question, region_ids, str(error))
    for region_id in region_ids:
        tallies[region_id].errors.append(f"{question.source}: {error}")
        tallies[region_id].unanswered |= isinstance(error, CatalogueUnavailable)
    log.warning("poll failed", regions=list(region_ids), source=question.source, reason=str(error))


def _finish(
    s: Session, services: Services, question: Question, region_ids: Collection[str],
    error: str | None = None,
) -> None:  # fmt: skip
    """Move marks, and note how the members of a mirrored catalogue fared: which failed, and why."""
    source, at = question.source, question.until
    store.finish_polls(s, region_ids, source, None if error else at, at, error)
    try:
        catalogue = services.catalogue(split_source(source)[0])
    except ConfigurationError:
        return  # what is wrong stands in the source's own row
    for member in asked_members(catalogue):
        # A member has no mark of its own: the source's mark says what was read.
        store.finish_polls(s, region_ids, member.source, None, at, member.error)
