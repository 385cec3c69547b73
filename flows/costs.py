"""What reading costs each region: stored as it is spent, and held against the region's quota."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import randrange

import structlog

from db import costs
from db.costs import Spending
from db.engine import transaction
from detectors.errors import DatabaseUnavailable, QuotaSpent
from detectors.types import WatchedRegion
from flows.meter import Spent, metering
from flows.services import Services
from flows.settings import Settings

log = structlog.get_logger()


@contextmanager
def charging(
    services: Services, region_id: str, source: str, work: str, item_id: str = ""
) -> Iterator[Callable[[], None]]:
    """Charge a region for what the block asks of the network: see ``charging_all``."""
    with charging_all(services, [region_id], source, work, item_id) as settle:
        yield settle


@contextmanager
def charging_all(
    services: Services, region_ids: Sequence[str], source: str, work: str, item_id: str = ""
) -> Iterator[Callable[[], None]]:
    """Charge some regions in equal shares for what the block asks, also where the block fails.

    Stored apart from what the block stores: spent is spent. The caller may call what is yielded
    from time to time; a kill loses what was spent since.

    Args:
        services: what the step reaches the world through.
        region_ids: who pays.
        source: ``catalogue/collection`` that is asked.
        work: one of ``db.tables.WORK``.
        item_id: the look it is for, empty where for none alone.
    """
    with metering() as meter:

        def settle() -> None:
            spent = meter.take()
            if not spent:
                return
            now = datetime.now(UTC)
            shares = dict(zip(region_ids, shares_of(spent, len(region_ids)), strict=True))
            try:
                with transaction(services.engine) as s:
                    costs.add_costs(s, now.date(), source, work, item_id, shares)
            except DatabaseUnavailable as error:
                # The work itself meets the same fault and says so; its own error must not be lost.
                log.warning("costs are not stored", regions=region_ids, reason=str(error))

        try:
            yield settle
        finally:
            settle()


def shares_of(spent: Spent, payers: int) -> list[Spending]:
    """Return what each pays, which adds up to the whole.

    Requests and bytes are whole numbers: what is left over of them falls to payers next to each
    other, from one drawn at random on, so that nobody pays for the others for good.
    """
    first = randrange(payers)  # noqa: S311 - no secret

    def whole(amount: int, payer: int) -> int:
        return amount // payers + ((payer - first) % payers < amount % payers)

    return [
        Spending(
            whole(spent.requests, payer), whole(spent.bytes, payer), spent.seconds / payers,
            spent.units / payers,
        )
        for payer in range(payers)
    ]  # fmt: skip


def month_of(moment: datetime) -> tuple[date, datetime]:
    """Return the first day of a moment's month, and when the next one begins, UTC."""
    first = moment.astimezone(UTC).date().replace(day=1)
    year, month = divmod(first.year * 12 + first.month, 12)
    return first, datetime(year, month + 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that one region may spend of one thing in a calendar month."""

    amount: float
    """How much."""
    own: bool
    """Set in the region's file; False: the installation's default (setting ``quota``)."""


def limits_of(settings: Settings, region: WatchedRegion) -> dict[str, Limit | None]:
    """Return a region's limits by field of ``Spending``: its own, else the installation's."""
    found: dict[str, Limit | None] = {}
    for name in ("requests", "bytes", "units"):
        own = getattr(region, f"{name}_a_month")
        usual = getattr(settings.quota, f"{name}_a_month")
        amount = usual if own is None else own
        found[name] = None if amount is None else Limit(amount, own is not None)
    return found


def refusal(services: Services, region: WatchedRegion) -> QuotaSpent | None:
    """Return why a region may begin no look this month, None where it may.

    Months go by the machine's clock, as leases do: a replay spends today.
    """
    limits = limits_of(services.settings, region)
    if not any(limits.values()):
        return None
    first, renews = month_of(datetime.now(UTC))
    with transaction(services.engine) as s:
        spent = costs.spent_since(s, region.id, first)
    for name, limit in limits.items():
        used = getattr(spent, name)
        if limit is not None and used >= limit.amount:
            what = "processing units" if name == "units" else name
            key = f"{name}_a_month"
            mend = f"{key} is raised in" if limit.own else f"a {key} of its own is written into"
            return QuotaSpent(
                f"{region.id} has spent its month: {used:,.10g} of {limit.amount:,.10g} {what}"
                f"{'' if limit.own else f' (quota.{key} of the settings)'}; its looks "
                f"wait until {renews:%Y-%m-%d}, or until {mend} "
                "its file and given to: scarpwatch regions add FILE",
                renews,
            )
    return None
